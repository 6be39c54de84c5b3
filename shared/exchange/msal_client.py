"""Limits MSAL to the protocol: our transport, a JSON filter, a circuit breaker, and caches that keep no user's data.

By itself, MSAL replays one user's throttling and server errors to the next caller, and keeps every token forever. MSAL
also logs a response that it cannot parse, with the token in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..errors import ServerMisconfigured, ServiceUnavailable, Throttled
from ..net import (
    CircuitBreaker,
    CircuitOpenError,
    Response,
    Transport,
    TransportError,
    TransportTimeout,
    compact,
    parse_object,
)
from ..settings import Authority

if TYPE_CHECKING:
    from .credential_sources import ClientCredential

# The members that MSAL gets. It would decode an ID token, for example, and lose the access token if it cannot.
_MEMBERS = (
    *("access_token", "expires_in", "scope"),
    *("error", "error_codes", "suberror", "claims", "trace_id", "correlation_id"),
)


class EntraUnavailable(ServiceUnavailable):
    """Entra sent no valid response of the protocol.

    `may_repeat`: another attempt at once may help.
    `pause`: the seconds that Entra asks to wait, or None.
    `is_down`: the request of any user would fail. False for a 500, which may be about this one request.
    """

    def __init__(
        self, reason: str, *, may_repeat: bool = False, pause: int | None = None, is_down: bool = True
    ) -> None:
        super().__init__(retry_after=pause, reason=f"Entra: {reason}")
        self.may_repeat, self.pause, self.is_down = may_repeat, pause, is_down


class MsalHttpClient:
    """The `http_client` of MSAL. Raises ServiceUnavailable, or a subclass, if there is no valid response."""

    def __init__(
        self,
        authority: Authority,
        transport: Transport,
        now: Callable[[], float],
        fetched_document: Callable[[str], Response | None] = lambda _: None,
    ) -> None:
        """`fetched_document`: the document of an address, if it was fetched before; see Metadata.fetched_document."""
        self._authority, self._transport, self._now = authority, transport, now
        self._fetched_document = fetched_document
        service = f"Entra for tenant {authority.tenant_id}" if authority.among_several else "Entra"
        self._circuit = CircuitBreaker(service, now)

    def get(self, url: str, params: Any = None, headers: Mapping[str, str] | None = None, **_: Any) -> Response:
        """A document that Entra publishes. Its `token_endpoint` must be on the authority's host: MSAL takes any."""
        known = self._fetched_document(url)
        if known is None:
            response = self._send("GET", url, params=params, headers=headers)
        else:
            content = compact(known.json()).encode()  # MSAL cannot read a byte order mark
            response = Response(known.status_code, known.headers, content)
        document = response.json()
        token_endpoint = document.get("token_endpoint") if isinstance(document, dict) else None
        if isinstance(token_endpoint, str):
            self._check_endpoint(token_endpoint)
        return response

    def post(
        self,
        url: str,
        params: Any = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        correlation_id: str | None = None,
        client_request_id: str | None = None,
        **_: Any,
    ) -> Response:
        """Sends a token request.

        Args:
            data: the fields of the form. Fields without a value (None) are left out.
            correlation_id: our own argument. MSAL passes unknown arguments on to this method.
            client_request_id: our id from `acquire_token_for_client`, where MSAL sets `correlation_id` itself.
        """
        self._check_endpoint(url)
        correlation_id = client_request_id or correlation_id
        own = {"client-request-id": correlation_id, "return-client-request-id": "true"} if correlation_id else {}
        form = urlencode({name: value for name, value in (data or {}).items() if value is not None}, doseq=True)
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {}), **own}
        return self._send("POST", url, params=params, data=form.encode(), headers=sent)

    def close(self) -> None:
        """Does nothing: the code that made the transport closes it."""

    def _check_endpoint(self, address: str) -> None:
        """Raises EntraUnavailable for an endpoint on another host or, with several tenants, of another tenant.

        Such an endpoint would get the user's token.
        """
        if not self._authority.own_token_endpoint(address):
            raise EntraUnavailable("token endpoint of another host or tenant")

    def _send(self, method: str, url: str, **request: Any) -> Response:
        try:
            self._circuit.check()
        except CircuitOpenError as error:
            raise ServiceUnavailable(retry_after=math.ceil(error.seconds), reason="Entra: circuit open") from None
        try:
            response = self._send_once(method, url, request)
        except EntraUnavailable as error:
            if error.is_down:
                self._circuit.failed()
            else:
                self._circuit.undecided()
            raise
        except ServiceUnavailable:
            self._circuit.succeeded()  # a limit for one caller: Entra is up
            raise
        except BaseException:  # a header that cannot be sent, or the process ends: no news about Entra
            self._circuit.undecided()
            raise
        self._circuit.succeeded()
        return response

    def _send_once(self, method: str, url: str, request: dict[str, Any]) -> Response:
        try:
            response = self._transport.send(method, url, **request)
        except TransportError as error:
            has_failed = not (isinstance(error, TransportTimeout) and error.cut_short)  # cut short by our own deadline
            raise EntraUnavailable(str(error), may_repeat=error.may_repeat, is_down=has_failed) from None
        status, pause = response.status_code, response.retry_after(self._now())
        if status == 429:
            error_type = Throttled if pause else ServiceUnavailable
            raise error_type(retry_after=pause, reason="Entra: HTTP 429")
        if status != 200 and not 400 <= status < 500:
            raise EntraUnavailable(f"HTTP {status}", may_repeat=status >= 500, pause=pause, is_down=status != 500)
        try:
            return Response(status, response.headers, reserialized(response.content, is_token=method == "POST"))
        except ValueError:
            raise EntraUnavailable("not JSON") from None


def reserialized(content: bytes, *, is_token: bool) -> bytes:
    """The JSON object in a response of Entra, parsed and serialized again, so that MSAL can always parse it.

    MSAL never sees the original text: it logs text that it cannot parse, with the access token in it.

    Args:
        is_token: whether it is a response of the token endpoint. Then only the members in _MEMBERS are kept.

    Raises:
        ValueError: the content is not a JSON object in UTF-8, its `scope` is not text, or its `error` is malformed.
            MSAL sends each `error` in a header of later requests. A malformed one would break these for all users.
    """
    body = parse_object(content)
    error, scope = body.get("error", ""), body.get("scope", "")
    if not (isinstance(error, str) and error.isascii() and (not error or error.replace("_", "").isalnum())):
        raise ValueError("error is not a word")
    if not isinstance(scope, str):
        raise ValueError("scope is not text")
    if is_token:
        body = {name: body[name] for name in _MEMBERS if name in body}
    return compact(body).encode()


class DiscoveryCache(dict[str, Any]):
    """The `http_cache` of MSAL, for discovery only. In a plain dict MSAL would keep failed POSTs and replay them."""

    def __setitem__(self, key: str, value: Any) -> None:
        if not key.startswith("POST "):
            super().__setitem__(key, value)


def no_token_cache() -> Any:
    """A `token_cache` that stores nothing. MSAL's own cache finds tokens by account, not by assertion."""
    from msal import TokenCache

    class NoTokenCache(TokenCache):  # type: ignore[misc]  # msal ships no types
        def add(self, event: Any, now: Any = None) -> None:
            """Stores nothing."""

    return NoTokenCache()


def msal_application(
    authority: Authority,
    capabilities: Sequence[str],
    credential: ClientCredential,
    http: MsalHttpClient,
    discovery: DiscoveryCache,
) -> Any:
    """An `msal.ConfidentialClientApplication` that does the protocol and nothing else.

    Building it reads Entra's metadata: the document that was fetched with the keys, or another one from Entra.

    Raises:
        ServiceUnavailable: Entra does not respond.
        ServerMisconfigured: Entra does not know the tenant.
    """
    from msal import ConfidentialClientApplication

    try:
        return ConfidentialClientApplication(
            authority.client_id,
            client_credential=credential.for_msal(),
            authority=authority.url,
            instance_discovery=False,  # otherwise MSAL asks the public cloud about an address that it does not know
            http_client=http,
            http_cache=discovery,
            token_cache=no_token_cache(),
            exclude_scopes=["offline_access"],
            client_capabilities=list(capabilities) or None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):  # MSAL's text quotes Entra's whole response
        raise ServerMisconfigured(
            reason="Entra does not know AzureAd__TenantId, or AzureAd__Instance is not Entra"
        ) from None
