"""PyJWT's client for key sets, as in its usage guide, with the checks of audience and issuer that an app adds."""

from __future__ import annotations

from typing import Any

import jwt

from emulators.applications import API_ID
from emulators.people import CONTOSO

from ..outcome import Outcome, raised
from ..tenant import Tenant
from .base import Validator

_TENANT = f"https://login.microsoftonline.com/{CONTOSO}"


class PyJwt(Validator):
    """One PyJWKClient, kept."""

    def __init__(self, tenant: Tenant, time_out: float | None = None) -> None:
        super().__init__(tenant, time_out)
        own: dict[str, Any] = {} if time_out is None else {"timeout": time_out}
        self._client = jwt.PyJWKClient(f"{_TENANT}/discovery/v2.0/keys", **own)

    def validate(self, bearer: str) -> Outcome:
        try:
            key = self._client.get_signing_key_from_jwt(bearer)
            claims = jwt.decode(bearer, key, algorithms=["RS256"], audience=API_ID, issuer=f"{_TENANT}/v2.0")
        except Exception as error:  # noqa: BLE001 — whatever it raises is what is measured
            return raised(error)
        return Outcome("accepted", person=str(claims.get("oid", "nobody")))

    def later(self, seconds: float) -> None:
        """It has no clock to inject: its two time stamps are set back."""
        cached = self._client.jwk_set_cache and self._client.jwk_set_cache.jwk_set_with_timestamp
        if cached:
            cached.timestamp -= seconds
        if self._client._last_successful_fetch is not None:
            self._client._last_successful_fetch -= seconds
