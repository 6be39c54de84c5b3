"""The whole refusal that a test expects: status, header and body."""

from __future__ import annotations

import base64
import json
from typing import Any

from client.api import Reply
from client.challenge import parse_challenges
from emulators.people import CONTOSO

AUTHORIZE = f"https://login.microsoftonline.com/{CONTOSO}/oauth2/v2.0/authorize"
MEMBERS = {"status", "code", "detail", "correlation_id"}


def claims_challenge(reply: Reply) -> str:
    """The claims, as JSON text, of a reply that is Entra's documented challenge in header and body; asserts that it is.

    https://learn.microsoft.com/entra/identity-platform/claims-challenge#claims-challenge-header-format
    """
    (challenge,) = parse_challenges(reply.headers["WWW-Authenticate"])
    assert (reply.status, challenge.scheme) == (401, "Bearer")
    asked = dict(challenge.parameters)
    claims = base64.b64decode(asked.pop("claims"), validate=True).decode()
    assert asked == {"realm": CONTOSO, "authorization_uri": AUTHORIZE, "error": "insufficient_claims"}
    body = _problem(reply, "insufficient_claims", "claims")
    assert body["claims"] == claims == json.dumps(json.loads(claims), separators=(",", ":"))
    return claims


def consent_required(reply: Reply) -> tuple[list[str], str]:
    """The scopes that lack consent, and where an administrator gives it, of a reply that says so in full."""
    body = _problem(reply, "consent_required", "scopes", "admin_consent_url")
    assert (reply.status, reply.headers.get("WWW-Authenticate")) == (403, None)  # signing in again would not help
    return body["scopes"], body["admin_consent_url"]


def _problem(reply: Reply, code: str, *members: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(reply.text)
    assert body.keys() == {*MEMBERS, *members}
    assert (body["status"], body["code"]) == (reply.status, code)
    assert reply.headers["Content-Type"].partition(";")[0] == "application/problem+json"
    assert reply.headers["Cache-Control"] == "no-store"
    return body


def response(reply: Reply) -> Any:
    """The body of a success."""
    assert (reply.status, reply.headers["Content-Type"].partition(";")[0]) == (200, "application/json"), reply.text
    return json.loads(reply.text)
