"""Requests for guarded functions, and what their replies hold."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import azure.functions as func


def request(token: str | None = None, headers: Mapping[str, str] | None = None, body: bytes = b"") -> func.HttpRequest:
    own = {"Authorization": f"Bearer {token}"} if token else {}
    return func.HttpRequest("GET", "http://localhost/api/x", headers={**own, **(headers or {})}, body=body)


def reply_of(function: Callable[..., Any], *arguments: Any, **named: Any) -> func.HttpResponse:
    """The reply of a `def` or `async def` function."""
    result = function(*arguments, **named)
    reply = asyncio.run(result) if inspect.iscoroutine(result) else result
    assert isinstance(reply, func.HttpResponse)
    return reply


def body_of(reply: func.HttpResponse) -> Any:
    return json.loads(reply.get_body())
