"""Options that cannot work are refused with one sentence: by the deployment itself, and before it by the hook."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from maintainers.tests.infra.test_hooks import Desk, says
from tests.infra.bicep import BicepError, Compiler
from tests.infra.project import ROOT

INFRA = ROOT / "infra"
SENTENCES: dict[str, str] = json.loads((INFRA / "refusals.json").read_text(encoding="utf-8"))
VARIABLES = {
    name: each["value"].strip("${}")
    for name, each in json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"].items()
}
ID = "5c1f0e2d-3b4a-4958-8677-a695b4c3d2e1"
THEIRS: dict[str, Any] = {
    "existingApiClientId": ID,
    "existingApiScope": "api://theirs/access_as_user",
    "existingOrdersClientId": ID,
    "existingOrdersScopes": "api://orders/Orders.Read",
}
VAULT_ID = f"/subscriptions/{ID}/resourceGroups/rg-security/providers/Microsoft.KeyVault/vaults/kv-contoso"
VAULT: dict[str, Any] = {
    "existingVaultId": VAULT_ID,
    "existingCertificateName": "functions-api",
    "existingCertificatePem": "MIIB",
}
IDENTITY = {"clientCredential": "managedIdentity"}
CHANGES: dict[str, Any] = {
    "grantAdminConsent": True,
    "developerToolClientIds": [ID],
    "serviceManagementReference": "asset-1",
    "requireAssignment": True,
    "assignedPrincipalIds": [ID],
    "jobPrincipalIds": [ID],
    "registrationOwnerIds": [ID],
    "mcpRedirectUris": ["https://claude.ai/api/mcp/auth_callback"],
}

REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"{name} of registrations of others": ("changesTheirRegistrations", {**THEIRS, name: value})
        for name, value in CHANGES.items()
    },
    **{f"registrations without {name}": ("existingRegistrationsIncomplete", {**THEIRS, name: ""}) for name in THEIRS},
    "only a client": ("existingRegistrationsIncomplete", {"existingClientAppId": ID}),
    "a cloud nobody knows": ("cloudUnknown", {"cloud": "AzureGermanCloud"}),
    "registrations elsewhere": ("cloudWithoutRegistrations", {"cloud": "AzureUSGovernment"}),
    "a vault without a certificate": ("existingVaultIncomplete", {**VAULT, "existingCertificateName": ""}),
    "a certificate without a vault": ("existingVaultIncomplete", {**VAULT, "existingVaultId": ""}),
    "the name of a vault": ("existingVaultIdMalformed", {**VAULT, "existingVaultId": "kv-contoso"}),
    "the id of something else": (
        "existingVaultIdMalformed",
        {**VAULT, "existingVaultId": VAULT_ID.replace("vaults", "hsms")},
    ),
    "a certificate without its public part": (
        "existingVaultWithoutPublicPart",
        {**VAULT, "existingCertificatePem": ""},
    ),
    "a vault that nothing reads": ("existingVaultUnused", {**VAULT, **IDENTITY}),
    "a rotation by nobody": ("existingVaultRotation", {**VAULT, "certificateRotationTag": "second"}),
    "a private key": ("certificateIsPrivate", {**VAULT, "existingCertificatePem": "-----BEGIN PRIVATE KEY-----MII"}),
    "a script for a key in a closed network": (
        "privateNetworkAndScript",
        {"privateNetwork": True, "clientCredential": "vaultKey"},
    ),
    "a script in a closed network": ("privateNetworkAndScript", {"privateNetwork": True}),
    "a network without room": (
        "privateNetworkTooSmall",
        {"privateNetwork": True, "networkAddressPrefix": "10.0.0.0/25", **IDENTITY},
    ),
    "Orders in no network": ("ordersPrivateWithoutNetwork", {"ordersPrivate": True}),
    "a cache without a zone": (
        "cacheWithoutZone",
        {"privateNetwork": True, "sharedTokenCache": True, "cloud": "AzureChinaCloud", **THEIRS, **IDENTITY},
    ),
    "assigned to what is open": ("assignedWithoutRequirement", {"assignedPrincipalIds": [ID]}),
}
TAKEN: dict[str, dict[str, Any]] = {
    "registrations of others": {**THEIRS, "browserOrigins": ["https://app.example.com"]},
    "a vault, and registrations of others who add its certificate": {**THEIRS, **VAULT, "existingCertificatePem": ""},
    "a vault in a network": {**VAULT, "privateNetwork": True, "networkAddressPrefix": "10.0.0.0/24"},
    "a key of one's own vault in a network": {**VAULT, "clientCredential": "vaultKey", "privateNetwork": True},
    "all of another cloud": {
        **THEIRS,
        **IDENTITY,
        "cloud": "AzureChinaCloud",
        "privateNetwork": True,
        "ordersPrivate": True,
    },
    "assigned later by hand": {"requireAssignment": True},
}


def words_of(key: str, given: dict[str, Any]) -> str:
    """The sentence for a combination; `{0}` is the parameter that it is about, or all that go together."""
    if key == "existingRegistrationsIncomplete":
        return SENTENCES[key].replace("{0}", ", ".join(THEIRS))
    about = [name for name in given if name in CHANGES or name == "existingCertificatePem"]
    return SENTENCES[key].replace("{0}", about[-1]) if "{0}" in SENTENCES[key] else SENTENCES[key]


@pytest.fixture(scope="module")
def infra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of infra/, for parameter files next to it."""
    folder = tmp_path_factory.mktemp("project") / "infra"
    shutil.copytree(INFRA, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(INFRA.with_name("host.json"), folder.with_name("host.json"))  # Bicep reads the route prefix from it
    return folder


def deploy(compiler: Compiler, infra: Path, given: dict[str, Any]) -> None:
    """Works out what a deployment would make. Raises BicepError with its words when it is refused."""
    values = {"environmentName": "test", "location": "westeurope", "cloud": "AzureCloud", **given}
    literals = {name: json.dumps(value).replace('"', "'") for name, value in values.items()}
    lines = ["using 'main.bicep'", *(f"param {name} = {each}" for name, each in literals.items())]
    file = infra / "given.bicepparam"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    compiler.snapshot(file)


def check(folder: Path, given: dict[str, Any]) -> str:
    """What the hook says about its first check, which asks nobody."""
    desk = Desk(folder)
    desk.when("", says({}))
    environ = {VARIABLES[name]: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    return desk.run("preprovision", **environ).stdout


@pytest.mark.parametrize("name", REFUSED)
def test_the_deployment_refuses(name: str, compiler: Compiler, infra: Path) -> None:
    key, given = REFUSED[name]
    with pytest.raises(BicepError, match=re.escape(words_of(key, given))):
        deploy(compiler, infra, given)


@pytest.mark.parametrize("name", REFUSED)
def test_the_hook_refuses_with_the_same_words(name: str, tmp_path: Path) -> None:
    key, given = REFUSED[name]
    said = check(tmp_path, given)
    assert "FAILED       the options go together" in said
    assert words_of(key, given) in said
    named = [VARIABLES[each] for each in VARIABLES if re.search(rf"\b{each}\b", words_of(key, given))]
    assert named
    assert all(f"azd env set {variable} " in said for variable in named)


@pytest.mark.parametrize("name", TAKEN)
def test_what_can_work_is_taken(name: str, compiler: Compiler, infra: Path, tmp_path: Path) -> None:
    deploy(compiler, infra, TAKEN[name])
    assert "ok           the options go together" in check(tmp_path, TAKEN[name])


def test_every_sentence_is_tried_and_names_a_parameter() -> None:
    assert {key for key, _ in REFUSED.values()} == set(SENTENCES)
    for key, given in REFUSED.values():
        assert any(re.search(rf"\b{name}\b", words_of(key, given)) for name in VARIABLES), key


def test_a_private_key_is_refused_for_the_identity_team_too(compiler: Compiler, infra: Path) -> None:
    file = infra / "given.bicepparam"
    file.write_text(
        "using 'registrations.bicep'\nparam environmentName = 'test'\n"
        "param apiCertificatePem = '-----BEGIN PRIVATE KEY-----'\n",
        encoding="utf-8",
    )
    with pytest.raises(BicepError, match="apiCertificatePem holds a private key"):
        compiler.snapshot(file)
