"""A credential for Azure SDK clients that acts as the user: `user.credential(name)`.

The library, or the server that it talks to, chooses the scopes that it requests. So these are only checked: they must
belong to the resource of `DownstreamApis__<name>__Scopes`. The exchange uses the scopes of the setting.
https://learn.microsoft.com/python/api/azure-core/azure.core.credentials.tokencredential
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..downstream import token_with_claims
from ..errors import BadGateway, ClaimsChallenge, ServerMisconfigured
from ..exchange import DownstreamToken
from ..net import requested_claims
from ..sessions import RequestContext
from ..settings import GRAPH_HOSTS, Authority, DownstreamApiSettings, cloud_of, normalized

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

_MAX_ISSUED = 16  # tokens of one request; a request has one or two
_SHOWN = re.compile(r"[A-Za-z0-9:/._-]{1,120}", re.ASCII)  # a server may request any text


class UserCredential:
    """An azure-core `TokenCredential` for one API as one user, while the request lasts. `user.credential` makes it."""

    def __init__(self, api: DownstreamApiSettings, context: RequestContext, authority: Authority) -> None:
        self._api, self._context, self._authority = api, context, authority
        self._issued: deque[DownstreamToken] = deque(maxlen=_MAX_ISSUED)  # the latest is the last

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,  # noqa: ARG002 — part of the protocol
        **_: Any,
    ) -> AccessToken:
        """An access token for the API as the user.

        Args:
            scopes: scopes of the resource that the setting `DownstreamApis__<name>__Scopes` names. The setting decides
                which scopes the token gets.
            claims: the JSON text of a claims challenge that the API sent. One more exchange is made with it.
            tenant_id: the user's own tenant, or None.
            enable_cae: ignored; the setting `AzureAd__ClientCapabilities` decides.

        Raises:
            ServerMisconfigured: a scope of another resource, or another tenant. 500. Nothing was sent.
            BadGateway: the claims are not a claims request. 502.
            ApiError: the errors of `User.token`, and after the request `internal_error`. 500.
        """
        from .azure_sdk import access_token

        return access_token(self._token(scopes, claims, tenant_id))

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """As `get_token`, with `claims`, `tenant_id` and `enable_cae` in `options`.

        The result asks to be renewed at once, so that a client asks again at each call. It then notices that the
        request is over.
        """
        from .azure_sdk import access_token_info

        asked = options or {}
        return access_token_info(self._token(scopes, asked.get("claims"), asked.get("tenant_id")))

    def issued(self, bearer: str) -> DownstreamToken | None:
        """The token, if this credential issued it. So the token in a client's request leads to its credential."""
        return next((each for each in tuple(self._issued) if each.token == bearer), None)

    def check_host(self, url: str) -> None:
        """Call this before a token is sent to this address.

        Raises:
            ServerMisconfigured: the address is not https, or not on the host of `DownstreamApis__<name>__BaseUrl`. 500.
            ApiError: the request is over, or another one runs here. 500.
        """
        self._context.check()
        setting = f"DownstreamApis__{self._api.name}__BaseUrl"
        if not self._api.base_url:
            raise ServerMisconfigured(
                reason=f"the setting {setting} is missing; the client sends the token to it alone"
            )
        if not url.isprintable() or _origin(url) != _origin(self._api.base_url):
            raise ServerMisconfigured(reason=f"a client was to send the token to another host than {setting} names")

    def replacement(self, refused: DownstreamToken, claims: str) -> str:
        """The token for another attempt, after the service refused one with a claims challenge. One more exchange."""
        return self._exchanged(claims, refused).token

    def challenge(self, claims: str) -> ClaimsChallenge:
        """The error for the caller, if another attempt cannot be made or was also refused. 401."""
        reason = f"{self._api.name}: HTTP 401"
        return ClaimsChallenge(claims, authorization_uri=self._authority.authorization_uri, reason=reason)

    def close(self) -> None:
        """Does nothing: the credential ends with its request."""

    def __enter__(self) -> UserCredential:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _token(self, scopes: tuple[str, ...], claims: str | None, tenant_id: str | None) -> DownstreamToken:
        self._check_resource(scopes)
        if tenant_id and tenant_id.lower() != str(self._context.access_token.claims()["tid"]).lower():
            raise ServerMisconfigured(reason=f"{self._api.name}: a token of another tenant was asked for")
        if not claims:
            return self._noted(self._context.token_for(self._api))
        request = requested_claims(claims)
        if not request:
            raise BadGateway(reason=f"{self._api.name}: a claims challenge without a claims request")
        return self._exchanged(request, self._issued[-1] if self._issued else self._context.token_for(self._api))

    def _exchanged(self, claims: str, refused: DownstreamToken) -> DownstreamToken:
        return self._noted(token_with_claims(self._context, self._api, claims, refused, self._authority))

    def _noted(self, token: DownstreamToken) -> DownstreamToken:
        if self.issued(token.token) is None:
            self._issued.append(token)
        return token

    def _check_resource(self, scopes: tuple[str, ...]) -> None:
        """Raises ServerMisconfigured unless each scope is one of the resource in the setting."""
        graph = graph_of(self._api.base_url, self._authority)
        own = {resource_of(scope, graph) for scope in self._api.scopes}
        foreign = [asked for scope in scopes if (asked := resource_of(scope, graph)) not in own]
        if foreign or not scopes:
            shown = foreign[0] if foreign and _SHOWN.fullmatch(foreign[0]) else "another resource"
            name = f"DownstreamApis__{self._api.name}__Scopes"
            raise ServerMisconfigured(reason=f"a token for {shown} was asked for; {name} names another resource")


class AsyncUserCredential:
    """A `UserCredential` for `async` clients: an azure-core `AsyncTokenCredential`. `user.credential` makes it."""

    def __init__(self, credential: UserCredential, wait_for: Callable[..., Awaitable[Any]]) -> None:
        self._credential, self._wait_for = credential, wait_for

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,  # noqa: ARG002 — part of the protocol
        **_: Any,
    ) -> AccessToken:
        """As `UserCredential.get_token`, awaited. Also raises GatewayTimeout: no thread was free in time. 504."""

        def work() -> AccessToken:
            return self._credential.get_token(*scopes, claims=claims, tenant_id=tenant_id)

        token: AccessToken = await self._wait_for(work)
        return token

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """As `UserCredential.get_token_info`, awaited."""

        def work() -> AccessTokenInfo:
            return self._credential.get_token_info(*scopes, options=options)

        token: AccessTokenInfo = await self._wait_for(work)
        return token

    async def close(self) -> None:
        """Does nothing: the credential ends with its request."""

    async def __aenter__(self) -> AsyncUserCredential:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _origin(url: str) -> tuple[str, str]:
    """Scheme, and host with port. ("", "") for an address that is not https: no setting has that origin."""
    try:
        scheme, host = urlsplit(normalized(url))[:2]
    except ValueError:
        return "", ""
    return (scheme, host) if scheme == "https" else ("", "")


def resource_of(scope: str, graph: str) -> str:
    """The resource of a scope: the part before its last segment, without a slash at the end.

    A scope without a resource, such as `User.Read`, belongs to Microsoft Graph; see `graph_of`.
    https://learn.microsoft.com/entra/identity-platform/scopes-oidc#the-default-scope
    """
    resource, slash, _ = scope.rpartition("/")
    return resource.rstrip("/").lower() if slash else graph


def graph_of(base_url: str, authority: Authority) -> str:
    """The address of Microsoft Graph in the cloud of Entra. A cloud has two, and the base URL may be the second."""
    host = urlsplit(base_url).hostname or ""
    return f"https://{host if host in GRAPH_HOSTS else cloud_of(authority.instance).graph[0]}"
