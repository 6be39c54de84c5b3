"""Signs a person in and gets an access token for the API, with MSAL.

Authorization code with PKCE in the browser, or device code where there is no browser. The token stays in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msal
import requests

from client.entra_session import EntraSession, reason
from client.errors import SignInError
from client.settings import Settings

_TIMEOUT = 300  # seconds a person has to sign in


class SignIn(Protocol):
    """Gives access tokens for the API."""

    def access_token(self, claims: str | None = None, *, consent: bool = False) -> str:
        """A token; with `claims` (JSON text from a claims challenge), one that satisfies them.

        With `consent` the person is asked to let the API do all that its registration asks for.
        """


class EntraSignIn:
    """Signs one user in. A step-up or a consent uses the same account."""

    def __init__(self, settings: Settings, *, device_code: bool = False, tell: Callable[[str], None] = print) -> None:
        """`tell` gets the lines that the user must read during sign-in. The constructor sends no request."""
        self._settings = settings
        self._device_code = device_code
        self._tell = tell
        self._app: msal.PublicClientApplication | None = None
        self._account: str | None = None

    def access_token(self, claims: str | None = None, *, consent: bool = False) -> str:
        """Signs the person in, with `claims` once more, and returns the access token. Raises SignInError."""
        sign_in = self._by_device_code if self._device_code else self._in_browser
        response = _response(lambda: sign_in(claims, consent), self._settings.authority_host)
        token = str(response["access_token"])
        self._account = response.get("id_token_claims", {}).get("preferred_username", self._account)
        return token

    def _in_browser(self, claims: str | None, consent: bool) -> dict[str, Any]:
        response: dict[str, Any] = self._application().acquire_token_interactive(
            self._scopes(consent),
            prompt="consent" if consent else None,
            login_hint=self._account,
            claims_challenge=claims,
            timeout=_TIMEOUT,
            auth_uri_callback=lambda uri: self._tell(f"No browser could be opened here. Open this address:\n{uri}"),
        )
        return response

    def _by_device_code(self, claims: str | None, consent: bool) -> dict[str, Any]:
        app = self._application()
        flow: dict[str, Any] = app.initiate_device_flow(self._scopes(consent), claims_challenge=claims)
        if "user_code" not in flow:
            return flow
        self._tell(flow["message"])
        response: dict[str, Any] = app.acquire_token_by_device_flow(flow, claims_challenge=claims)
        return response

    def _scopes(self, consent: bool) -> list[str]:
        """The API's scope. `.default` of the API includes all that the API itself asks for (combined consent).

        https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow#default-and-combined-consent
        """
        return [f"{self._settings.scope.rpartition('/')[0]}/.default" if consent else self._settings.scope]

    def _application(self) -> msal.PublicClientApplication:
        # Built on first use: the constructor fetches the tenant's metadata.
        if self._app is None:
            self._app = msal.PublicClientApplication(
                self._settings.client_id,
                authority=self._settings.authority,
                client_capabilities=["CP1"],  # this client can handle claims challenges
                exclude_scopes=["offline_access"],  # no refresh token: nothing is kept after the call
                http_client=EntraSession(),
            )
        return self._app


class AppSignIn:
    """Gets tokens for the client itself, with its secret (client credentials). No person is involved."""

    def __init__(self, settings: Settings) -> None:
        """Sends no request."""
        self._settings = settings

    def access_token(self, claims: str | None = None, *, consent: bool = False) -> str:  # noqa: ARG002 — see SignIn
        """A token with the roles that the client holds. Raises SignInError. `consent` changes nothing."""
        scope = f"{self._settings.scope.rpartition('/')[0]}/.default"

        def ask() -> dict[str, Any]:
            app = msal.ConfidentialClientApplication(
                self._settings.client_id,
                client_credential=self._settings.client_secret,
                authority=self._settings.authority,
                http_client=EntraSession(),
            )
            response: dict[str, Any] = app.acquire_token_for_client([scope], claims_challenge=claims)
            return response

        return str(_response(ask, self._settings.authority_host)["access_token"])


def _response(ask: Callable[[], dict[str, Any]], where: str) -> dict[str, Any]:
    """A response with an access token. Raises SignInError for everything else."""
    try:
        response = ask()
    except SignInError:
        raise
    except requests.RequestException as problem:
        raise SignInError(f"{where} cannot be reached: {type(problem).__name__}") from problem
    except (ValueError, RuntimeError) as problem:  # MSAL: the tenant is unknown, or nobody signed in in time
        raise SignInError(str(problem) or type(problem).__name__) from problem
    except Exception as problem:  # MSAL may raise anything for a response that it cannot read
        raise SignInError(f"Entra ID's response cannot be used: {type(problem).__name__}: {problem}") from problem
    if not isinstance(response.get("access_token"), str):
        raise SignInError(reason(response))
    return response
