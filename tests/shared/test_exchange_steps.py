"""What one exchange asks MSAL for, what it makes of the response, and what follows a refused credential."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from shared.errors import InvalidToken, ServiceUnavailable
from shared.exchange.credential import ConfidentialClient
from shared.exchange.credential_loads import CredentialLoads
from shared.exchange.credential_sources import SecretCredential
from shared.exchange.downstream_token import Refusal
from shared.exchange.msal_client import EntraUnavailable, MsalHttpClient
from shared.exchange.on_behalf_of import OnBehalfOf, credential_loads, fingerprint_of
from shared.net.transport import Transport
from shared.settings.authority import Authority
from shared.settings.credentials import CredentialSettings
from shared.settings.environ import Secret
from shared.settings.settings import ClientSettings
from tests.support.clock import Clock
from tests.support.lab import finish_background_work

AUTHORITY = Authority("https://login.example", "tenant", "client")
SECRET = CredentialSettings("ClientSecret", client_secret=Secret("s3cr3t"))
TOKEN = {"access_token": "token", "expires_in": 3600}
REFUSED = {"error": "invalid_client", "error_codes": [7000214]}
DENIED = {"error": "invalid_grant", "error_codes": [50013]}


class Msal:
    """Replaces an MSAL application: brings what it is given, one after the other."""

    def __init__(self, *outcomes: Mapping[str, Any] | Exception) -> None:
        self.outcomes, self.asked = list(outcomes), list[tuple[object, ...]]()

    def acquire_token_on_behalf_of(
        self, assertion: str, scopes: list[str], *, claims_challenge: str | None = "", correlation_id: str = ""
    ) -> Mapping[str, Any]:
        self.asked.append((assertion, scopes, claims_challenge, correlation_id))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Clients:
    """Replaces the credential's states: the client in use, one with the newest credential, one with that before."""

    def __init__(self, *applications: Msal) -> None:
        self._clients = [ConfidentialClient(each, 9e9, "v") for each in applications]
        self.refused: list[tuple[str, int]] = []
        self.broken = False

    def note_refusal(self, refused: bool) -> None:
        self.broken = refused

    def get(self) -> ConfidentialClient:
        return self._clients[0]

    def newest(self, refused: ConfidentialClient) -> ConfidentialClient:
        return self._instead("newest", refused)

    def previous_certificate(self, refused: ConfidentialClient) -> ConfidentialClient:
        return self._instead("previous", refused)

    def _instead(self, way: str, refused: ConfidentialClient) -> ConfidentialClient:
        number = self._clients.index(refused)
        self.refused.append((way, number))
        return self._clients[min(number + 1, len(self._clients) - 1)]


def exchange_with(clients: Clients, clock: Clock, pauses: list[float] | None = None) -> OnBehalfOf:
    def sleep(seconds: float) -> None:
        (pauses if pauses is not None else []).append(seconds)
        clock.forward(seconds)

    http = MsalHttpClient(AUTHORITY, Transport(), clock)
    client = ClientSettings((SECRET,), ())
    made = OnBehalfOf(AUTHORITY, client, http, clock, sleep, credentials=credential_loads(AUTHORITY, client, clock))
    made._clients = clients  # type: ignore[assignment]  # has what an exchange uses of it
    return made


@pytest.mark.parametrize(("lifetime", "renewed_after"), [(3600, 3300), (700, 400), (600, 300), (400, 200)])
def test_a_token_is_renewed_five_minutes_before_its_end_or_after_half_its_life(
    lifetime: int, renewed_after: int
) -> None:
    clock = Clock(1000)
    msal = Msal({**TOKEN, "expires_in": lifetime, "scope": "b a"})
    token = exchange_with(Clients(msal), clock).exchange("assertion", ["s"], correlation_id="id")
    assert (token.token, token.granted) == ("token", fingerprint_of("a b"))
    assert (token.expires_at, token.renew_at) == (1000 + lifetime, 1000 + renewed_after)


@pytest.mark.parametrize(
    ("refusal", "claims"), [(None, None), (Refusal("old"), None), (Refusal("old", '{"a":{}}'), '{"a":{}}')]
)
def test_msal_gets_the_assertion_the_scopes_the_claims_and_our_correlation_id(
    refusal: Refusal | None, claims: str | None
) -> None:
    msal = Msal(TOKEN)
    exchange_with(Clients(msal), Clock()).exchange("assertion", ("s", "t"), correlation_id="id", refusal=refusal)
    assert msal.asked == [("assertion", ["s", "t"], claims, "id")]


def test_a_refused_credential_costs_one_attempt_with_the_newest_and_one_with_the_certificate_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    clients = Clients(Msal(REFUSED), Msal(REFUSED), Msal({**TOKEN, "access_token": "third"}))
    token = exchange_with(clients, Clock()).exchange("assertion", ["s"], correlation_id="id")
    assert token.token == "third"
    assert clients.refused == [("newest", 0), ("previous", 1)]
    refused = [line for line in caplog.messages if line.startswith("client credential refused (Entra: invalid_client")]
    assert len(refused) == 2


def test_without_another_credential_it_is_not_asked_again() -> None:
    only = Msal(REFUSED)
    clients = Clients(only)
    with pytest.raises(Exception, match="AADSTS7000214"):
        exchange_with(clients, Clock()).exchange("assertion", ["s"], correlation_id="id")
    assert (len(only.asked), clients.refused) == (1, [("newest", 0), ("previous", 0)])


@pytest.mark.parametrize("body", [DENIED, {**TOKEN, "error_codes": [7000214]}], ids=["another error", "no error"])
def test_anything_else_than_a_refused_credential_is_final(body: dict[str, object]) -> None:
    clients = Clients(Msal(body), Msal({**TOKEN, "access_token": "other"}))
    made = exchange_with(clients, Clock())
    if "error" in body:
        with pytest.raises(InvalidToken, match="AADSTS50013"):
            made.exchange("assertion", ["s"], correlation_id="id")
    else:
        assert made.exchange("assertion", ["s"], correlation_id="id").token == "token"
    assert clients.refused == []


def test_what_msal_stumbles_over_is_503_and_told_by_kind_alone() -> None:
    with pytest.raises(ServiceUnavailable) as raised:
        exchange_with(Clients(Msal(KeyError("secret"))), Clock()).exchange("a", ["s"], correlation_id="id")
    assert raised.value.reason == "KeyError"


def test_an_entra_that_asks_for_a_pause_is_asked_again_after_it() -> None:
    pauses: list[float] = []
    msal = Msal(EntraUnavailable("HTTP 503", may_repeat=True, pause=2), TOKEN)
    assert exchange_with(Clients(msal), Clock(), pauses).exchange("a", ["s"], correlation_id="id").token == "token"
    assert len(pauses) == 1
    assert 2 <= pauses[0] < 3


def test_preparing_loads_the_credential_with_the_loader_that_was_given() -> None:
    asked: list[object] = []

    def load(sources: object, _: object) -> SecretCredential:
        asked.append(sources)
        return SecretCredential(SECRET)

    CredentialLoads((SECRET,), Clock(), load).load_early()
    finish_background_work()
    assert asked == [(SECRET,)]
