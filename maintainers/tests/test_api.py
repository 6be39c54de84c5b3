"""The API over HTTP, in its own process, on the host for this Python."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from emulators.people import PEOPLE
from tests.support.live import Live
from tests.support.tokens import STRANGER, encoded, parts, signed

ROUTES = [("GET", "/api/me"), ("GET", "/api/orders"), ("POST", "/api/orders")]


def test_me_is_graphs_response_for_the_signed_in_user(live: Live) -> None:
    reply = live.call("/api/me", live.stack.issue_access_token("alice"))
    alice = PEOPLE["alice"]
    assert (reply.status_code, reply.headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    shown = {name: value for name, value in reply.json().items() if not name.startswith("@")}
    assert shown == {
        "displayName": alice.display_name,
        "mail": alice.mail,
        "userPrincipalName": alice.upn,
        "id": alice.oid,
    }


def test_the_first_round_costs_two_exchanges_and_the_second_none(live: Live) -> None:
    token, mark = live.stack.issue_access_token("alice"), live.stack.audit.mark()
    for exchanges in (2, 2):
        assert live.call("/api/me", token).status_code == 200
        assert live.call("/api/orders", token).status_code == 200
        assert live.exchanges(mark) == exchanges


def test_orders_are_the_users_own_and_a_manager_sees_all(live: Live) -> None:
    alice, greta, olga = (live.stack.issue_access_token(person) for person in ("alice", "greta", "olga"))
    added = live.call("/api/orders", alice, "POST", body=b'{"item": "chair", "quantity": 2}')
    assert (added.status_code, added.json()["item"], added.json()["owner"]) == (201, "chair", PEOPLE["alice"].oid)
    number = added.json()["id"]
    assert number in [order["id"] for order in live.call("/api/orders", alice).json()]
    assert live.call("/api/orders", greta).json() == []
    assert number in [order["id"] for order in live.call("/api/orders", olga).json()]


def test_somebody_elses_order_is_not_found(live: Live) -> None:
    alice, greta, olga = (live.stack.issue_access_token(person, app="orders") for person in ("alice", "greta", "olga"))
    added = live.call("/api/orders", alice, "POST", body=b'{"item": "desk", "quantity": 1}', base=live.orders)
    path = f"/api/orders/{added.json()['id']}"
    assert live.call(path, alice, base=live.orders).json()["item"] == "desk"
    assert live.call(path, olga, base=live.orders).status_code == 200
    reply = live.call(path, greta, base=live.orders)
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
    assert live.call("/api/orders/none", alice, base=live.orders).status_code == 404


def test_a_role_without_the_scope_opens_nothing(live: Live) -> None:
    """Effective permissions: what the client may do, and what the user may do; both are needed."""
    olga = live.stack.issue_access_token("olga", app="orders", scopes=["Orders.Write"])
    reply = live.call("/api/orders", olga, base=live.orders)
    assert (reply.status_code, reply.json()["scopes"]) == (403, ["Orders.Read"])
    reader = live.stack.issue_access_token("alice", app="orders", scopes=["Orders.Read"])
    assert live.call("/api/orders", reader, "POST", body=b"{}", base=live.orders).status_code == 403


def test_the_orders_api_does_not_take_a_token_for_the_api(live: Live) -> None:
    assert live.call("/api/orders", live.stack.issue_access_token("alice"), base=live.orders).status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"{", b"chair", b"\xff", b'{"item": "chair"', b'{"n": NaN}', b"[1e999]", b"[" * 100_000]
)
def test_a_body_that_is_not_json_is_400(live: Live, body: bytes) -> None:
    token, mark = live.stack.issue_access_token("alice"), live.stack.audit.mark()
    reply = live.call("/api/orders", token, "POST", body=body)
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_request")
    assert live.exchanges(mark) == 0


@pytest.mark.parametrize(
    "order",
    [{}, [], None, 7, {"item": "", "quantity": 1}, {"item": "x", "quantity": 0}, {"item": "x", "quantity": "1"},
     {"item": 5, "quantity": 1}, {"item": "x" * 101, "quantity": 1}, {"item": "x", "quantity": True}],
)  # fmt: skip
def test_a_downstream_400_is_passed_on_with_its_problem(live: Live, order: object) -> None:
    reply = live.call("/api/orders", live.stack.issue_access_token("alice"), "POST", body=json.dumps(order).encode())
    assert (reply.status_code, reply.json()["code"]) == (400, "downstream_rejected")
    assert reply.json()["downstream"]["code"] == "bad_request"


def test_health_is_anonymous(live: Live) -> None:
    reply = live.call("/api/health")
    assert (reply.status_code, reply.json()) == (200, {"status": "healthy"})


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_token_there_is_no_response_but_401(live: Live, method: str, path: str) -> None:
    reply = live.call(path, method=method)
    tenant = live.stack.environ("api")["AzureAd__TenantId"]
    assert (reply.status_code, reply.json()["code"]) == (401, "missing_token")
    assert reply.headers["WWW-Authenticate"] == f'Bearer realm="{tenant}"'
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Basic YTpi", "Bearer " + "a" * 30_000, "Bearer \xe9\xe8", "Bearer a, Bearer b"],
    ids=["empty", "no token", "Basic", "30 kB", "not ASCII", "two in one"],
)
def test_a_malformed_authorization_header_is_401(live: Live, value: str) -> None:
    reply = live.call("/api/me", headers={"Authorization": value.encode()})  # type: ignore[dict-item]
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer realm=")


def test_two_authorization_headers_are_401(live: Live) -> None:
    import http.client
    from urllib.parse import urlsplit

    connection = http.client.HTTPConnection(urlsplit(live.api).netloc, timeout=30)
    connection.putrequest("GET", "/api/me")
    for _ in range(2):
        connection.putheader("Authorization", f"Bearer {live.stack.issue_access_token('alice')}")
    connection.endheaders()
    reply = connection.getresponse()
    assert (reply.status, json.loads(reply.read())["code"]) == (401, "missing_token")
    connection.close()


def forged(live: Live, how: str) -> str:
    """One bad token of each kind."""
    issue = live.stack.issue_access_token
    header, claims = parts(issue("alice"))
    key = live.stack.entra.keys.current.key
    made: dict[str, Callable[[], str]] = {
        "expired": lambda: issue("alice", lifetime=-3600),
        "not yet valid": lambda: issue("alice", nbf=int(claims["exp"])),
        "wrong audience": lambda: issue("alice", app="graph"),
        "audience of Orders": lambda: issue("alice", app="orders"),
        "wrong issuer": lambda: issue("alice", iss="https://login.microsoftonline.com/common/v2.0"),
        "foreign tenant": lambda: issue("greta", tid=PEOPLE["greta"].home_tenant),
        "unknown kid": lambda: signed({**header, "kid": "unknown"}, claims, key),
        "alg none": lambda: f"{encoded({**header, 'alg': 'none'})}.{encoded(claims)}.",
        "HS256": lambda: signed({**header, "alg": "HS256"}, claims, key),
        "RS384": lambda: signed({**header, "alg": "RS384"}, claims, key),
        "PS256": lambda: signed({**header, "alg": "PS256"}, claims, key),
        "jku": lambda: signed({**header, "jku": "https://evil.example"}, claims, key),
        "jwk": lambda: signed({**header, "jwk": {}}, claims, key),
        "x5u": lambda: signed({**header, "x5u": "https://evil.example"}, claims, key),
        "crit": lambda: signed({**header, "crit": ["exp"]}, claims, key),
        "tampered payload": lambda: issue("alice").replace(".", ".A", 1),
        "tampered signature": lambda: issue("alice")[:-6] + "AAAAAA",
        "a stranger's signature": lambda: signed(header, claims, STRANGER),
        "ID token": lambda: live.stack.issue_id_token("alice"),
        "ID token for the API": lambda: live.stack.issue_id_token("alice", audience="api"),
        "not a token": lambda: "abc",
    }
    return made[how]()


BAD = """expired, not yet valid, wrong audience, audience of Orders, wrong issuer, foreign tenant, unknown kid,
alg none, HS256, RS384, PS256, jku, jwk, x5u, crit, tampered payload, tampered signature, a stranger's signature,
ID token, ID token for the API, not a token""".replace("\n", " ").split(", ")


@pytest.mark.parametrize("how", BAD)
def test_every_bad_token_gets_the_same_401(live: Live, how: str) -> None:
    mark = live.stack.audit.mark()
    reply = live.call("/api/me", forged(live, how))
    tenant = live.stack.environ("api")["AzureAd__TenantId"]
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == f'Bearer realm="{tenant}", error="invalid_token"'
    assert {**reply.json(), "correlation_id": ""} == {
        "status": 401,
        "code": "invalid_token",
        "detail": "The access token is not valid for this API. Get a new one, then call again.",
        "correlation_id": "",
    }
    assert live.exchanges(mark) == 0


def test_a_genuine_app_only_token_is_403(live: Live) -> None:
    reply = live.call("/api/me", live.stack.issue_app_token())
    assert (reply.status_code, reply.json()["code"]) == (403, "user_token_required")


@pytest.mark.parametrize("role", ["Orders.Manager", "Orders.Read", "Orders.Write"])
def test_orders_takes_no_token_of_an_application_whatever_it_is_called(live: Live, role: str) -> None:
    for method in ("GET", "POST"):
        token = live.stack.issue_app_token(app="orders", client="api", roles=(role,))
        reply = live.call("/api/orders", token, method, base=live.orders)
        assert (reply.status_code, reply.json()["code"]) == (403, "user_token_required")


def test_a_genuine_token_without_the_scope_is_403_naming_it(live: Live) -> None:
    reply = live.call("/api/me", live.stack.issue_access_token("alice", scopes=["something.else"]))
    assert (reply.status_code, reply.json()["scopes"]) == (403, ["access_as_user"])
    assert 'error="insufficient_scope", scope="access_as_user"' in reply.headers["WWW-Authenticate"]


def test_maya_is_challenged_in_entras_documented_format(live: Live) -> None:
    reply = live.call("/api/me", live.stack.issue_access_token("maya"))
    tenant = live.stack.environ("api")["AzureAd__TenantId"]
    header = reply.headers["WWW-Authenticate"]
    start = (
        f'Bearer realm="{tenant}", '
        f'authorization_uri="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize", '
        'error="insufficient_claims", claims="'
    )
    assert (reply.status_code, header[: len(start)]) == (401, start)
    claims = json.loads(base64.b64decode(header[len(start) : -1]))
    assert claims == json.loads(reply.json()["claims"])
    assert live.call("/api/me", live.stack.issue_access_token("maya", mfa=True)).status_code == 200


def test_connor_is_told_where_to_consent_and_then_succeeds_at_once(live: Live) -> None:
    token = live.stack.issue_access_token("connor")
    reply = live.call("/api/me", token)
    assert (reply.status_code, reply.json()["code"]) == (403, "consent_required")
    assert reply.json()["scopes"] == ["https://graph.microsoft.com/.default"]
    assert reply.json()["admin_consent_url"].startswith("https://login.microsoftonline.com/")
    live.stack.directory.consent("connor")
    try:
        assert live.call("/api/me", token).status_code == 200
    finally:
        live.stack.directory.withdraw_consent("connor")


@pytest.mark.parametrize(
    ("person", "status", "code"),
    [("blake", 403, "access_denied"), ("rhea", 401, "invalid_token"), ("greta", 200, None)],
)
def test_the_other_people(live: Live, person: str, status: int, code: str | None) -> None:
    reply = live.call("/api/me", live.stack.issue_access_token(person))
    assert (reply.status_code, reply.json().get("code")) == (status, code)
    if status == 403:
        assert "WWW-Authenticate" not in reply.headers  # the client must not loop


def test_fifty_callers_with_one_cold_token_cost_one_exchange(live: Live) -> None:
    token, mark = live.stack.issue_access_token("alice"), live.stack.audit.mark()
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: live.call("/api/me", token).status_code, range(50)))
    assert replies == [200] * 50
    assert live.exchanges(mark) == 1


def test_people_interleaved_get_their_own_responses(live: Live) -> None:
    tokens = {person: live.stack.issue_access_token(person) for person in ("alice", "olga", "greta")}

    def call(number: int) -> bool:
        person = ("alice", "olga", "greta")[number % 3]
        return bool(live.call("/api/me", tokens[person]).json()["id"] == PEOPLE[person].oid)

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(call, range(150)))


def test_throttling_is_503_with_the_time_to_wait(live: Live) -> None:
    live.stack.faults.add("entra.token", status=429, headers={"Retry-After": "13"}, person="alice")
    reply = live.call("/api/me", live.stack.issue_access_token("alice"))
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "13")
    assert live.call("/api/me", live.stack.issue_access_token("olga")).status_code == 200


def test_nothing_left_this_machine(live: Live) -> None:
    live.call("/api/me", live.stack.issue_access_token("alice"))
    refused = [entry for entry in live.stack.audit.entries(0) if entry.service == "gateway" and entry.status == 403]
    assert refused == []
