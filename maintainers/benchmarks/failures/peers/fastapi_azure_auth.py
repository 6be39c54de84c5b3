"""fastapi-azure-auth in a small app behind uvicorn, as in its guide for a single tenant."""

from __future__ import annotations

import datetime
import gc
import math
import ssl
from typing import Any

import fastapi
import requests
from fastapi_azure_auth import SingleTenantAzureAuthorizationCodeBearer
from httpx2 import AsyncClient

from emulators.applications import API_ID
from emulators.listeners import LoopThread, WebServer
from emulators.loopback import bind
from emulators.people import CONTOSO

from ..outcome import Outcome, replied
from ..tenant import Tenant
from .base import Validator


class FastApi(Validator):
    """One app with one route that wants a signed-in user whose client holds the scope."""

    def __init__(self, tenant: Tenant, time_out: float | None = None) -> None:
        super().__init__(tenant, time_out)
        config: dict[str, Any] = {"verify": ssl.create_default_context(cafile=str(tenant.ca))}
        self._scheme = SingleTenantAzureAuthorizationCodeBearer(
            app_client_id=API_ID,
            tenant_id=CONTOSO,
            scopes={f"api://{API_ID}/access_as_user": "access_as_user"},
            http_client_config=config if time_out is None else {**config, "timeout": time_out},
        )
        app = fastapi.FastAPI()

        signed_in = fastapi.Security(self._scheme, scopes=["access_as_user"])

        async def who(user: Any = signed_in) -> dict[str, str]:
            return {"oid": str(user.claims.get("oid", "nobody"))}

        app.add_api_route("/who", who)
        listener = bind(0, "the app")
        self._url = f"http://127.0.0.1:{listener.getsockname()[1]}/who"
        self._loop, self._server = LoopThread("fastapi"), WebServer(app, listener)
        self._loop.call(self._server.start())

    def close(self) -> None:
        self._loop.call(self._server.stop())
        self._loop.stop()

    def validate(self, bearer: str) -> Outcome:
        with requests.Session() as session:
            session.trust_env = False
            reply = session.get(self._url, headers={"Authorization": f"Bearer {bearer}"}, timeout=120)
        person = reply.json()["oid"] if reply.status_code == 200 else ""
        return replied(reply.status_code, reply.headers, reply.text, person)

    def later(self, seconds: float) -> None:
        """It has no clock to inject: its time stamp is set back."""
        config = self._scheme.openid_config
        if config._config_timestamp is not None:
            config._config_timestamp -= datetime.timedelta(seconds=seconds)

    def nominal_time_out(self) -> float:
        """That of the HTTP client which is waiting: an event loop's sockets have none."""
        found = [thing.timeout.read for thing in gc.get_objects() if type(thing) is AsyncClient and not thing.is_closed]
        return max((math.inf if seconds is None else seconds for seconds in found), default=math.inf)
