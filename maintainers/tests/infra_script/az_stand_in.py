"""A stand-in for the Azure CLI: the commands of infra/ensure-certificate.sh over the vault's REST API, nothing else.

It is signed in as the managed identity that AZ_STAND_IN_CLIENT_ID names. It refuses other commands with the exit codes
of the CLI: 2 for arguments, 3 for a missing resource, 1 for everything else. The tests compare the two.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import jmespath
import requests

VAULT_AUDIENCE = "https://vault.azure.net"
API_VERSION = "7.6"
NOT_FOUND, BAD_ARGUMENTS, FAILED = 3, 2, 1


class CliError(Exception):
    """What the CLI says before it ends with this exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        query = compiled(options.query)
        if options.command != "list" and not options.name:
            raise CliError("give --name")
        result = COMMANDS[options.command](Vault(options.vault_name), options)
    except (CliError, ValueError, KeyError, requests.RequestException) as problem:
        sys.stderr.write(f"ERROR: {problem}\n")
        return getattr(problem, "code", FAILED)
    show(query.search(result) if query else result, options.output)
    return 0


def compiled(query: str | None) -> Any:
    try:
        return jmespath.compile(query) if query else None
    except jmespath.exceptions.ParseError as problem:
        raise CliError(f"argument --query: invalid jmespath_type value: {problem}", BAD_ARGUMENTS) from None


def parser() -> argparse.ArgumentParser:
    program = argparse.ArgumentParser(prog="az", allow_abbrev=False)
    groups = program.add_subparsers(required=True)
    keyvault = groups.add_parser("keyvault").add_subparsers(required=True)
    commands = keyvault.add_parser("certificate").add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        command = commands.add_parser(name, allow_abbrev=False)
        command.add_argument("--vault-name", required=True)
        command.add_argument("--query")
        command.add_argument("--output", choices=["json", "tsv", "none"], default="json")
        if name != "list":
            command.add_argument("--name", required=name == "create")
        if name == "show":
            command.add_argument("--version", default="")
        if name == "create":
            command.add_argument("--policy", required=True)
            command.add_argument("--tags", nargs="*", default=[])
    return program


class Vault:
    """The REST API of one vault."""

    def __init__(self, name: str) -> None:
        self._root = f"https://{name}.vault.azure.net/certificates"
        self._token = identity_token()

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", f"{self._root}{path}")

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", f"{self._root}{path}", body)

    def list(self, path: str) -> list[dict[str, Any]]:
        page = self.get(path)
        found = list(page["value"])
        while page["nextLink"]:
            page = self._call("GET", page["nextLink"])
            found += page["value"]
        return found

    def _call(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        reply = requests.request(
            method,
            url,
            params=None if "api-version=" in url else {"api-version": API_VERSION},
            json=body,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=30,
        )
        if not reply.ok:
            error = reply.json()["error"]
            raise CliError(f"({error['code']}) {error['message']}", NOT_FOUND if reply.status_code == 404 else FAILED)
        answer: dict[str, Any] = reply.json()
        return answer


def identity_token() -> str:
    reply = requests.get(
        os.environ["IDENTITY_ENDPOINT"],
        params={
            "api-version": "2019-08-01",
            "resource": VAULT_AUDIENCE,
            "client_id": os.environ["AZ_STAND_IN_CLIENT_ID"],
        },
        headers={"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]},
        timeout=30,
    )
    if not reply.ok:
        raise CliError(f"Failed to get a token of the managed identity: {reply.text}")
    return str(reply.json()["access_token"])


def list_certificates(vault: Vault, options: argparse.Namespace) -> object:
    return [properties(item) for item in vault.list("")]


def list_versions(vault: Vault, options: argparse.Namespace) -> object:
    return [properties(item) for item in vault.list(f"/{options.name}/versions")]


def show_certificate(vault: Vault, options: argparse.Namespace) -> object:
    bundle = vault.get(f"/{options.name}/{options.version}")
    shown = {name: value for name, value in properties(bundle).items() if name != "subject"}
    key = bundle.get("policy", {}).get("key_props", {})
    kept = {"exportable": key.get("exportable"), "keySize": key.get("key_size"), "keyType": key.get("kty")}
    policy = {"keyProperties": {**kept, "reuseKey": key.get("reuse_key")}}
    return {**shown, "cer": bundle["cer"], "kid": bundle["kid"], "policy": policy, "sid": bundle["sid"]}


def create(vault: Vault, options: argparse.Namespace) -> object:
    tags = dict(tag.partition("=")[::2] for tag in options.tags)
    operation = vault.post(f"/{options.name}/create", {"policy": policy(json.loads(options.policy)), "tags": tags})
    while operation["status"] == "inProgress":
        time.sleep(0.05)
        operation = vault.get(f"/{options.name}/pending")
    return {name: operation.get(name) for name in ("id", "status", "target")}


def properties(item: dict[str, Any]) -> dict[str, Any]:
    attributes = item["attributes"]
    thumbprint = base64.urlsafe_b64decode(item["x5t"] + "==")
    return {
        "attributes": {
            "created": moment(attributes["created"]),
            "enabled": attributes["enabled"],
            "expires": moment(attributes["exp"]),
            "notBefore": moment(attributes["nbf"]),
            "recoveryLevel": attributes["recoveryLevel"],
            "updated": moment(attributes["updated"]),
        },
        "id": item["id"],
        "name": item["id"].split("/")[4],
        "subject": "",
        "tags": item.get("tags"),
        "x509Thumbprint": base64.b64encode(thumbprint).decode(),
        "x509ThumbprintHex": thumbprint.hex().upper(),
    }


def moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()


def policy(given: dict[str, Any]) -> dict[str, Any]:
    """The REST API's words for a policy in the CLI's words; KeyError or ValueError for any others."""
    renamed = {
        "issuerParameters": ("issuer", {"name": "name"}),
        "keyProperties": (
            "key_props",
            {"exportable": "exportable", "keyType": "kty", "keySize": "key_size", "reuseKey": "reuse_key"},
        ),
        "secretProperties": ("secret_props", {"contentType": "contentType"}),
        "x509CertificateProperties": (
            "x509_props",
            {"subject": "subject", "keyUsage": "key_usage", "validityInMonths": "validity_months"},
        ),
    }
    actions = given.pop("lifetimeActions")
    if unknown := given.keys() - renamed.keys():
        raise ValueError(f"unknown in the policy: {', '.join(sorted(unknown))}")
    body: dict[str, Any] = {
        renamed[part][0]: {renamed[part][1][name]: value for name, value in fields.items()}
        for part, fields in given.items()
    }
    body["lifetime_actions"] = [
        {
            "trigger": {"days_before_expiry": action["trigger"]["daysBeforeExpiry"]},
            "action": {"action_type": action["action"]["actionType"]},
        }
        for action in actions
    ]
    return body


def show(result: Any, output: str) -> None:
    if output == "json":
        sys.stdout.write(json.dumps(result, indent=2, sort_keys=True) + "\n")
    if output == "tsv":
        for row in result if isinstance(result, list) else [result]:
            alone = str(row).lower() if isinstance(row, bool) else row
            sys.stdout.write("\t".join(cell(value) for value in (row if isinstance(row, list) else [alone])) + "\n")


def cell(value: object) -> str:
    if isinstance(value, (dict, list)):
        raise CliError("a table of tables cannot be shown")
    return str(value)


COMMANDS = {"list": list_certificates, "list-versions": list_versions, "show": show_certificate, "create": create}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
