"""The HTTP client and caches of MSAL: a request gets a response of the protocol, or an error of ours by kind."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from shared.errors import ApiError, ServerMisconfigured, ServiceUnavailable, Throttled
from shared.exchange.msal_client import (
    DiscoveryCache,
    EntraUnavailable,
    MsalHttpClient,
    msal_application,
    no_token_cache,
)
from shared.net.circuit_breaker import FAILURES
from shared.net.transport import Response, ResponseTooLarge, Transport, TransportError, TransportTimeout
from shared.settings.authority import Authority
from shared.settings.settings import Settings
from tests.support.clock import Clock

from .test_settings import GOOD

AUTHORITY = Authority("https://login.example", GOOD["AzureAd__TenantId"], GOOD["AzureAd__ClientId"])
TOKEN_URL = "https://login.example/tenant/oauth2/v2.0/token"


class Entra(Transport):
    """Returns the given responses, and records the requests."""

    def __init__(self) -> None:
        self.says: Response | BaseException = reply(200, {"access_token": "t", "expires_in": 60})
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def send(self, method: str, url: str, **request: Any) -> Response:
        self.sent.append((method, url, request))
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says


def reply(status: int, body: object = None, **headers: str) -> Response:
    return Response(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()
    )


@pytest.fixture
def entra() -> Entra:
    return Entra()


@pytest.fixture
def http(entra: Entra) -> MsalHttpClient:
    return MsalHttpClient(AUTHORITY, entra, Clock())


def failure(http: MsalHttpClient) -> ApiError:
    with pytest.raises(ApiError) as raised:
        http.post(TOKEN_URL, data={})
    return raised.value


def test_a_post_is_sent_with_our_correlation_id_and_msals_headers(entra: Entra, http: MsalHttpClient) -> None:
    response = http.post(
        TOKEN_URL, params={"p": "1"}, data={"d": "2"}, headers={"a": "b"}, correlation_id="id", timeout=5
    )
    assert response.status_code == 200
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    headers = {**form, "a": "b", "client-request-id": "id", "return-client-request-id": "true"}
    assert entra.sent == [("POST", TOKEN_URL, {"params": {"p": "1"}, "data": b"d=2", "headers": headers})]
    http.post(TOKEN_URL, data={"scope": "a/b c&d=\u00e9", "left out": None})
    assert entra.sent[1][2] == {"params": None, "data": b"scope=a%2Fb+c%26d%3D%C3%A9", "headers": form}


def test_a_get_is_sent_as_it_is_unless_the_response_is_known(entra: Entra) -> None:
    discovery = reply(200, {"issuer": "x"})
    http = MsalHttpClient(AUTHORITY, entra, Clock(), lambda url: discovery if url == "https://known.example" else None)
    assert json.loads(http.get("https://known.example").content) == {"issuer": "x"}
    assert entra.sent == []
    assert http.get("https://other.example", params={"p": "1"}, headers={"a": "b"}, timeout=5).status_code == 200
    assert entra.sent == [("GET", "https://other.example", {"params": {"p": "1"}, "headers": {"a": "b"}})]


FOREIGN = [
    "https://evil.example/tenant/oauth2/v2.0/token",
    "https://login.example.evil.example/token",
    "https://login.example@evil.example/token",
    "https://login.example:444/token",
    "http://login.example/token",
    "https://[::1",
    "",
]


@pytest.mark.parametrize("address", FOREIGN)
def test_a_token_endpoint_elsewhere_gets_nothing(entra: Entra, http: MsalHttpClient, address: str) -> None:
    with pytest.raises(EntraUnavailable) as raised:
        http.post(address, data={"assertion": "a user's token"})
    assert raised.value.reason == "Entra: token endpoint of another host or tenant"
    assert entra.sent == []


@pytest.mark.parametrize("address", FOREIGN)
def test_a_discovery_document_with_a_token_endpoint_elsewhere_is_not_handed_to_msal(
    entra: Entra, http: MsalHttpClient, address: str
) -> None:
    """Neither one that it fetches itself, nor one that came with the signing keys."""
    entra.says = reply(200, {"token_endpoint": address})
    with pytest.raises(EntraUnavailable):
        http.get("https://login.example/tenant/v2.0/.well-known/openid-configuration")
    with pytest.raises(EntraUnavailable):
        application(entra, reply(200, {**ENDPOINTS, "token_endpoint": address}))


def test_the_host_of_a_token_endpoint_is_compared_without_case_and_default_port(http: MsalHttpClient) -> None:
    assert http.post("https://Login.EXAMPLE:443/tenant/oauth2/v2.0/token").status_code == 200


@pytest.mark.parametrize("status", [200, 400, 401, 403, 428, 430, 499])
def test_a_response_of_the_protocol_is_handed_on(entra: Entra, http: MsalHttpClient, status: int) -> None:
    entra.says = reply(status, {"error": "invalid_grant"}, X_Id="1")
    response = http.post(TOKEN_URL)
    assert (response.status_code, json.loads(response.content)) == (status, {"error": "invalid_grant"})
    assert response.headers["X-Id"] == "1"


@pytest.mark.parametrize(
    ("says", "kind", "wait"),
    [
        (reply(429), ServiceUnavailable, 5),
        (reply(429, Retry_After="0"), ServiceUnavailable, 0),
        (reply(429, Retry_After="1"), Throttled, 1),
        (reply(429, Retry_After="17"), Throttled, 17),
        (reply(503, Retry_After="0"), EntraUnavailable, 0),
        (reply(503, Retry_After="9"), EntraUnavailable, 9),
        (reply(500), EntraUnavailable, 5),
        (reply(302, {}), EntraUnavailable, 5),
        (reply(399, {}), EntraUnavailable, 5),
        (reply(204), EntraUnavailable, 5),
        (reply(200, [1]), EntraUnavailable, 5),
        (Response(400, {}, b"<html>"), EntraUnavailable, 5),
        (TransportError("ConnectionError"), EntraUnavailable, 5),
    ],
)
def test_anything_else_is_an_error_that_says_when_to_come_back(
    entra: Entra, http: MsalHttpClient, says: Response | Exception, kind: type[ApiError], wait: int
) -> None:
    entra.says = says
    error = failure(http)
    assert (type(error), error.status, error.retry_after) == (kind, 503, wait)
    assert len(entra.sent) == 1


@pytest.mark.parametrize(
    ("says", "may_repeat", "asked"),
    [
        (reply(500), True, None),
        (reply(503, Retry_After="9"), True, 9),
        (reply(302), False, None),
        (reply(200, [1]), False, None),
        (TransportError("ConnectionError"), True, None),
        (ResponseTooLarge("response too large"), False, None),
        (TransportTimeout("ReadTimeout", cut_short=False), False, None),
    ],
)
def test_what_may_be_repeated_at_once_is_said(
    entra: Entra, http: MsalHttpClient, says: Response | Exception, may_repeat: bool, asked: int | None
) -> None:
    entra.says = says
    error = failure(http)
    assert isinstance(error, EntraUnavailable)
    assert (error.may_repeat, error.pause) == (may_repeat, asked)


def left_alone(entra: Entra, http: MsalHttpClient, says: Response | Exception) -> bool:
    """Whether the circuit is open after so many such responses in a row."""
    entra.says = says
    for _ in range(FAILURES):
        with pytest.raises((ApiError, ValueError)):
            http.post(TOKEN_URL)
    entra.sent.clear()
    with pytest.raises((ApiError, ValueError)):
        http.post(TOKEN_URL)
    return entra.sent == []


@pytest.mark.parametrize(
    "says",
    [reply(503), reply(502), reply(501), reply(302), reply(200, [1]), TransportError("ConnectionError"),
     TransportTimeout("ReadTimeout", cut_short=False), ResponseTooLarge("response too large")],
)  # fmt: skip
def test_an_entra_that_is_down_is_left_alone(entra: Entra, http: MsalHttpClient, says: Response | Exception) -> None:
    assert left_alone(entra, http, says)
    assert failure(http).retry_after == 1


@pytest.mark.parametrize(
    "says",
    [reply(429), reply(429, Retry_After="60"), reply(500), TransportTimeout("ReadTimeout", cut_short=True),
     ValueError("a header or the method is not valid")],
)  # fmt: skip
def test_what_concerns_one_caller_alone_does_not_open_the_circuit(
    entra: Entra, http: MsalHttpClient, says: Response | Exception
) -> None:
    assert not left_alone(entra, http, says)


@pytest.mark.parametrize("between", [reply(200, {}), reply(400, {"error": "invalid_grant"}), reply(429)])
def test_a_sign_of_life_begins_the_count_anew(entra: Entra, http: MsalHttpClient, between: Response) -> None:
    for says in [reply(503)] * (FAILURES - 1) + [between]:
        entra.says = says
        with contextlib.suppress(ServiceUnavailable):
            http.post(TOKEN_URL)
    entra.says = reply(503)
    assert failure(http).reason == failure(http).reason == "Entra: HTTP 503"
    assert len(entra.sent) == FAILURES + 2


@pytest.mark.parametrize(
    ("says", "is_probe_again"),
    [(reply(500), True), (ValueError("a header"), True), (KeyboardInterrupt(), True), (reply(503), False)],
)
def test_a_probe_that_learns_nothing_leaves_the_next_call_to_try(
    entra: Entra, says: Response | BaseException, is_probe_again: bool
) -> None:
    clock = Clock()
    http = MsalHttpClient(AUTHORITY, entra, clock)
    assert left_alone(entra, http, reply(503))
    clock.forward(1)
    for _ in range(2):
        entra.says = says
        with pytest.raises((ApiError, ValueError, KeyboardInterrupt)):
            http.post(TOKEN_URL)
    assert len(entra.sent) == (2 if is_probe_again else 1)


def test_while_entra_is_left_alone_the_503_says_for_how_long_in_whole_seconds(entra: Entra) -> None:
    clock = Clock()
    http = MsalHttpClient(AUTHORITY, entra, clock)
    assert left_alone(entra, http, reply(503))
    clock.forward(0.4)
    error = failure(http)
    assert (type(error), error.retry_after, error.reason) == (ServiceUnavailable, 1, "Entra: circuit open")


def test_after_a_probe_that_succeeds_all_are_let_through(entra: Entra) -> None:
    clock = Clock()
    http = MsalHttpClient(AUTHORITY, entra, clock)
    assert left_alone(entra, http, reply(503))
    clock.forward(1)
    entra.says = reply(200, {})
    for _ in range(3):
        assert http.post(TOKEN_URL).status_code == 200


def test_no_error_says_what_was_sent_or_answered(entra: Entra, http: MsalHttpClient) -> None:
    entra.says = Response(200, {}, b"eyJhbGciOi secret")
    error = failure(http)
    assert "eyJ" not in f"{error!r} {error.reason} {error.detail}"
    assert error.__suppress_context__


def test_msals_memory_of_posts_is_not_kept() -> None:
    cache = DiscoveryCache()
    cache["POST https://login.example hash"] = "one user's refusal"
    cache["GET https://login.example"] = "discovery"
    assert cache == {"GET https://login.example": "discovery"}


def test_msal_finds_no_token() -> None:
    cache = no_token_cache()
    response = {"access_token": "t", "expires_in": 60, "refresh_token": "r"}
    cache.add({"client_id": "c", "scope": ["s"], "response": response, "token_endpoint": TOKEN_URL}, now=1)
    kinds = [cache.CredentialType.ACCESS_TOKEN, cache.CredentialType.REFRESH_TOKEN, cache.CredentialType.ACCOUNT]
    assert [found for kind in kinds for found in cache.search(kind)] == []


class ASecret:
    """A client credential, as far as MSAL is given one."""

    def for_msal(self) -> str:
        return "secret"


MICROSOFT = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"  # an instance that MSAL knows
ENDPOINTS = {"authorization_endpoint": "https://login.example/a", "token_endpoint": MICROSOFT}


def application(entra: Entra, discovery: Response, **settings: str) -> Any:
    """MSAL's application, made where Entra publishes this document."""
    made = Settings.from_environ({**GOOD, **settings})
    http = MsalHttpClient(made.authority, entra, Clock(), lambda url: discovery if "openid-conf" in url else None)
    credential: Any = ASecret()
    return msal_application(made.authority, made.client.capabilities, credential, http, DiscoveryCache())


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (400, {"error": "invalid_tenant"}),
        (200, {"authorization_endpoint": "https://login.example/a"}),
        (200, {**ENDPOINTS, "token_endpoint": 5}),
        (200, {**ENDPOINTS, "token_endpoint": None}),
        (200, []),
    ],
)
def test_metadata_that_msal_cannot_use_is_our_misconfiguration(entra: Entra, status: int, document: object) -> None:
    with pytest.raises(ServerMisconfigured) as raised:
        application(entra, reply(status, document))
    assert "invalid_tenant" not in f"{raised.value}"
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("settings", "claims"),
    [({}, None), ({"AzureAd__ClientCapabilities": "cp1"}, {"access_token": {"xms_cc": {"values": ["cp1"]}}})],
)
def test_what_msal_sends(entra: Entra, settings: dict[str, str], claims: object) -> None:
    """The scopes, no refresh token, and the capabilities of this API."""
    msal = application(entra, reply(200, ENDPOINTS), **settings)
    result = msal.acquire_token_on_behalf_of("assertion", ["https://graph.microsoft.com/.default"])
    assert result["access_token"] == "t"
    (method, url, request) = entra.sent[-1]
    assert (method, url) == ("POST", MICROSOFT)
    form = dict(parse_qsl(request["data"].decode()))
    assert set(form["scope"].split()) == {"https://graph.microsoft.com/.default", "openid", "profile"}
    assert (form["assertion"], form["requested_token_use"]) == ("assertion", "on_behalf_of")
    assert json.loads(form.get("claims") or "null") == claims


def test_closing_it_leaves_the_transport_open(http: MsalHttpClient) -> None:
    http.close()
    assert http.post(TOKEN_URL).status_code == 200
