"""How the API proves itself to Entra: its certificate in the vault, or its managed identity.

https://learn.microsoft.com/graph/api/resources/keycredential
https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date
from urllib.parse import urlsplit

from ..case import Case
from ..reading import Json
from ..settings import Credential
from ..verdicts import CannotTellError, Findings, Wrong, command, correct, nearest

DAY = 86_400
WARNING_DAYS = 30
RELOADED_SECONDS = 4 * 3_600
"""After this time an instance loads the certificate again (docs/how-it-works.md). Until then it may use the old one."""
OF_VAULT = ("KeyVault", "SignedAssertionFromVault")
OF_IDENTITY = "SignedAssertionFromManagedIdentity"
CERTIFICATE_SETTING = "AzureAd__ClientCredentials__0__KeyVaultCertificateName"
_OWN_VAULT = "EXISTING_VAULT_ID"


def certificate(case: Case) -> Findings:
    """The certificate in the vault is registered: SHA-256 of both."""
    credential = _in_vault(case)
    if credential is None:
        yield "not used: the credential is no certificate of a vault"
        return
    newest = case.certificate()
    if newest is None:
        first = correct(CERTIFICATE_SETTING, nearest(credential.certificate, case.certificate_names))
        create = _create(case, credential, new=True)
        yield Wrong("the vault has no certificate of the name in KeyVaultCertificateName", create, first)
        return
    registered = _registered(case)
    versions = case.certificate_versions
    if _digest(newest) not in registered:
        before = case.certificate(_version(versions[1])) if len(versions) > 1 else None
        knows = ": it knows the version before it" if before and _digest(before) in registered else ""
        yield Wrong(f"the registration lacks the newest version of the certificate{knows}", _register(case, credential))
    elif _is_needed(case, versions):
        before = case.certificate(_version(versions[1]))
        if before and _digest(before) not in registered:
            yield Wrong(
                "the registration lacks the version before the newest, which running instances may still use",
                _register(case, credential, _version(versions[1])),
            )
    yield "the newest version is registered"


def expiry(case: Case) -> Findings:
    """The certificate is enabled, and valid for more than 30 days."""
    credential = _in_vault(case)
    if credential is None:
        yield "not used: the credential is no certificate of a vault"
        return
    newest = case.certificate()
    if newest is None:
        raise CannotTellError("the vault has no such certificate", "the certificate")
    attributes = newest.get("attributes") or {}
    if attributes.get("enabled") is not True:
        vault, name = _names(credential)
        enable = ("az", "keyvault", "certificate", "set-attributes", *vault, *name, "--version", _version(newest))
        yield Wrong("the newest version of the certificate is disabled", command(*enable, "--enabled", "true"))
    left = (float(attributes.get("exp", 0)) - case.now()) / DAY
    if left < WARNING_DAYS:
        what = "has ended" if left <= 0 else f"ends in {left:.0f} days"
        yield Wrong(f"the certificate {what}", _create(case, credential))
    yield f"{left:.0f} days left"


def federated(case: Case) -> Findings:
    """The federated credential names this tenant, the identity of the site, and the audience of the cloud."""
    credential = case.credential
    if credential is None or credential.source_type != OF_IDENTITY:
        yield "not used: the credential is no managed identity"
        return
    if not case.tenant:
        raise CannotTellError(
            "TENANT_ID is not given, and AzureAd__TenantId is organizations", "TENANT_ID in --env-file"
        )
    issuer = f"https://{case.settings.login}/{case.tenant}/v2.0"
    subject = case.identity
    records = case.federated
    if any(_fits(one, issuer, subject, credential.audience) for one in records):
        return
    own = [one for one in records if one.get("issuer") == issuer or one.get("subject") == subject]
    parameters = {"name": "api-identity", "issuer": issuer, "subject": subject, "audiences": [credential.audience]}
    base = ("az", "ad", "app", "federated-credential")
    app = ("--id", case.settings.client_id)
    if not own:
        create = command(*base, "create", *app, "--parameters", json.dumps(parameters))
        yield Wrong("the registration has no federated credential for the identity of the API", create)
        return
    nearest = own[0]
    wanted = {"issuer": issuer, "subject": subject, "audiences": [credential.audience]}
    different = [name for name, value in wanted.items() if nearest.get(name) != value]
    parameters["name"] = str(nearest.get("name"))
    which = ("--federated-credential-id", str(nearest.get("id")))
    change = command(*base, "update", *app, *which, "--parameters", json.dumps(parameters))
    yield Wrong(f"the federated credential has another {' and '.join(different)}", change)


def _fits(record: Json, issuer: str, subject: str, audience: str) -> bool:
    """Entra compares all three exactly."""
    return (record.get("issuer"), record.get("subject")) == (issuer, subject) and audience in (
        record.get("audiences") or ()
    )


def _in_vault(case: Case) -> Credential | None:
    found = case.credential
    return found if found and found.source_type in OF_VAULT else None


def _registered(case: Case) -> set[str]:
    """SHA-256 of the certificates of the registration. Graph shows a certificate only if $select names the property."""
    keys = case.registration.get("keyCredentials") or []
    raw = [one.get("key") for one in keys if one.get("type") == "AsymmetricX509Cert"]
    if raw and not any(raw):
        raise CannotTellError("Graph does not show the certificates of the registration", "another try")
    return {hashlib.sha256(base64.b64decode(str(one))).hexdigest() for one in raw if one}


def _digest(bundle: Json) -> str:
    return hashlib.sha256(base64.b64decode(str(bundle.get("cer", "")))).hexdigest()


def _version(item: Json) -> str:
    return str(item.get("id", "")).rpartition("/")[2]


def _is_needed(case: Case, versions: list[Json]) -> bool:
    """Whether instances may still sign with the version before the newest."""
    if len(versions) < 2:
        return False
    created = float((versions[0].get("attributes") or {}).get("created", 0))
    before = versions[1].get("attributes") or {}
    usable = before.get("enabled") is True and float(before.get("exp", 0)) > case.now()
    return usable and case.now() - created < RELOADED_SECONDS


def _names(credential: Credential) -> tuple[tuple[str, str], tuple[str, str]]:
    vault = (urlsplit(credential.vault_url).hostname or "").partition(".")[0]
    return ("--vault-name", vault), ("--name", credential.certificate)


def _register(case: Case, credential: Credential, version: str = "") -> str:
    """Adds the public part to the registration, in addition to what is there."""
    vault, name = _names(credential)
    of_version = ("--version", version) if version else ()
    download = command(
        "az",
        "keyvault",
        "certificate",
        "download",
        *vault,
        *name,
        *of_version,
        "--encoding",
        "PEM",
        "--file",
        "api.crt",
    )
    add = ("az", "ad", "app", "credential", "reset", "--id", case.settings.client_id)
    return f"{download} && {command(*add, '--append', '--cert', '@api.crt')}"


def _create(case: Case, credential: Credential, *, new: bool = False) -> str:
    """A new version: by azd where azd has made the certificate, otherwise with the policy that the vault has.

    `new`: the vault has no such certificate, so it has no policy of it.
    """
    if case.given.text("AZURE_ENV_NAME") and not case.given.text(_OWN_VAULT):
        today = date.fromtimestamp(case.now()).isoformat()
        return f"{command('azd', 'env', 'set', 'CERT_ROTATION_TAG', today)} && azd provision"
    vault, name = _names(credential)
    if new:
        base = command("az", "keyvault", "certificate", "create", *vault, *name)
        return f'{base} --policy "$(az keyvault certificate get-default-policy)"'
    policy = command("az", "keyvault", "certificate", "show", *vault, *name, "--query", "policy")
    create = command("az", "keyvault", "certificate", "create", *vault, *name, "--policy", "@policy.json")
    return f"{policy} > policy.json && {create}"
