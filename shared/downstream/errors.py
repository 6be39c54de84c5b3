"""Maps an error response of a downstream API to the error for the client. docs/errors.md has the table."""

from __future__ import annotations

import re
from typing import Any

from ..errors import (
    AccessDenied,
    ApiError,
    BadGateway,
    ClaimsChallenge,
    ConsentRequired,
    NotFound,
    RequestRejected,
    ServiceUnavailable,
)
from ..net import Response, bearer_challenges, claims_of, parse_object, requested_claims
from ..settings import Authority
from .request import path_of_link

_OURS = frozenset({401, 407, 417, 421, 426, 431})  # about our token or connection: the caller cannot fix them
_MAX_PROBLEM_BYTES = 4 * 1024
_CODE = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_SCOPE = re.compile(r"[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,256}")  # RFC 6749 §3.3, without the comma
_MAX_SCOPES = 32
_CONSENT_PAGES = frozenset({"/adminconsent", "/v2.0/adminconsent", "/oauth2/authorize", "/oauth2/v2.0/authorize"})
"""https://learn.microsoft.com/entra/identity-platform/v2-admin-consent#request-the-permissions-from-a-directory-admin"""
_MAX_HEADER_CHARS = 16 * 1024
_RAW_CLAIMS = re.compile(r'\bclaims="(\{.*?\})"\s*(?:,|$)')  # Microsoft.Identity.Web does not escape the quotes in it


def error_from_api(response: Response, api: str, authority: Authority, now: float) -> ApiError:
    """The error for the client, from an error response of the API named `api`."""
    status, reason = response.status_code, f"{api}: HTTP {response.status_code}{_error_code(response)}"
    demand = demand_of(response, api, authority)
    if demand is not None:
        return demand
    if status == 429 or (status == 503 and "Retry-After" in response.headers):
        return ServiceUnavailable(retry_after=response.retry_after(now), reason=reason)
    if status in _OURS or not 400 <= status < 500:
        return BadGateway(reason=reason)
    by_status: dict[int, type[ApiError]] = {403: AccessDenied, 404: NotFound}
    error = by_status[status](reason=reason) if status in by_status else RequestRejected(status, reason=reason)
    problem = _problem(response)
    if problem:
        error.extra["downstream"] = problem
    return error


def demand_of(response: Response, api: str, authority: Authority) -> ApiError | None:
    """The claims challenge or the missing consent in a 401 or 403. None if the response names neither.

    Three forms are read: Entra's claims challenge, this template's problem document, and Microsoft.Identity.Web's form:
    https://github.com/AzureAD/microsoft-identity-web (ReplyForbiddenWithWwwAuthenticateHeader)
    """
    status, reason = response.status_code, f"{api}: HTTP {response.status_code}{_error_code(response)}"
    if status not in (401, 403):
        return None
    claims = claims_in(response)
    if claims:
        return ClaimsChallenge(claims, authorization_uri=authority.authorization_uri, reason=reason)
    told = _consent_asked_for(response) if status == 403 else None
    if told is None:
        return None
    scopes, addresses = told
    own = {name: _ours(address, authority) for name, address in addresses.items()}
    return ConsentRequired(scopes, reason=reason, **own)


def claims_in(response: Response) -> str:
    """The claims that the user's next sign-in must carry, as compact JSON; empty if the response names none."""
    if response.status_code == 401:
        problem = _problem(response) or {}
        told = problem.get("claims") if problem.get("code") == ClaimsChallenge.code else None
        return claims_of(response) or (requested_claims(told) if isinstance(told, str) else "")
    header = response.headers.get("WWW-Authenticate", "")
    if response.status_code != 403 or _web_challenge(header) is None:
        return ""
    raw = _RAW_CLAIMS.search(header[:_MAX_HEADER_CHARS])
    return requested_claims(raw[1]) if raw else ""


def _web_challenge(header: str) -> dict[str, str] | None:
    """The challenge that Microsoft.Identity.Web sends when its own exchange needs the user."""
    return next((each for each in bearer_challenges(header) if each.get("proposedaction") == "consent"), None)


def _consent_asked_for(response: Response) -> tuple[list[str], dict[str, str]] | None:
    problem = _problem(response) or {}
    if problem.get("code") == ConsentRequired.code:
        addresses = {name: str(problem.get(name, "")) for name in ("admin_consent_url", "consent_url")}
        listed = problem.get("scopes")
        return _scopes(listed if isinstance(listed, list) else []), addresses
    challenge = _web_challenge(response.headers.get("WWW-Authenticate", ""))
    if challenge is None:
        return None
    return _scopes(re.split(r"[\s,]+", challenge.get("scopes", ""))), {"consent_url": challenge.get("consenturi", "")}


def _scopes(listed: list[Any]) -> list[str]:
    return [each for each in listed[:_MAX_SCOPES] if isinstance(each, str) and _SCOPE.fullmatch(each)]


def _ours(address: str, authority: Authority) -> str:
    """The address if it is a consent page of the tenant, else "". A person will open and trust it."""
    try:
        page = path_of_link(address, "", authority.url).partition("?")[0]
    except ValueError:
        return ""
    return address if address.isascii() and page in _CONSENT_PAGES else ""


def _error_code(response: Response) -> str:
    """For the log: the code of an error in Graph's form, such as Authorization_RequestDenied. Never its message."""
    try:
        code = response.json()["error"]["code"]
    except (ValueError, TypeError, KeyError):
        return ""
    return f" {code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _problem(response: Response) -> dict[str, Any] | None:
    """The problem document (RFC 9457) in a response, or None. It is passed on, because it is written for clients."""
    is_problem = (
        response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/problem+json"
    )
    try:
        return parse_object(response.content) if is_problem and len(response.content) <= _MAX_PROBLEM_BYTES else None
    except ValueError:
        return None
