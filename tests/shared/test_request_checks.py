"""Parts of a caller's request that a function passes on: the token still goes to one host, in one request.

Each row is a value that a function could pass on unchecked. Either it is a ValueError and nothing is sent, or
what is sent is one request with our host, our token and our framing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.downstream.api import DownstreamApi, DownstreamApis
from shared.errors import BadGateway
from shared.exchange.downstream_token import DownstreamToken, Refusal
from shared.net.transport import Transport
from shared.sessions import RequestContext, Sessions
from shared.settings.authority import Authority
from shared.settings.settings import Settings
from shared.telemetry.request_record import RequestRecord
from shared.validation.access_token import ValidatedToken
from shared.validation.jws import SigningKey
from tests.support.clock import Clock
from tests.support.tokens import STRANGER
from tests.support.wire import Wire, listening

AUTHORITY = Authority("https://login.example", "tenant", "client")
EVIL = "evil.example"
TOKEN = "the-users-token"


class Entra:
    """Accepts and exchanges every token, because these tests are about the call after that."""

    key = SigningKey(STRANGER.public_key())

    def validate(self, token: str) -> ValidatedToken:
        return ValidatedToken(b"{}", 2e9, frozenset({"s"}), "kid", self.key, "oid", "user", AUTHORITY)

    def still_valid(self, key_id: str, key: SigningKey) -> bool:
        return True

    def exchange(
        self,
        assertion: str,
        scopes: Sequence[str],
        *,
        authority: Authority,
        correlation_id: str,
        refusal: Refusal | None = None,
    ) -> DownstreamToken:
        return DownstreamToken(TOKEN, 2e9, 2e9)


class Api:
    """A downstream API whose requests can be read as they came."""

    def __init__(self, wire: Wire) -> None:
        self.wire, self.host = wire, f"localhost:{wire.port}"
        settings = Settings.from_environ(
            {
                "AzureAd__TenantId": "c0070505-1e9a-4c21-9d5e-3f6a0b7c8d21",
                "AzureAd__ClientId": "a9150000-5b3c-4e8d-a1f6-2b4c6d8e0f13",
                "AzureAd__ClientCredentials__0__SourceType": "ClientSecret",
                "AzureAd__ClientCredentials__0__ClientSecret": "none is needed",
                "DownstreamApis__Orders__BaseUrl": f"https://{self.host}/base",
                "DownstreamApis__Orders__Scopes": "api://orders/.default",
            }
        )
        clock = Clock()
        self._apis = DownstreamApis(settings, Transport(now=clock), clock, clock.forward)
        entra = Entra()
        self._sessions = Sessions(entra, entra, entra, clock, 10, 10**9)

    def __call__(self, method: str = "GET", path: str = "/orders", **options: Any) -> list[bytes]:
        """Calls, and returns what arrived."""
        self.wire.taken()
        caller = RequestContext(self._sessions, self._sessions.open("bearer"), "bearer", RequestRecord())
        DownstreamApi("Orders", self._apis, caller).request(method, path, **options)
        return self.wire.taken()


@pytest.fixture(scope="module")
def module_patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch) -> Iterator[Api]:
    with listening(Path(tmp_path_factory.mktemp("wire")), module_patch) as wire:
        yield Api(wire)


def headers_of(request: bytes) -> list[tuple[str, str]]:
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def is_one_of_ours(api: Api, requests: list[bytes], body: bytes = b"") -> bool:
    """One request, to our host, with our token, framed by us."""
    (request,) = requests
    headers = headers_of(request)
    framing = [
        (name.lower(), value) for name, value in headers if name.lower() in ("content-length", "transfer-encoding")
    ]
    return (
        [value for name, value in headers if name.lower() == "authorization"] == [f"Bearer {TOKEN}"]
        and [value for name, value in headers if name.lower() == "host"] == [api.host]
        and framing in ([], [("content-length", str(len(body)))])
        and request.partition(b"\r\n\r\n")[2] == body
        and all(name.strip() == name and name for name, _ in headers)
    )


def test_an_ordinary_request(api: Api) -> None:
    requests = api(
        "POST", json={"item": "tea"}, headers={"X-Note": "caf\u00e9", "If-Match": '"1"'}, params={"q": "a b&c"}
    )
    assert is_one_of_ours(api, requests, b'{"item": "tea"}')
    assert requests[0].startswith(b"POST /base/orders?q=a+b%26c HTTP/1.1\r\n")
    assert ("X-Note", "caf\u00e9") in headers_of(requests[0])


REFUSED_HEADERS: dict[str, dict[Any, Any]] = {
    "another host": {"Host": EVIL},
    "another host, in lower case": {"host": EVIL},
    "another token": {"Authorization": f"Bearer {EVIL}"},
    "another token, oddly spelled": {"aUTHORIZATION": f"Bearer {EVIL}"},
    "a token for a proxy": {"Proxy-Authorization": "Basic YTpi"},
    "a cookie": {"Cookie": "session=evil"},
    "a length": {"Content-Length": "50"},
    "a length of nothing": {"content-length": "0"},
    "chunks": {"Transfer-Encoding": "chunked"},
    "chunks, perhaps": {"Transfer-Encoding": "identity, chunked"},
    "chunks, with a space after the name": {"Transfer-Encoding ": "chunked"},
    "chunks, with a tab before the name": {"\tTransfer-Encoding": "chunked"},
    "a host with a space after the name": {"Host ": EVIL},
    "a token with NUL after the name": {"Authorization\x00": f"Bearer {EVIL}"},
    "trailers": {"Trailer": "Authorization"},
    "what it takes": {"TE": "trailers"},
    "an end of the connection": {"Connection": "close"},
    "a header that is for the next hop alone": {"Connection": "Authorization"},
    "another protocol": {"Connection": "Upgrade", "Upgrade": "h2c"},
    "HTTP/2": {"HTTP2-Settings": "AAMAAABkAAQAAP__"},
    "another protocol alone": {"Upgrade": "h2c"},
    "an end of the connection, to a proxy": {"Proxy-Connection": "close"},
    "keep-alive": {"Keep-Alive": "timeout=1000"},
    "a wait for 100": {"Expect": "100-continue"},
    "our correlation id": {"client-request-id": "theirs"},
    "another method": {"X-HTTP-Method-Override": "DELETE"},
    "another method, as Microsoft writes it": {"X-HTTP-Method": "DELETE"},
    "another method, as others write it": {"x-method-override": "DELETE"},
    "another path": {"X-Original-URL": "/admin"},
    "another path, as IIS rewrites it": {"X-Rewrite-URL": "/admin"},
    "what WSGI takes for a length": {"Content_Length": "50"},
    "what WSGI takes for another method": {"X_HTTP_Method_Override": "DELETE"},
    "our trace": {"traceparent": "00-" + "1" * 32 + "-" + "1" * 16 + "-01"},
    "the state of our trace": {"tracestate": "a=b"},
    "CR LF in a value": {"X": f"a\r\nHost: {EVIL}"},
    "LF in a value": {"X": f"a\nAuthorization: {EVIL}"},
    "CR in a value": {"X": "a\rb"},
    "a folded value": {"X": "a\r\n b"},
    "NUL in a value": {"X": "a\x00b"},
    "a vertical tab in a value": {"X": "a\x0bb"},
    "a next line in a value": {"X": "a\x85b"},
    "a separator of lines in a value": {"X": "a\u2028b"},
    "what becomes CR LF when it is cut to a byte": {"X": f"a\u010d\u010aHost: {EVIL}"},
    "a value that no header can hold": {"X": "\u20ac"},
    "a surrogate": {"X": "\ud800"},
    "CR LF in a name": {f"X\r\nHost: {EVIL}\r\nY": "a"},
    "a colon in a name": {f"Host: {EVIL}\r\nX": "a"},
    "a colon": {"X:Y": "a"},
    "a space in a name": {"X Y": "a"},
    "a bracket in a name": {"X(": "a"},
    "a name that is not ASCII": {"H\u00f6st": "a"},
    "a name in full-width letters": {"\uff28ost": "a"},
    "an empty name": {"": "a"},
    "a name of two dots": {":authority": EVIL},
    "null": {"X": None},
    "a number": {"X": 5},
    "a list": {"X": ["a", "b"]},
    "bytes": {"X": b"a"},
    "a name of bytes": {b"X": "a"},
}


@pytest.mark.parametrize("name", REFUSED_HEADERS)
def test_a_header_that_is_not_the_authors_to_set_is_a_value_error(api: Api, name: str) -> None:
    for method, body in (("GET", None), ("POST", b"0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n")):
        with pytest.raises(ValueError, match=r"header") as raised:
            api(method, headers=REFUSED_HEADERS[name], data=body)
        assert EVIL not in f"{raised.value!r}"
        assert api.wire.taken() == []


@pytest.mark.parametrize(
    "method",
    ["", "get", "CONNECT", "TRACE", "TRACK", "DEBUG", "GET /evil HTTP/1.1\r\nX:", "GET ", " GET", "GET\t", "G\u00c9T",
     "PRI", "GET\x00", "PROPFIND", "\uff27\uff25\uff34"],
)  # fmt: skip
def test_a_method_that_is_none_of_the_usual_is_a_value_error(api: Api, method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        api(method)
    assert api.wire.taken() == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"])
def test_the_usual_methods_are_sent(api: Api, method: str) -> None:
    (request,) = api(method)
    assert request.startswith(f"{method} /base/orders HTTP/1.1\r\n".encode())
    assert ("Authorization", f"Bearer {TOKEN}") in headers_of(request)


@pytest.fixture
def busy_api(api: Api) -> Iterator[Api]:
    """Responds that it is too busy."""
    reply = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    usual, api.wire.reply = api.wire.reply, lambda secure: secure.sendall(reply)
    yield Api(api.wire)  # with a fresh budget of repetitions
    api.wire.reply = usual


@pytest.mark.parametrize(
    ("method", "is_repeated"),
    [("GET", True), ("HEAD", True), ("OPTIONS", True), ("PUT", True), ("DELETE", True), ("POST", False),
     ("PATCH", False)],
)  # fmt: skip
def test_only_an_idempotent_call_is_repeated(busy_api: Api, method: str, is_repeated: bool) -> None:
    """RFC 9110 §9.2.2."""
    with pytest.raises(BadGateway):
        busy_api(method)
    sent = [request.split(b" ")[0].decode() for request in busy_api.wire.taken()]
    assert set(sent) == {method}
    assert (len(sent) > 1) == is_repeated


ODD_PARAMS: dict[str, Any] = {
    "CR LF": {"a": f" HTTP/1.1\r\nHost: {EVIL}\r\n\r\n"},
    "the end of the query": {"a": "#x", "b#": "?"},
    "another parameter": {"a": "1&admin=true", "b=c&d": "x"},
    "a way up": {"/../../": "../.."},
    "NUL": {"a": "\x00"},
    "not ASCII": {"\u00e9": "\u20ac\U0001f600"},
    "null": {"a": None},
    "a list": {"a": ["1", "2\r\n"]},
    "bytes": {"a": b"\xff\r\n"},
    "a number": {"a": 5},
    "100 kB": {"a": "x" * 100_000},
}


@pytest.mark.parametrize("name", ODD_PARAMS)
def test_a_parameter_stays_one_in_the_query(api: Api, name: str) -> None:
    requests = api(params=ODD_PARAMS[name])
    assert is_one_of_ours(api, requests)
    line = requests[0].partition(b"\r\n")[0]
    assert line.startswith((b"GET /base/orders?", b"GET /base/orders HTTP"))
    assert line.endswith(b" HTTP/1.1")
    assert line.count(b" ") == 2


@pytest.mark.parametrize("params", [{"a": "\ud800"}, {"\udcff": "a"}])
def test_a_parameter_that_cannot_be_sent_is_a_value_error(api: Api, params: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        api(params=params)
    assert api.wire.taken() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 100,
        b"x" * 200_000,
    ],
    ids=["empty", "chunks", "line breaks", "a request", "NULs", "200 kB"],
)
def test_a_body_is_a_body(api: Api, body: bytes) -> None:
    for method in ("POST", "GET"):
        assert is_one_of_ours(api, api(method, data=body), body)


@pytest.mark.parametrize("value", ["\r\n\r\n", "\ud800", "\u2028", {"a": "\x00"}, [1e300, -0.0], 10**300, "x" * 10_000])
def test_what_a_caller_says_in_json_stays_json(api: Api, value: object) -> None:
    (request,) = api("POST", json=value)
    body = request.partition(b"\r\n\r\n")[2]
    assert is_one_of_ours(api, [request], body)
    assert json.loads(body) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, b"x"], ids=repr)
def test_what_is_no_json_is_an_error_of_the_author(api: Api, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        api("POST", json=value)
    assert api.wire.taken() == []


ASTRAY = {
    "overlong dots": "/%c0%ae%c0%ae/admin",
    "an overlong slash": "/a%c0%afb",
    "an overlong slash of three bytes": "/a%e0%80%afb",
    "IIS's own escapes": "/%u002e%u002e%u002fadmin",
    "full-width dots": "/\uff0e\uff0e/admin",
    "full-width dots, encoded": "/%ef%bc%8e%ef%bc%8e/admin",
    "one dot of each kind": "/.\uff0e/admin",
    "a two-dot leader": "/\u2025/admin",
    "a full-width slash": "/a\uff0fb",
    "a full-width backslash": "/a\uff3cb",
    "a division slash": "/a\u2215b",
    "a fraction slash": "/a\u2044b",
    "dots after a semicolon": "/..;jsessionid=1/admin",
    "dots and a space": "/.. /admin",
    "a line break, encoded": "/a%0d%0aX:%20y",
    "encoded nine times": "/" + "%" + "25" * 9 + "2e.",
    "encoded 60,000 times": "/%" + "25" * 60_000 + "2e",
    "a whole address": f"https://{EVIL}/",
    "another user": f"@{EVIL}/",
    "another host": f"//{EVIL}/",
    "another host behind a backslash": f"/\\{EVIL}/",
    "a fragment": f"/a#@{EVIL}/",
    "a megabyte": "/" + "a" * 1_000_000,
    "a surrogate": "/\ud800",
    "a mark from right to left": "/\u202eabc",
}


@pytest.mark.parametrize("name", ASTRAY)
def test_a_path_that_leads_astray_is_a_value_error(api: Api, name: str) -> None:
    with pytest.raises(ValueError, match="path") as raised:
        api(path=ASTRAY[name])
    assert EVIL not in f"{raised.value!r}"
    assert api.wire.taken() == []


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/users/\u00e9", b"/base/users/%C3%A9"),
        ("/users/\u65e5\u672c", b"/base/users/%E6%97%A5%E6%9C%AC"),
        ("/a%20b", b"/base/a%20b"),
        ("/a b", b"/base/a%20b"),
        ("/me/messages('AAMk=')?$select=id", b"/base/me/messages('AAMk=')?$select=id"),
        ("/a?q=%0d%0aHost:%20evil", b"/base/a?q=%0D%0AHost:%20evil"),
        ("/a?q=/../..", b"/base/a?q=/../.."),
        ("/x...y/...", b"/base/x...y/..."),
        ("/100%25", b"/base/100%25"),
    ],
)
def test_an_ordinary_path_is_sent_below_the_base(api: Api, path: str, sent: bytes) -> None:
    requests = api(path=path)
    assert is_one_of_ours(api, requests)
    assert requests[0].split(b" ")[1] == sent
