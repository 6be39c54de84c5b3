"""A small Functions app for one test, served over HTTP from this process, so that the test can move its clock."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from maintainers.tests.client.http_server import Received, Response, answering

Function = Callable[..., Any]


def served(functions: Mapping[str, Function]) -> AbstractContextManager[str]:
    """Serves decorated functions at their paths, as the host would hand them requests; the address to call."""

    def response(asked: Received) -> Response:
        parts = urlsplit(asked.path)
        params = dict(parse_qsl(parts.query))
        request = func.HttpRequest(asked.method, asked.path, headers=asked.headers, params=params, body=asked.body)
        reply = _run(functions[parts.path], request)
        return reply.status_code, {"Content-Type": reply.mimetype, **reply.headers}, reply.get_body()

    return answering(response)


def _run(function: Function, request: func.HttpRequest) -> func.HttpResponse:
    result = function(req=request)
    reply: func.HttpResponse = asyncio.run(result) if inspect.iscoroutine(result) else result
    return reply
