"""`dev.py doctor`: all is well in a healthy tenant; in a broken one it names what is broken, and nothing else."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from doctor.checks import CHECKS
from doctor.report import as_json, exit_code, text
from doctor.verdicts import OK, UNKNOWN, WRONG, Verdict
from emulators.applications import (
    API,
    API_IDENTITY,
    AZURE_CLI_ID,
    CLIENT_ID,
    MCP_CLIENT_ID,
    SYSTEM_IDENTITY,
    TOKEN_EXCHANGE_URI,
    FederatedCredential,
)
from emulators.azure.declared import AzureService
from emulators.certificates import issue_certificate
from emulators.directory import ISSUER
from emulators.environment import CERTIFICATE_NAME
from emulators.groups import MEMBERS, group_id
from emulators.people import CONTOSO, FABRIKAM
from emulators.resources.roles import READER, RoleAssignment
from emulators.resources.store import GROUP
from emulators.stack import Stack
from emulators.table import DownstreamApi, Table
from maintainers.tests.dev.project import ROOT

from .doctor_support import DeployedApi, Patient, refuse, whole_again

NOBODYS = "5ab5c0de-1111-4222-8333-444455556666"
MARK = "s3cret-m4rk"
CREDENTIAL = "AzureAd__ClientCredentials__0__"
ORDERS = "DownstreamApis__Orders__Scopes"
REDIS = f"{GROUP}/providers/Microsoft.Cache/redisEnterprise/redis-local/databases/default/accessPolicyAssignments/api"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    """One stack for the module."""
    api = DeployedApi()
    with Stack.start(tmp_path_factory.mktemp("tenant")) as stack:
        environ = {
            **stack.environ("doctor"),
            "API_BASE_URL": api.url,
            f"{CREDENTIAL[:-3]}1__SourceType": "ClientSecret",
        }
        environ[f"{CREDENTIAL[:-3]}1__ClientSecret"] = MARK
        patient = Patient(stack, api, environ)
        patient.site_settings.update(
            {name: value for name, value in environ.items() if name.startswith(CREDENTIAL[:-3])}
        )
        patient.site_settings["Stock__ApiKey"] = MARK
        yield patient
    api.stop()


@pytest.fixture
def patient(whole: Patient) -> Iterator[Patient]:
    """A healthy tenant, to be broken."""
    with whole_again(whole):
        yield whole


def api_of(patient: Patient) -> Any:
    return patient.stack.directory.applications["api"]


def group_of(person: str) -> str:
    return group_id(MEMBERS[person][0])


# Ways to break a tenant


def with_environ(**settings: str) -> Callable[[Patient], None]:
    return lambda patient: patient.environ.update(settings)


def with_settings(**settings: str) -> Callable[[Patient], None]:
    return lambda patient: patient.set(**settings)


def changed(key: str, **changes: Any) -> Callable[[Patient], None]:
    return lambda patient: (patient.stack.directory.change(key, **changes), None)[1]


def no_claim(name: str) -> Callable[[Patient], None]:
    return lambda patient: patient.stack.directory.ask_for_claim(api_of(patient), name, wanted=False)


def several_tenants(patient: Patient) -> None:
    patient.environ["TENANT_ID"] = CONTOSO
    patient.set(AzureAd__TenantId="organizations", AzureAd__AllowedTenants=f"{CONTOSO} {FABRIKAM}")


def rotated(patient: Patient, **how: bool) -> None:
    before = patient.stack.client_certificate
    patient.stack.rotate_client_certificate(**how)
    patient.stack.client_certificate = before


def ending(days: float) -> Callable[[Patient], None]:
    def put(patient: Patient) -> None:
        certificate = issue_certificate(CERTIFICATE_NAME, time.time() - (10 - days) * 86_400, days=10)
        patient.stack.directory.register_certificate(API, certificate)
        patient.stack.vault.put_certificate(CERTIFICATE_NAME, certificate)

    return put


def by_identity(*records: FederatedCredential) -> Callable[[Patient], None]:
    def put(patient: Patient) -> None:
        for name in [*patient.environ, *patient.site_settings]:
            if name.startswith(CREDENTIAL[:-3]):
                patient.environ.pop(name, None)
                patient.site_settings.pop(name, None)
        patient.set(
            **{
                f"{CREDENTIAL}SourceType": "SignedAssertionFromManagedIdentity",
                f"{CREDENTIAL}ManagedIdentityClientId": API_IDENTITY.client_id,
            }
        )
        patient.stack.directory.federate(API, *records)

    return put


def without_role(role: str) -> Callable[[Patient], None]:
    def take(patient: Patient) -> None:
        resources = patient.stack.management.resources
        resources.assignments = [one for one in resources.assignments if one.role != role]

    return take


def with_addresses(uris: Callable[[str], tuple[str, ...]], **body: Any) -> Callable[[Patient], None]:
    """Two addresses of the API: `uris` are the identifier URIs for its base, `body` changes its documents."""

    def put(patient: Patient) -> None:
        base = patient.api.url
        patient.set(AzureAd__PublicUrls=f"{base}/api/mcp {base}")
        patient.stack.directory.change("api", identifier_uris=(*API.identifier_uris, *uris(base)))
        for path in ("/api/mcp", ""):
            document = {"resource": f"{base}{path}", "scopes_supported": [f"{base}{path}/access_as_user"], **body}
            patient.api.replies[f"/.well-known/oauth-protected-resource{path}"] = (200, document)

    return put


def both_addresses(base: str) -> tuple[str, ...]:
    return f"{base}/api/mcp", base


def shared_cache(patient: Patient) -> None:
    patient.set(
        TokenCache__Redis__Url="rediss://redis-local.westeurope.redis.azure.net:10000",
        TokenCache__Redis__ManagedIdentityClientId=API_IDENTITY.client_id,
    )


def without_vault(patient: Patient) -> None:
    patient.stack.vault.readers.clear()
    patient.stack.vault.certificate_users.clear()


def both(*ways: Callable[[Patient], None]) -> Callable[[Patient], None]:
    def breaks(patient: Patient) -> None:
        for each in ways:
            each(patient)

    return breaks


def with_policy(patient: Patient) -> None:
    policy = {"accessPolicyName": "default", "user": {"objectId": API_IDENTITY.principal_id}}
    patient.stack.management.resources.put(REDIS, properties=policy)


def reply(path: str, status: int, /, **body: Any) -> Callable[[Patient], None]:
    return lambda patient: patient.api.replies.update({path: (status, body)})


def off_site(name: str) -> Callable[[Patient], None]:
    return lambda patient: (patient.site_settings.pop(name), None)[1]


GOOD = FederatedCredential(ISSUER, API_IDENTITY.principal_id)


class Breakage(NamedTuple):
    """`check` is the only one that says wrong, in words with `says`, and with a command that begins with `command`."""

    check: str
    broken: Callable[[Patient], Any]
    says: str
    command: str


BREAKAGES = {
    "misspelt setting": Breakage(
        "settings",
        with_environ(AzureAd__Scopez="x"),
        "AzureAd__Scopez is not a setting",
        "az functionapp config appsettings",
    ),
    "unknown tenant": Breakage(
        "tenant", with_settings(AzureAd__TenantId=NOBODYS), "knows no such tenant", "az account show"
    ),
    "fast clock": Breakage(
        "clock", lambda patient: setattr(patient, "ahead", 300.0), "ahead of Entra's", "sudo timedatectl"
    ),
    "slow clock": Breakage(
        "clock", lambda patient: setattr(patient, "ahead", -90.0), "behind Entra's", "sudo timedatectl"
    ),
    "no registration": Breakage(
        "registration", with_settings(AzureAd__ClientId=NOBODYS), "has no registration", "az ad app list"
    ),
    "version 1": Breakage(
        "token version", changed("api", token_version=1), "AccessTokenVersion is 1", "az rest --method PATCH"
    ),
    "client id is no audience": Breakage(
        "audiences",
        with_settings(AzureAd__Audiences=API.identifier_uris[0]),
        "AzureAd__Audiences does not list it",
        "az functionapp config appsettings set",
    ),
    "audience of another": Breakage(
        "audiences",
        with_settings(AzureAd__Audiences=f"{API.client_id} api://other"),
        "lists api://other",
        f"az ad app update --id {API.client_id} --identifier-uris",
    ),
    "client asks another": Breakage(
        "audiences", with_environ(API_SCOPE="api://other/access_as_user"), "asks for api://other", "az ad app update"
    ),
    "address that is not registered": Breakage(
        "public URLs", with_addresses(lambda base: (base,)), "/api/mcp: it is no identifier URI", "az ad app update"
    ),
    "address with a slash": Breakage(
        "public URLs",
        with_addresses(lambda base: (base, f"{base}/api/mcp/")),
        "each character counts",
        f"az ad app update --id {API.client_id} --identifier-uris",
    ),
    "scopes under another address": Breakage(
        "metadata",
        with_addresses(both_addresses, scopes_supported=["api://other/access_as_user"]),
        "names another address or other scopes",
        "az functionapp config appsettings set",
    ),
    "no metadata": Breakage(
        "metadata",
        both(with_addresses(both_addresses), reply("/.well-known/oauth-protected-resource", 404)),
        "is not there",
        "azd deploy api",
    ),
    "scope that is not offered": Breakage(
        "scopes", with_settings(AzureAd__Scopes="access_as_user More.Read"), "offer More.Read", "az rest --method PATCH"
    ),
    "client is not pre-authorized": Breakage(
        "pre-authorization",
        lambda patient: patient.stack.directory.pre_authorize(
            api_of(patient), patient.stack.directory.applications["client"], ()
        ),
        "not pre-authorized",
        "az rest --method PATCH",
    ),
    "client is not known": Breakage(
        "known clients", changed("api", known_clients=()), "knownClientApplications lacks", "az rest --method PATCH"
    ),
    "claim acrs": Breakage("optional claims", no_claim("acrs"), "the claims acrs", "az rest --method PATCH"),
    "claim of agents": Breakage("optional claims", no_claim("xms_sub_fct"), "xms_sub_fct", "az rest --method PATCH"),
    "registration for one tenant": Breakage(
        "sign-in audience", several_tenants, "is for one tenant", "az ad app update"
    ),
    "client without redirect URI": Breakage(
        "redirect URIs",
        changed("client", redirect_uris=()),
        "lacks the redirect URI http://localhost",
        "az ad app update",
    ),
    "page without redirect URI": Breakage(
        "redirect URIs",
        with_environ(BROWSER_ORIGINS='["https://a.example"]'),
        "https://a.example",
        "az rest --method PATCH",
    ),
    "certificate is not registered": Breakage(
        "certificate",
        lambda patient: rotated(patient, register=False),
        "lacks the newest version of the certificate: it knows the version before it",
        "az keyvault certificate download",
    ),
    "certificate before is not registered": Breakage(
        "certificate", lambda patient: rotated(patient, unregister_old=True), "lacks the version before", "az keyvault"
    ),
    "certificate is not in the vault": Breakage(
        "certificate",
        with_settings(**{f"{CREDENTIAL}KeyVaultCertificateName": "other"}),
        "the vault has no certificate",
        "az keyvault certificate",
    ),
    "certificate ends": Breakage("certificate's end", ending(9.0), "ends in 9 days", "az keyvault certificate"),
    "certificate has ended": Breakage("certificate's end", ending(-1.0), "has ended", "az keyvault certificate"),
    "certificate is disabled": Breakage(
        "certificate's end",
        lambda patient: patient.stack.vault.set_enabled(CERTIFICATE_NAME, False),
        "is disabled",
        "az keyvault certificate set-attributes",
    ),
    "no federated credential": Breakage(
        "federated credential", by_identity(), "has no federated credential", "az ad app federated-credential create"
    ),
    "federated: another subject": Breakage(
        "federated credential",
        by_identity(FederatedCredential(ISSUER, NOBODYS)),
        "another subject",
        "az ad app federated-credential update",
    ),
    "federated: another issuer": Breakage(
        "federated credential",
        by_identity(FederatedCredential(ISSUER.replace(CONTOSO, FABRIKAM), API_IDENTITY.principal_id)),
        "another issuer",
        "az ad app federated-credential update",
    ),
    "federated: another audience": Breakage(
        "federated credential",
        by_identity(FederatedCredential(ISSUER, API_IDENTITY.principal_id, (f"{TOKEN_EXCHANGE_URI}USGov",))),
        "another audiences",
        "az ad app federated-credential update",
    ),
    "API has no service principal": Breakage(
        "service principals",
        lambda patient: patient.stack.directory.remove(CONTOSO, "api"),
        "the API has no service principal",
        f"az ad sp create --id {API.client_id}",
    ),
    "client is disabled": Breakage(
        "service principals",
        lambda patient: patient.stack.directory.disable(CONTOSO, "client"),
        "the client is disabled",
        "az ad sp update",
    ),
    "not assigned": Breakage(
        "assignment",
        lambda patient: patient.stack.directory.require_assignment(api_of(patient), "olga"),
        "the API is for assigned users alone",
        "az rest --method POST",
    ),
    "not assigned to Orders": Breakage(
        "assignment",
        lambda patient: patient.stack.directory.require_assignment(
            patient.stack.directory.applications["orders"], "olga"
        ),
        "Orders is for assigned users alone",
        "az rest --method POST",
    ),
    "permission is not registered": Breakage(
        "permissions",
        changed("api", requires={"graph": ("User.Read",)}),
        "Orders.Read Orders.Write",
        "az ad app permission add",
    ),
    ".default of nothing": Breakage(
        "permissions",
        changed("api", requires={"orders": ("Orders.Read", "Orders.Write")}),
        "asks for nothing of Graph",
        "az ad app permission add",
    ),
    "scope that Orders does not offer": Breakage(
        "permissions",
        with_settings(**{ORDERS: f"api://{CONTOSO}/obo-orders/Nope"}),
        "does not offer Nope",
        "az ad sp show",
    ),
    "API that is not there": Breakage(
        "permissions", with_settings(**{ORDERS: "api://nobody/Orders.Read"}), "api://nobody", "az ad app list"
    ),
    "no consent": Breakage(
        "consent",
        lambda patient: patient.stack.directory.withdraw_consent("alice"),
        "consented to User.Read of Graph",
        f"az ad app permission admin-consent --id {API.client_id}",
    ),
    "no role on the vault": Breakage(
        "role on the vault",
        without_vault,
        "is not Key Vault Secrets User on obo-local",
        "az role assignment create --role 'Key Vault Secrets User'",
    ),
    "vault signs, and no role to sign": Breakage(
        "role on the vault",
        both(
            with_settings(**{f"{CREDENTIAL}SourceType": "SignedAssertionFromVault"}),
            lambda patient: patient.stack.vault.crypto_users.clear(),
        ),
        "is not Key Vault Crypto User on obo-local",
        "az role assignment create --role 'Key Vault Crypto User'",
    ),
    "no role on the storage": Breakage(
        "role on the storage",
        without_role("Storage Blob Data Owner"),
        "is not Storage Blob Data Owner",
        "az role assignment create --role 'Storage Blob Data Owner'",
    ),
    "no role on Application Insights": Breakage(
        "role on Application Insights",
        without_role("Monitoring Metrics Publisher"),
        "is not Monitoring Metrics Publisher",
        "az role assignment create --role 'Monitoring Metrics Publisher'",
    ),
    "no access to Redis": Breakage(
        "access to Redis", shared_cache, "has no access policy", "az redisenterprise database"
    ),
    "unknown setting on the site": Breakage(
        "deployed settings",
        lambda patient: patient.site_settings.update(AzureAd__Scopez=MARK),
        "did you mean AzureAd__Scopes?",
        "az functionapp config appsettings delete",
    ),
    "setting missing on the site": Breakage(
        "deployed settings",
        off_site("AzureAd__ClientId"),
        "AzureAd__ClientId is missing",
        "az functionapp config appsettings set",
    ),
    "option missing on the site": Breakage(
        "deployed settings", off_site("AzureAd__Scopes"), "AzureAd__Scopes is given here and missing", "az functionapp"
    ),
    "unhealthy": Breakage(
        "health",
        reply("/api/health", 503, settings=["AzureAd__TenantId", MARK + " {}"]),
        "says that AzureAd__TenantId is wrong",
        "az functionapp config appsettings set",
    ),
    "broken credential": Breakage(
        "health",
        reply("/api/health", 503, broken=["client credential", MARK]),
        "its client credential cannot be loaded",
        "az monitor app-insights query",
    ),
    "unhealthy without a reason": Breakage("health", reply("/api/health", 503), "is unhealthy", "az monitor"),
    "not deployed": Breakage(
        "health", both(reply("/api/health", 404), reply("/api/me", 404)), "no route /api/health", "azd deploy api"
    ),
    "token refused": Breakage(
        "end to end",
        reply("/api/me", 401, code="invalid_token", correlation_id=NOBODYS),
        "401 invalid_token",
        "az monitor app-insights query --apps appi-obo-local",
    ),
    "consent is missing at the call": Breakage(
        "end to end", reply("/api/me", 403, code="consent_required"), "403 consent_required", "az ad app permission"
    ),
    "misconfigured": Breakage(
        "end to end", reply("/api/me", 500, code="server_misconfigured"), "500 server_misconfigured", "az monitor"
    ),
}


def shown(verdicts: dict[str, Verdict]) -> str:
    found = list(verdicts.values())
    return f"{text(found)}\n{as_json(found)}"


def test_all_is_well_in_a_healthy_tenant(patient: Patient) -> None:
    mark = patient.stack.audit.mark()
    verdicts = patient.verdicts()

    assert [one for one in verdicts.values() if one.status != OK] == []
    assert exit_code(list(verdicts.values())) == 0
    assert text(list(verdicts.values())).endswith(f"{len(CHECKS)} checks: {len(CHECKS)} ok, 0 wrong, 0 cannot tell")
    entries = patient.entries(mark)
    assert {entry.caller for entry in entries} == {"doctor"}
    assert {entry.service for entry in entries} == {"entra", "graph", "management", "vault"}
    assert len(entries) == len({(entry.path, entry.method) for entry in entries}) or len(entries) < 30


def test_the_page_has_every_check_and_their_number() -> None:
    page = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
    rows = page.partition("## The checks")[2].partition("\n## ")[0].splitlines()
    listed = [name for row in rows if row.startswith("| ") for name in row.split("|")[1].strip().split(", ")]
    assert set(listed) - {"check"} == {check.name for check in CHECKS}
    assert f"\n{len(CHECKS)} checks: " in page


def test_every_check_is_broken_once() -> None:
    assert {breakage.check for breakage in BREAKAGES.values()} == {check.name for check in CHECKS}


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_is_broken_is_named_with_its_command_and_nothing_else(name: str, patient: Patient) -> None:
    breakage, mark = BREAKAGES[name], patient.stack.audit.mark()
    breakage.broken(patient)
    verdicts = patient.verdicts()

    assert [one.name for one in verdicts.values() if one.status == WRONG] == [breakage.check], shown(verdicts)
    found = verdicts[breakage.check]
    assert breakage.says in "; ".join(found.found)
    assert found.commands[0].startswith(breakage.command)
    assert exit_code(list(verdicts.values())) == 1
    check_discretion(patient, mark, shown(verdicts))


class Typo(NamedTuple):
    """`correct` is what the check says first; `command` is for a setting that is right, and "" where there is none."""

    check: str
    broken: Callable[[Patient], Any]
    correct: str
    command: str


VAULT_URL, NAME_OF_CERTIFICATE = f"{CREDENTIAL}KeyVaultUrl", f"{CREDENTIAL}KeyVaultCertificateName"
TYPOS = {
    "audience": Typo(
        "audiences",
        with_settings(AzureAd__Audiences="api://wrong"),
        f"correct the setting AzureAd__Audiences, perhaps to {API.client_id}",
        "az ad app update",
    ),
    "audience of another tenant": Typo(
        "audiences",
        with_settings(AzureAd__Audiences=f"{API.client_id} {API.identifier_uris[0]}x"),
        f"correct the setting AzureAd__Audiences, perhaps to {API.client_id} {API.identifier_uris[0]}",
        "az ad app update",
    ),
    "scope of the client": Typo(
        "audiences",
        with_environ(API_SCOPE=f"{API.identifier_uris[0]}x/access_as_user"),
        f"correct the setting API_SCOPE, perhaps to {API.identifier_uris[0]}/access_as_user",
        "az ad app update",
    ),
    "address": Typo(
        "public URLs",
        with_addresses(lambda base: (base, f"{base}/api/mpc")),
        "correct the setting AzureAd__PublicUrls, perhaps to http://127.0.0.1:",
        "az ad app update",
    ),
    "scope": Typo(
        "scopes",
        with_settings(AzureAd__Scopes="acces_as_user"),
        "correct the setting AzureAd__Scopes, perhaps to access_as_user",
        "az rest --method PATCH",
    ),
    "client": Typo(
        "known clients", with_environ(CLIENT_APP_ID=NOBODYS), "correct the setting CLIENT_APP_ID", "az rest"
    ),
    "client that is not pre-authorized": Typo(
        "pre-authorization", with_environ(CLIENT_APP_ID=NOBODYS), "correct the setting CLIENT_APP_ID", "az rest"
    ),
    "client without a service principal": Typo(
        "service principals", with_environ(CLIENT_APP_ID=NOBODYS), "correct the setting CLIENT_APP_ID", "az ad sp"
    ),
    "scope of Orders": Typo(
        "permissions",
        with_settings(**{ORDERS: f"api://{CONTOSO}/obo-orders/Orders.Reed api://{CONTOSO}/obo-orders/Orders.Write"}),
        f"correct the setting {ORDERS}, perhaps to Orders.Read in place of Orders.Reed",
        "az ad sp show",
    ),
    "certificate": Typo(
        "certificate",
        with_settings(**{NAME_OF_CERTIFICATE: "api-clent"}),
        f"correct the setting {NAME_OF_CERTIFICATE}, perhaps to api-client",
        "az keyvault certificate create --vault-name obo-local --name api-clent --policy "
        '"$(az keyvault certificate get-default-policy)"',
    ),
    "vault": Typo(
        "role on the vault",
        with_settings(**{VAULT_URL: "https://obo-locla.vault.azure.net/"}),
        f"correct the setting {VAULT_URL}, perhaps to https://obo-local.vault.azure.net/",
        "",
    ),
    "vault of azd": Typo(
        "role on the vault",
        both(with_environ(AZURE_ENV_NAME="x"), with_settings(**{VAULT_URL: "https://obo-locla.vault.azure.net/"})),
        f"correct the setting {VAULT_URL}, perhaps to https://obo-local.vault.azure.net/",
        "azd provision",
    ),
    "name of a setting": Typo(
        "settings",
        with_environ(AzureAd__Audience_=API.client_id),
        "correct the setting AzureAd__Audience_, perhaps to AzureAd__Audience",
        "az functionapp config appsettings delete",
    ),
    "name of a setting on the site": Typo(
        "deployed settings",
        lambda patient: patient.site_settings.update(AzureAd__Audience_=MARK),
        "correct the setting AzureAd__Audience_, perhaps to AzureAd__Audience",
        "az functionapp config appsettings delete",
    ),
}


@pytest.mark.parametrize("name", TYPOS)
def test_a_setting_that_is_misspelled_is_to_be_corrected_first(name: str, patient: Patient) -> None:
    typo = TYPOS[name]
    typo.broken(patient)
    found = patient.verdicts()[typo.check]

    assert found.status == WRONG
    lines = text([found]).splitlines()
    first = next(number for number, line in enumerate(lines) if line.strip().startswith("correct "))
    assert lines[first].strip().startswith(typo.correct), lines
    assert typo.correct.endswith(":") or lines[first].strip().endswith(typo.correct), lines
    assert first == 1 or typo.check == "audiences"  # before it: that the client id is no audience
    condition = "if nothing needs it" if "appsettings delete" in typo.command else "if the setting is right"
    after = lines[first + 1].strip()
    assert after.startswith(f"or, {condition}: {typo.command}") if typo.command else after == "", lines
    assert json.loads(as_json([found]))["checks"][0]["correct"] == list(found.corrections)


def test_a_vault_that_may_be_in_another_group_is_not_called_wrong(patient: Patient) -> None:
    patient.set(**{VAULT_URL: "https://zzzz.vault.azure.net/"})
    found = patient.verdicts()["role on the vault"]
    assert (found.status, found.commands) == (UNKNOWN, ())
    assert "KEY_VAULT_ID in --env-file" in found.right


def test_a_setting_that_is_like_nothing_gets_its_command_alone(patient: Patient) -> None:
    patient.set(AzureAd__Scopes="access_as_user More.Read")
    assert patient.verdicts()["scopes"].corrections == ()


@pytest.mark.parametrize("name", BREAKAGES)
def test_at_the_local_stack_nothing_is_to_be_typed_that_is_not_there(name: str, patient: Patient) -> None:
    patient.environ["EMULATORS_SIGN_IN_URL"] = "http://localhost:1"
    BREAKAGES[name].broken(patient)
    found = [one for one in patient.verdicts().values() if one.status == WRONG]

    assert found
    for verdict in found:
        (line, *_) = lines = text([verdict]).splitlines()[1:-2]
        assert [one for one in lines if one.split()[0] in ("az", "azd") or ": az" in one] == [], line
    assert not any(one.commands for one in found)


AT_THE_STACK = {
    "misspelt setting": "correct the setting AzureAd__Scopez, perhaps to AzureAd__Scopes, in [settings] of local-stack",
    "client id is no audience": "correct the setting in [settings] of local-stack.toml",
    "misconfigured": "see .local/api.log",
    "version 1": "stop the stack and start it again: the emulated tenant is made anew",
    "not deployed": "stop the stack and start it again",
}


@pytest.mark.parametrize("name", AT_THE_STACK)
def test_at_the_local_stack_it_says_what_to_do_there(name: str, patient: Patient) -> None:
    patient.environ["EMULATORS_SIGN_IN_URL"] = "http://localhost:1"
    breakage = BREAKAGES[name]
    breakage.broken(patient)
    assert patient.verdicts()[breakage.check].corrections[0].startswith(AT_THE_STACK[name])


def test_at_the_local_stack_somebody_else_signs_in_by_a_variable(patient: Patient) -> None:
    patient.environ["EMULATORS_SIGN_IN_URL"] = "http://localhost:1"
    assert patient.verdicts(refuse)["registration"].right.startswith("EMULATORS_PERSON=alice")


def test_it_says_who_you_are(patient: Patient) -> None:
    patient.person = "greta"
    with patient.session() as session:
        case = patient.case(session)
        you = case.you
    assert you == "greta_fabrikam.example#EXT#@contoso.example"
    assert f"\nyou are {you}\n" in text([], you)
    assert json.loads(as_json([], you))["you"] == you
    with patient.session() as session:
        assert patient.case(session, refuse).you == ""
    assert "you are" not in text([], "")


def check_discretion(patient: Patient, mark: int, output: str) -> None:
    """No secret and no token is shown, and nothing was written."""
    assert MARK not in output
    assert not any(token in output for token in patient.tokens)
    for entry in patient.entries(mark):
        assert entry.method == "GET" or entry.path.endswith("/config/appsettings/list")


@pytest.mark.parametrize(
    "broken",
    [
        by_identity(GOOD),
        lambda patient: rotated(patient),
        lambda patient: patient.stack.directory.require_assignment(api_of(patient), "alice"),
        lambda patient: patient.stack.directory.require_assignment(api_of(patient), group_of("alice")),
        both(shared_cache, with_policy),
        both(several_tenants, changed("api", for_several_tenants=True)),
        lambda patient: patient.set(**{f"{CREDENTIAL}SourceType": "SignedAssertionFromVault"}),
        reply("/api/health", 404),
        with_addresses(both_addresses),
    ],
    ids=[
        "managed identity",
        "rotated",
        "assigned",
        "assigned by a group",
        "shared cache",
        "several tenants",
        "the vault signs",
        "no health",
        "addresses",
    ],
)
def test_other_healthy_tenants_are_well_too(broken: Callable[[Patient], Any], patient: Patient) -> None:
    broken(patient)
    assert [one for one in patient.verdicts().values() if one.status != OK] == []


def test_a_stronger_role_is_enough_and_an_own_one_is_not_judged(patient: Patient) -> None:
    identity = API_IDENTITY.principal_id
    without_vault(patient)
    resources = patient.stack.management.resources
    on_vault = f"{GROUP}/providers/Microsoft.KeyVault/vaults/obo-local"
    for role, status in (
        ("00482a5a-887f-4fb3-b363-3b7fe8e74483", OK),  # Key Vault Administrator
        ("Key Vault Certificate User", OK),
        ("Key Vault Reader", WRONG),
        ("Owner", WRONG),
        (NOBODYS, UNKNOWN),
    ):
        resources.assignments.append(RoleAssignment(identity, role, GROUP))
        assert patient.verdicts()["role on the vault"].status == status
        resources.assignments.pop()
    resources.assignments.append(
        RoleAssignment(identity, "4633458b-17de-408a-b874-0445c86b69e6", f"{on_vault}/secrets/api-client")
    )
    assert patient.verdicts()["role on the vault"].status == OK
    resources.assignments[-1] = RoleAssignment(
        identity, "4633458b-17de-408a-b874-0445c86b69e6", f"{on_vault}/secrets/other"
    )
    assert patient.verdicts()["role on the vault"].status == WRONG


def test_a_role_on_a_part_is_not_enough(patient: Patient) -> None:
    without_role("Storage Blob Data Owner")(patient)
    container = (
        f"{GROUP}/providers/Microsoft.Storage/storageAccounts/stobolocal/blobServices/default/containers/packages"
    )
    role = RoleAssignment(API_IDENTITY.principal_id, "Storage Blob Data Owner", container)
    patient.stack.management.resources.assignments.append(role)
    assert patient.verdicts()["role on the storage"].status == WRONG


# What cannot be told


def test_a_guest_is_told_which_rights_it_takes(patient: Patient) -> None:
    patient.person = "greta"
    verdicts = patient.verdicts()

    assert [one.name for one in verdicts.values() if one.status == WRONG] == []
    assert exit_code(list(verdicts.values())) == 2
    assert verdicts["registration"].right.startswith("an account that is a member")
    assert verdicts["certificate"].right == "the role Key Vault Reader on the vault"
    assert verdicts["role on the storage"].right == "the role Reader on the resource or its group"
    assert verdicts["deployed settings"].right == "the role Website Contributor on the site"
    assert "403" in verdicts["registration"].found[0]


def test_a_reader_of_the_group_cannot_list_app_settings(patient: Patient) -> None:
    resources = patient.stack.management.resources
    resources.developers = {one: {READER} for one in resources.developers}
    verdicts = patient.verdicts()

    assert [one.name for one in verdicts.values() if one.status != OK] == ["deployed settings"]
    assert verdicts["deployed settings"].right == "the role Website Contributor on the site"


def test_without_a_sign_in_each_check_says_how_to_sign_in(patient: Patient) -> None:
    mark = patient.stack.audit.mark()
    verdicts = patient.verdicts(refuse)

    unknown = {one.name for one in verdicts.values() if one.status == UNKNOWN}
    assert {one.right for one in verdicts.values() if one.status == UNKNOWN} == {"az login"}
    assert {"registration", "role on the vault", "end to end"} <= unknown
    assert {entry.service for entry in patient.entries(mark)} == {"entra"}


def test_a_tool_that_may_not_ask_for_the_api_is_no_fault(patient: Patient) -> None:
    from emulators.applications import AZURE_CLI

    patient.stack.directory.pre_authorize(api_of(patient), AZURE_CLI, ())
    verdicts = patient.verdicts()

    assert [one.name for one in verdicts.values() if one.status != OK] == ["end to end"]
    assert "DEVELOPER_TOOL_CLIENT_IDS" in verdicts["end to end"].right


def test_a_second_factor_is_no_fault(patient: Patient) -> None:
    patient.api.replies["/api/me"] = (401, {"code": "insufficient_claims"})
    found = patient.verdicts()["end to end"]
    assert (found.status, found.right) == (UNKNOWN, "python3 dev.py client /api/me")


@pytest.mark.parametrize("scope", ["https://graph.microsoft.com/.default", "https://management.azure.com/.default"])
def test_a_token_for_another_api_is_not_sent_to_this_one(patient: Patient, scope: str) -> None:
    patient.environ["API_SCOPE"] = scope
    patient.api.requests.clear()
    found = patient.verdicts(lambda _scope, _tenant: unsigned(aud=scope.removesuffix("/.default")))["end to end"]
    assert (found.status, found.right) == (UNKNOWN, "the scope of this API in API_SCOPE")
    assert ("GET", "/api/me") not in patient.api.requests


def unsigned(**claims: str) -> str:
    """A token with these claims."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


def test_without_a_deployment_the_names_that_are_needed_are_told(patient: Patient) -> None:
    for name in ("AZURE_SUBSCRIPTION_ID", "CLIENT_APP_ID", "API_BASE_URL"):
        del patient.environ[name]
    verdicts = patient.verdicts()

    unknown = {one.name: one.found[0] for one in verdicts.values() if one.status != OK}
    assert "AZURE_SUBSCRIPTION_ID" in unknown["role on the vault"]
    assert "CLIENT_APP_ID" in unknown["known clients"]
    assert "API_BASE_URL" in unknown["health"]


def test_a_broken_service_is_asked_once(patient: Patient) -> None:
    patient.stack.faults.add("graph", status=503, times=None)
    mark = patient.stack.audit.mark()
    try:
        verdicts = patient.verdicts()
    finally:
        patient.stack.faults.clear()
    asked = [entry.path for entry in patient.entries(mark) if entry.service == "graph"]
    assert verdicts["registration"].right == "another try, some minutes later"
    assert len(asked) == len(set(asked))


def test_the_report_for_programs(patient: Patient) -> None:
    patient.stack.directory.withdraw_consent("alice")
    found = json.loads(as_json(list(patient.verdicts().values())))

    assert found["exit_code"] == 1
    consent = next(one for one in found["checks"] if one["check"] == "consent")
    assert set(consent) == {"check", "status", "found", "correct", "commands", "takes"}
    assert (consent["status"], consent["commands"][0].split()[:2]) == (WRONG, ["az", "ad"])


def test_the_command_keeps_what_is_there(patient: Patient) -> None:
    """A list is replaced as a whole by PATCH: the command has to repeat it."""
    patient.stack.directory.pre_authorize(api_of(patient), patient.stack.directory.applications["client"], ())
    (found,) = patient.verdicts()["pre-authorization"].commands
    import shlex

    words = shlex.split(found)
    body = json.loads(words[words.index("--body") + 1])
    listed = {one["appId"] for one in body["api"]["preAuthorizedApplications"]}
    assert CLIENT_ID in listed
    assert listed == {CLIENT_ID, MCP_CLIENT_ID, AZURE_CLI_ID}  # the others stay
    assert body["api"]["requestedAccessTokenVersion"] == 2
    assert SYSTEM_IDENTITY.client_id not in found


# An API that calls others as the application, and Azure services


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    """A tenant with roles for applications and an Azure service."""
    api = DeployedApi()
    stock = DownstreamApi("Stock", (), url="http://127.0.0.1:9", app_roles=("Stock.Read.All",))
    files = AzureService("Files", "storage", {"Storage Blob Data Reader": ("alice",)})
    with Stack.start(tmp_path_factory.mktemp("large"), table=Table(apis=(stock,), azure=(files,))) as stack:
        yield Patient(stack, api, {**stack.environ("doctor"), "API_BASE_URL": api.url})
    api.stop()


def test_roles_of_the_application_and_azure_services(large: Patient) -> None:
    directory = large.stack.directory
    api, stock = directory.applications["api"], directory.applications["stock"]
    with whole_again(large):
        assert [one for one in large.verdicts().values() if one.status != OK] == []
        directory.withdraw_app_roles(api, stock)
        permissions = large.verdicts()["permissions"]
        assert permissions.found == ("the registration asks for nothing of Stock, and .default is what it asks for",)
        assert permissions.commands[0].endswith("=Role")
    with whole_again(large):
        directory.forget_consent(api, directory.applications["azure-storage"])
        consent = large.verdicts()["consent"]
        assert consent.found == ("nobody has consented to user_impersonation of Files for you",)
