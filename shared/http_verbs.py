"""The requests that a function can send to a downstream API: the same words whether they are answered or awaited."""

from __future__ import annotations

import json as json_text
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True)
class Request:
    """One request to a downstream API; `path` is below its base URL, begins with one slash and may hold a query."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


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
    ) -> R:
        """Sends one request as the user. None of the caller's own headers are forwarded.

        Args:
            path: below the API's base URL, beginning with one slash; may hold a query.
            json: a body to send as JSON; `data` is one to send as it is.

        Returns:
            The API's 2xx or 304 answer.

        Raises:
            ValueError: the path could lead elsewhere. Nothing was sent.
            ApiError: what the caller must be told.
        """
        own = dict(headers or {})
        if json is not None:
            data, own = json_text.dumps(json, allow_nan=False).encode(), {"Content-Type": "application/json", **own}
        return self.send(Request(method, path, params, data, own))

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
