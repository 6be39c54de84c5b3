"""MSAL for Python as its samples use it, and its token cache with many users in it."""

from __future__ import annotations

import base64
import json
import tempfile
import uuid
from pathlib import Path
from typing import Any

import msal

from emulators.applications import API_ID
from emulators.people import CONTOSO

SCOPES = ["https://graph.microsoft.com/.default"]
AUTHORITY = f"https://login.microsoftonline.com/{CONTOSO}"


class _Noting(msal.TokenCache):  # type: ignore[misc]  # msal ships no types
    """MSAL's cache, which remembers what it was last told to keep."""

    last: dict[str, Any]

    def add(self, event: dict[str, Any], now: float | None = None) -> None:
        self.last = event
        super().add(event, now=now)


class MsalPeer:
    """One application object for the life of the process, with a certificate."""

    def __init__(self, certificate: bytes) -> None:
        self._cache = _Noting()
        with tempfile.TemporaryDirectory() as folder:
            pfx = Path(folder) / "client.pfx"
            pfx.write_bytes(certificate)
            self.app = msal.ConfidentialClientApplication(
                API_ID,
                authority=AUTHORITY,
                client_credential={"private_key_pfx_path": str(pfx)},
                token_cache=self._cache,
            )

    def exchange(self, bearer: str) -> str:
        """The downstream token, from Entra: MSAL does not look into its cache here."""
        return str(self.app.acquire_token_on_behalf_of(bearer, SCOPES)["access_token"])

    def fill(self, bearer: str, count: int) -> list[dict[str, str]]:
        """One genuine exchange, then `count` more users with the tokens of Entra's response; their accounts."""
        self.exchange(bearer)
        model = self._cache.last
        return [self._keep(model) for _ in range(count)]

    def silent(self, account: dict[str, str]) -> str:
        """The cached token of that account: the shortest way that MSAL offers, without a search for the account."""
        return str(self.app.acquire_token_silent(SCOPES, account=account)["access_token"])

    def _keep(self, model: dict[str, Any]) -> dict[str, str]:
        uid, response = str(uuid.uuid4()), model["response"]
        info = base64.urlsafe_b64encode(json.dumps({"uid": uid, "utid": CONTOSO}).encode()).decode()
        own = {
            **response,
            "client_info": info,
            "access_token": f"{uuid.uuid4().hex:0<2000}",
            "refresh_token": f"{uuid.uuid4().hex:0<1400}",
            "id_token": f"{uuid.uuid4().hex:0<1000}",
            "id_token_claims": {"oid": uid, "preferred_username": f"{uid}@contoso.example", "tid": CONTOSO},
        }
        self._cache.add({**model, "response": own})
        return {
            "home_account_id": f"{uid}.{CONTOSO}",
            "environment": "login.microsoftonline.com",
            "username": f"{uid}@contoso.example",
        }
