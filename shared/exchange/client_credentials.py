"""The client credentials grant: an access token of the application itself, for a downstream API. No user takes part.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ApiError, ServerMisconfigured, ServiceUnavailable
from ..settings import Authority
from .downstream_token import Refusal
from .entra_errors import describe, error_from_entra
from .on_behalf_of import TokenRequests


@dataclass(frozen=True, slots=True)
class AppToken:
    """An access token of the application for a downstream API. A DownstreamToken is a user's, so this is another type.

    `expires_at` and `renew_at` are in seconds since 1970.
    `granted` is the fingerprint of DownstreamToken. Entra names no scopes for an application, so all have the same one.
    """

    token: str
    expires_at: float
    renew_at: float
    granted: str = ""

    def __repr__(self) -> str:
        return f"AppToken(***, expires_at={self.expires_at:.0f})"


class ClientCredentials:
    """Gets tokens of the application, with the client credential that the exchange for users has, too."""

    def __init__(self, authority: Authority, requests: TokenRequests) -> None:
        self._authority, self._requests = authority, requests

    def token(self, scope: str, *, correlation_id: str, refusal: Refusal | None = None) -> AppToken:
        """A token of the application. TokenRequests.request describes retries and a rejected credential.

        Args:
            scope: `{resource}/.default`. The token has all roles of the application there.
            correlation_id: a GUID that Entra's logs will show.
            refusal: why the API refused an earlier token, if it did.

        Raises:
            ServiceUnavailable: Entra does not respond, or asks to wait.
            ServerMisconfigured: Entra refuses. No caller can do anything about it.
        """
        claims = (refusal.claims if refusal else "") or None

        def ask(msal: Any) -> Mapping[str, Any]:
            response: Mapping[str, Any] = msal.acquire_token_for_client(
                [scope], claims_challenge=claims, client_request_id=correlation_id
            )
            return response

        token = self._requests.request(ask, lambda body: self._error(body, scope))
        return AppToken(token.token, token.expires_at, token.renew_at, token.granted)

    def _error(self, body: Mapping[str, Any], scope: str) -> ApiError:
        """The error for the client. Nobody can sign in or consent for an application: only the operator can help."""
        error = error_from_entra(body, (scope,), self._authority)
        if isinstance(error, ServiceUnavailable):
            return error
        return ServerMisconfigured(reason=f"no token for the application: {describe(body)}")
