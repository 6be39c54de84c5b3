"""Metadata: the OpenID configuration of a tenant, its signing keys, and the clouds MSAL asks about."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..fault import fault_of
from ..requests_io import json_reply, note
from .refusals import EntraError
from .replies import Trace, refusal_reply
from .service import CUSTOMER_HOSTS, HOST, SHARED_TENANTS, Entra, hosts_of
from .signing import CLOUD
from .verification import issuers

CACHEABLE = {"Cache-Control": "max-age=86400, private", "Access-Control-Allow-Origin": "*"}


def _tenant(entra: Entra, request: Request) -> tuple[str, str]:
    """Path segment and tenant id of the document; a shared endpoint's issuer is a template, as at Entra."""
    name = request.path_params["tenant"].lower()
    if name in SHARED_TENANTS and _host(request) == HOST:
        return name, "{tenantid}"
    tenant = entra.tenant(name)
    if _host(request) not in hosts_of(tenant):
        raise EntraError(90002, tenant=name)
    return tenant, tenant


async def openid_configuration(request: Request) -> Response:
    """`/{tenant}[/v2.0]/.well-known/openid-configuration`."""
    entra: Entra = request.app.state.entra
    note(request).action = "discovery"
    version = 2 if "/v2.0/" in request.url.path else 1
    try:
        segment, tenant = _tenant(entra, request)
    except EntraError as refused:
        note(request).verdict = refused.message
        return refusal_reply(refused, Trace.of(request), entra.now())
    note(request).verdict = f"ok: v{version} metadata"
    return json_reply(_document(_host(request), segment, tenant, version), headers=CACHEABLE)


def _host(request: Request) -> str:
    """The name by which the document was asked for: External ID has two. The sign-in server has none of them."""
    asked = request.headers.get("host", "").lower().removesuffix(":443")
    return asked if asked in CUSTOMER_HOSTS else HOST


def _document(host: str, segment: str, tenant: str, version: int) -> dict[str, object]:
    base, suffix = f"https://{host}/{segment}", "/v2.0" if version == 2 else ""
    return {
        "token_endpoint": f"{base}/oauth2{suffix}/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": f"{base}/discovery{suffix}/keys",
        "response_modes_supported": ["query", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuers(tenant)[version - 1],
        "request_uri_parameter_supported": False,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": f"{base}/oauth2{suffix}/authorize",
        "device_authorization_endpoint": f"{base}/oauth2{suffix}/devicecode",
        "http_logout_supported": False,
        "frontchannel_logout_supported": False,
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "name", "tid", "ver", "preferred_username"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": CLOUD,
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    }


async def keys(request: Request) -> Response:
    """`/{tenant}/discovery[/v2.0]/keys`."""
    entra: Entra = request.app.state.entra
    note(request).action = "keys"
    try:
        _, tenant = _tenant(entra, request)
    except EntraError as refused:
        note(request).verdict = refused.message
        return refusal_reply(refused, Trace.of(request), entra.now())
    fault = fault_of(request.scope)
    document = entra.keys.document(issuers(tenant)[1], fault.without or () if fault else ())
    note(request).verdict = "ok: signing keys"
    return json_reply(document, headers=CACHEABLE)


async def instance(request: Request) -> Response:
    """`/common/discovery/instance`: the names of the cloud, and where a tenant's metadata is."""
    entra: Entra = request.app.state.entra
    note(request).action = "instance"
    asked = request.query_params.get("authorization_endpoint", "")
    segment = asked.removeprefix("https://").partition("/")[2].partition("/")[0] or "common"
    try:
        tenant = segment if segment in SHARED_TENANTS else entra.tenant(segment)
    except EntraError as refused:
        note(request).verdict = refused.message
        return refusal_reply(refused, Trace.of(request), entra.now())
    note(request).verdict = "ok: cloud names"
    alias = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]
    return json_reply(
        {
            "tenant_discovery_endpoint": f"https://{HOST}/{tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": HOST, "preferred_cache": "login.windows.net", "aliases": alias}],
        }
    )
