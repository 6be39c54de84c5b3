"""Reading requests and writing replies, the same for every emulated service."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

NOTE = "emulators.note"
"""Key of the request's Note in its ASGI scope."""


@dataclass
class Note:
    """What a handler tells the audit trail about one request."""

    action: str = "?"
    verdict: str = ""
    caller: str | None = None
    person: str | None = None
    details: dict[str, str] = field(default_factory=dict)


def note(request: Request) -> Note:
    """The note of this request."""
    written: Note = request.scope.setdefault(NOTE, Note())
    return written


def json_reply(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON reply that nobody may keep."""
    return Response(
        json.dumps(body, ensure_ascii=False),
        status,
        {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache", **(headers or {})},
        "application/json; charset=utf-8",
    )


def bearer(request: Request) -> str | None:
    """The bearer token of the request, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def fingerprint(token: str) -> str:
    """What the audit trail shows of a token: enough to tell two apart, too little to be of any use to a thief."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def is_guid(text: object) -> bool:
    """Whether this is a GUID in its usual spelling."""
    try:
        return isinstance(text, str) and str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def json_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in `text`; raises ValueError when it is anything else."""
    try:
        parsed = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(parsed, dict):
        raise ValueError("not a JSON object")
    return parsed
