"""Who may call: every kind of token, at every decorator, in every tenant and cloud. No cell lets the wrong kind in.

A row is a kind of token. A column is a decorator. A cell is the code of the response; OK is a call that gets in. Each
token goes to all decorators, `def` and `async def`, so a token that one of them knows already meets the next one, too.

To add a kind, add a row to KINDS. To add a tenant or a cloud, add a World: its settings, and the claims that its tokens
have. `lets_in=False` says that the settings do not accept these tokens: then each cell is 401 `invalid_token`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import azure.functions as func
import pytest

from emulators.applications import CLIENT_ID
from emulators.people import CONTOSO, FABRIKAM
from shared import AsyncUser, CallingApp, User
from shared.requires_user import RequiresApp, RequiresCaller, RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab
from tests.support.tokens import STRANGER, parts, signed

from .guarded import body_of, reply_of, request

ROLE, SCOPE = "Jobs.Run", "access_as_user"
STRANGE_CLIENT = "3c1a0000-0000-4000-8000-000000000001"
ITSELF = "5e4f0000-0000-4000-8000-000000000005"

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]


class World(NamedTuple):
    """A tenant in a cloud: the API's settings for it, and claims that its tokens have in place of the usual ones.

    `realm`: in the challenge for a token that is not valid. `own_realm`: for a valid token, that of its tenant.
    """

    settings: Mapping[str, str | None] = {}
    claims: Mapping[str, object] = {}
    lets_in: bool = True
    realm: str = CONTOSO
    own_realm: str = CONTOSO


OF_FABRIKAM = {"tid": FABRIKAM, "iss": f"https://login.microsoftonline.com/{FABRIKAM}/v2.0"}
SEVERAL = {"AzureAd__TenantId": "organizations", "AzureAd__AllowedTenants": f"{CONTOSO} {FABRIKAM}"}
OTHERS = {**SEVERAL, "AzureAd__AllowedTenants": STRANGE_CLIENT}

WORLDS: dict[str, World] = {
    "the API's own tenant": World(),
    "one of several tenants": World(SEVERAL, realm="organizations"),
    "another one of several tenants": World(SEVERAL, OF_FABRIKAM, realm="organizations", own_realm=FABRIKAM),
    "a tenant that is not one of several": World(OTHERS, OF_FABRIKAM, lets_in=False, realm="organizations"),
    "one of several tenants, with the issuer of another": World(
        SEVERAL, {**OF_FABRIKAM, "tid": CONTOSO}, lets_in=False, realm="organizations"
    ),
    "no tenant, where several may call": World(SEVERAL, {"tid": None}, lets_in=False, realm="organizations"),
    "another tenant": World(claims=OF_FABRIKAM, lets_in=False),
    "another tenant with the issuer of the API's": World(claims={"tid": FABRIKAM}, lets_in=False),
    "US Government": World(claims={"iss": f"https://login.microsoftonline.us/{CONTOSO}/v2.0"}, lets_in=False),
    "China": World(claims={"iss": f"https://login.partner.microsoftonline.cn/{CONTOSO}/v2.0"}, lets_in=False),
    "China, version 1.0": World(claims={"iss": f"https://sts.chinacloudapi.cn/{CONTOSO}/"}, lets_in=False),
    "External ID": World(claims={"iss": f"https://{CONTOSO}.ciamlogin.com/{CONTOSO}/v2.0"}, lets_in=False),
    "a client that is not allowed": World(settings={"AzureAd__AllowedClients": ITSELF}, lets_in=False),
}


# The columns


def by_user(services: LazyServices) -> Decorator:
    return RequiresUser(services)(scopes=[SCOPE])


def by_user_and_role(services: LazyServices) -> Decorator:
    return RequiresUser(services)(scopes=[SCOPE], roles=[ROLE])


def by_app(services: LazyServices) -> Decorator:
    return RequiresApp(services)(roles=["Jobs.Watch", ROLE])


def by_client(services: LazyServices) -> Decorator:
    return RequiresApp(services)(clients=[CLIENT_ID.upper()])


def by_another_client(services: LazyServices) -> Decorator:
    return RequiresApp(services)(roles=[ROLE], clients=[STRANGE_CLIENT])


def by_any_caller(services: LazyServices) -> Decorator:
    return RequiresCaller(services)(scopes=[SCOPE], roles=[ROLE])


COLUMNS: tuple[tuple[str, Callable[[LazyServices], Decorator], tuple[str, ...]], ...] = (
    ("user", by_user, ("User",)),
    ("user", by_user_and_role, ("User",)),
    ("app", by_app, ("CallingApp",)),
    ("app", by_client, ("CallingApp",)),
    ("app", by_another_client, ("CallingApp",)),
    ("caller", by_any_caller, ("User", "CallingApp")),
)

OK, ROLE_LACKS, SCOPE_LACKS = "ok", "insufficient_role", "insufficient_scope"
NO_AGENT_USERS = "agent_user_not_allowed"
FOR_APPS, FOR_USERS, OTHER_APP = "app_token_required", "user_token_required", "forbidden"
BAD, NONE = "invalid_token", "missing_token"
STATUS = {OK: 200, BAD: 401, NONE: 401}  # all others are 403


class Kind(NamedTuple):
    """A kind of token: how it is made, and the cells of its row in the order of COLUMNS."""

    token: Callable[[Lab, dict[str, Any]], str | None]
    cells: tuple[str, ...]


def of_user(person: str = "alice", **more: Any) -> Callable[[Lab, dict[str, Any]], str]:
    return lambda lab, claims: lab.stack.issue_access_token(person, **{**more, **claims})


def of_app(*roles: str, **more: Any) -> Callable[[Lab, dict[str, Any]], str]:
    def make(lab: Lab, claims: dict[str, Any]) -> str:
        known = lab.stack.directory.applications
        return lab.stack.entra.app_token(known["client"], known["api"], roles, changes={**more, **claims})

    return make


def forged(token: Callable[[Lab, dict[str, Any]], str]) -> Callable[[Lab, dict[str, Any]], str]:
    def make(lab: Lab, claims: dict[str, Any]) -> str:
        return signed(*parts(token(lab, claims)), STRANGER)

    return make


def id_token(lab: Lab, claims: dict[str, Any]) -> str:
    return lab.stack.issue_id_token("alice", aud=lab.environ()["AzureAd__ClientId"], **claims)


USER = (OK, ROLE_LACKS, FOR_APPS, FOR_APPS, FOR_APPS, OK)
USER_WITH_ROLE = (OK, OK, FOR_APPS, FOR_APPS, FOR_APPS, OK)
USER_WITHOUT_SCOPE = (SCOPE_LACKS, SCOPE_LACKS, FOR_APPS, FOR_APPS, FOR_APPS, SCOPE_LACKS)
APP = (FOR_USERS, FOR_USERS, ROLE_LACKS, OK, OTHER_APP, ROLE_LACKS)
APP_WITH_ROLE = (FOR_USERS, FOR_USERS, OK, OK, OTHER_APP, OK)
OTHER_APP_WITH_ROLE = (FOR_USERS, FOR_USERS, OK, OTHER_APP, OK, OK)
NOBODY = (BAD, BAD, BAD, BAD, BAD, BAD)
ACCOUNT_OF_AGENT = (NO_AGENT_USERS,) * 6
AGENT_ITSELF = (FOR_USERS,) * 6

KINDS: dict[str, Kind] = {
    "a user": Kind(of_user(), USER),
    "a user, whose token does not say so": Kind(of_user(idtyp=None), USER),
    "a user with a role like an application's": Kind(of_user(roles=[ROLE]), USER_WITH_ROLE),
    "a user with such a role, whose token does not say so": Kind(of_user(roles=[ROLE], idtyp=None), USER_WITH_ROLE),
    "a user with the role as a text": Kind(of_user(roles=ROLE), USER),
    "a user with the role as a scope": Kind(of_user(scp=ROLE), USER_WITHOUT_SCOPE),
    "a user with the scope as a role": Kind(of_user(scp="other", roles=[SCOPE, ROLE]), USER_WITHOUT_SCOPE),
    "a user through an agent": Kind(of_user(xms_act_fct="9 11", azp=CLIENT_ID), USER),
    "a user account of an agent": Kind(of_user(xms_sub_fct="3 13", roles=[ROLE], azp=CLIENT_ID), ACCOUNT_OF_AGENT),
    "an agent itself, with a scope": Kind(of_user(xms_sub_fct="11", scp="/", roles=[ROLE]), AGENT_ITSELF),
    "an application that is a user account of an agent": Kind(of_app(ROLE, xms_sub_fct="13"), NOBODY),
    "an application with a malformed actor": Kind(of_app(ROLE, xms_act_fct="11,13"), NOBODY),
    "a guest": Kind(of_user("greta"), USER),
    "a guest with a role like an application's": Kind(of_user("greta", roles=[ROLE]), USER_WITH_ROLE),
    "a user with a list of scopes": Kind(of_user(scp=[SCOPE], roles=[ROLE]), NOBODY),
    "a user without any scope": Kind(of_user(scp=None, roles=[ROLE]), NOBODY),
    "an application with the role": Kind(of_app(ROLE), APP_WITH_ROLE),
    "an application with the role, whose token does not say so": Kind(of_app(ROLE, idtyp=None), APP_WITH_ROLE),
    "an application with more roles": Kind(of_app("Other", ROLE), APP_WITH_ROLE),
    "an application without a role": Kind(of_app(), APP),
    "an application without a role, whose token does not say so": Kind(of_app(idtyp=None), APP),
    "an application with another role": Kind(of_app("Everything.Read"), APP),
    "an application with the role in capitals": Kind(of_app(ROLE.upper()), APP),
    "an application with the scope as a role": Kind(of_app(SCOPE), APP),
    "an application with the role as a text": Kind(of_app(roles=ROLE), APP),
    "an application with the roles in an object": Kind(of_app(roles={ROLE: True}), APP),
    "an application through an agent": Kind(of_app(ROLE, xms_act_fct="11", xms_sub_fct="11"), APP_WITH_ROLE),
    "another application with the role": Kind(of_app(ROLE, azp=STRANGE_CLIENT), OTHER_APP_WITH_ROLE),
    "an application with a scope": Kind(of_app(ROLE, scp=SCOPE), NOBODY),
    "an application with a scope, whose token does not say so": Kind(of_app(ROLE, scp=SCOPE, idtyp=None), NOBODY),
    "an application with an empty scope": Kind(of_app(ROLE, scp=""), NOBODY),
    "an application that says it is a user": Kind(of_app(ROLE, idtyp="user"), NOBODY),
    "an application with a list of kinds": Kind(of_app(ROLE, idtyp=["app"]), NOBODY),
    "an application with a user's name": Kind(of_app(ROLE, name="Alice Ahlberg"), NOBODY),
    "an application with another subject": Kind(of_app(ROLE, sub=ITSELF), NOBODY),
    "an application without a client": Kind(of_app(ROLE, azp=None), NOBODY),
    "an application with its token bound to a key": Kind(of_app(ROLE, cnf={"jwk": {}}), NOBODY),
    "an application with a token for another API": Kind(of_app(ROLE, aud=ITSELF), NOBODY),
    "an application with an old token": Kind(of_app(ROLE, exp=1_700_000_000), NOBODY),
    "an application with a token that nobody issued": Kind(forged(of_app(ROLE)), NOBODY),
    "a user that says it is an application": Kind(of_user(idtyp="app", roles=[ROLE]), NOBODY),
    "an ID token": Kind(id_token, NOBODY),
    "a token of a kind that is not known": Kind(of_user(idtyp="device", roles=[ROLE]), NOBODY),
    "no token": Kind(lambda lab, claims: None, (NONE,) * 6),
}
_of_world: dict[str, LazyServices] = {}
_tokens: dict[tuple[str, str], str | None] = {}


@pytest.fixture(autouse=True, scope="module")
def _fresh() -> None:
    _of_world.clear()
    _tokens.clear()


def forms(parameter: str, decorator: Decorator) -> tuple[Function, Function]:
    """A `def` and an `async def` function below the decorator. Both return the type of their caller."""
    if parameter == "user":

        def plain(req: func.HttpRequest, user: User) -> object:
            return type(user).__name__

        async def awaited(req: func.HttpRequest, user: AsyncUser) -> object:
            return type(user).__name__

    elif parameter == "app":

        def plain(req: func.HttpRequest, app: CallingApp) -> object:  # type: ignore[misc]  # another form
            return type(app).__name__

        async def awaited(req: func.HttpRequest, app: CallingApp) -> object:  # type: ignore[misc]
            return type(app).__name__

    else:

        def plain(req: func.HttpRequest, caller: User | CallingApp) -> object:  # type: ignore[misc]
            return type(caller).__name__

        async def awaited(req: func.HttpRequest, caller: AsyncUser | CallingApp) -> object:  # type: ignore[misc]
            return type(caller).__name__

    return decorator(plain), decorator(awaited)


@pytest.mark.parametrize("column", range(len(COLUMNS)), ids=[column[1].__name__ for column in COLUMNS])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", WORLDS)
def test_who_may_call(lab: Lab, world: str, kind: str, column: int) -> None:
    place, row, (parameter, make, types) = WORLDS[world], KINDS[kind], COLUMNS[column]
    services = _of_world.setdefault(world, LazyServices(lab.environ(**place.settings), lab.clock, lab.clock.forward))
    token = _tokens.setdefault((world, kind), row.token(lab, dict(place.claims)))
    expected = row.cells[column] if place.lets_in or token is None else BAD
    for function in forms(parameter, make(services)):
        reply = reply_of(function, req=request(token))
        assert reply.status_code == STATUS.get(expected, 403)
        challenge = reply.headers.get("WWW-Authenticate", "")
        if expected == OK:
            assert reply.get_body().decode().removeprefix("Async") in types
        else:
            assert body_of(reply)["code"] == expected
            realm = place.realm if expected in (BAD, NONE) else place.own_realm
            assert challenge.startswith(f'Bearer realm="{realm}"') == (expected in (BAD, NONE, SCOPE_LACKS))
            assert token is None or token not in f"{challenge}{reply.get_body().decode()}"
