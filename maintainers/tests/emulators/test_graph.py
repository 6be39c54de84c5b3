"""Microsoft Graph, as far as it is emulated."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import jwt
import pytest

from client.challenge import parse_challenges
from emulators.applications import GRAPH_ID
from emulators.certificates import base64url
from emulators.people import PEOPLE
from emulators.stack import Stack

from .support import Clock, Http

GRAPH = "https://graph.microsoft.com/v1.0"


def test_me(http: Http) -> None:
    reply = http.get(f"{GRAPH}/me", http.stack.issue_access_token("greta", app="graph"))
    body = reply.json()

    assert reply.status_code == 200
    assert body["@odata.context"] == f"{GRAPH}/$metadata#users/$entity"
    assert (body["id"], body["displayName"]) == (PEOPLE["greta"].oid, "Greta Gruber")
    assert (body["mail"], body["userPrincipalName"]) == (PEOPLE["greta"].mail, PEOPLE["greta"].upn)
    assert reply.headers["request-id"]


def test_select(http: Http) -> None:
    token = http.stack.issue_access_token("alice", app="graph")
    body = http.get(f"{GRAPH}/me?$select=displayName,mail", token).json()
    assert body.keys() == {"@odata.context", "displayName", "mail"}

    unknown = http.get(f"{GRAPH}/me?$select=shoeSize", token)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "BadRequest")


@pytest.mark.parametrize("audience", [GRAPH_ID, "https://graph.microsoft.com/"])
def test_other_spellings_of_the_audience(audience: str, http: Http) -> None:
    assert http.get(f"{GRAPH}/me", http.stack.issue_access_token("alice", app="graph", aud=audience)).status_code == 200


def test_only_graph_can_check_the_signature_of_its_tokens(http: Http) -> None:
    """The header has a nonce. The signature is over a header with the SHA-256 of that."""
    token = http.stack.issue_access_token("alice", app="graph")
    key = http.stack.entra.keys.current.key.public_key()
    header = jwt.get_unverified_header(token)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.PyJWS().decode(token, key, algorithms=["RS256"])
    hashed = base64url(hashlib.sha256(header["nonce"].encode()).digest())
    jwt.PyJWS().decode(replaced(token, nonce=hashed), key, algorithms=["RS256"])
    assert http.get(f"{GRAPH}/me", token).status_code == 200
    for changed in (replaced(token, nonce=hashed), replaced(token, nonce="x"), replaced(token, nonce=5)):
        refused = http.get(f"{GRAPH}/me", changed)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "nonce" not in jwt.get_unverified_header(http.stack.issue_access_token("alice"))


def replaced(token: str, **members: object) -> str:
    """The token with these members in its header."""
    header = json.dumps({**jwt.get_unverified_header(token), **members}, separators=(",", ":"))
    return f"{base64url(header.encode())}.{token.partition('.')[2]}"


def test_users(http: Http) -> None:
    own = http.stack.issue_access_token("alice", app="graph")
    everybody = http.stack.issue_access_token("alice", app="graph", scopes=["User.ReadBasic.All"])
    assert http.get(f"{GRAPH}/users/{PEOPLE['alice'].oid}", own).json()["displayName"] == "Alice Ahlberg"
    assert http.get(f"{GRAPH}/users/{PEOPLE['olga'].upn}", everybody).json()["displayName"] == "Olga Olsen"
    forbidden = http.get(f"{GRAPH}/users/{PEOPLE['olga'].oid}", own)
    assert (forbidden.status_code, forbidden.json()["error"]["code"]) == (403, "Authorization_RequestDenied")
    told = http.stack.audit.entries()[-1].verdict
    assert told == "Authorization_RequestDenied: needs User.ReadBasic.All or User.Read.All"
    missing = http.get(f"{GRAPH}/users/nobody", everybody)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "Request_ResourceNotFound")


def test_messages_need_another_scope(http: Http) -> None:
    refused = http.get(f"{GRAPH}/me/messages", http.stack.issue_access_token("alice", app="graph"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "ErrorAccessDenied")
    assert "Mail.Read" not in refused.text  # like Graph's own reply, it does not name the missing scope
    assert http.stack.audit.entries()[-1].verdict == "ErrorAccessDenied: needs Mail.Read or Mail.ReadWrite"
    token = http.stack.issue_access_token("alice", app="graph", scopes=["Mail.Read"])
    assert http.get(f"{GRAPH}/me/messages?$top=1", token).json()["value"][0]["subject"] == "Message 1 for alice"
    assert http.get(f"{GRAPH}/me", token).status_code == 403


def test_other_paths_and_methods(http: Http) -> None:
    token = http.stack.issue_access_token("alice", app="graph")
    nothing = http.get(f"{GRAPH}/planets", token)
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (404, "ResourceNotFound")
    assert http.post(f"{GRAPH}/me", {}).status_code == 405


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://vault.azure.net"},
        {"aud": None},
        {"iss": "https://sts.windows.net/11111111-2222-4333-8444-555555555555/"},
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"nbf": int(time.time()) + 86_400},
    ],
)
def test_refuses_a_bad_token(claims: dict[str, Any], http: Http) -> None:
    reply = http.get(f"{GRAPH}/me", http.stack.issue_access_token("alice", app="graph", **claims))
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert reply.headers["request-id"] == reply.json()["error"]["innerError"]["request-id"]


def test_refuses_the_tokens_of_others(http: Http) -> None:
    stack = http.stack
    genuine = stack.issue_access_token("alice", app="graph")
    for token in (
        None,
        "nonsense",
        genuine[:-8] + "AAAAAAAA",
        stack.issue_access_token("alice"),
        stack.issue_id_token("alice"),
    ):
        reply = http.get(f"{GRAPH}/me", token)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")


def test_me_is_not_for_applications(http: Http) -> None:
    reply = http.get(f"{GRAPH}/me", http.stack.issue_app_token(app="graph"))
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "BadRequest")


def test_a_claims_challenge(stack: Stack, own: Http) -> None:
    stack.graph.challenge(person="alice")
    token = stack.issue_access_token("alice", app="graph")
    assert own.get(f"{GRAPH}/me", stack.issue_access_token("olga", app="graph")).status_code == 200

    reply = own.get(f"{GRAPH}/me", token)
    header = reply.headers["www-authenticate"]
    assert reply.status_code == 401
    assert 'error="insufficient_claims"' in header
    claims = json.loads(base64.b64decode(header.partition('claims="')[2].partition('"')[0]))
    assert claims["access_token"]["capolids"]["essential"] is True
    assert own.get(f"{GRAPH}/me", token).status_code == 200

    stack.graph.challenge({"access_token": {"acrs": {"essential": True, "value": "c1"}}})
    assert "claims=" in own.get(f"{GRAPH}/me", token).headers["www-authenticate"]


CAPABLE = ["CP1"]


def test_a_token_from_before_a_revocation_is_challenged(stack: Stack, own: Http, clock: Clock) -> None:
    token = stack.issue_access_token("alice", app="graph", xms_cc=CAPABLE)
    assert own.get(f"{GRAPH}/me", token).status_code == 200
    clock.ahead = 10
    revoked_at = clock()
    stack.directory.revoke_sessions("alice", revoked_at)

    reply = own.get(f"{GRAPH}/me", token)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    pop, bearer = parse_challenges(reply.headers["WWW-Authenticate"])
    assert (pop.scheme, bearer.scheme, bearer.parameters["error"]) == ("PoP", "Bearer", "insufficient_claims")
    asked = json.loads(base64.b64decode(bearer.parameters["claims"]))["access_token"]
    assert asked["nbf"] == {"essential": True, "value": str(int(revoked_at))}

    clock.ahead = 20
    assert own.get(f"{GRAPH}/me", stack.issue_access_token("alice", app="graph", xms_cc=CAPABLE)).status_code == 200


def test_who_has_not_declared_cp1_is_not_challenged(stack: Stack, own: Http, clock: Clock) -> None:
    token = stack.issue_access_token("alice", app="graph")
    clock.ahead = 10
    stack.directory.revoke_sessions("alice", clock())
    assert own.get(f"{GRAPH}/me", token).status_code == 200


def test_a_revocation_concerns_one_person(stack: Stack, own: Http, clock: Clock) -> None:
    token = stack.issue_access_token("olga", app="graph", xms_cc=CAPABLE)
    clock.ahead = 10
    stack.directory.revoke_sessions("alice", clock())
    assert own.get(f"{GRAPH}/me", token).status_code == 200
