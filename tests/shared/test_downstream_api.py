"""Calls as the user: what is sent, to which host, and what every response becomes."""

from __future__ import annotations

import json
import sys

import pytest

from shared.errors import (
    AccessDenied,
    ApiError,
    BadGateway,
    ClaimsChallenge,
    NotFound,
    RequestRejected,
    ServerMisconfigured,
    ServiceUnavailable,
)
from shared.net.claims_challenge import bearer_challenges
from tests.support.lab import Lab

PROBLEM = {"Content-Type": "application/problem+json"}


def failure(lab: Lab, person: str = "alice", path: str = "/me") -> ApiError:
    with pytest.raises(ApiError) as raised:
        lab.user(lab.services(), lab.stack.issue_access_token(person)).api("Graph").get(path)
    return raised.value


def test_a_response_has_status_headers_and_json(lab: Lab) -> None:
    response = (
        lab.user(lab.services(), lab.stack.issue_access_token("alice"))
        .api("graph")
        .get("/me", params={"$select": "id"})
    )
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/json")
    assert set(response.json()) == {"@odata.context", "id"}


@pytest.mark.parametrize(
    ("status", "kind", "replied"),
    [
        (400, RequestRejected, 400),
        (401, BadGateway, 502),
        (403, AccessDenied, 403),
        (404, NotFound, 404),
        (409, RequestRejected, 409),
        (412, RequestRejected, 412),
        (422, RequestRejected, 422),
        (429, ServiceUnavailable, 503),
        (500, BadGateway, 502),
        (503, BadGateway, 502),
        (305, BadGateway, 502),
    ],
)
def test_every_status_has_its_reply(lab: Lab, status: int, kind: type[ApiError], replied: int) -> None:
    lab.stack.faults.add("graph", status=status, body={"x": "s3cr3t"})
    error = failure(lab)
    assert (type(error), error.status) == (kind, replied)
    assert "downstream" not in error.extra


@pytest.mark.parametrize(("headers", "wait"), [({"Retry-After": "30"}, 30), ({}, 5)])
def test_throttling_is_passed_on_with_its_time(lab: Lab, headers: dict[str, str], wait: int) -> None:
    lab.stack.faults.add("graph", status=429, headers=headers)
    assert failure(lab).retry_after == wait


def test_a_problem_document_is_passed_on_other_bodies_are_not(lab: Lab) -> None:
    lab.stack.faults.add("graph", status=409, headers=PROBLEM, body={"code": "taken"}, times=1)
    assert failure(lab).extra["downstream"] == {"code": "taken"}
    for body in ("<html>", "[1]", '{"a": NaN}', json.dumps({"pad": "x" * 5000})):
        lab.stack.faults.add("graph", status=409, headers=PROBLEM, body=body, times=1)
        assert failure(lab).extra == {}


def test_a_claims_challenge_costs_one_more_exchange_and_then_the_response_is_there(lab: Lab) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    lab.user(services, token).api("Graph").get("/me")
    lab.stack.graph.challenge({"access_token": {"nbf": {"essential": True, "value": "1"}}}, times=1)
    mark = lab.stack.audit.mark()
    assert lab.user(services, token).api("Graph").get("/me").status_code == 200
    assert [entry.status for entry in lab.exchanges(mark)] == [200]
    assert [entry.status for entry in lab.seen(mark, "me")] == [401, 200]
    assert lab.user(services, token).api("Graph").get("/me").status_code == 200
    assert len(lab.exchanges(mark)) == 1  # the new token is the one that is kept


def test_a_challenge_that_entra_cannot_answer_goes_on_to_the_caller(lab: Lab) -> None:
    lab.stack.graph.challenge(times=None)
    error = failure(lab)
    assert isinstance(error, ClaimsChallenge)
    assert (error.challenge() or {})["error"] == "insufficient_claims"
    assert "access_token" in json.loads(error.claims)


@pytest.mark.parametrize(
    "header",
    [
        'Bearer error="insufficient_claims"',
        'Bearer error="insufficient_claims", claims=""',
        'Bearer error="insufficient_claims", claims="!!!"',
        'Bearer error="insufficient_claims", claims="bm90IGpzb24="',
        'Bearer error="insufficient_claims", claims="WzFd"',
        'Bearer error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOlsxXX0="',
        'Bearer error="insufficient_claims", claims="//57ACIAYQAiADoAewB9AH0A"',
        'Bearer error="invalid_token", claims="eyJhIjoxfQ=="',
        f'Bearer error="insufficient_claims", claims="{"A" * 9000}"',
        "Basic",
        "",
    ],
)
def test_what_is_no_claims_challenge_is_a_bad_gateway(lab: Lab, header: str) -> None:
    lab.stack.faults.add("graph", status=401, headers={"WWW-Authenticate": header})
    mark = lab.stack.audit.mark()
    assert isinstance(failure(lab), BadGateway)
    first, second = lab.exchanges(mark)  # as after any other 401: a new token, and no other claims
    assert first.details["claims"] == second.details["claims"]


@pytest.mark.parametrize("location", ["http://[::1", "//", "e\xff", "https://files.example/a?sig=1"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_redirect_is_not_even_parsed(lab: Lab, method: str, status: int, location: str) -> None:
    lab.stack.faults.add("graph", status=status, headers={"Location": location})
    graph = lab.user(lab.services(), lab.stack.issue_access_token("alice")).api("Graph")
    mark = lab.stack.audit.mark()
    answer = graph.request(method, "/me")
    assert (answer.status_code, answer.headers["Location"]) == (status, location)
    assert [entry.status for entry in lab.seen(mark, "me")] == [status]
    with pytest.raises(BadGateway, match="not the JSON"):
        answer.json()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_redirect_of_any_other_method_is_a_bad_gateway(lab: Lab, method: str) -> None:
    lab.stack.faults.add("graph", status=307, headers={"Location": "https://graph.microsoft.com/v1.0/me"})
    with pytest.raises(BadGateway):
        lab.user(lab.services(), lab.stack.issue_access_token("alice")).api("Graph").request(method, "/me")


def test_a_redirect_without_an_address_is_a_bad_gateway(lab: Lab) -> None:
    lab.stack.faults.add("graph", status=302)
    assert isinstance(failure(lab), BadGateway)


@pytest.mark.parametrize(
    ("code", "logged"),
    [
        ("ErrorAccessDenied", " ErrorAccessDenied"),
        ("Authorization_RequestDenied", " Authorization_RequestDenied"),
        ("a b", ""),
        ("eyJ.eyJ", ""),
        ("a" * 65, ""),
        ("é", ""),
        (7, ""),
    ],
)
def test_the_code_of_an_error_is_kept_for_the_log(lab: Lab, code: object, logged: str) -> None:
    lab.stack.faults.add("graph", status=403, body={"error": {"code": code, "message": "Alice may not."}})
    assert failure(lab).reason == f"Graph: HTTP 403{logged}"


def test_a_netrc_file_does_not_replace_the_token(lab: Lab, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    netrc = Path(str(tmp_path)) / "netrc"
    netrc.write_text("machine graph.microsoft.com login mallory password hunter2\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert lab.me(lab.services(), lab.stack.issue_access_token("alice"))


@pytest.mark.parametrize("path", ["//evil.example/x", "https://evil.example/", "/../..", "\\\\evil", "/a\r\nX: y"])
def test_a_bad_path_is_refused_before_any_request(lab: Lab, path: str) -> None:
    mark = lab.stack.audit.mark()
    user = lab.user(lab.services(), lab.stack.issue_access_token("alice"))
    keys = len(lab.stack.audit.entries(mark))
    with pytest.raises(ValueError, match="downstream path"):
        user.api("Graph").get(path)
    assert len(lab.stack.audit.entries(mark)) == keys


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb"])
def test_a_header_cannot_smuggle_another(lab: Lab, value: str) -> None:
    user = lab.user(lab.services(), lab.stack.issue_access_token("alice"))
    mark = lab.stack.audit.mark()
    with pytest.raises(ValueError, match="header"):
        user.api("Graph").get("/me", headers={"X-Note": value})
    assert lab.seen(mark, "me") == []


def test_a_token_that_is_no_header_value_is_not_quoted(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    token = "eyJhbGciOiJub25lIn0\r\nX-Evil: 1"
    lab.stack.faults.add("entra.token", status=200, body={"access_token": token, "expires_in": 60})
    with pytest.raises(ServerMisconfigured) as raised:
        lab.user(lab.services(), lab.stack.issue_access_token("alice")).api("Graph").get("/me")
    assert "eyJ" not in f"{raised.value}{caplog.text}"


def test_an_api_without_settings_names_them(lab: Lab) -> None:
    with pytest.raises(ServerMisconfigured, match="DownstreamApis__Grpah__BaseUrl"):
        lab.user(lab.services(), lab.stack.issue_access_token("alice")).api("Grpah")


def test_a_host_that_is_not_there_is_a_bad_gateway(lab: Lab) -> None:
    services = lab.services(DownstreamApis__Graph__BaseUrl="https://nowhere.example/v1.0")
    with pytest.raises(BadGateway) as raised:
        lab.user(services, lab.stack.issue_access_token("alice")).api("Graph").get("/me")
    assert "nowhere" not in str(raised.value)


@pytest.mark.parametrize("status", [407, 417, 421, 426, 431])
def test_what_is_about_our_own_connection_is_not_passed_on(lab: Lab, status: int) -> None:
    lab.stack.faults.add("graph", status=status)
    assert failure(lab).status == 502


def test_commas_without_end_in_a_challenge_cost_nothing() -> None:
    """Counts steps, not time: each comma is looked at once."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        assert list(bearer_challenges("," * 100_000)) == []
    finally:
        sys.setprofile(None)
    assert steps < 50
