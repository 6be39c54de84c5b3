"""How an application proves who it is: a certificate, a federated token, a secret, or (a public client) not at all."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any

from ..applications import Application
from ..certificates import Certificate, base64url
from ..people import CONTOSO
from .form import Form
from .refusals import EntraError
from .replies import stamp
from .service import Entra, hosts_of
from .verification import UNREADABLE, TokenError, header_of, issuers, peek, signed_claims, verify_token

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY = 300
"""Seconds Entra allows for clocks that differ."""


def authenticate(entra: Entra, tenant: str, client: Application, form: Form) -> str:
    """How the client proved itself, as `azpacr` says it: 0 public, 1 secret, 2 certificate or federated token."""
    secret, assertion = form.get("client_secret"), form.get("client_assertion")
    if client.public:
        if secret or assertion:
            raise EntraError(700025)
        return "0"
    if assertion:
        if form.require("client_assertion_type") != ASSERTION_TYPE:
            raise EntraError(90023, parameter="client_assertion_type", value=form["client_assertion_type"])
        _check_assertion(entra, tenant, client, assertion)
        return "2"
    if secret:
        _check_secret(entra, client, secret)
        return "1"
    if form.get("grant_type") == "client_credentials":
        raise EntraError(7000216, grant="client_credentials")
    raise EntraError(7000218)


def _check_secret(entra: Entra, client: Application, presented: str) -> None:
    known = [s for s in entra.directory.secrets(client) if hmac.compare_digest(s.value.encode(), presented.encode())]
    if not known:
        raise EntraError(7000215, client=client.client_id)
    if all(secret.expires <= entra.now() for secret in known):
        raise EntraError(7000222, client=client.client_id)


def _check_assertion(entra: Entra, tenant: str, client: Application, assertion: str) -> None:
    try:
        header = header_of(assertion)
    except TokenError:
        raise EntraError(50027, reason="it is not a signed JWT") from None
    if str(peek(assertion).get("iss", "")) in issuers(CONTOSO) or entra.keys.find(header.get("kid")):
        _check_federated(entra, client, assertion)
    else:
        _check_certificate_assertion(entra, tenant, client, assertion, header)


def _check_federated(entra: Entra, client: Application, assertion: str) -> None:
    """The managed identity is in the tenant of the registration, whichever tenant the token is for."""
    try:
        claims = verify_token(assertion, entra.keys, CONTOSO, entra.now())
    except TokenError as bad:
        if bad.reason == "time":
            raise _out_of_time(entra, bad.claims) from None
        if bad.reason == "issuer":
            raise EntraError(700211, issuer=bad.claims.get("iss")) from None
        raise EntraError(700027, reason=str(bad), thumbprint="unknown") from None
    records = entra.directory.federated(client)
    if not records:
        raise EntraError(70021)
    records = tuple(one for one in records if one.issuer == claims["iss"])
    if not records:
        raise EntraError(700211, issuer=claims["iss"])
    records = tuple(one for one in records if claims.get("aud") in one.audiences)
    if not records:
        raise EntraError(700212, audience=claims.get("aud"))
    if claims.get("sub") not in {one.subject for one in records}:
        raise EntraError(700213, subject=claims.get("sub"))


def _check_certificate_assertion(
    entra: Entra, tenant: str, client: Application, assertion: str, header: dict[str, Any]
) -> None:
    certificate = _registered(entra, client, header)
    claims = _signed_claims(assertion, header, certificate)
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        raise EntraError(700021)
    if claims.get("aud") not in _audiences(tenant):
        raise EntraError(700023)
    now, expiry, not_before = entra.now(), _moment(claims.get("exp")), _moment(claims.get("nbf", 0))
    if not not_before - LEEWAY <= now < expiry + LEEWAY or not certificate.not_before <= now < certificate.not_after:
        raise _out_of_time(entra, claims)
    _check_not_replayed(entra, client, claims, assertion, expiry)


def _moment(value: object) -> float:
    """A number, or the digits of one as text: MSAL.NET sends these, and Entra takes them."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return float(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise EntraError(50027, reason="exp and nbf must be numbers")
    return value


def _registered(entra: Entra, client: Application, header: dict[str, Any]) -> Certificate:
    thumbprint = str(header.get("x5t#S256") or header.get("x5t") or "")
    if not thumbprint:
        raise EntraError(50027, reason="the header names no certificate (x5t#S256 or x5t)")
    presented = thumbprint.rstrip("=").replace("+", "-").replace("/", "_")  # MSAL Go writes it in standard base64
    for certificate in entra.directory.certificates(client):
        expected = certificate.x5t_s256 if "x5t#S256" in header else certificate.x5t
        if presented == expected:
            return certificate
    raise EntraError(700027, reason="The key was not found", thumbprint=_hex(thumbprint))


def _signed_claims(assertion: str, header: dict[str, Any], certificate: Certificate) -> dict[str, Any]:
    if header.get("alg") not in ("PS256", "RS256"):
        raise EntraError(50027, reason=f"the algorithm {header.get('alg')} is not supported")
    try:
        return dict(signed_claims(assertion, certificate, ("PS256", "RS256")))
    except UNREADABLE:
        reason = "Key was found, but use of the key to verify the signature failed"
        raise EntraError(700027, reason=reason, thumbprint=_hex(certificate.x5t_s256)) from None


def _audiences(tenant: str) -> tuple[str, ...]:
    """The token endpoint and the issuer of this tenant: an assertion for another tenant is refused."""
    bases = [f"https://{host}/{tenant}" for host in hosts_of(tenant)]
    return tuple(f"{base}{path}" for base in bases for path in ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0"))


def _check_not_replayed(
    entra: Entra, client: Application, claims: dict[str, Any], assertion: str, expiry: float
) -> None:
    identifier = claims.get("jti")
    if not isinstance(identifier, str) or not identifier:
        raise EntraError(50027, reason="the claim jti is missing")
    key = f"{client.client_id} {identifier}"
    first = entra.assertion_ids.add(key, assertion, max(1.0, expiry + LEEWAY - entra.now()))
    if first != assertion:  # the same one is accepted again while it is valid; MSAL relies on it
        raise EntraError(7000214)


def _out_of_time(entra: Entra, claims: dict[str, Any]) -> EntraError:
    try:
        expiry = stamp(_moment(claims.get("exp")))
    except EntraError:
        expiry = "missing"
    return EntraError(700024, now=stamp(entra.now()), expiry=expiry)


def _hex(thumbprint: str) -> str:
    try:
        return base64.urlsafe_b64decode(thumbprint + "=" * (-len(thumbprint) % 4)).hex().upper()
    except (binascii.Error, ValueError):
        return base64url(thumbprint.encode())
