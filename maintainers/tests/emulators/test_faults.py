"""Switches that make a service fail."""

from __future__ import annotations

from typing import Any

import pytest

from emulators.faults import Faults
from emulators.stack import Stack

from .support import AUTHORITY, GRAPH_DEFAULT, TOKEN_URL, Http, obo_form, sign_in

GRAPH_ME = "https://graph.microsoft.com/v1.0/me"


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("entra.discovery", f"{AUTHORITY}/v2.0/.well-known/openid-configuration"),
        ("entra.keys", f"{AUTHORITY}/discovery/v2.0/keys"),
        ("entra.token", TOKEN_URL),
        ("identity", ""),
        ("vault", "https://obo-local.vault.azure.net/secrets/api-client/"),
        ("graph", GRAPH_ME),
        ("orders", "https://orders-local.azurewebsites.net/api/orders"),
    ],
)
def test_every_target_can_fail(target: str, url: str, stack: Stack, own: Http) -> None:
    url = url or stack.environ("api")["IDENTITY_ENDPOINT"]
    stack.faults.add(target, status=429, headers={"Retry-After": "7"}, body={"error": "slow down"}, times=1)

    reply = own.get(url)
    assert (reply.status_code, reply.headers["retry-after"], reply.json()) == (429, "7", {"error": "slow down"})
    entry = stack.audit.entries()[-1]
    assert (entry.status, entry.verdict) == (429, "fault: status 429")
    assert own.get(url).status_code != 429


def test_a_fault_may_hit_one_person(stack: Stack, own: Http) -> None:
    stack.faults.add("entra.token", status=503, person="alice")
    stack.faults.add("graph", status=500, person="alice")
    alice, olga = stack.issue_access_token("alice"), stack.issue_access_token("olga")
    assert own.post(TOKEN_URL, obo_form(stack, alice)).status_code == 503
    assert own.post(TOKEN_URL, obo_form(stack, olga)).status_code == 200
    assert own.get(GRAPH_ME, stack.issue_access_token("alice", app="graph")).status_code == 500
    assert own.get(GRAPH_ME, stack.issue_access_token("olga", app="graph")).status_code == 200
    assert stack.audit.entries()[-2].person == "alice"


def test_a_refresh_counts_as_its_persons(stack: Stack, own: Http) -> None:
    token = sign_in(own, "alice")["refresh_token"]
    stack.faults.add("entra.token", status=503, person="alice")
    form = {"grant_type": "refresh_token", "client_id": "x", "refresh_token": token, "scope": GRAPH_DEFAULT}
    assert own.post(TOKEN_URL, form).status_code == 503


def test_bodies_go_out_as_they_are(stack: Stack, own: Http) -> None:
    for body, text, kind in (
        ("<html>down</html>", "<html>down</html>", "text/html"),
        ("plain", "plain", "text/plain"),
        ('{"a":1}', '{"a":1}', "application/json"),
        (b"\x00\xff", None, None),
        (None, '{"error": "fault 502"}', "application/json"),
    ):
        fault = stack.faults.add("graph", status=502, body=body)
        reply = own.get(GRAPH_ME)
        assert reply.status_code == 502
        assert text is None or reply.text == text
        assert kind is None or reply.headers["content-type"].startswith(kind)
        stack.faults.remove(fault)
    assert own.get(GRAPH_ME).status_code == 401


def test_a_delay_alone_only_slows_down(stack: Stack, own: Http) -> None:
    stack.faults.add("graph", delay=0.2)
    assert own.get(GRAPH_ME, stack.issue_access_token("alice", app="graph")).status_code == 200
    assert stack.audit.entries()[-1].verdict == "fault: delayed 0.2 s; ok: me of alice"
    assert stack.audit.entries()[-1].ms >= 200

    stack.faults.clear()
    assert own.get(GRAPH_ME).status_code == 401


def test_times_are_counted() -> None:
    faults = Faults()
    faults.add("graph", status=500, times=2)
    assert [faults.take("graph", None) is not None for _ in range(3)] == [True, True, False]
    assert faults.take("vault", None) is None
    assert faults.take(None, None) is None


def test_every_other_request_may_be_hit() -> None:
    faults = Faults()
    faults.add("graph", status=500, every=2, times=2)
    assert [faults.take("graph", None) is not None for _ in range(5)] == [True, False, True, False, False]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": "nowhere"}, "target must be one of downloads, entra.discovery, .*, not 'nowhere'"),
        ({"target": None}, "target must be one of .*, not None"),
        ({"status": "503"}, "status must be a whole number from 200 to 599, not '503'"),
        ({"status": 42}, "status must be a whole number from 200 to 599, not 42"),
        ({"status": True}, "status must be .*, not True"),
        (
            {"person": "bob"},
            "person must be one of alice, maya, .*, olga, .*, frida, .*, not 'bob'",
        ),
        ({"person": ["alice"]}, "person must be one of alice"),
        ({"headers": ["Retry-After"]}, "headers must be header names with .*, not .'Retry-After'."),
        ({"headers": {"Retry-After": 7}}, "headers must be"),
        ({"headers": {"Retry-After": "7\r\nX: y"}}, "headers must be"),
        ({"headers": {"Retry After": "7"}}, "headers must be"),
        ({"delay": "1"}, "delay must be a number of seconds from 0 to 86400, not '1'"),
        ({"delay": -1}, "delay must be"),
        ({"delay": 10**400}, "delay must be"),
        ({"delay": float("nan")}, "delay must be"),
        ({"delay": None}, "delay must be"),
        ({"times": 0}, "times must be a whole number, 1 or more, not 0"),
        ({"times": 1.5}, "times must be"),
        ({"times": True}, "times must be"),
        ({"network": []}, "network must be one of refused, .*, not \\[\\]"),
        ({"status": None}, "a fault needs a status, a delay or a network failure"),
        ({"status": None, "delay": 1, "body": "x"}, "headers and body need a status"),
        ({"every": 0}, "every must be a whole number, 1 or more, not 0"),
        ({"every": True}, "every must be"),
        ({"every": None}, "every must be"),
        ({"without": "kid"}, "without must be a list of key ids, not 'kid'"),
        ({"without": []}, "without must be"),
        ({"without": [7]}, "without must be"),
        ({"without": ["kid"], "status": None}, "without goes with entra.keys, .* not with graph"),
        ({"without": ["kid"], "target": "entra.keys"}, "without goes .* not with entra.keys and status 500"),
        ({"target": "vault", "person": "alice"}, "a request to vault names no person: person goes only with entra."),
    ],
)
def test_a_fault_that_makes_no_sense_is_told_by_its_field(fields: dict[str, Any], message: str) -> None:
    faults, given = Faults(), {"target": "graph", "status": 500, **fields}
    with pytest.raises(ValueError, match=message):
        faults.add(**given)
    assert faults.take("graph", "alice") is None
