"""What is read from the documents of one authority, and what each other response becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.net.deadline import seconds_left
from shared.net.transport import Response, Transport, TransportError, TransportTimeout
from shared.settings.authority import Authority
from shared.validation.metadata import EntraBusyError, Metadata, UnknownTenantError
from tests.support.clock import Clock
from tests.support.genuine import public_jwk
from tests.support.tokens import STRANGER

AUTHORITY = Authority("https://login.example", "tenant", "client")
ISSUER = "https://login.example/tenant/v2.0"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
KEYS = "https://login.example/tenant/keys"


def reply(status: int, body: object, **headers: str) -> Response:
    return Response(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()
    )


class Entra(Transport):
    """Returns the given responses for each address, one after the other. The last one is repeated."""

    def __init__(self) -> None:
        key = public_jwk(STRANGER.public_key(), kid="kid", use="sig")
        self.says: dict[str, list[Response | Exception]] = {
            DISCOVERY: [reply(200, {"issuer": ISSUER, "jwks_uri": KEYS})],
            KEYS: [reply(200, {"keys": [key]})],
        }
        self.asked: list[tuple[str, str]] = []
        self.left: set[float] = set()

    def send(self, method: str, url: str, **_: Any) -> Response:
        self.asked.append((method, url))
        self.left.add(seconds_left(1000))
        says = self.says[url]
        said = says.pop(0) if len(says) > 1 else says[0]
        if isinstance(said, Exception):
            raise said
        return said


@pytest.fixture
def entra() -> Entra:
    return Entra()


@pytest.fixture
def metadata(entra: Entra) -> Metadata:
    clock = Clock()
    return Metadata(AUTHORITY, entra, clock, clock.forward)


def test_the_keys_are_those_that_the_discovery_document_names(entra: Entra, metadata: Metadata) -> None:
    assert metadata.fetched_document(DISCOVERY) is None
    assert set(metadata.fetch_keys()) == {"kid"}
    assert entra.asked == [("GET", DISCOVERY), ("GET", KEYS)]
    assert list(entra.left) == [pytest.approx(5)]  # seconds for each, for any delay
    assert metadata.fetched_document(DISCOVERY) == entra.says[DISCOVERY][0]
    assert metadata.fetched_document(KEYS) is None


def test_a_key_of_another_cloud_than_that_of_the_document_is_passed_over(entra: Entra, metadata: Metadata) -> None:
    document = {"issuer": ISSUER, "jwks_uri": KEYS, "cloud_instance_name": "here"}
    key = public_jwk(STRANGER.public_key(), kid="kid", use="sig", cloud_instance_name="elsewhere")
    entra.says = {DISCOVERY: [reply(200, document)], KEYS: [reply(200, {"keys": [key]})]}
    assert metadata.fetch_keys() == {}


@pytest.mark.parametrize("address", [DISCOVERY, KEYS])
@pytest.mark.parametrize(("status", "seconds"), [(429, 0), (503, 0), (429, 17), (503, 17)])
def test_a_busy_entra_says_how_long_it_wants_to_be_left_alone(
    entra: Entra, metadata: Metadata, address: str, status: int, seconds: int
) -> None:
    entra.says[address] = [reply(status, {}, **({"Retry_After": str(seconds)} if seconds else {}))]
    with pytest.raises(EntraBusyError) as raised:
        metadata.fetch_keys()
    assert raised.value.seconds == seconds


@pytest.mark.parametrize("address", [DISCOVERY, KEYS])
def test_a_connection_that_broke_is_tried_once_more(entra: Entra, metadata: Metadata, address: str) -> None:
    entra.says[address].insert(0, TransportError("ConnectionError"))
    assert metadata.fetch_keys()
    assert entra.asked.count(("GET", address)) == 2
    assert len(entra.asked) == 3
    entra.says[address] = [TransportError("ConnectionError")]
    with pytest.raises(TransportError):
        metadata.fetch_keys()


def test_a_time_out_is_not_tried_again(entra: Entra, metadata: Metadata) -> None:
    entra.says[DISCOVERY] = [TransportTimeout("ReadTimeout", cut_short=False)]
    with pytest.raises(TransportTimeout):
        metadata.fetch_keys()
    assert len(entra.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "is_unknown"),
    [
        (400, {"error": "invalid_tenant"}, True),
        (400, {"error": "invalid_request"}, False),
        (400, ["invalid_tenant"], False),
        (400, None, False),
        (401, {"error": "invalid_tenant"}, False),
        (399, {"error": "invalid_tenant"}, False),
        (404, {"error": "invalid_tenant"}, False),
        (428, {}, False),
        (430, {}, False),
        (502, {}, False),
        (504, {}, False),
        (201, {"issuer": ISSUER, "jwks_uri": KEYS}, False),
        (200, [], False),
        (200, {"issuer": ISSUER}, False),
        (200, {"issuer": ISSUER, "jwks_uri": None}, False),
        (200, {"issuer": ISSUER, "jwks_uri": "https://evil.example/keys"}, False),
        (200, {"issuer": "https://login.example/other/v2.0", "jwks_uri": KEYS}, False),
        (200, {"jwks_uri": KEYS}, False),
        (200, {"issuer": ISSUER, "jwks_uri": KEYS, "token_endpoint": "https://evil.example/token"}, False),
        (200, {"issuer": ISSUER, "jwks_uri": KEYS, "token_endpoint": "https://login.example@evil.example/t"}, False),
        (200, {"issuer": ISSUER, "jwks_uri": KEYS, "token_endpoint": None}, False),
    ],
)
def test_any_other_document_brings_no_keys(
    entra: Entra, metadata: Metadata, status: int, body: object, is_unknown: bool
) -> None:
    entra.says[DISCOVERY] = [reply(status, body)]
    with pytest.raises(ValueError) as raised:
        metadata.fetch_keys()
    assert isinstance(raised.value, UnknownTenantError) == is_unknown
    assert not isinstance(raised.value, EntraBusyError)
    assert entra.asked == [("GET", DISCOVERY)]


def test_what_is_not_json_brings_no_keys(entra: Entra, metadata: Metadata) -> None:
    entra.says[DISCOVERY] = [Response(400, {}, b"<html>")]
    with pytest.raises(ValueError, match=r".") as raised:
        metadata.fetch_keys()
    assert not isinstance(raised.value, UnknownTenantError)


@pytest.mark.parametrize("body", [[], {}, {"keys": None}, "text"])
def test_what_is_not_a_key_set_brings_no_keys(entra: Entra, metadata: Metadata, body: object) -> None:
    entra.says[KEYS] = [reply(200, body)]
    with pytest.raises(ValueError, match=r"."):
        metadata.fetch_keys()
