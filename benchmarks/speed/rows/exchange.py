"""The first exchange of a token, less the POST that it cannot do without: processor time of this process alone."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter, process_time, time
from typing import TypeVar

import requests
from azure.identity import OnBehalfOfCredential

from emulators.applications import API_ID
from emulators.people import CONTOSO
from shared.certificate import load_certificate
from shared.services import Services
from shared.settings import Settings

from ..msal_peer import AUTHORITY
from ..population import SCOPES
from ..raw import signing
from ..result import Result, compared
from ..tenant import Tenant, tenant

T = TypeVar("T")
_ENDPOINT = f"{AUTHORITY}/oauth2/v2.0/token"


def measure(quick: bool) -> Iterator[Result]:
    """Each round: some exchanges of ours, as many POSTs of the same form by `requests` alone, and of the peer."""
    rounds, each = (2, 2) if quick else (9, 16)
    with tenant() as there:
        services = Services(Settings.from_environ(os.environ))
        session, pfx = requests.Session(), there.pfx()
        sign = signing(load_certificate(pfx).key)
        _exchange(services, there.tokens(1)[0])  # loads the credential
        ours, peer, floor = [], [], []
        for _ in range(rounds):
            tokens = there.tokens(each)
            for token in tokens:
                services.sessions.open(token)  # validated: that is another row
            forms = [_form(token, there) for token in tokens]
            bare = _processor(lambda form: session.post(_ENDPOINT, data=form, timeout=30).raise_for_status(), forms)
            ours.append(_processor(lambda token: _exchange(services, token), tokens) - bare)
            peer.append(_processor(lambda token: _fresh(pfx, token), tokens[: max(1, each // 4)]) - bare)
            floor.append(_wall(sign, 20))
    yield compared("exchange", "time", ours, peer, floor)


def _exchange(services: Services, token: str) -> None:
    """Through the sessions, as a request does it."""
    known = services.sessions.open(token)
    services.sessions.token_for(known, token, SCOPES, correlation_id=str(uuid.uuid4()))


def _fresh(pfx: bytes, token: str) -> None:
    credential = OnBehalfOfCredential(CONTOSO, API_ID, client_certificate=pfx, user_assertion=token)
    with credential:
        credential.get_token(SCOPES[0])


def _form(token: str, there: Tenant) -> Mapping[str, str]:
    """What an exchange sends, made before the clock runs."""
    return {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "client_id": API_ID,
        "assertion": token,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": load_certificate(there.pfx()).client_assertion(API_ID, _ENDPOINT, time),
        "scope": f"{SCOPES[0]} openid profile",
        "requested_token_use": "on_behalf_of",
        "client_info": "1",
    }


def _processor(call: Callable[[T], object], arguments: Sequence[T]) -> float:
    """Seconds of processor time for each, of all threads of this process."""
    started = process_time()
    for argument in arguments:
        call(argument)
    return (process_time() - started) / len(arguments)


def _wall(call: Callable[[], object], times: int) -> float:
    started = perf_counter()
    for _ in range(times):
        call()
    return (perf_counter() - started) / times
