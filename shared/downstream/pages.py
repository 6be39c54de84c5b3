"""Reads lists that come in pages. Each page names the address of the next one, which must be on the same API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..errors import BadGateway
from ..net import Response
from ..settings import DownstreamApiSettings
from .request import Request, join, path_of_link

_LINKS = ("@odata.nextLink", "nextLink")  # OData JSON format 4.01 §4.6.8; Azure's own APIs


class PageReader:
    """The position of a loop over pages: the request for the next page, and the items of the last one."""

    response: Response
    items: list[Any]

    def __init__(self, first: Request, api: DownstreamApiSettings, max_pages: int) -> None:
        """Raises ValueError unless `max_pages` is 1 or more."""
        if max_pages < 1:
            raise ValueError("max_pages is 1 or more")
        self.next: Request | None = first
        self._api, self._left = api, max_pages

    def read_all(self, send: Callable[[Request], Response]) -> Iterator[PageReader]:
        """Yields itself after each page."""
        while self.next is not None:
            self.read_one(self.next, send)
            yield self

    def read_one(self, request: Request, send: Callable[[Request], Response]) -> None:
        """Sends the request and reads its page.

        Raises:
            BadGateway: the response is no page of a list, its link leads out of the API, or it is one page too many.
        """
        if self._left == 0:
            raise self._failure("the list has more pages than max_pages allows")
        self._left -= 1
        self.response = send(request)
        document = self.response.json()
        items = document.get("value") if isinstance(document, dict) else None
        if not isinstance(items, list):
            raise self._failure("a page is no JSON object with a list as its value")
        self.items, self.next = items, self._following(request, document)

    def _following(self, request: Request, page: dict[str, Any]) -> Request | None:
        link = next((page[name] for name in _LINKS if page.get(name) is not None), None)
        if link is None:
            return None
        base_url = self._api.base_url
        try:
            path = path_of_link(link, join(base_url, request.path), base_url) if link and isinstance(link, str) else ""
        except ValueError:
            path = ""
        if not path:
            raise self._failure("the link to the next page leads out of the API's base URL")
        return request._replace(path=path, params=None)

    def _failure(self, reason: str) -> BadGateway:
        return BadGateway(reason=f"{self._api.name}: {reason}")
