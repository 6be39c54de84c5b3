"""The requests that a function can send to a downstream API: the same words whether they are answered or awaited."""

from __future__ import annotations

import json as json_text
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .request_checks import IDEMPOTENT, check_headers, check_method

R = TypeVar("R")


@dataclass(frozen=True)
class Request:
    """One request to a downstream API; `path` is below its base URL, begins with one slash and may hold a query."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool = False


class HttpVerbs(ABC, Generic[R]):
    """`get` … `delete` and `request`, answered at once (`DownstreamApi`) or awaited (`AsyncDownstreamApi`)."""

    @abstractmethod
    def send(self, request: Request) -> R: ...

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
    ) -> R:
        """Sends one request as the user. None of the caller's own headers are forwarded.

        Args:
            path: below the API's base URL, beginning with one slash; may hold a query.
            json: a body to send as JSON; `data` is one to send as it is.
            idempotent: whether it may be sent again when no answer comes, or one that says "try again"; by default
                what RFC 9110 §9.2.2 says of the method: GET, HEAD, OPTIONS, PUT and DELETE may, POST and PATCH may not.

        Returns:
            The API's 2xx or 304 answer.

        Raises:
            ValueError: the path could lead elsewhere, or a header is not the author's to set. Nothing was sent.
            ApiError: what the caller must be told.
        """
        own = dict(headers or {})
        check_method(method)
        check_headers(own)
        if json is not None:
            data, own = json_text.dumps(json, allow_nan=False).encode(), {"Content-Type": "application/json", **own}
        may_repeat = method in IDEMPOTENT if idempotent is None else idempotent
        return self.send(Request(method, path, params, data, own, may_repeat))

    def get(self, path: str, **options: Any) -> R:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> R:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> R:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> R:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> R:
        return self.request("DELETE", path, **options)
