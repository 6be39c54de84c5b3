"""The signed-in user, as a function sees them: who they are, and the APIs that can be called as them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

from .downstream_api import DownstreamApi
from .errors import ServerMisconfigured
from .sessions import Refusal, Session, Sessions
from .settings import DownstreamApiSettings, Settings
from .transport import Transport


class SignedInUser:
    """Who signed in to call this function. Lives for one request."""

    def __init__(
        self,
        session: Session,
        bearer: str,
        *,
        sessions: Sessions,
        settings: Settings,
        transport: Transport,
        correlation_id: str,
        now: Callable[[], float],
    ) -> None:
        self._session, self._bearer, self._sessions = session, bearer, sessions
        self._settings, self._transport, self._now = settings, transport, now
        self.correlation_id = correlation_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    @cached_property
    def claims(self) -> Mapping[str, Any]:
        """All claims of the validated access token."""
        return self._session.access_token.claims()

    @property
    def id(self) -> str:
        """The user's object id (`oid`), unique within `tenant_id`: use the two as the key of what you store."""
        return str(self.claims["oid"])

    @property
    def tenant_id(self) -> str:
        return str(self.claims["tid"])

    @property
    def name(self) -> str:
        """To be shown, never to decide by: it can change and need not be unique."""
        return str(self.claims.get("name", ""))

    @property
    def scopes(self) -> frozenset[str]:
        """What the client may do on the user's behalf (`scp`)."""
        return self._session.access_token.scopes

    @property
    def roles(self) -> frozenset[str]:
        """The user's app roles in this API (`roles`)."""
        roles = self.claims.get("roles")
        return frozenset(str(role) for role in roles) if isinstance(roles, list) else frozenset()

    def _api(self, name: str) -> DownstreamApi:
        api = self._api_settings(name)
        return DownstreamApi(
            api,
            self._transport,
            partial(self._token_for, api),
            authorization_uri=self._settings.authorization_uri,
            correlation_id=self.correlation_id,
            now=self._now,
        )

    def _api_settings(self, name: str) -> DownstreamApiSettings:
        api = self._settings.downstream_apis.get(name.lower())
        if api is None:
            raise ServerMisconfigured(reason=f"no settings DownstreamApis__{name}__BaseUrl and __Scopes")
        return api

    def _token_for(self, api: DownstreamApiSettings, refused: tuple[str, str] | None) -> str:
        refusal = Refusal(*refused) if refused else None
        return self._sessions.token_for(
            self._session, self._bearer, api.scopes, correlation_id=self.correlation_id, refusal=refusal
        )


class User(SignedInUser):
    """The signed-in user, for `def` functions."""

    def api(self, name: str) -> DownstreamApi:
        """The API that the settings `DownstreamApis__<name>__…` describe, called as this user.

        Raises:
            ServerMisconfigured: no such settings.
        """
        return self._api(name)

    def token(self, name: str) -> str:
        """An access token for the API `name`, for libraries that want the token itself. Never log or return it.

        Raises:
            ApiError: the exchange failed.
        """
        return self._token_for(self._api_settings(name), None)
