"""The routes of the emulated Entra."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route

from . import device, discovery, sign_in_pages
from .admin_consent import admin_consent
from .authorize import authorize
from .service import Entra
from .token_endpoint import token


def build_app(entra: Entra) -> Starlette:
    """The ASGI application of login.microsoftonline.com."""
    app = Starlette(
        routes=[
            Route("/common/discovery/instance", discovery.instance),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", discovery.openid_configuration),
            Route("/{tenant}/.well-known/openid-configuration", discovery.openid_configuration),
            Route("/{tenant}/discovery/v2.0/keys", discovery.keys),
            Route("/{tenant}/discovery/keys", discovery.keys),
            Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
            Route("/{tenant}/oauth2/v2.0/devicecode", device.device_code, methods=["POST"]),
            Route("/common/oauth2/deviceauth", device.device_page, methods=["GET", "POST"]),
            Route("/{tenant}/oauth2/v2.0/authorize", authorize, methods=["GET", "POST"]),
            Route("/{tenant}/login", sign_in_pages.account, methods=["POST"]),
            Route("/{tenant}/SAS/ProcessAuth", sign_in_pages.second_factor, methods=["POST"]),
            Route("/{tenant}/Consent/Set", sign_in_pages.consent, methods=["POST"]),
            Route("/{tenant}/v2.0/adminconsent", admin_consent),
            Route("/{tenant}/adminconsent", admin_consent),
        ]
    )
    app.state.entra = entra
    return app
