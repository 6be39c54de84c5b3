"""Token requests to Entra, and the On-Behalf-Of exchange on top: bearer token → a token for a downstream API.

`TokenRequests` sends requests to one tenant: it repeats a lost one, and tries another credential if Entra refuses one.
`OnBehalfOf` says what an exchange asks for. `TenantExchanges` picks the tenant of the user.

In the protocol, and in this package, the bearer token is called the assertion.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow
"""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import ApiError, ServiceUnavailable
from ..net import AttemptFailedError, Retries
from ..settings import MAX_TENANTS, Authority, ClientSettings
from .credential import ConfidentialClient, ConfidentialClients
from .credential_loads import CredentialLoads
from .downstream_token import DownstreamToken, Refusal, TokenSource
from .entra_errors import describe, error_from_entra, refuses_every_credential, refuses_our_credential
from .msal_client import EntraUnavailable, MsalHttpClient

if TYPE_CHECKING:
    from ..settings import CredentialSettings
    from .credential_sources import ClientCredential

USUAL_LIFE_SECONDS = 3600.0  # the lifetime of a token, if Entra does not name it
MAX_LIFE_SECONDS = 24 * 3600.0  # a longer lifetime is cut
RENEW_BEFORE_SECONDS = 300.0  # before the end of a token, but never before half its lifetime
_NUMBER = re.compile(r"\d{1,300}(\.\d{1,300})?(e\+?\d{1,3})?", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]+")  # RFC 6749 §A.12, less the space
ATTEMPTS = 2  # with each credential: the second after a lost connection or a 5xx

log = logging.getLogger(__name__)

Ask = Callable[[Any], Mapping[str, Any]]
S = TypeVar("S", bound=TokenSource)


class TokenRequests:
    """Token requests to one authority. Keeps the credential and Entra's discovery document, but never a token.

    Thread-safe.
    """

    def __init__(
        self,
        authority: Authority,
        client: ClientSettings,
        http: MsalHttpClient,
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
        *,
        credentials: CredentialLoads,
    ) -> None:
        """`credentials` is the loader that all tenants share. `credential_loads` makes it."""
        self._authority, self._now = authority, now
        self._clients = ConfidentialClients(authority, client, http, now, credentials)
        self._retries = Retries(ATTEMPTS, sleep)

    def request(self, ask: Ask, to_error: Callable[[Mapping[str, Any]], ApiError]) -> DownstreamToken:
        """Requests a token from Entra. The request is repeated once after a lost connection or a 5xx.

        If Entra rejects the client credential, the newest credential is tried, then the certificate before it. A vault
        may have a new certificate some minutes before Entra accepts it.

        Args:
            ask: sends the request with an MSAL application, and returns Entra's response.
            to_error: the error for an error response of Entra.
        """
        client, started = self._clients.get(), self._now()
        body = self._ask(client, ask)
        for find_other in (self._clients.newest, self._clients.previous_certificate):
            if "error" not in body or not refuses_our_credential(body):
                break
            log.warning("client credential refused (%s)", describe(body))
            self._clients.note_refusal(True)
            refused, client = client, find_other(client)
            body = body if client is refused else self._ask(client, ask)
        token = body.get("access_token")
        if not (isinstance(token, str) and _TOKEN.fullmatch(token)):
            if refuses_every_credential(body):
                self._clients.note_refusal(True)
            raise to_error(body)
        self._clients.note_refusal(False)
        try:
            lifetime = life_seconds(body.get("expires_in"))
        except ValueError as error:
            raise ServiceUnavailable(reason=f"Entra: {error}") from None
        renew_after = max(lifetime / 2, lifetime - RENEW_BEFORE_SECONDS)
        granted = fingerprint_of(body.get("scope", ""))
        return DownstreamToken(token, started + lifetime, started + renew_after, granted=granted)

    def _ask(self, client: ConfidentialClient, ask: Ask) -> Mapping[str, Any]:
        """Entra's response, a success or an error. The request may be repeated, because it changes nothing at Entra."""

        def attempt() -> Mapping[str, Any]:
            try:
                return ask(client.msal)
            except EntraUnavailable as error:
                raise AttemptFailedError(error, may_repeat=error.may_repeat, retry_after=error.pause) from None
            except ApiError:
                raise
            except Exception as error:  # noqa: BLE001 — errors of MSAL and azure-identity: their texts may quote a token
                raise ServiceUnavailable(reason=type(error).__name__) from None

        return self._retries.run(attempt)


class OnBehalfOf(TokenRequests):
    """Exchanges a caller's token with one authority."""

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        """A token for the same user, for other scopes. `TokenRequests.request` says what becomes of failures.

        Args:
            assertion: the caller's validated access token.
            scopes: the scopes of one downstream API.
            correlation_id: a GUID that Entra's logs will show.
            refusal: why a downstream API refused an earlier token, if it did.

        Raises:
            ApiError: the error for the client. entra_errors chooses it.
        """
        claims = (refusal.claims if refusal else "") or None

        def ask(msal: Any) -> Mapping[str, Any]:
            response: Mapping[str, Any] = msal.acquire_token_on_behalf_of(
                assertion, list(scopes), claims_challenge=claims, correlation_id=correlation_id
            )
            return response

        return self.request(ask, lambda body: error_from_entra(body, scopes, self._authority))


class TenantExchanges(Generic[S]):
    """The sources of downstream tokens, by tenant id. Above `MAX_TENANTS`, the least recently used one is dropped.

    Each source has its own discovery, circuit breaker, retries and credential states. So an outage or the refusals of
    one tenant delay nobody in another. All sources share the loaded credential, the transport and the Redis
    connections. Thread-safe.
    """

    def __init__(self, make: Callable[[Authority], S]) -> None:
        """`make` returns a new source for one tenant, and opens no connection."""
        self._make = make
        self._sources: OrderedDict[str, S] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sources)

    def exchange(
        self,
        assertion: str,
        scopes: Sequence[str],
        *,
        authority: Authority,
        correlation_id: str,
        refusal: Refusal | None = None,
    ) -> DownstreamToken:
        """Exchanges the assertion at the source of its tenant; see OnBehalfOf.exchange.

        Args:
            authority: the authority of the tenant in the validated assertion.
        """
        source = self.of(authority)
        return source.exchange(assertion, scopes, correlation_id=correlation_id, refusal=refusal)

    def of(self, authority: Authority) -> S:
        """The source of this tenant, which the first call makes."""
        tenant_id = authority.tenant_id
        with self._lock:
            source = self._sources.get(tenant_id)
            if source is None:
                source = self._sources[tenant_id] = self._make(authority)
            self._sources.move_to_end(tenant_id)
            if len(self._sources) > MAX_TENANTS:
                self._sources.popitem(last=False)
            return source


def _load_credential(
    authority: Authority, sources: Sequence[CredentialSettings], now: Callable[[], float]
) -> ClientCredential:
    from .credential_sources import load_client_credential

    return load_client_credential(sources, now, authority)


def credential_loads(authority: Authority, client: ClientSettings, now: Callable[[], float]) -> CredentialLoads:
    """The shared loader of the client credential, for the `OnBehalfOf` of every tenant."""
    return CredentialLoads(client.credentials, now, partial(_load_credential, authority))


def life_seconds(expires_in: object) -> float:
    """A token's lifetime in seconds, from `expires_in`: a number, or a number as text.

    An hour if there is none: RFC 6749 §5.1 recommends the member but does not require it. Never more than a day.

    Raises:
        ValueError: the value is not a number, or is less than one second.
    """
    if expires_in is None:
        return USUAL_LIFE_SECONDS
    text = str(expires_in)
    seconds = float(text) if _NUMBER.fullmatch(text) else 0.0
    if seconds < 1:
        raise ValueError("expires_in is not a number of seconds")
    return min(seconds, MAX_LIFE_SECONDS)


def fingerprint_of(scope: str) -> str:
    """A short hash of the granted scopes. Equal sets of scopes have the same hash, in any order.

    A response without `scope` has the hash of an empty set. Entra then granted what was requested (RFC 6749 §5.1).
    """
    names = " ".join(sorted(set(scope.split())))
    return sys.intern(hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()[:16])
