"""The first exchange of a token: processor time of this process alone."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from time import process_time
from typing import TypeVar

import requests
from azure.identity import OnBehalfOfCredential
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate
from msal.oauth2cli import JwtAssertionCreator

from emulators.applications import API_ID
from emulators.people import CONTOSO
from shared.exchange.certificate import Certificate, load_certificate
from shared.services import Services
from shared.settings.settings import Settings

from ..msal_peer import AUTHORITY, MsalPeer
from ..population import SCOPES
from ..result import Result, compared
from ..tenant import tenant

T = TypeVar("T")
_ENDPOINT = f"{AUTHORITY}/oauth2/v2.0/token"


def measure(quick: bool) -> Iterator[Result]:
    """Each round: some exchanges of ours, as many POSTs of the same form by `requests` alone, and the peer's.

    The peer is one MSAL application that is kept for all, which signs once in ten minutes. An `OnBehalfOfCredential`
    belongs to one assertion. So there would be a fresh one for every caller, which is noted.
    """
    rounds, each = (2, 2) if quick else (9, 16)
    with tenant() as there:
        services = Services(Settings.from_environ(os.environ))
        session, pfx = requests.Session(), there.pfx()
        certificate, msal = load_certificate(pfx), MsalPeer(pfx)
        _exchange(services, there.tokens(1)[0])  # loads the credential
        msal.exchange(there.tokens(1)[0])
        ours, peer, fresh, floor = [], [], [], []
        for _ in range(rounds):
            tokens = there.tokens(each)
            for token in tokens:
                services.sessions.open(token)  # validated: that is another row
            forms = [_form(token, certificate) for token in tokens]
            ours.append(_processor(lambda token: _exchange(services, token), tokens))
            fresh.append(_processor(lambda token: _fresh(pfx, token), tokens[:2]))
            peer.append(_processor(msal.exchange, tokens))
            floor.append(
                _processor(lambda form: session.post(_ENDPOINT, data=form, timeout=30).raise_for_status(), forms)
            )
    note = f"a fresh `OnBehalfOfCredential` for each caller: {median(fresh) * 1e3:.0f} ms"
    yield compared("exchange", "time", ours, peer, floor, note)


def _exchange(services: Services, token: str) -> None:
    """Through the sessions, as a request does it."""
    known = services.sessions.open(token)
    services.sessions.token_for(known, token, SCOPES, correlation_id=str(uuid.uuid4()))


def _fresh(pfx: bytes, token: str) -> None:
    credential = OnBehalfOfCredential(CONTOSO, API_ID, client_certificate=pfx, user_assertion=token)
    with credential:
        credential.get_token(SCOPES[0])


def _form(token: str, certificate: Certificate) -> Mapping[str, str]:
    """What an exchange sends, made before the clock runs."""
    return {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "client_id": API_ID,
        "assertion": token,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": _client_assertion(certificate),
        "scope": f"{SCOPES[0]} openid profile",
        "requested_token_use": "on_behalf_of",
        "client_info": "1",
    }


def _client_assertion(certificate: Certificate) -> str:
    """Signed by MSAL, as an exchange sends it."""
    thumbprint = load_pem_x509_certificate(certificate.pem.encode()).fingerprint(SHA256()).hex()
    creator = JwtAssertionCreator(certificate.key, "PS256", sha256_thumbprint=thumbprint)
    signed: bytes = creator.create_normal_assertion(_ENDPOINT, API_ID)
    return signed.decode("ascii")


def _processor(call: Callable[[T], object], arguments: Sequence[T]) -> float:
    """Seconds of processor time for each, of all threads of this process."""
    started = process_time()
    for argument in arguments:
        call(argument)
    return (process_time() - started) / len(arguments)
