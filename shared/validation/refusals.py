"""Why a token was refused, in words for the operator's log line. The words name kinds, never what a token holds.

Imported only after a refusal: a valid token never comes here.
https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..settings import GRAPH_HOSTS, PERSONAL_ACCOUNTS, is_guid

SEND_THIS_APIS = "the client must ask for a scope of this API, api://{client id}/{scope}"
ALGORITHMS = frozenset(
    {"none", "EdDSA", *(f"{kind}{bits}" for kind in ("HS", "RS", "ES", "PS") for bits in (256, 384, 512))}
)
_MICROSOFT_API = f"a token for a Microsoft API, such as Graph; {SEND_THIS_APIS}"
_MICROSOFT_ID = "0000-0000-c000-000000000000"  # how the ids of Microsoft's oldest APIs end
_MICROSOFT_HOSTS = (
    *GRAPH_HOSTS,
    *("graph.windows.net", "azure.com", "azure.net", "azure.us", "azure.cn", "windows.net", "windows.com"),
    *("core.windows.net", "microsoft.com", "microsoftonline.com", "office.com", "office365.com", "sharepoint.com"),
    *("dynamics.com", "powerbi.com", "microsoft.us", "usgovcloudapi.net", "chinacloudapi.cn"),
)
_BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
_HS256 = "alg HS256: not Entra's, but perhaps that of Static Web Apps or App Service"


def is_bearer_token(text: str) -> bool:
    """Whether this can be the token after `Bearer` (RFC 6750 §2.1: `b64token`).

    Several headers arrive as one text, joined with a comma.
    """
    return _BEARER_TOKEN.fullmatch(text) is not None


def why_no_bearer(header: str) -> str:
    """The reason for an `Authorization` header that is not exactly one bearer token."""
    scheme, _, rest = header.strip().partition(" ")
    words = rest.split()
    if not header.strip():
        return "no Authorization header"
    if scheme.lower() != "bearer":
        return "Authorization is not Bearer and a token"
    if not words:
        return "nothing after Bearer"
    if "," in rest:
        return "more than one Authorization header, or a comma in it"
    if words[0].lower() == "bearer":
        return "the word Bearer twice"
    return "a space in the token" if len(words) > 1 else "characters that no token has, such as quotes or brackets"


def why_not_compact(token: str, max_chars: int) -> str:
    """The reason for a text that is not three segments of base64url."""
    if len(token) > max_chars:
        return f"not a compact JWS: longer than {max_chars} characters"
    segments = token.count(".") + 1
    if segments == 5:
        return f"not a compact JWS: encrypted (JWE); {SEND_THIS_APIS}, and its registration must have no encryption key"
    if segments == 1:
        return f"not a compact JWS: one segment, an opaque token of another service; {SEND_THIS_APIS}"
    is_cut = segments == 2 or token.endswith(".")
    told = f"not a compact JWS: {segments} segments, or characters that no segment has"
    return f"{told}; the token was probably cut off" if is_cut else told


def why_header(header: Mapping[str, Any], expected: str, refused: frozenset[str]) -> str:
    """The reason for a header with another algorithm, or with a name that is refused."""
    algorithm = header.get("alg")
    if algorithm != expected:
        if algorithm == "HS256":
            return f"header: {_HS256}; {SEND_THIS_APIS}"
        known = isinstance(algorithm, str) and algorithm in ALGORITHMS
        told = f"alg {algorithm}" if known else "no alg" if algorithm is None else "an unknown alg"
        return f"header: {told}, and only {expected} is accepted"
    return f"header: {', '.join(sorted(refused & header.keys()))} is not accepted"


def why_signature(token: str, size: int) -> str:
    """The reason for a signature that does not fit. `size`: how many bytes a signature of the key has.

    The tokens of Graph have a `nonce` in their header. Only Graph can check their signature.
    """
    if len(token.rpartition(".")[2]) * 3 // 4 < size:  # 4 characters of base64url are 3 bytes
        return "signature: incomplete; the token was probably cut off"
    if _has_nonce(token):
        return f"signature: does not fit; the header has a nonce: {_MICROSOFT_API}"
    return "signature: does not fit; the token was changed on its way, or is not Entra's"


def _has_nonce(token: str) -> bool:
    """Whether the header of a token has a `nonce`. The bytes are searched, because parsing them again costs more."""
    encoded = token.partition(".")[0]
    try:
        return b'"nonce"' in base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return False


def why_tenant(tenant_id: object, several: bool) -> str:
    """The reason for a token of a tenant whose users may not call."""
    if not isinstance(tenant_id, str):
        return "tenant: the token names none (tid)"
    if tenant_id == PERSONAL_ACCOUNTS:
        return "tenant: that of personal accounts, which may not call"
    if not is_guid(tenant_id):
        return "tenant: tid is not the id of a tenant"
    return f"tenant: another than {'those of AzureAd__AllowedTenants' if several else 'AzureAd__TenantId'}"


def why_issuer(version: object, issuer: object, issuers: Mapping[str, str]) -> str:
    """The reason for another issuer. `issuers`: the tenant's issuer for each version."""
    if not isinstance(version, str) or version not in issuers:
        return "issuer: the token has no ver that is 1.0 or 2.0"
    if issuer in issuers.values():
        return "issuer: that of the other version than ver says"
    if not isinstance(issuer, str):
        return "issuer: the token names none (iss)"
    if issuer.rstrip("/").lower() == issuers[version].rstrip("/").lower():
        return "issuer: differs in upper and lower case or in a slash at its end"
    return "issuer: another than that of AzureAd__Instance and AzureAd__TenantId"


def why_audience(claims: Mapping[str, Any], accepted: Collection[str], client_id: str) -> str:
    """The reason for another audience: which kind of audience it is.

    Args:
        client_id: the client id of this API.
    """
    audience = claims.get("aud")
    if not isinstance(audience, str):
        return "audience: not one text"
    if _is_id_token(claims):
        return f"audience: an ID token, which is for the client itself; {SEND_THIS_APIS}"
    return f"audience: {_kind_of_audience(audience, accepted, client_id)}"


def _kind_of_audience(audience: str, accepted: Collection[str], client_id: str) -> str:
    plain = {text.lower() for text in accepted}
    if audience.lower() in plain:
        return "differs from an accepted one in upper and lower case; correct AzureAd__Audiences"
    if audience.lower().rstrip("/") in {text.rstrip("/") for text in plain}:
        return "differs from an accepted one in a slash at its end; correct AzureAd__Audiences"
    bare = {_bare(text) for text in plain}
    if _bare(audience.lower()) in bare:
        if is_guid(audience):
            return "the bare client id, as in v2.0 tokens, and AzureAd__Audiences has the form api:// alone"
        return (
            "the form api:// or spn:, as in v1.0 tokens, and AzureAd__Audiences has the bare form alone; add it, "
            "or set requestedAccessTokenVersion to 2 in the registration"
        )
    if client_id in audience.lower():
        return "another name of this API, with its client id; add it to AzureAd__Audiences"
    if _is_of_microsoft(audience.lower()):
        return _MICROSOFT_API
    form = "a client id" if is_guid(audience) else "api://" if audience.startswith("api://") else "an address"
    return f"another API ({form}); {SEND_THIS_APIS}"


def _bare(audience: str) -> str:
    return audience.removeprefix("api://").removeprefix("spn:").rstrip("/")


def _is_of_microsoft(audience: str) -> bool:
    try:
        host = urlsplit(audience).hostname or ""
    except ValueError:
        return False
    hosts = tuple(f".{name}" for name in _MICROSOFT_HOSTS)
    return audience.endswith(_MICROSOFT_ID) or f".{host}".endswith(hosts)


def why_no_kind(claims: Mapping[str, Any]) -> str:
    """The reason for a token that is neither a user's nor an application's access token."""
    told = "not an access token of a user or of an application"
    if _is_id_token(claims):
        return f"{told}: an ID token; the client must send its access token"
    if isinstance(claims.get("scp"), str):
        return f"{told}: it has scopes, but idtyp, or sub equal to oid, says that it is an application's"
    return f"{told}: it has no scopes (scp), and is not an application's"


def _is_id_token(claims: Mapping[str, Any]) -> bool:
    """An ID token names no client that got it, and no scopes."""
    return not any(name in claims for name in ("scp", "azp", "appid", "idtyp"))
