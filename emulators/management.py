"""Azure Resource Manager for a sign-in of the Azure CLI: the caller sees no subscription."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .applications import MANAGEMENT_URIS
from .entra.service import Entra
from .entra.verification import TokenError, verify_token
from .people import CONTOSO
from .requests_io import bearer, json_reply, note

MANAGEMENT_HOST = "management.azure.com"


class Management:
    """An identity with a role on one vault and on nothing else sees no subscription."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra

    def build_app(self) -> Starlette:
        """The ASGI application of the host name."""
        return Starlette(routes=[Route("/subscriptions", self._subscriptions)])

    async def _subscriptions(self, request: Request) -> Response:
        note(request).action = "subscriptions"
        try:
            claims = verify_token(bearer(request) or "", self._entra.keys, CONTOSO, self._entra.now())
        except TokenError as bad:
            return self._refuse(request, f"The access token is invalid: {bad}")
        if str(claims.get("aud", "")).rstrip("/") not in MANAGEMENT_URIS:
            return self._refuse(request, "The access token has been obtained for the wrong audience.")
        note(request).verdict = "ok: no subscriptions"
        return json_reply({"value": [], "count": {"type": "Total", "value": 0}})

    def _refuse(self, request: Request, message: str) -> Response:
        note(request).verdict = f"refused: {message}"
        return json_reply({"error": {"code": "InvalidAuthenticationToken", "message": message}}, 401)
