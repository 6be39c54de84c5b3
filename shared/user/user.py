"""The signed-in user, as a function sees them: who they are, and the APIs that can be called as them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..downstream import DownstreamApi, DownstreamApis
from ..sessions import RequestContext


class SignedInUser:
    """Who signed in to call this function. Lives for one request."""

    def __init__(self, context: RequestContext, apis: DownstreamApis) -> None:
        self._context, self._apis = context, apis

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    @property
    def correlation_id(self) -> str:
        """The GUID of this request in the log, in Entra's sign-in log and in an error reply."""
        return self._context.record.correlation_id

    @cached_property
    def claims(self) -> Mapping[str, Any]:
        """All claims of the validated access token."""
        return self._context.access_token.claims()

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
        return self._context.access_token.scopes

    @property
    def roles(self) -> frozenset[str]:
        """The user's app roles in this API (`roles`)."""
        roles = self.claims.get("roles")
        return frozenset(str(role) for role in roles) if isinstance(roles, list) else frozenset()


class User(SignedInUser):
    """The signed-in user, for `def` functions."""

    def api(self, name: str) -> DownstreamApi:
        """The API that the settings `DownstreamApis__<name>__…` describe, called as this user.

        Raises:
            ServerMisconfigured: no such settings.
        """
        return DownstreamApi(name, self._apis, self._context)

    def token(self, name: str) -> str:
        """An access token for the API `name`, for libraries that want the token itself. Never log or return it.

        Raises:
            ApiError: the exchange failed.
        """
        return self._context.token_for(self._apis.named(name)).token
