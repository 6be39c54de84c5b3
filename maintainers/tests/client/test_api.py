"""Calling the API: where the token goes, what comes back, and the one step-up."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from client.api import Api, call_as_user, checked_method, checked_path, lacks_consent
from client.errors import SettingsError, UnreachableError
from maintainers.tests.client.http_server import Response, serving

CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
CHALLENGE = f'Bearer error="insufficient_claims", claims="{base64.b64encode(CLAIMS.encode()).decode()}"'


class SignInStub:
    """Gives tokens t1, t2, … and remembers which claims, and when a consent, were asked for."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.consents: list[int] = []

    def access_token(self, claims: str | None = None, *, consent: bool = False) -> str:
        self.asked.append(claims)
        if consent:
            self.consents.append(len(self.asked))
        return f"t{len(self.asked)}"


def quiet(_line: str) -> None:
    """Nobody reads it."""


def test_a_get_carries_the_token_and_nothing_else() -> None:
    with serving((200, {"X-Correlation-Id": "c"}, b'{"a": 1}')) as server:
        reply = Api(server.url).call("GET", "/api/me?x=https://y", "t")

    method, path, headers, body = server.requests[0]
    assert (method, path, headers["Authorization"], body) == ("GET", "/api/me?x=https://y", "Bearer t", b"")
    assert "Content-Type" not in headers
    assert (reply.status, reply.text, reply.headers["x-correlation-id"]) == (200, '{"a": 1}', "c")


def test_a_body_is_sent_as_json() -> None:
    with serving((201, {}, b"")) as server:
        Api(server.url).call("POST", "/api/orders", "t", '{"item": "čaj"}')

    _, _, headers, body = server.requests[0]
    assert headers["Content-Type"] == "application/json"
    assert body.decode() == '{"item": "čaj"}'


def test_a_redirect_is_shown_and_not_followed() -> None:
    with serving() as other, serving((307, {"Location": f"{other.url}/steal"}, b"")) as server:
        reply = Api(server.url).call("GET", "/api/me", "t")

    assert (reply.status, other.requests) == (307, [])


@pytest.mark.parametrize("status", [413, 429, 503])
def test_a_response_that_says_when_to_try_again_is_shown_and_nothing_is_sent_again(status: int) -> None:
    with serving((status, {"Retry-After": "10"}, b'{"code": "temporarily_unavailable"}')) as server:
        reply = Api(server.url).call("GET", "/api/me", "t")

    assert (reply.status, reply.headers["Retry-After"], len(server.requests)) == (status, "10", 1)
    assert reply.text == '{"code": "temporarily_unavailable"}'


def test_neither_netrc_nor_a_proxy_touches_a_call_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")

    with serving((200, {}, b"")) as server:
        Api(server.url).call("GET", "/", "t")

    assert server.requests[0][2]["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/x",
        "https://evil.example/",
        "/../x",
        "/a/..",
        "\\\\evil",
        "/a\\b",
        "/a b",
        "/a\r\nX: y",
        "/\x00",
        "/a#b",
    ],
)
def test_a_path_cannot_leave_the_api(path: str) -> None:
    with serving() as server, pytest.raises(SettingsError, match="not a path of the API"):
        Api(server.url).call("GET", path, "t")

    assert server.requests == []


def test_the_leading_slash_may_be_left_out() -> None:  # some shells on Windows rewrite an argument that begins with one
    assert checked_path("api/me") == "/api/me"


@pytest.mark.parametrize("method", ["", "G T", "GET\r\nX: y", "G\u00c9T"])
def test_what_is_no_method_is_refused(method: str) -> None:
    with pytest.raises(SettingsError, match="is not a method"):
        checked_method(method)


def test_a_method_is_sent_in_capitals() -> None:
    assert checked_method("patch") == "PATCH"


def test_a_token_is_not_sent_in_the_clear() -> None:
    with pytest.raises(SettingsError, match="a token is not sent to"):
        Api("http://api.example")


def test_no_response_is_one_error() -> None:
    with serving() as server:
        url = server.url

    with pytest.raises(UnreachableError, match="did not respond"):
        Api(url).call("GET", "/", "t")


def test_a_claims_challenge_is_answered_once() -> None:
    sign_in, told = SignInStub(), list[str]()

    with serving((401, {"WWW-Authenticate": CHALLENGE}, b""), (200, {}, b"ok")) as server:
        reply = call_as_user(Api(server.url), sign_in, "POST", "/api/orders", "{}", tell=told.append)

    assert (reply.status, reply.text, sign_in.asked) == (200, "ok", [None, CLAIMS])
    assert [request[2]["Authorization"] for request in server.requests] == ["Bearer t1", "Bearer t2"]
    assert [request[3] for request in server.requests] == [b"{}", b"{}"]
    assert "t1" not in "".join(told)


def test_a_second_challenge_is_given_back() -> None:
    sign_in, refusal = SignInStub(), (401, {"WWW-Authenticate": CHALLENGE}, b"")

    with serving(refusal, refusal) as server:
        reply = call_as_user(Api(server.url), sign_in, "GET", "/", tell=quiet)

    assert (reply.status, len(server.requests), sign_in.asked) == (401, 2, [None, CLAIMS])


@pytest.mark.parametrize(
    ("status", "header"),
    [(401, 'Bearer error="invalid_token"'), (401, "Bearer realm=("), (403, CHALLENGE), (200, CHALLENGE)],
)
def test_no_other_response_leads_to_a_second_call(status: int, header: str) -> None:
    sign_in = SignInStub()

    with serving((status, {"WWW-Authenticate": header}, b"")) as server:
        reply = call_as_user(Api(server.url), sign_in, "GET", "/", tell=quiet)

    assert (reply.status, len(server.requests), sign_in.asked) == (status, 1, [None])


PROBLEM = b'{"status": 403, "code": "consent_required", "scopes": ["a", "b"], "admin_consent_url": "https://x"}'
REFUSED: Response = (403, {"Content-Type": "application/problem+json"}, PROBLEM)
CHALLENGED: Response = (401, {"WWW-Authenticate": CHALLENGE}, b"")
DONE: Response = (200, {}, b"done")


def test_a_missing_consent_is_shown_unless_one_is_to_be_given() -> None:
    sign_in = SignInStub()

    with serving(REFUSED) as server:
        reply = call_as_user(Api(server.url), sign_in, "GET", "/", tell=quiet)

    problem = lacks_consent(reply)
    assert problem is not None
    assert (problem["scopes"], sign_in.asked) == (["a", "b"], [None])


def test_a_consent_is_given_once() -> None:
    sign_in = SignInStub()

    with serving(REFUSED, REFUSED) as server:
        reply = call_as_user(Api(server.url), sign_in, "POST", "/", "{}", consent=True, tell=quiet)

    assert (reply.status, sign_in.consents, len(server.requests)) == (403, [2], 2)
    assert [request[2]["Authorization"] for request in server.requests] == ["Bearer t1", "Bearer t2"]


def test_a_consent_after_a_step_up_keeps_its_claims() -> None:
    sign_in = SignInStub()

    with serving(CHALLENGED, REFUSED, DONE) as server:
        reply = call_as_user(Api(server.url), sign_in, "GET", "/", consent=True, tell=quiet)

    assert (reply.status, sign_in.asked, sign_in.consents) == (200, [None, CLAIMS, CLAIMS], [3])


def test_a_step_up_after_a_consent() -> None:
    sign_in = SignInStub()

    with serving(REFUSED, CHALLENGED, DONE) as server:
        reply = call_as_user(Api(server.url), sign_in, "GET", "/", consent=True, tell=quiet)

    assert (reply.status, sign_in.asked, sign_in.consents) == (200, [None, None, CLAIMS], [2])


def test_a_challenge_can_be_left_unanswered() -> None:
    sign_in = SignInStub()

    with serving(CHALLENGED) as server:
        reply = call_as_user(Api(server.url), sign_in, "GET", "/", step_up=False, consent=True, tell=quiet)

    assert (reply.status, sign_in.asked) == (401, [None])


@pytest.mark.parametrize("body", [b"", b"[]", b"no", b'{"code": "access_denied"}', b'"consent_required"'])
def test_no_other_403_asks_for_consent(body: bytes) -> None:
    sign_in = SignInStub()

    with serving((403, {}, body)) as server:
        reply = call_as_user(Api(server.url), sign_in, "GET", "/", consent=True, tell=quiet)

    assert (reply.status, sign_in.consents) == (403, [])
