"""Settings that cannot work are refused at start, each with what it must be; all of them at once, never a value."""

from __future__ import annotations

from typing import Any

import azure.functions as func
import pytest

from shared import AsyncUser, User
from shared.requires_user import RequiresCaller, RequiresUser
from shared.services import LazyServices
from shared.settings.settings import Settings

from .test_settings import CLIENT, GOOD, TENANT, problems

SCOPES, GRAPH, ORDERS = "AzureAd__Scopes", "DownstreamApis__Graph__Scopes", "DownstreamApis__Orders__Scopes"
ORDERS_URL, INSTANCE = "DownstreamApis__Orders__BaseUrl", "AzureAd__Instance"
VAULT, NAME = (f"AzureAd__ClientCredentials__0__{last}" for last in ("KeyVaultUrl", "KeyVaultCertificateName"))
OTHER = "3c1a0000-0000-4000-8000-000000000001"
LIST = "must be words with spaces between them, without commas, quotes or brackets"
REFERENCE = "@Microsoft.KeyVault(SecretUri=https://hunter2.vault.azure.net/secrets/x)"

WRONG: dict[str, tuple[str, str, str]] = {
    "the full name of an own scope": (SCOPES, f"api://{CLIENT}/access_as_user", "must be the short name of the scope"),
    "an own scope with the client id": (SCOPES, f"a {CLIENT}/access_as_user", "must be the short name of the scope"),
    "an own scope by an address": (SCOPES, "https://hunter2/access_as_user", "must be the short name of the scope"),
    "everything as an own scope": (SCOPES, ".default", "must be the short name of the scope"),
    "commas": (SCOPES, "access_as_user, Notes.Read", LIST),
    "commas without spaces": (GRAPH, "User.Read,Mail.Read", LIST),
    "semicolons": ("AzureAd__AllowedClients", f"{CLIENT};{OTHER}", LIST),
    "a list of JSON": ("AzureAd__Audiences", '["api://hunter2"]', LIST),
    "quotes": (SCOPES, "'access_as_user'", LIST),
    "commas in a numbered entry": (f"{GRAPH}__0", "User.Read,Mail.Read", LIST),
    "two APIs": (GRAPH, "https://graph.microsoft.com/User.Read api://hunter2/Read", "must name scopes of one API"),
    "two APIs, one of them unnamed": (GRAPH, "User.Read api://hunter2/Read", "must name scopes of one API"),
    "two APIs by their addresses": (
        ORDERS,
        "https://hunter2.example/Read https://stock.example/Read",
        "must name scopes of one API",
    ),
    "everything and more": (
        GRAPH,
        "https://graph.microsoft.com/.default https://graph.microsoft.com/User.Read",
        "must be either {API}/.default alone, or scopes by name",
    ),
    "a scope of its own": (ORDERS, f"api://{CLIENT}/access_as_user", "must name scopes of the API that is called"),
    "everything of its own": (ORDERS, f"{CLIENT}/.default", "must name scopes of the API that is called"),
    "Graph's token for another API": (ORDERS, "Orders.Read", "must be {API}/{scope}; a short name is a scope of"),
    "a tenant after the instance": (INSTANCE, f"https://login.microsoftonline.com/{TENANT}", "without a path"),
    "all tenants after the instance": (INSTANCE, "https://login.microsoftonline.com/common/", "without a path"),
    "a version after the instance": (INSTANCE, "https://login.microsoftonline.us/v2.0", "without a path"),
    "a misspelled instance": (
        INSTANCE,
        "https://login.microsofonline.com/",
        "mean https://login.microsoftonline.com/?",
    ),
    "an instance that was": (INSTANCE, "https://login.microsoftonline.de/", "is misspelled"),
    "no External ID": (INSTANCE, "https://contoso.ciamlogn.com/", "mean https://NAME.ciamlogin.com/?"),
    "a misspelled authority": ("AzureAd__Authority", f"https://login.microsoftonlin.com/{TENANT}", "is misspelled"),
    "all tenants": ("AzureAd__TenantId", "common", "would let in personal accounts"),
    "the name of a tenant": ("AzureAd__TenantId", "hunter2.onmicrosoft.com", "must be a GUID"),
    "an unresolved reference": ("AzureAd__ClientId", REFERENCE, "is a reference that Azure has not resolved"),
    "one to App Configuration": (
        VAULT,
        "@microsoft.appconfiguration(Endpoint=https://hunter2)",
        "is a reference that Azure has not resolved",
    ),
    "one in a list": ("AzureAd__AllowedClients", REFERENCE, "is a reference that Azure has not resolved"),
    "one as a number": ("TokenCache__MaxSessions", REFERENCE, "is a reference that Azure has not resolved"),
    "one as the address of Redis": ("TokenCache__Redis__Url", REFERENCE, "is a reference that Azure has not resolved"),
    "a secret of the vault": (VAULT, "https://contoso.vault.azure.net/secrets/hunter2", "without a path"),
    "an address as a name": (
        NAME,
        "https://contoso.vault.azure.net/certificates/hunter2",
        "the name of the certificate",
    ),
    "a file as a name": (NAME, "hunter2.pfx", "must be the name of the certificate alone"),
    "a client that is no id": ("AzureAd__AllowedClients", f"{CLIENT} hunter2", "must be client ids"),
    "a scope as the audience": ("AzureAd__Audience", "api://hunter2/.default", "leave out /.default"),
}
ORDERS_API = {ORDERS_URL: "https://orders.example/api", ORDERS: f"api://{OTHER}/Orders.Read"}


@pytest.mark.parametrize("case", WRONG)
def test_a_setting_that_cannot_work_is_refused(case: str) -> None:
    name, value, told = WRONG[case]
    without = {GRAPH: ""} if name == f"{GRAPH}__0" else {}
    found = problems(**{**ORDERS_API, **without, name: value})
    assert told in found[name]
    assert "hunter2" not in str(found)
    assert set(found) == {name, *without}


def test_all_of_them_are_named_at_once() -> None:
    """Each of another setting."""
    names = {name: value for name, value, _ in WRONG.values() if name not in ("AzureAd__Authority", f"{GRAPH}__0")}
    assert set(problems(**{**ORDERS_API, **names})) == set(names)


RIGHT: dict[str, dict[str, str]] = {
    "scopes of Graph in three forms": {
        GRAPH: "User.Read https://graph.microsoft.com/Mail.Read 00000003-0000-0000-c000-000000000000/Files.Read"
    },
    "scopes of one API in two forms": {**ORDERS_API, ORDERS: f"api://{OTHER}/Orders.Read {OTHER}/Orders.Write"},
    "a resource that ends with a slash": {ORDERS: "https://orders.example//.default"},
    "a scope with dots and dashes": {SCOPES: "Notes.Read.All user_impersonation a-b"},
    "an instance with a slash": {INSTANCE: "https://login.microsoftonline.com/", GRAPH: "User.Read"},
    "a domain of one's own": {INSTANCE: "https://login.contoso.com/"},
    "External ID": {INSTANCE: "https://contoso.ciamlogin.com/"},
    "a client id in capitals": {"AzureAd__AllowedClients": f"{CLIENT.upper()} {OTHER}"},
    "short scopes of Graph for a credential": {"DownstreamApis__Mail__Scopes": "Mail.Read"},
    "a base URL with a path": {**ORDERS_API, ORDERS_URL: "https://gateway.example/orders/v1"},
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_looks_alike_and_works_is_accepted(case: str) -> None:
    assert Settings.from_environ({**GOOD, **RIGHT[case]})


def test_words_in_numbered_entries_are_words_too() -> None:
    numbered = {name: value for name, value in GOOD.items() if name != GRAPH}
    settings = Settings.from_environ({**numbered, f"{GRAPH}__0": "User.Read Mail.Read", f"{GRAPH}__1": "Files.Read"})
    assert settings.downstream_apis["graph"].scopes == ("User.Read", "Mail.Read", "Files.Read")


@pytest.mark.parametrize("scope", [f"api://{CLIENT}/access_as_user", f"{CLIENT}/x", ".default"])
@pytest.mark.parametrize("decorator", [RequiresUser, RequiresCaller])
def test_a_decorator_with_the_full_name_of_a_scope_does_not_load(decorator: Any, scope: str) -> None:
    further = {"roles": ["R"]} if decorator is RequiresCaller else {}
    with pytest.raises(TypeError, match="the short name, without api://") as raised:
        decorator(LazyServices(GOOD))(scopes=["access_as_user", scope], **further)
    assert CLIENT not in str(raised.value)


def test_the_short_name_of_a_scope_loads() -> None:
    decorate = RequiresUser(LazyServices(GOOD))(scopes=["Notes.Read"])

    @decorate
    async def hello(req: func.HttpRequest, user: AsyncUser | User) -> str:
        return ""

    assert hello is not None
