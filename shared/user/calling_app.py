"""The application that calls a function, without a user: a daemon, a managed identity or another service."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..validation import ValidatedAppToken


class CallingApp:
    """The application that called this function as itself. No API can be called on its behalf: use `app_api`.

    Entra has no On-Behalf-Of exchange for an application's token (AADSTS7000114).
    """

    def __init__(self, access_token: ValidatedAppToken) -> None:
        self._access_token = access_token

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    @cached_property
    def claims(self) -> Mapping[str, Any]:
        """All claims of the validated access token, by name. Never log their values.

        https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
        """
        return self._access_token.claims()

    @property
    def id(self) -> str:
        """The client id of the application, the claim `azp` or `appid`. It is the same in all tenants."""
        return self._access_token.client_id()

    @property
    def tenant_id(self) -> str:
        """The id of the tenant that issued the token, the claim `tid`."""
        return self._access_token.authority.tenant_id

    @property
    def roles(self) -> frozenset[str]:
        """The application's app roles in this API, the claim `roles`; empty without one."""
        return self._access_token.roles()
