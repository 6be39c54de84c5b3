"""The options of this template: their values in azd, and combinations that cannot work.

An option is a parameter of main.bicep, and main.parameters.json names the azd variable for it. The sentences for what
cannot work, and what differs between the clouds, are in two files that main.bicep loads as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import azd

INFRA = azd.ROOT / "infra"
AZURE_CLOUD = "AzureCloud"
OF_THE_REGISTRATIONS = (
    "assignedPrincipalIds",
    "developerToolClientIds",
    "grantAdminConsent",
    "jobPrincipalIds",
    "mcpRedirectUris",
    "registrationOwnerIds",
    "requireAssignment",
    "serviceManagementReference",
)
FIRST_ROTATION = "first"
SMALLEST_NETWORK = 24


def variables() -> dict[str, str]:
    """The azd variable of each parameter of main.bicep, by the name of the parameter."""
    parameters = _read("main.parameters.json")["parameters"]
    return {name: str(each["value"]).strip("${}") for name, each in parameters.items()}


def text(name: str, default: str = "") -> str:
    """The value of an option, or the default when azd has not been told it."""
    return azd.told(variables()[name], default)


def on(name: str) -> bool:
    """Whether an option is turned on, or a list has something in it."""
    return text(name).lower() not in ("", "false", "[]")


def cloud() -> dict[str, str]:
    """What differs between the clouds, for the one that is deployed to."""
    facts: dict[str, dict[str, str]] = _read("clouds.json")
    return facts.get(text("cloud") or azd.told("CLOUD_NAME"), facts[AZURE_CLOUD])


def graph_of(cloud_name: str) -> str:
    """The address of Microsoft Graph in the cloud of that name (`az cloud show`)."""
    facts: dict[str, dict[str, str]] = _read("clouds.json")
    return f"{facts.get(cloud_name, facts[AZURE_CLOUD])['graphEndpoint']}/v1.0"


def makes_certificate() -> bool:
    """Whether a vault and a certificate are made, by a deployment script."""
    return not _identity_is_the_credential() and not on("existingVaultId")


def key_stays_in_vault() -> bool:
    """Whether the vault signs for the API, and the private key never leaves it."""
    return text("clientCredential") == "vaultKey"


def _identity_is_the_credential() -> bool:
    return text("clientCredential") == "managedIdentity"


def registrations_are_theirs() -> bool:
    """Whether somebody else has registered the apps."""
    return on("existingApiClientId")


def sentence(name: str, *parameters: str) -> str:
    """What main.bicep says in the same case."""
    found = str(_read("refusals.json")[name])
    return found.replace("{0}", parameters[0]) if parameters else found


def named_in(words: str) -> list[str]:
    """The azd variables of the parameters that a sentence names."""
    return [variable for name, variable in variables().items() if re.search(rf"\b{name}\b", words)]


def refusals() -> list[str]:
    """Why these options cannot work together, in the words and the order of main.bicep. None, when they can."""
    return [*_of_registrations(), *_of_the_vault(), *_of_the_network()]


def _of_registrations() -> Iterator[str]:
    if registrations_are_theirs():
        yield from (sentence("changesTheirRegistrations", name) for name in OF_THE_REGISTRATIONS if on(name))
    theirs = [name for name in variables() if re.fullmatch(r"existing\w+(ClientId|Scopes?)", name)]
    given = [name for name in theirs if on(name)]
    if len(given) < len(theirs) and (given or on("existingClientAppId")):
        yield sentence("existingRegistrationsIncomplete", ", ".join(theirs))
    if text("cloud", AZURE_CLOUD) not in _read("clouds.json"):
        yield sentence("cloudUnknown")
    elif text("cloud", AZURE_CLOUD) != AZURE_CLOUD and not registrations_are_theirs():
        yield sentence("cloudWithoutRegistrations")
    if on("assignedPrincipalIds") and not on("requireAssignment"):
        yield sentence("assignedWithoutRequirement")


def _of_the_vault() -> Iterator[str]:
    vault = text("existingVaultId")
    path = vault.split("/")
    if bool(vault) != on("existingCertificateName"):
        yield sentence("existingVaultIncomplete")
    if vault and (len(path) != 9 or path[7].lower() != "vaults"):
        yield sentence("existingVaultIdMalformed")
    if vault and not on("existingCertificatePem") and not registrations_are_theirs():
        yield sentence("existingVaultWithoutPublicPart")
    if vault and _identity_is_the_credential():
        yield sentence("existingVaultUnused")
    if vault and text("certificateRotationTag", FIRST_ROTATION) != FIRST_ROTATION:
        yield sentence("existingVaultRotation")
    if "PRIVATE KEY" in text("existingCertificatePem"):
        yield sentence("certificateIsPrivate", "existingCertificatePem")


def _of_the_network() -> Iterator[str]:
    if on("privateNetwork"):
        if makes_certificate():
            yield sentence("privateNetworkAndScript")
        size = text("networkAddressPrefix").rpartition("/")[2]
        if size.isdigit() and int(size) > SMALLEST_NETWORK:
            yield sentence("privateNetworkTooSmall")
        if on("sharedTokenCache") and not cloud()["cacheZone"]:
            yield sentence("cacheWithoutZone")
    if on("ordersPrivate") and not on("privateNetwork"):  # <orders/>
        yield sentence("ordersPrivateWithoutNetwork")  # <orders/>


def _read(name: str) -> Any:
    return json.loads((INFRA / name).read_text(encoding="utf-8"))
