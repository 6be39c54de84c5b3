"""An API of several tenants: who may call, where their tokens are exchanged, and what each tenant is told.

Contoso and Fabrikam are listed. Entra itself signs the tokens of all tenants with the same keys. So each token here is
genuine, but for what a test changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import azure.functions as func
import pytest

from emulators.applications import API_ID
from emulators.people import CONTOSO, CUSTOMERS, FABRIKAM
from shared import User
from shared.downstream.errors import demand_of
from shared.errors import InvalidToken, ServiceUnavailable
from shared.exchange import on_behalf_of
from shared.exchange.credential import RELOAD_AFTER_SECONDS
from shared.exchange.entra_errors import error_from_entra
from shared.exchange.msal_client import EntraUnavailable, MsalHttpClient
from shared.net.transport import Response, Transport
from shared.requires_user import RequiresUser
from shared.services import LazyServices, Services
from shared.settings.authority import ANY, ORGANIZATIONS, PERSONAL_ACCOUNTS, Authority, Tenants
from shared.settings.settings import Settings
from tests.support.clock import Clock
from tests.support.genuine import Genuine, public_jwk
from tests.support.lab import Lab, at_once, finish_background_work
from tests.support.tokens import STRANGER

from .guarded import body_of, reply_of, request
from .test_entra_errors import SCOPES, said
from .test_settings import CLIENT, GOOD, TENANT, problems

TENANT_ID, ALLOWED = "AzureAd__TenantId", "AzureAd__AllowedTenants"
STRANGERS = "99999999-9999-4999-8999-999999999999"
LOGIN = "https://login.microsoftonline.com"
REALM = re.compile(r'Bearer realm="([^"]*)"')


def of_any(lab: Lab) -> dict[str, str | None]:
    """The changes that let every organization call."""
    listed = {name: None for name in lab.stack.environ("api") if name.startswith(ALLOWED)}
    return {**listed, ALLOWED: ANY}


def issued_by(tenant: str, version: int = 2) -> dict[str, Any]:
    """The claims of a genuine token that say which tenant it is from."""
    issuer = f"{LOGIN}/{tenant}/v2.0" if version == 2 else f"https://sts.windows.net/{tenant}/"
    return {"tid": tenant, "iss": issuer}


# Settings


def test_several_tenants_are_listed() -> None:
    settings = Settings.from_environ(
        {**GOOD, TENANT_ID: "Organizations", f"{ALLOWED}__0": TENANT.upper(), f"{ALLOWED}__1": CLIENT}
    )
    assert settings.tokens.allowed_tenants == (TENANT, CLIENT)
    assert (settings.authority.realm, settings.authority.issuer) == ("organizations", f"{LOGIN}/{{tenantid}}/v2.0")
    assert Settings.from_environ({**GOOD, TENANT_ID: ORGANIZATIONS, ALLOWED: "Any"}).tokens.allowed_tenants == (ANY,)


@pytest.mark.parametrize("path", ["organizations", "Organizations/v2.0"])
def test_the_authority_may_name_them_too(path: str) -> None:
    given = {name: value for name, value in GOOD.items() if name != TENANT_ID}
    settings = Settings.from_environ({**given, "AzureAd__Authority": f"{LOGIN}/{path}", ALLOWED: TENANT})
    assert (settings.authority.tenant_id, settings.tokens.allowed_tenants) == (ORGANIZATIONS, (TENANT,))


SEVERAL = {TENANT_ID: ORGANIZATIONS, ALLOWED: TENANT}
WRONG: list[tuple[dict[str, str], str, str]] = [
    ({TENANT_ID: "organizations"}, ALLOWED, "is missing"),
    ({TENANT_ID: "organizations", ALLOWED: ""}, ALLOWED, "is empty"),
    ({TENANT_ID: "organizations", ALLOWED: "fabrikam.example"}, ALLOWED, "GUIDs"),
    ({TENANT_ID: "organizations", ALLOWED: f"{TENANT} any"}, ALLOWED, "alone"),
    ({TENANT_ID: "organizations", ALLOWED: "*"}, ALLOWED, "GUIDs"),
    ({TENANT_ID: "organizations", ALLOWED: PERSONAL_ACCOUNTS}, ALLOWED, "personal accounts"),
    (
        {TENANT_ID: "organizations", ALLOWED: TENANT, "AzureAd__Instance": f"https://{TENANT}.ciamlogin.com"},
        TENANT_ID,
        "no other tenants",
    ),
    (
        {TENANT_ID: "organizations", ALLOWED: TENANT, "AzureAd__Instance": "https://login.example"},
        TENANT_ID,
        "no other tenants",
    ),
    ({TENANT_ID: "common", ALLOWED: TENANT}, TENANT_ID, "personal accounts"),
    ({TENANT_ID: "Consumers", ALLOWED: TENANT}, TENANT_ID, "personal accounts"),
    ({ALLOWED: TENANT}, ALLOWED, "one tenant needs no list"),
    ({ALLOWED: "any"}, ALLOWED, "one tenant needs no list"),
]


@pytest.mark.parametrize(("changes", "name", "words"), WRONG, ids=str)
def test_any_other_combination_is_refused_at_start(changes: dict[str, str], name: str, words: str) -> None:
    """A list next to one tenant would look like a permission that it is not. So it is refused, too."""
    found = problems(**changes)
    assert list(found) == [name]
    assert words in found[name]


# Who may call


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("person", "tenant"), [("alice", CONTOSO), ("frida", FABRIKAM)])
def test_a_user_of_a_listed_tenant_calls_and_their_token_is_exchanged_there(
    several: Lab, person: str, tenant: str, version: int
) -> None:
    services, mark = several.services(), several.stack.audit.mark()
    token = several.stack.issue_access_token(person, version=version)
    assert several.user(services, token).tenant_id == tenant
    assert several.me(services, token).lower().startswith(person)
    asked = {entry.path.split("/")[1] for entry in several.seen(mark, "obo")}
    assert asked == {tenant}
    metadata = {entry.path.split("/")[1] for entry in several.stack.audit.entries(mark) if entry.action == "keys"}
    assert metadata == {"organizations"}


def test_any_lets_in_the_users_of_every_organization(several: Lab) -> None:
    services = several.services(**of_any(several))
    for tenant in (CONTOSO, FABRIKAM, STRANGERS):
        for version in (1, 2):
            token = several.stack.issue_access_token("frida", version=version, **issued_by(tenant, version))
            assert services.sessions.open(token).access_token.authority.tenant_id == tenant


HARD: dict[str, dict[str, Any]] = {
    "Fabrikam's token with Contoso's issuer": {**issued_by(FABRIKAM), "iss": issued_by(CONTOSO)["iss"]},
    "Contoso's token with Fabrikam's issuer": {**issued_by(CONTOSO), "iss": issued_by(FABRIKAM)["iss"]},
    "v1 issuer in a v2 token": {**issued_by(FABRIKAM), "iss": issued_by(FABRIKAM, 1)["iss"]},
    "the issuer of organizations": {"tid": FABRIKAM, "iss": f"{LOGIN}/organizations/v2.0"},
    "the issuer of common": {"tid": FABRIKAM, "iss": f"{LOGIN}/common/v2.0"},
    "the template for an issuer": {"tid": FABRIKAM, "iss": f"{LOGIN}/{{tenantid}}/v2.0"},
    "the template for a tenant": issued_by("{tenantid}"),
    "the issuer of another cloud": {"tid": FABRIKAM, "iss": f"https://login.microsoftonline.us/{FABRIKAM}/v2.0"},
    "the tenant in upper case": issued_by(FABRIKAM.upper()),
    "the tenant in upper case, the issuer not": {"tid": FABRIKAM.upper(), "iss": issued_by(FABRIKAM)["iss"]},
    "the issuer in upper case": {"tid": FABRIKAM, "iss": issued_by(FABRIKAM.upper())["iss"]},
    "a domain for a tenant": issued_by("fabrikam.example"),
    "common": issued_by("common"),
    "organizations": issued_by("organizations"),
    "personal accounts": issued_by(PERSONAL_ACCOUNTS),
    "no tenant": {"tid": None},
    "an empty tenant": issued_by(""),
    "two tenants": {"tid": [CONTOSO, FABRIKAM]},
    "a tenant as an object": {"tid": {CONTOSO: 1}},
    "a number for a tenant": {"tid": 7},
    "a line break": issued_by(f"{FABRIKAM}\n"),
    "a quotation mark": issued_by(f'{FABRIKAM}", error="x'),
    "a header": issued_by(f"{FABRIKAM}\r\nX-Injected: 1"),
    "a path": issued_by(f"{FABRIKAM}/../{CONTOSO}"),
    "a question mark": issued_by(f"{FABRIKAM}?"),
    "digits of another script": issued_by("٩" * 8 + FABRIKAM[8:]),
    "a full-width letter": issued_by("\uff46" + FABRIKAM[1:]),
}


def function(services: LazyServices) -> Callable[..., Any]:
    """A function that asks Graph for the user's name, and Orders for a token."""

    @RequiresUser(services)()
    def hello(req: func.HttpRequest, user: User) -> dict[str, object]:
        if "orders" in req.params:
            user.token("Orders")
        return {"name": user.api("Graph").get("/me").json()["displayName"], "tenant": user.tenant_id}

    return hello


def lazily(lab: Lab, **changes: str | None) -> LazyServices:
    return LazyServices(lab.environ(**changes), now=lab.clock, sleep=lab.clock.forward)


@pytest.mark.parametrize("is_open", [False, True], ids=["listed", "any"])
@pytest.mark.parametrize("name", HARD)
def test_a_token_that_is_of_no_tenant_in_particular_gets_401_and_is_told_no_tenant(
    several: Lab, name: str, is_open: bool
) -> None:
    changes = of_any(several) if is_open else {}
    token = several.stack.issue_access_token("frida", **HARD[name])
    reply = reply_of(function(lazily(several, **changes)), req=request(token))
    assert (reply.status_code, body_of(reply)["code"]) == (401, "invalid_token")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="organizations", error="invalid_token"'
    assert FABRIKAM not in str(reply.get_body()).lower()


@pytest.mark.parametrize("version", [1, 2])
def test_a_tenant_that_is_not_listed_sees_our_realm_and_never_its_own(several: Lab, version: int) -> None:
    guarded, mark = function(lazily(several)), several.stack.audit.mark()
    token = several.stack.issue_access_token("frida", version=version, **issued_by(STRANGERS, version))
    reply = reply_of(guarded, req=request(token))
    assert (reply.status_code, body_of(reply)["code"]) == (401, "invalid_token")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="organizations", error="invalid_token"'
    assert STRANGERS not in f"{reply.get_body()!r} {dict(reply.headers)}"
    assert not [entry for entry in several.stack.audit.entries(mark) if STRANGERS in entry.path]


@pytest.mark.parametrize("token", [None, "x.y.z", "garbage"])
def test_without_a_valid_token_the_realm_is_organizations(several: Lab, token: str | None) -> None:
    reply = reply_of(function(lazily(several)), req=request(token))
    assert REALM.match(reply.headers["WWW-Authenticate"])[1] == "organizations"  # type: ignore[index]


def test_an_expired_token_of_a_listed_tenant_is_told_no_tenant_either(several: Lab) -> None:
    token = several.stack.issue_access_token("frida", exp=int(several.clock()) - 3600)
    reply = reply_of(function(lazily(several)), req=request(token))
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="organizations", error="invalid_token"'


def test_a_validated_caller_is_told_their_own_realm(several: Lab) -> None:
    @RequiresUser(lazily(several))(scopes=["something.else"])
    def hello(req: func.HttpRequest, user: User) -> str:
        raise AssertionError("must not run")

    for person, tenant in (("alice", CONTOSO), ("frida", FABRIKAM)):
        reply = reply_of(hello, req=request(several.stack.issue_access_token(person)))
        assert (reply.status_code, REALM.match(reply.headers["WWW-Authenticate"])[1]) == (403, tenant)  # type: ignore[index]


def test_a_step_up_by_a_function_leads_to_the_callers_tenant(several: Lab) -> None:
    @RequiresUser(lazily(several))(auth_context="c1")
    def hello(req: func.HttpRequest, user: User) -> str:
        raise AssertionError("must not run")

    for person, tenant in (("alice", CONTOSO), ("frida", FABRIKAM)):
        challenge = reply_of(hello, req=request(several.stack.issue_access_token(person))).headers["WWW-Authenticate"]
        assert challenge.startswith(
            f'Bearer realm="{tenant}", authorization_uri="{LOGIN}/{tenant}/oauth2/v2.0/authorize"'
        )


def test_an_application_of_a_tenant_that_is_not_listed_is_told_no_more(several: Lab) -> None:
    """A listed one is told that it has no user (403)."""
    own = "5e4f0000-0000-4000-8000-000000000005"
    nobody = {"scp": None, "name": None, "preferred_username": None}
    app: dict[str, Any] = {"idtyp": "app", **nobody, "oid": own, "sub": own}
    guarded = function(lazily(several))
    listed = reply_of(guarded, req=request(several.stack.issue_access_token("frida", **app)))
    assert listed.status_code == 403
    theirs = several.stack.issue_access_token("frida", **app, **issued_by(STRANGERS))
    assert reply_of(guarded, req=request(theirs)).status_code == 401


def test_a_tenant_that_was_taken_off_the_list_is_out_from_the_next_start_on(several: Lab) -> None:
    token = several.stack.issue_access_token("frida")
    assert several.me(several.services(), token) == "Frida Fisher"
    reply = reply_of(function(lazily(several, **{f"{ALLOWED}__1": None})), req=request(token))
    assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (
        401,
        'Bearer realm="organizations", error="invalid_token"',
    )


def test_a_challenge_of_an_api_leads_to_the_callers_tenant(several: Lab) -> None:
    """Graph asks for MFA, as continuous access evaluation does. The exchange with these claims is refused."""
    for person, tenant in (("alice", CONTOSO), ("frida", FABRIKAM)):
        several.stack.graph.challenge(person=person)
        reply = reply_of(function(lazily(several)), req=request(several.stack.issue_access_token(person)))
        page = f"{LOGIN}/{tenant}/oauth2/v2.0/authorize"
        assert reply.status_code == 401
        assert reply.headers["WWW-Authenticate"].startswith(f'Bearer realm="{tenant}", authorization_uri="{page}"')


def test_the_consent_page_of_another_tenant_is_not_passed_on() -> None:
    """An API behind this one names it. A person would open and trust it."""
    ours = Authority(LOGIN, ORGANIZATIONS, CLIENT).of_tenant(FABRIKAM)
    for tenant in (FABRIKAM, CONTOSO, "common", ORGANIZATIONS):
        page = f"{LOGIN}/{tenant}/adminconsent?client_id={API_ID}"
        body = json.dumps({"code": "consent_required", "scopes": ["s"], "admin_consent_url": page}).encode()
        response = Response(403, {"Content-Type": "application/problem+json"}, body)
        error = demand_of(response, "Orders", ours)
        assert error is not None
        assert error.extra.get("admin_consent_url") == (page if tenant == FABRIKAM else None)


# Signing keys


def key(lab: Lab, **changes: object) -> dict[str, Any]:
    return public_jwk(STRANGER.public_key(), kid="theirs", use="sig", **changes)


KEYS: dict[str, tuple[dict[str, object], set[str]]] = {
    "of every tenant": ({"issuer": f"{LOGIN}/{{tenantid}}/v2.0"}, {CONTOSO, FABRIKAM}),
    "of Fabrikam": ({"issuer": f"{LOGIN}/{FABRIKAM}/v2.0"}, {FABRIKAM}),
    "of Contoso": ({"issuer": f"{LOGIN}/{CONTOSO}/v2.0"}, {CONTOSO}),
    "of a stranger": ({"issuer": f"{LOGIN}/{STRANGERS}/v2.0"}, set()),
    "of personal accounts": ({"issuer": f"{LOGIN}/{PERSONAL_ACCOUNTS}/v2.0"}, set()),
    "of organizations": ({"issuer": f"{LOGIN}/organizations/v2.0"}, set()),
    "of another cloud": (
        {"issuer": f"{LOGIN}/{{tenantid}}/v2.0", "cloud_instance_name": "microsoftonline.us"},
        set(),
    ),
    "of an issuer of another cloud": ({"issuer": "https://login.microsoftonline.us/{tenantid}/v2.0"}, set()),
    "without an issuer": ({}, set()),
    "with an empty issuer": ({"issuer": ""}, set()),
    "of Fabrikam in some path": ({"issuer": f"https://x.example/{FABRIKAM}/v2.0"}, set()),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_signs_for_its_own_tenants_alone(several: Lab, name: str) -> None:
    """Entra's keys for organizations include keys of single tenants."""
    changes, good_for = KEYS[name]
    current = several.stack.entra.keys.current
    usual = public_jwk(current.key.public_key(), kid=current.x5t, use="sig", issuer=f"{LOGIN}/{{tenantid}}/v2.0")
    several.stack.faults.add("entra.keys", status=200, body={"keys": [key(several, **changes), usual]})
    services = several.services()
    for person, tenant in (("alice", CONTOSO), ("frida", FABRIKAM)):
        for version in (1, 2):
            genuine = Genuine.taken_apart(several.stack.issue_access_token(person, version=version), current)
            assert services.sessions.open(genuine.token())
            forged = genuine.token(header={**genuine.header, "kid": "theirs"}, key=STRANGER)
            if tenant in good_for:
                assert services.sessions.open(forged)
            else:
                with pytest.raises(InvalidToken):
                    services.sessions.open(forged)


def test_a_tenants_own_key_cannot_speak_for_another_tenant(several: Lab) -> None:
    """The administrators of Fabrikam may have a key of their own. It must not name Contoso in any claim."""
    current = several.stack.entra.keys.current
    usual = public_jwk(current.key.public_key(), kid=current.x5t, use="sig", issuer=f"{LOGIN}/{{tenantid}}/v2.0")
    theirs = key(several, issuer=f"{LOGIN}/{FABRIKAM}/v2.0")
    several.stack.faults.add("entra.keys", status=200, body={"keys": [theirs, usual]})
    services = several.services()
    genuine = Genuine.taken_apart(several.stack.issue_access_token("alice"), current)
    header = {**genuine.header, "kid": "theirs"}
    for changes in (
        {},
        issued_by(FABRIKAM) | {"tid": CONTOSO},
        issued_by(CONTOSO) | {"tid": FABRIKAM},
        issued_by(CONTOSO, 1) | {"ver": "1.0"},
    ):
        with pytest.raises(InvalidToken):
            services.sessions.open(genuine.token(header=header, claims={**genuine.claims, **changes}, key=STRANGER))


# What each tenant is told


def admin_page(tenant: str) -> str:
    return f"{LOGIN}/{tenant}/adminconsent?client_id={API_ID}"


@pytest.mark.parametrize(("person", "tenant"), [("connor", CONTOSO), ("fiona", FABRIKAM)])
def test_missing_consent_leads_to_the_page_of_the_callers_tenant(several: Lab, person: str, tenant: str) -> None:
    reply = reply_of(function(lazily(several)), req=request(several.stack.issue_access_token(person)))
    assert (reply.status_code, body_of(reply)["code"]) == (403, "consent_required")
    assert body_of(reply)["admin_consent_url"] == admin_page(tenant)


@pytest.mark.parametrize(("person", "tenant"), [("maya", CONTOSO), ("felix", FABRIKAM)])
def test_a_claims_challenge_leads_to_the_callers_tenant(several: Lab, person: str, tenant: str) -> None:
    reply = reply_of(function(lazily(several)), req=request(several.stack.issue_access_token(person)))
    assert (reply.status_code, body_of(reply)["code"]) == (401, "insufficient_claims")
    challenge = reply.headers["WWW-Authenticate"]
    assert challenge.startswith(f'Bearer realm="{tenant}", authorization_uri="{LOGIN}/{tenant}/oauth2/v2.0/authorize"')


def api_is_gone(lab: Lab) -> None:
    lab.stack.directory.remove(FABRIKAM, "api")


def api_is_disabled(lab: Lab) -> None:
    lab.stack.directory.disable(FABRIKAM, "api")


def orders_is_missing(lab: Lab) -> None:
    lab.stack.directory.remove(FABRIKAM, "orders")


@pytest.mark.parametrize(
    ("change", "number"), [(api_is_gone, 700016), (api_is_disabled, 7000112), (orders_is_missing, 500011)]
)
def test_a_tenant_that_has_not_installed_the_api_is_asked_for_its_consent(
    several: Lab, change: Callable[[Lab], None], number: int, caplog: pytest.LogCaptureFixture
) -> None:
    guarded, tokens = function(lazily(several)), {p: several.stack.issue_access_token(p) for p in ("alice", "frida")}
    change(several)

    def call(person: str) -> func.HttpResponse:
        asked = request(tokens[person])
        return reply_of(
            guarded, req=func.HttpRequest("GET", asked.url, headers=asked.headers, params={"orders": "1"}, body=b"")
        )

    reply = call("frida")
    assert (reply.status_code, body_of(reply)["code"]) == (403, "consent_required")
    assert body_of(reply)["admin_consent_url"] == admin_page(FABRIKAM)
    assert f"AADSTS{number}" in caplog.text
    assert call("alice").status_code == 200


@pytest.mark.parametrize("number", [500011, 650052, 7000112, 700016])
def test_of_one_tenant_alone_the_same_is_a_fault_of_this_api(number: int) -> None:
    body = said("invalid_client", number)
    own = Settings.from_environ(GOOD).authority
    assert error_from_entra(body, SCOPES, own).code == "server_misconfigured"
    theirs = own.of_tenant(CLIENT)
    assert error_from_entra(body, SCOPES, theirs).extra["admin_consent_url"] == theirs.admin_consent_url


def test_the_text_of_entra_reaches_nobody(several: Lab, caplog: pytest.LogCaptureFixture) -> None:
    body = {
        "error": "unauthorized_client",
        "error_codes": [700016],
        "error_description": f"AADSTS700016: not found in {STRANGERS}",
        "trace_id": STRANGERS + '"\r\nX: 1',
    }
    several.stack.faults.add("entra.token", status=400, body=body)
    reply = reply_of(function(lazily(several)), req=request(several.stack.issue_access_token("frida")))
    assert body_of(reply)["admin_consent_url"] == admin_page(FABRIKAM)
    assert STRANGERS not in f"{reply.get_body()!r} {dict(reply.headers)} {caplog.text}"


# Tenants do not disturb one another


def test_one_credential_serves_every_tenant(several: Lab) -> None:
    services, mark = several.services(), several.stack.audit.mark()
    for person in ("alice", "frida", "olga"):
        several.me(services, several.stack.issue_access_token(person))
    assert len([entry for entry in several.seen(mark, "secret") if entry.status == 200]) == 1
    assert len(services.entra) == 2


def test_a_vault_that_is_down_keeps_no_new_tenant_out(several: Lab) -> None:
    services = several.services()
    several.me(services, several.stack.issue_access_token("alice"))
    several.stack.faults.add("vault", status=503)
    assert several.me(services, several.stack.issue_access_token("frida")) == "Frida Fisher"


def test_the_credential_is_loaded_anew_once_for_all_tenants(several: Lab) -> None:
    services = several.services()
    for person in ("alice", "frida"):
        several.me(services, several.stack.issue_access_token(person))
    several.clock.forward(RELOAD_AFTER_SECONDS)
    mark = several.stack.audit.mark()
    for person in ("alice", "frida", "olga"):
        several.me(services, several.stack.issue_access_token(person))
        finish_background_work()
    assert len([entry for entry in several.seen(mark, "secret") if entry.status == 200]) == 1


def test_an_outage_of_one_tenant_opens_no_circuit_for_another(several: Lab, caplog: pytest.LogCaptureFixture) -> None:
    services = several.services()
    several.stack.faults.add("entra.token", person="frida", status=503)
    for _ in range(8):
        with pytest.raises(ServiceUnavailable) as raised:
            several.me(services, several.stack.issue_access_token("frida"))
    assert "circuit open" in raised.value.reason
    assert f"Entra for tenant {FABRIKAM}: 5 failures in a row" in caplog.text
    assert several.me(services, several.stack.issue_access_token("alice")) == "Alice Ahlberg"


def test_a_tenant_that_refuses_every_certificate_stops_no_load_of_the_newest(several: Lab) -> None:
    """There is no certificate before the newest. So each attempt to go back fails."""
    services = several.services()
    several.me(services, several.stack.issue_access_token("alice"))
    body = {"error": "invalid_client", "error_codes": [700027]}
    several.stack.faults.add("entra.token", person="frida", status=401, body=body)
    for _ in range(8):
        with pytest.raises(Exception, match="server_misconfigured"):
            several.me(services, several.stack.issue_access_token("frida"))
        several.clock.forward(31)
    several.stack.rotate_client_certificate(unregister_old=True)
    assert several.me(services, several.stack.issue_access_token("olga")) == "Olga Olsen"


@pytest.mark.parametrize("number", [700027, 7000277])
def test_refusals_of_the_credential_in_one_tenant_change_nothing_in_another(several: Lab, number: int) -> None:
    services = several.services()
    several.me(services, several.stack.issue_access_token("alice"))
    contoso = services.entra.of(
        services.sessions.open(several.stack.issue_access_token("alice")).access_token.authority
    )
    before = contoso._clients.get()
    body = {"error": "invalid_client", "error_codes": [number]}
    several.stack.faults.add("entra.token", person="frida", status=401, body=body)
    mark = several.stack.audit.mark()
    for _ in range(6):
        with pytest.raises(Exception, match="server_misconfigured"):
            several.me(services, several.stack.issue_access_token("frida"))
    assert contoso._clients.get() is before
    assert several.me(services, several.stack.issue_access_token("olga")) == "Olga Olsen"
    assert len([entry for entry in several.seen(mark, "secret") if entry.status == 200]) <= 2


def test_the_number_of_tenants_that_are_remembered_is_bounded(several: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_behalf_of, "MAX_TENANTS", 1)
    services = several.services()
    for person in ("alice", "frida", "alice", "frida"):
        assert several.me(services, several.stack.issue_access_token(person)).lower().startswith(person)
        assert len(services.entra) == 1


def test_of_any_tenants_a_bounded_number_is_remembered() -> None:
    tenants = Tenants(Authority(LOGIN, ORGANIZATIONS, CLIENT), (ANY,))
    for number in range(3_000):
        assert tenants.find(f"{number:08x}-0000-4000-8000-000000000000") is not None
    assert tenants._of_any is not None
    assert tenants._of_any.cache_info().currsize == 1_000
    assert tenants.find(TENANT) is tenants.find(TENANT)


PEOPLE = {
    "alice": (200, CONTOSO),
    "frida": (200, FABRIKAM),
    "olga": (200, CONTOSO),
    "maya": (401, CONTOSO),
    "felix": (401, FABRIKAM),
    "connor": (403, CONTOSO),
    "fiona": (403, FABRIKAM),
}


def test_users_of_two_tenants_on_32_threads_never_get_each_others_token_realm_or_page(several: Lab) -> None:
    guarded, names = function(lazily(several)), list(PEOPLE)
    tokens = {name: [several.stack.issue_access_token(name) for _ in range(3)] for name in names}

    def call(thread: int) -> list[str]:
        wrong = []
        for turn in range(21):
            name = names[(thread + turn) % len(names)]
            status, tenant = PEOPLE[name]
            reply = reply_of(guarded, req=request(tokens[name][(thread + turn) % 3]))
            said, challenge = body_of(reply), reply.headers.get("WWW-Authenticate", "")
            others = (CONTOSO if tenant == FABRIKAM else FABRIKAM) in f"{said} {challenge}"
            fits = {
                200: said.get("tenant") == tenant and str(said.get("name", "")).lower().startswith(name),
                401: challenge.startswith(f'Bearer realm="{tenant}", authorization_uri="{LOGIN}/{tenant}/'),
                403: said.get("admin_consent_url") == admin_page(tenant),
            }
            if reply.status_code != status or others or not fits[status]:
                wrong.append(f"{name}: {reply.status_code} {said} {challenge}")
        return wrong

    assert [wrong for each in at_once(32, call) for wrong in each] == []


def test_a_user_has_another_pseudonym_in_each_tenant(several: Lab) -> None:
    services = several.services(**of_any(several))
    own = "5e4f0000-0000-4000-8000-000000000005"
    names = {
        services.sessions.open(
            several.stack.issue_access_token("frida", oid=own, **issued_by(tenant))
        ).access_token.name_in_log
        for tenant in (CONTOSO, FABRIKAM, STRANGERS)
    }
    assert len(names) == 3


# The token endpoint


class Published(Transport):
    """Entra, with this discovery document."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self.document = document

    def send(self, method: str, url: str, **_: Any) -> Response:
        assert method == "GET"
        return Response(200, {}, json.dumps(self.document).encode())


@pytest.mark.parametrize(
    "path",
    [
        f"/{CONTOSO}/oauth2/v2.0/token",
        "/organizations/oauth2/v2.0/token",
        "/common/oauth2/v2.0/token",
        "/token",
        f"/{FABRIKAM}/../{CONTOSO}/oauth2/v2.0/token",
        f"/{FABRIKAM}/%2e%2e/{CONTOSO}/oauth2/v2.0/token",
        f"/{FABRIKAM}/..\\{CONTOSO}/oauth2/v2.0/token",
        f"/{FABRIKAM}.evil/oauth2/v2.0/token",
        f"/{FABRIKAM}/oauth2/v2.0/token?tenant={CONTOSO}",
        f"//{FABRIKAM}/oauth2/v2.0/token",
    ],
)
def test_a_token_goes_to_the_endpoint_of_its_own_tenant_alone(path: str) -> None:
    authority = Authority(LOGIN, ORGANIZATIONS, CLIENT).of_tenant(FABRIKAM)
    http = MsalHttpClient(authority, Published({"token_endpoint": f"{LOGIN}{path}"}), Clock())
    with pytest.raises(EntraUnavailable, match="another host or tenant"):
        http.get(authority.discovery_url)
    with pytest.raises(EntraUnavailable, match="another host or tenant"):
        http.post(f"{LOGIN}{path}", data={})
    own = {"token_endpoint": f"{LOGIN}/{FABRIKAM}/oauth2/v2.0/token"}
    assert MsalHttpClient(authority, Published(own), Clock()).get(authority.discovery_url).status_code == 200


# External ID


@pytest.mark.parametrize("host", [f"{CUSTOMERS}.ciamlogin.com", "customers.ciamlogin.com"])
def test_external_id_by_either_of_its_names(several: Lab, host: str) -> None:
    several.stack.directory.install(CUSTOMERS)
    settings: dict[str, str | None] = {name: None for name in several.environ() if name.startswith(ALLOWED)}
    settings |= {TENANT_ID: CUSTOMERS, "AzureAd__Instance": f"https://{host}/"}
    services, asked = several.services(**settings), set[tuple[str, str]]()
    several.stack.recording.arrived = lambda service, request, _: asked.add((service, request.headers["host"]))
    try:
        assert several.me(services, several.stack.issue_access_token("carla")) == "Carla Costa"
    finally:
        several.stack.recording.arrived = None
    assert {name for service, name in asked if service == "entra"} == {host}
    for changes in (
        issued_by(CUSTOMERS),
        {"iss": f"https://customers.ciamlogin.com/{CUSTOMERS}/v2.0"},
        issued_by(CONTOSO),
    ):
        with pytest.raises(InvalidToken):
            services.sessions.open(several.stack.issue_access_token("carla", **changes))
    with pytest.raises(InvalidToken):
        services.sessions.open(several.stack.issue_access_token("alice"))


def test_a_service_is_made_without_a_connection(several: Lab) -> None:
    mark = several.stack.audit.mark()
    assert isinstance(several.services(), Services)
    assert several.stack.audit.entries(mark) == []


def test_the_log_names_the_tenant_of_a_validated_caller_alone(several: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    guarded = function(lazily(several))
    for token, tenant in (
        (several.stack.issue_access_token("frida"), FABRIKAM),
        (several.stack.issue_access_token("alice"), CONTOSO),
        (several.stack.issue_access_token("frida", **issued_by(STRANGERS)), ""),
        (None, ""),
    ):
        caplog.clear()
        reply_of(guarded, req=request(token))
        line = next(record.getMessage() for record in caplog.records if record.getMessage().startswith("request "))
        assert re.findall(r"tenant=(\S+)", line) == ([tenant] if tenant else [])
        assert STRANGERS not in caplog.text


def test_the_log_of_one_tenant_has_no_such_field(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    reply_of(function(lazily(lab)), req=request(lab.stack.issue_access_token("alice")))
    assert "tenant=" not in caplog.text
