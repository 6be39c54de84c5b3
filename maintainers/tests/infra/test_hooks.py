"""The azd hooks, run as azd runs them: a process of their own, with `az` and `azd` found on the PATH.

The two programs are stand-ins that reply from a list and record their arguments. The last tests use the real azd, if it
is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shared.settings.settings import Settings

ROOT = Path(__file__).parents[3]
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TENANT = "22222222-2222-2222-2222-222222222222"
OTHER = "33333333-3333-3333-3333-333333333333"
API = "44444444-4444-4444-4444-444444444444"
IDS = [f"{number}0000000-0000-0000-0000-000000000000" for number in (5, 6, 7)]
OUTPUTS = {
    "AZURE_ENV_NAME": "dev",
    "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
    "AZURE_RESOURCE_GROUP": "rg-dev",
    "TENANT_ID": TENANT,
    "API_CLIENT_ID": API,
    "API_SCOPE": f"api://{TENANT}/api-abc/access_as_user",
    "ORDERS_BASE_URL": "https://func-orders-abc.azurewebsites.net/api",
    "ORDERS_SCOPES": f"api://{TENANT}/orders-abc/Orders.Read api://{TENANT}/orders-abc/Orders.Write",
    "KEY_VAULT_NAME": "kv-abc",
    "KEY_VAULT_ID": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-dev/providers/Microsoft.KeyVault/vaults/kv-abc",
    "KEY_VAULT_URL": "https://kv-abc.vault.azure.net/",
    "CREDENTIAL_NAME": "api-client",
    "CLOUD_NAME": "AzureCloud",
    "APP_REGISTRATION_OBJECT_IDS": " ".join(IDS),
    "ADMIN_CONSENT_URL": f"https://login.microsoftonline.com/{TENANT}/adminconsent?client_id={API}",
}
CHECKS = 10
OFFLINE = 2  # what is decided by the options alone, and what nothing was given for
GONE = "ERROR: Resource 'x' does not exist or one of its queried reference-property objects are not present."
STAND_IN = """
import json, sys
from pathlib import Path
desk = Path(__file__).parent
line = " ".join(sys.argv[1:])
with (desk / "calls").open("a", encoding="utf-8") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
body = next((a[1:] for a in sys.argv if a.startswith("@")), None)
if body:
    (desk / "body").write_text(Path(body).read_text(encoding="utf-8"), encoding="utf-8")
for number, rule in enumerate(json.loads((desk / "rules").read_text(encoding="utf-8"))):
    if rule["asked"] in line:
        replies, used = rule["replies"], desk / f"used-{number}"
        if len(replies) > 1:  # preprovision asks several things at once: no counting unless it matters
            count = int(used.read_text()) if used.exists() else 0
            used.write_text(str(count + 1))
            replies = replies[min(count, len(replies) - 1):]
        reply = replies[0]
        sys.stdout.write(reply.get("text") or "")
        sys.stderr.write(reply.get("error") or "")
        sys.exit(reply.get("code", 0))
sys.exit("unexpected: " + line)
"""


def says(answer: object) -> dict[str, Any]:
    return {"text": json.dumps(answer)}


def fails(error: str) -> dict[str, Any]:
    return {"error": error, "code": 1}


@dataclass
class Desk:
    """A copy of the hooks, and what lies around it: the programs and the environment."""

    folder: Path
    rules: list[dict[str, Any]] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ("az", "azd")

    def __post_init__(self) -> None:
        hooks = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "infra" / "hooks", self.project / "infra" / "hooks", ignore=hooks)
        for data in ("clouds.json", "refusals.json", "main.parameters.json"):
            shutil.copy(ROOT / "infra" / data, self.project / "infra")
        (self.folder / "bin").mkdir()

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def settings(self) -> Path:
        return self.project / "local.settings.json"

    def when(self, asked: str, *replies: dict[str, Any]) -> None:
        """The first rule that fits a command line gives the reply. Its last reply is repeated from then on."""
        self.rules.insert(0, {"asked": asked, "replies": list(replies)})

    def run(self, hook: str, **environ: str) -> subprocess.CompletedProcess[str]:
        bin_folder = self.folder / "bin"
        (bin_folder / "rules").write_text(json.dumps(self.rules), encoding="utf-8")
        (bin_folder / "stand_in.py").write_text(STAND_IN, encoding="utf-8")
        for program in self.programs:
            self._install(bin_folder, program)
        kept = ("SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "PATHEXT", "COMSPEC")
        base = {name: os.environ[name] for name in kept if name in os.environ}
        return subprocess.run(
            [sys.executable, "-S", str(self.project / "infra" / "hooks" / f"{hook}.py")],
            cwd=self.project / "infra" / "hooks",
            env={**base, "PATH": str(bin_folder), **self.environ, **environ},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    @staticmethod
    def _install(folder: Path, program: str) -> None:
        if os.name == "nt":
            command = f'@"{sys.executable}" -I -S "%~dp0stand_in.py" {program} %*\r\n'
            (folder / f"{program}.cmd").write_text(command, encoding="utf-8")
            return
        file = folder / program
        file.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -I -S "{folder}/stand_in.py" {program} "$@"\n', encoding="utf-8"
        )
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def calls(self, start: str = "") -> list[str]:
        log = self.folder / "bin" / "calls"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [line for line in (" ".join(json.loads(one)) for one in lines) if line.startswith(start)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# preprovision


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """Everything is as it should be."""
    needed = re.findall(r'"(Microsoft\.\w+)"', (ROOT / "infra" / "hooks" / "checks.py").read_text(encoding="utf-8"))
    owner = {"actions": ["*"], "notActions": []}
    desk.environ = {"AZURE_ENV_NAME": "dev", "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION, "AZURE_LOCATION": "westeurope"}
    desk.when("azd auth status", says({"status": "authenticated"}))
    desk.when("az account show", says({"tenantId": TENANT, "user": {"name": "ann@contoso.example", "type": "user"}}))
    desk.when("Microsoft.Authorization/permissions", says({"value": [owner]}))
    desk.when("/me/transitiveMemberOf", says({"value": []}))
    desk.when("v1.0/me --url-parameters", says({"userType": "Member"}))
    desk.when("authorizationPolicy", says({"defaultUserRolePermissions": {"allowedToCreateApps": True}}))
    desk.when("az provider list", says([[name, "Registered"] for name in needed]))
    desk.when("checkPolicyRestrictions", says({"fieldRestrictions": [], "contentEvaluationResult": {}}))
    desk.when("az keyvault list-deleted", says([]))
    return desk


def test_nothing_is_in_the_way(ready: Desk) -> None:
    done = ready.run("preprovision")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("  ok  ") == CHECKS
    assert ready.run("preprovision").stdout == done.stdout
    question = json.loads((ready.folder / "bin" / "body").read_text(encoding="utf-8"))
    assert question["resourceDetails"]["resourceContent"]["properties"] == {"allowSharedKeyAccess": True}


CONTRIBUTOR = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write", "Microsoft.Authorization/*/Delete"]}
RBAC_ADMINISTRATOR = {"actions": ["Microsoft.Authorization/roleAssignments/write", "*/read"], "notActions": []}
DENIED = {"evaluationResult": "NonCompliant", "evaluationDetails": {"path": "properties.allowSharedKeyAccess"}}
KEY_FIELD = "Microsoft.Storage/storageAccounts/allowSharedKeyAccess"
VAULT = {"name": "kv-abc", "properties": {"location": "westeurope", "tags": {"azd-env-name": "dev"}}}


@pytest.mark.parametrize(
    ("asked", "answer", "commands"),
    [
        ("azd auth status", {"status": "unauthenticated"}, ["azd auth login"]),
        (
            "Microsoft.Authorization/permissions",
            {"value": [CONTRIBUTOR]},
            ['--assignee ann@contoso.example --role "Role Based Access Control Administrator" --scope /subscriptions/'],
        ),
        (
            "Microsoft.Authorization/permissions",
            {"value": [{"actions": ["*/read"], "notActions": []}]},
            ['--role "Contributor"', '--role "Role Based Access Control Administrator"'],
        ),
        ("authorizationPolicy", {"defaultUserRolePermissions": {"allowedToCreateApps": False}}, ["azd provision"]),
        ("v1.0/me --url-parameters", {"userType": "Guest"}, ["azd provision"]),
        (
            "az provider list",
            [["Microsoft.Web", "NotRegistered"]],
            [f"az provider register --namespace Microsoft.{name} " for name in ("ContainerInstance", "Storage")],
        ),
        (
            "checkPolicyRestrictions",
            {"contentEvaluationResult": {"policyEvaluations": [DENIED]}},
            ["azd env set CLIENT_CREDENTIAL managedIdentity"],
        ),
        (
            "checkPolicyRestrictions",
            {
                "fieldRestrictions": [
                    {"field": KEY_FIELD, "restrictions": [{"result": "Required", "values": ["false"]}]}
                ]
            },
            ["azd env set CLIENT_CREDENTIAL managedIdentity"],
        ),
        ("az keyvault list-deleted", [VAULT], ["az keyvault purge --name kv-abc --location westeurope"]),
    ],
)
def test_what_fails_says_what_to_type(ready: Desk, asked: str, answer: object, commands: list[str]) -> None:
    ready.when(asked, says(answer))
    done = ready.run("preprovision")
    assert done.returncode == 1
    assert (done.stdout.count("FAILED"), done.stdout.count("  ok  ")) == (1, CHECKS - 1)
    for command in commands:
        assert command in done.stdout
    assert ready.run("preprovision", SKIP_CHECKS="true").returncode == 0


def test_both_roles_together_suffice(ready: Desk) -> None:
    ready.when("Microsoft.Authorization/permissions", says({"value": [CONTRIBUTOR, RBAC_ADMINISTRATOR]}))
    assert ready.run("preprovision").returncode == 0


def test_a_tenant_of_another_subscription_is_refused(ready: Desk) -> None:
    done = ready.run("preprovision", AZURE_TENANT_ID=OTHER)
    assert done.returncode == 1
    assert f"azd env set AZURE_TENANT_ID {TENANT}" in done.stdout


def test_consent_at_deployment_takes_an_administrator(ready: Desk) -> None:
    done = ready.run("preprovision", GRANT_ADMIN_CONSENT="true")
    assert "azd env set GRANT_ADMIN_CONSENT false" in done.stdout
    ready.when("/me/transitiveMemberOf", says({"value": [{"roleTemplateId": "158c047a-c907-4556-b7ef-446551a6b5f7"}]}))
    assert ready.run("preprovision", GRANT_ADMIN_CONSENT="true").returncode == 0


def test_what_only_the_certificate_needs_is_not_asked_of_a_managed_identity(ready: Desk) -> None:
    ready.when("checkPolicyRestrictions", says({"contentEvaluationResult": {"policyEvaluations": [DENIED]}}))
    ready.when("az keyvault list-deleted", says([VAULT]))
    assert ready.run("preprovision", CLIENT_CREDENTIAL="managedIdentity").returncode == 0


@pytest.mark.parametrize("vault", [{"tags": {"azd-env-name": "prod"}}, {"tags": None}, {"location": "eastus"}])
def test_the_deleted_vault_of_another_environment_is_no_matter(ready: Desk, vault: dict[str, Any]) -> None:
    ready.when("az keyvault list-deleted", says([{**VAULT, "properties": {**VAULT["properties"], **vault}}]))  # type: ignore[dict-item]
    assert ready.run("preprovision").returncode == 0


def test_a_protected_vault_cannot_be_purged(ready: Desk) -> None:
    properties = {"location": "westeurope", "tags": {"azd-env-name": "dev"}, "purgeProtectionEnabled": True}
    ready.when("az keyvault list-deleted", says([{"name": "kv-abc", "properties": properties}]))
    done = ready.run("preprovision")
    assert "azd env new" in done.stdout
    assert "purge --name" not in done.stdout


@pytest.mark.parametrize("programs", [(), ("azd",)])
def test_without_the_programs_nothing_is_checked_and_nothing_stopped(ready: Desk, programs: tuple[str, ...]) -> None:
    ready.programs = programs
    done = ready.run("preprovision")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("not checked") == CHECKS - OFFLINE - len(programs)
    assert "az is not installed" in done.stdout


@pytest.mark.parametrize(
    "reply", [fails("ERROR: Please run 'az login' to setup account."), {"text": "no JSON"}, says(7)]
)
def test_what_az_cannot_say_is_not_checked(ready: Desk, reply: dict[str, Any]) -> None:
    ready.when("az ", reply)
    done = ready.run("preprovision")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("not checked") == CHECKS - OFFLINE - 1


def test_before_a_subscription_is_chosen(ready: Desk) -> None:
    done = ready.run("preprovision", AZURE_SUBSCRIPTION_ID="")
    assert done.returncode == 0
    assert "azd has not been told a subscription yet" in done.stdout


# Options


THEIRS = {
    "EXISTING_API_CLIENT_ID": OTHER,
    "EXISTING_API_SCOPE": "api://theirs/access_as_user",
    "EXISTING_ORDERS_CLIENT_ID": API,
    "EXISTING_ORDERS_SCOPES": "api://orders/Orders.Read",
}
GIVEN_VAULT = {
    "EXISTING_VAULT_ID": "/subscriptions/1/resourceGroups/rg-security/providers/Microsoft.KeyVault/vaults/kv-contoso",
    "EXISTING_CERTIFICATE_NAME": "functions-api",
    "EXISTING_CERTIFICATE_PEM": "MIIB",
}


def test_registrations_of_others_take_no_right_to_register(ready: Desk) -> None:
    ready.when("authorizationPolicy", says({"defaultUserRolePermissions": {"allowedToCreateApps": False}}))
    assert ready.run("preprovision").returncode == 1
    done = ready.run("preprovision", **THEIRS)
    assert (done.returncode, done.stdout.count("  ok  ")) == (0, CHECKS)


def test_in_another_cloud_somebody_registers_the_apps_by_hand(ready: Desk) -> None:
    account = {"tenantId": TENANT, "environmentName": "AzureUSGovernment", "user": {"name": "ann", "type": "user"}}
    ready.when("az account show", says(account))
    done = ready.run("preprovision")
    assert done.returncode == 1
    assert "cloud is not AzureCloud" in done.stdout
    assert "graph.microsoft.com" not in "".join(ready.calls())
    assert ready.run("preprovision", **THEIRS).returncode == 0


def test_no_address_of_one_cloud_is_asked_for_resources(ready: Desk) -> None:
    ready.run("preprovision")
    asked = [call.split()[call.split().index("--url") + 1] for call in ready.calls("az rest")]
    assert all(url.startswith(("/subscriptions/", "https://graph.microsoft.com/")) for url in asked)


def test_a_network_takes_the_provider_of_its_delegation(ready: Desk) -> None:
    network = {"PRIVATE_NETWORK": "true", "CLIENT_CREDENTIAL": "managedIdentity"}
    assert ready.run("preprovision", **network).returncode == 0
    ready.when("az provider list", says([["Microsoft.Storage", "Registered"], ["Microsoft.App", "NotRegistered"]]))
    done = ready.run("preprovision", **network)
    assert done.returncode == 1
    assert "az provider register --namespace Microsoft.App " in done.stdout


@pytest.mark.parametrize(
    ("vault", "rights", "words"),
    [
        ({"enableRbacAuthorization": True}, ["*"], ""),
        ({"enableRbacAuthorization": False}, ["*"], "decides by access policies"),
        ({"enableRbacAuthorization": True}, ["*/read"], f"--scope {GIVEN_VAULT['EXISTING_VAULT_ID']}"),
    ],
)
def test_a_vault_given_decides_by_roles_and_you_may_give_one(
    ready: Desk, vault: dict[str, bool], rights: list[str], words: str
) -> None:
    ready.when("vaults/kv-contoso", says({"properties": vault}))
    ready.when("kv-contoso/providers/Microsoft.Authorization", says({"value": [{"actions": rights}]}))
    ready.when("az keyvault list-deleted", says([VAULT]))  # a vault of ours, which is not made
    done = ready.run("preprovision", **GIVEN_VAULT)
    assert done.returncode == bool(words), done.stdout
    assert words in done.stdout


# postprovision


@pytest.fixture
def provisioned(desk: Desk) -> Desk:
    desk.environ = dict(OUTPUTS)
    desk.when("azd env set", {})
    return desk


def test_the_api_starts_with_the_settings_written(provisioned: Desk) -> None:
    done = provisioned.run("postprovision")
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(provisioned.settings.read_text(encoding="utf-8"))
    settings = Settings.from_environ(content["Values"])
    (credential,) = settings.client.credentials
    assert credential.key_vault_url == "https://kv-abc.vault.azure.net"
    assert credential.managed_identity_client_id == ""  # so the developer's own sign-in reads the vault
    assert (settings.authority.tenant_id, settings.authority.client_id, settings.scopes) == (
        TENANT,
        API,
        ("access_as_user",),
    )
    assert content["Host"] == {"LocalHttpPort": 7071}
    assert OUTPUTS["ADMIN_CONSENT_URL"] in done.stdout
    assert "dev.py client --env-file .env /api/me" in done.stdout
    assert credential.key_vault_certificate_name == "api-client"
    assert f"--scope {OUTPUTS['KEY_VAULT_ID']}" in done.stdout


def test_a_key_that_stays_in_the_vault_signs_on_a_laptop_too(provisioned: Desk) -> None:
    done = provisioned.run("postprovision", CLIENT_CREDENTIAL="vaultKey")
    assert (done.returncode, done.stderr) == (0, "")
    values = json.loads(provisioned.settings.read_text(encoding="utf-8"))["Values"]
    (credential,) = Settings.from_environ(values).client.credentials
    assert credential.source_type == "SignedAssertionFromVault"
    for role in ("Key Vault Crypto User", "Key Vault Reader"):
        grant = f'az role assignment create --role "{role}" --assignee YOUR-ACCOUNT --scope'
        assert f"  {grant} {OUTPUTS['KEY_VAULT_ID']}\n" in done.stdout
    assert "Secrets User" not in done.stdout


def test_what_the_certificate_needs_is_asked_of_a_key_in_the_vault(ready: Desk) -> None:
    ready.when("az keyvault list-deleted", says([VAULT]))
    assert ready.run("preprovision", CLIENT_CREDENTIAL="vaultKey").returncode == 1


def test_a_second_time_changes_nothing(provisioned: Desk) -> None:
    provisioned.run("postprovision")
    noted = {"REGISTRATIONS_TO_DELETE": ",".join(IDS), "REGISTRATIONS_TENANT": TENANT}
    assert provisioned.calls() == [f"azd env set {name} {value}" for name, value in noted.items()]
    before = provisioned.settings.read_bytes(), provisioned.calls()
    assert provisioned.run("postprovision", **noted).returncode == 0
    assert (provisioned.settings.read_bytes(), provisioned.calls()) == before
    assert [file.name for file in provisioned.project.iterdir()] in (
        ["infra", "local.settings.json"],
        ["local.settings.json", "infra"],
    )


def test_registrations_noted_before_stay_noted(provisioned: Desk) -> None:
    provisioned.run("postprovision", REGISTRATIONS_TO_DELETE=f"{OTHER},{IDS[0]}", REGISTRATIONS_TENANT=TENANT)
    assert provisioned.calls() == [f"azd env set REGISTRATIONS_TO_DELETE {','.join([OTHER, *IDS])}"]


def test_a_persons_own_settings_are_kept(provisioned: Desk) -> None:
    for number in range(2):
        provisioned.settings.write_text(f"mine {number}", encoding="utf-8")
        assert "is kept as local.settings.json.bak" in provisioned.run("postprovision").stdout
    kept = [provisioned.project / f"local.settings.json.bak{end}" for end in ("", "2")]
    assert [file.read_text(encoding="utf-8") for file in kept] == ["mine 0", "mine 1"]


def test_our_own_are_replaced_unless_somebody_changed_them(provisioned: Desk) -> None:
    provisioned.run("postprovision")
    provisioned.run("postprovision", KEY_VAULT_URL="https://kv-new.vault.azure.net/")
    assert "kv-new" in provisioned.settings.read_text(encoding="utf-8")
    assert not (provisioned.project / "local.settings.json.bak").exists()
    changed = provisioned.settings.read_text(encoding="utf-8").replace("kv-new", "kv-mine")
    provisioned.settings.write_text(changed, encoding="utf-8")
    provisioned.run("postprovision")
    assert (provisioned.project / "local.settings.json.bak").read_text(encoding="utf-8") == changed


def test_the_emulators_file_is_left_to_them(provisioned: Desk) -> None:
    theirs = json.dumps({"WrittenBy": "dev.py emulators, until it stops"})
    provisioned.settings.write_text(theirs, encoding="utf-8")
    done = provisioned.run("postprovision")
    assert done.returncode == 0
    assert "azd hooks run postprovision" in done.stdout
    assert provisioned.settings.read_text(encoding="utf-8") == theirs


def test_a_managed_identity_cannot_be_had_on_a_laptop(provisioned: Desk) -> None:
    done = provisioned.run("postprovision", KEY_VAULT_NAME="")
    assert done.returncode == 0
    assert not provisioned.settings.exists()
    assert "azd env set CLIENT_CREDENTIAL certificate" in done.stdout


def test_outputs_that_are_missing_are_named(provisioned: Desk) -> None:
    done = provisioned.run("postprovision", API_SCOPE="", ORDERS_SCOPES="")
    assert done.returncode == 1
    assert "lacks API_SCOPE, ORDERS_SCOPES" in done.stdout
    assert not provisioned.settings.exists()


def test_a_note_that_cannot_be_kept_is_for_the_person_to_keep(provisioned: Desk) -> None:
    provisioned.when("azd env set", fails("ERROR: disk full"))
    done = provisioned.run("postprovision")
    assert done.returncode == 1
    assert f"  azd env set REGISTRATIONS_TO_DELETE {','.join(IDS)}\n" in done.stdout
    assert provisioned.settings.exists()


def test_registrations_of_others_are_not_noted(provisioned: Desk) -> None:
    """Not even where an output of an earlier deployment were still there."""
    federation = {"CREDENTIAL_ISSUER": "https://issuer", "CREDENTIAL_SUBJECT": OTHER, "CREDENTIAL_AUDIENCE": "api://x"}
    for ids in ("", " ".join(IDS)):
        done = provisioned.run("postprovision", **THEIRS, **federation, APP_REGISTRATION_OBJECT_IDS=ids)
        assert (done.returncode, done.stderr) == (0, "")
        assert provisioned.calls() == []
    for words in (
        "issuer    https://issuer",
        f"subject   {OTHER}",
        "audience  api://x",
        f"apiIdentityPrincipalId={OTHER}",
    ):
        assert words in done.stdout


def test_the_identity_team_is_told_of_the_certificate(provisioned: Desk) -> None:
    done = provisioned.run("postprovision", **THEIRS, CREDENTIAL_PUBLIC_PART="-----BEGIN CERTIFICATE-----MIIB")
    assert "azd env get-value CREDENTIAL_PUBLIC_PART" in done.stdout
    assert "certificate api-client in the vault kv-abc" in provisioned.run("postprovision", **THEIRS).stdout


def test_local_settings_are_of_the_cloud(provisioned: Desk) -> None:
    provisioned.run("postprovision", **THEIRS, CLOUD_NAME="AzureUSGovernment")
    values = json.loads(provisioned.settings.read_text(encoding="utf-8"))["Values"]
    assert values["AzureAd__Instance"] == "https://login.microsoftonline.us/"
    assert values["DownstreamApis__Graph__BaseUrl"] == "https://graph.microsoft.us/v1.0"
    assert values["DownstreamApis__Graph__Scopes"] == "https://graph.microsoft.us/.default"


# postdown


@pytest.fixture
def down(desk: Desk) -> Desk:
    desk.environ = {"AZURE_ENV_NAME": "dev", "REGISTRATIONS_TO_DELETE": ",".join(IDS), "REGISTRATIONS_TENANT": TENANT}
    desk.when("azd env set", {})
    desk.when("az account show", says({"tenantId": TENANT}))
    desk.when("az ad app delete", {})
    desk.when("az rest --method DELETE", {})
    return desk


def test_an_environment_that_still_stands_keeps_its_registrations(down: Desk) -> None:
    for output in ("APP_REGISTRATION_OBJECT_IDS", "API_CLIENT_ID"):
        done = down.run("postdown", **{output: "1"})
        assert (done.returncode, "still stands" in done.stdout) == (1, True)
        assert "deleted for good" not in done.stdout


def test_the_registrations_are_deleted_for_good_and_forgotten(down: Desk) -> None:
    done = down.run("postdown")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("deleted for good") == 3
    url = "https://graph.microsoft.com/v1.0/directory/deletedItems"
    assert down.calls("az ad") == [f"az ad app delete --id {one} --only-show-errors" for one in IDS]
    assert [call.split()[5] for call in down.calls("az rest")] == [f"{url}/{one}" for one in IDS]
    assert down.calls("azd") == ["azd env set REGISTRATIONS_TO_DELETE "]


def test_registrations_of_others_are_not_deleted(down: Desk) -> None:
    """What was noted before may be the very ones that were handed over since."""
    done = down.run("postdown", **THEIRS)
    assert (done.returncode, down.calls()) == (0, [])
    assert "somebody else's" in done.stdout
    assert all(one in done.stdout for one in IDS)


def test_nothing_noted_nothing_deleted(down: Desk) -> None:
    done = down.run("postdown", REGISTRATIONS_TO_DELETE="")
    assert done.returncode == 0
    assert down.calls() == []


def test_what_is_gone_already_is_passed_over(down: Desk) -> None:
    down.when("az ad app delete", fails(GONE))
    down.when("az rest --method DELETE", fails('ERROR: Not Found({"error":{"code":"Request_ResourceNotFound"}})'))
    done = down.run("postdown")
    assert done.returncode == 0
    assert done.stdout.count("was gone already") == 3


def test_the_recycle_bin_takes_a_while(down: Desk) -> None:
    down.when(f"deletedItems/{IDS[0]}", fails("ERROR: Not Found"), {})
    assert down.run("postdown").stdout.count("deleted for good") == 3


def test_what_cannot_be_purged_says_who_can(down: Desk) -> None:
    down.when(f"deletedItems/{IDS[1]}", fails('ERROR: Forbidden({"error":{"code":"Authorization_RequestDenied"}})'))
    done = down.run("postdown")
    assert done.returncode == 1
    command = f"az rest --method DELETE --url https://graph.microsoft.com/v1.0/directory/deletedItems/{IDS[1]}\n"
    assert command in done.stdout
    assert "azd hooks run postdown" in done.stdout
    assert down.calls("azd") == [f"azd env set REGISTRATIONS_TO_DELETE {IDS[1]}"]


def test_what_cannot_be_deleted_says_who_can(down: Desk) -> None:
    down.when(f"az ad app delete --id {IDS[2]}", fails("ERROR: Insufficient privileges to complete the operation."))
    done = down.run("postdown")
    assert done.returncode == 1
    assert f"types: az ad app delete --id {IDS[2]}\n" in done.stdout
    assert down.calls("azd") == [f"azd env set REGISTRATIONS_TO_DELETE {IDS[2]}"]


def test_in_another_tenant_nothing_is_taken_for_gone(down: Desk) -> None:
    down.when("az account show", says({"tenantId": OTHER}))
    done = down.run("postdown")
    assert done.returncode == 1
    assert f"az login --tenant {TENANT}" in done.stdout
    assert down.calls("az ad") == down.calls("azd") == []


@pytest.mark.parametrize("programs", [(), ("azd",)])
def test_without_az_the_note_stays(down: Desk, programs: tuple[str, ...]) -> None:
    down.programs = programs
    done = down.run("postdown")
    assert done.returncode == 1
    assert "azd hooks run postdown" in done.stdout
    assert down.calls("azd") == []


def test_local_settings_go_with_what_they_point_to(provisioned: Desk) -> None:
    provisioned.run("postprovision")
    gone = dict.fromkeys(("APP_REGISTRATION_OBJECT_IDS", "API_CLIENT_ID"), "")
    provisioned.run("postdown", **gone)
    assert not provisioned.settings.exists()
    provisioned.settings.write_text("{}", encoding="utf-8")
    provisioned.run("postdown", **gone)
    assert provisioned.settings.read_text(encoding="utf-8") == "{}"


# What holds for all of them


def test_an_argument_that_cmd_would_act_upon_is_never_passed() -> None:
    """On Windows az is a .cmd file: & | < > ^ % ( ) ! and quotation marks would be read once more."""
    script = "import azd\ntry:\n azd.run('python', 'a&b')\nexcept azd.UnavailableError as e:\n print(e)"
    python = Path(sys.executable)
    environ = {**os.environ, "PATH": str(python.parent) + os.pathsep + os.environ.get("PATH", "")}
    folder = ROOT / "infra" / "hooks"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, env=environ, capture_output=True, check=True)
    assert b"cmd.exe would act upon 'a&b'" in done.stdout


def test_the_hooks_need_nothing_but_python() -> None:
    for file in (ROOT / "infra" / "hooks").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        modules = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
        ours = {"__future__", *(path.stem for path in (ROOT / "infra" / "hooks").glob("*.py"))}
        assert modules - ours <= set(sys.stdlib_module_names), file.name
        assert text.isascii(), file.name  # not every console shows more


@pytest.fixture
def azd_project(tmp_path: Path) -> Path:
    """A project as azd sees it; without the real azd the test is skipped."""
    if shutil.which("azd") is None:
        pytest.skip("azd is not installed")
    project = tmp_path / "project"
    shutil.copytree(ROOT / "infra", project / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("azure.yaml", "requirements.txt", "host.json"):
        shutil.copy(ROOT / name, project)
    return project


def test_azd_itself_runs_the_hooks_and_installs_nothing(azd_project: Path, tmp_path: Path) -> None:
    no_az = [folder for folder in os.environ["PATH"].split(os.pathsep) if not list(Path(folder).glob("az"))]
    config = tmp_path / "config"  # with an empty list of extensions, lest azd look for them on the network
    config.mkdir()
    (config / "extensions.json").write_text('{"extensions": []}', encoding="utf-8")
    source = {"name": "azd", "type": "file", "location": str(config / "extensions.json")}
    (config / "config.json").write_text(json.dumps({"extension": {"sources": {"azd": source}}}), encoding="utf-8")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "VIRTUAL_ENV"))},
        "AZD_CONFIG_DIR": str(config),
        "AZURE_DEV_COLLECT_TELEMETRY": "no",
        "AZD_SKIP_UPDATE_CHECK": "true",
        "PATH": os.pathsep.join(no_az),
    }

    def azd(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["azd", *arguments, "--no-prompt"]
        return subprocess.run(command, cwd=azd_project, env=environ, capture_output=True, encoding="utf-8", check=False)

    assert azd("env", "new", "dev", "--subscription", SUBSCRIPTION, "--location", "westeurope").returncode == 0
    azd("env", "set", *(f"{name}={value}" for name, value in OUTPUTS.items() if not name.startswith("AZURE_")))
    done = azd("hooks", "run", "postprovision")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "local.settings.json is written" in done.stdout
    assert (azd_project / "local.settings.json").exists()
    assert f'REGISTRATIONS_TO_DELETE="{",".join(IDS)}"' in azd("env", "get-values").stdout
    checked = azd("hooks", "run", "preprovision")
    assert checked.returncode != 0
    assert "azd auth login" in checked.stdout
    assert azd("hooks", "run", "postdown").returncode != 0  # no az, so nothing is deleted and all stays noted
    assert not list(azd_project.rglob("pyvenv.cfg"))
