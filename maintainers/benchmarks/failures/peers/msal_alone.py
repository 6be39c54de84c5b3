"""MSAL for Python with its default caches: the exchange by itself, or after a look into the cache."""

from __future__ import annotations

import json
from typing import Any

import jwt
import msal
import requests

from emulators.applications import API_ID
from emulators.people import CONTOSO

from ..outcome import Outcome, raised, replied
from ..tenant import Tenant
from .base import Exchanger

_SCOPES = ["https://graph.microsoft.com/.default"]
_ME = "https://graph.microsoft.com/v1.0/me"


class Msal(Exchanger):
    """One application object for the life of the process, with a certificate; then Graph, as MSAL's samples call it."""

    def __init__(self, tenant: Tenant, time_out: float | None = None) -> None:
        super().__init__(tenant, time_out)
        self._app = msal.ConfidentialClientApplication(
            API_ID,
            authority=f"https://login.microsoftonline.com/{CONTOSO}",
            client_credential={"private_key_pfx_path": str(tenant.pfx)},
            client_capabilities=["cp1"],
            **({} if time_out is None else {"timeout": time_out}),
        )

    def call(self, bearer: str) -> Outcome:
        try:
            result = self._result(bearer)
            if "access_token" not in result:
                return Outcome(f"returns error {result.get('error')}", {"the dict": json.dumps(result)})
            answer = requests.get(_ME, headers={"Authorization": f"Bearer {result['access_token']}"}, timeout=30)
        except Exception as error:  # noqa: BLE001 — whatever it raises is what is measured
            return raised(error)
        if answer.status_code == 200:
            return Outcome("answered", person=str(answer.json().get("id", "")))
        seen = replied(answer.status_code, answer.headers, answer.text)
        return Outcome(f"Graph's {answer.status_code}", {f"Graph's {name}": text for name, text in seen.places.items()})

    def downstream_token(self, bearer: str) -> str:
        return str(self._result(bearer).get("access_token", ""))

    def _result(self, bearer: str) -> dict[str, Any]:
        result: dict[str, Any] = self._app.acquire_token_on_behalf_of(bearer, _SCOPES)
        return result


class MsalCacheFirst(Msal):
    """What MSAL's README does for every flow: the cache first, for the account of the user who calls."""

    def _result(self, bearer: str) -> dict[str, Any]:
        username = jwt.decode(bearer, options={"verify_signature": False})["preferred_username"]
        for account in self._app.get_accounts(username=username):
            cached: dict[str, Any] | None = self._app.acquire_token_silent(_SCOPES, account=account)
            if cached:
                return cached
        return super()._result(bearer)
