"""The HTTP side of the page: the stream of events, and the clicks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..applications import AGENT, API_IDENTITY
from ..directory import Directory
from ..people import CONTOSO, CUSTOMERS, EVERYONE, FABRIKAM, PEOPLE, Person, people_of
from ..requests_io import json_object, json_reply
from ..table import Table
from .story import Story
from .stream import as_event
from .switches import Switches

KEEP_ALIVE = 15.0
"""Seconds after which a silent stream says that it is alive."""
MAX_BODY = 2_000
MAX_PATH = 300


class BusyError(Exception):
    """The click cannot be done now. The message says why."""


class Visitor(Protocol):
    """Signs people in and calls the API as they."""

    @property
    def api_url(self) -> str:
        """Where the API is."""

    def visit(self, person: str, path: str, *, how: str) -> int:
        """Starts a call and returns the number of its request.

        `how`: "call", "fresh" (with another token), "step-up" (with the claims that the API asked for) or "consent".
        Raises BusyError, and ValueError for a path that is none.
        """

    def signed_in(self) -> list[str]:
        """The people whose token is still good."""


class Flow:
    """What the page shows of one stack, and what its buttons do."""

    def __init__(self, story: Story, switches: Switches, directory: Directory, table: Table) -> None:
        self.story = story
        self.switches = switches
        self.visitor: Visitor | None = None
        """Makes the calls. None while no API is known."""
        self._directory = directory
        self._table = table

    @property
    def people(self) -> dict[str, Person]:
        """Who can sign in to the client, by short name."""
        several = people_of(FABRIKAM) if self._table.for_several_tenants else []
        return {**PEOPLE, **{person.name: person for person in several}}

    def hello(self) -> dict[str, Any]:
        """What stays the same while the stack runs."""
        table = self._table
        calls = [{"path": table.graph_run_once, "title": "Microsoft Graph"}] if table.graph_run_once else []
        calls += [{"path": api.run_once, "title": api.title} for api in table.apis if api.run_once]
        apps = self._directory.applications.values()
        names = {app.client_id: app.name for app in apps}
        names |= {uri: app.name for app in apps for uri in app.identifier_uris}
        names |= {person.oid: person.display_name for person in EVERYONE.values()}
        names |= {AGENT.client_id: AGENT.name, CUSTOMERS: "Customers"}
        names |= {CONTOSO: "Contoso", FABRIKAM: "Fabrikam", API_IDENTITY.client_id: "the API's managed identity"}
        names |= {API_IDENTITY.principal_id: "the API's managed identity", "https://vault.azure.net": "Key Vault"}
        services = {api.key: api.title for api in table.apis} | {one.key: one.name for one in table.azure}
        return {
            "api": self.visitor.api_url if self.visitor else None,
            "prefix": urlsplit(self.visitor.api_url).path.rstrip("/") if self.visitor else "",
            "calls": calls,
            "names": names,
            "services": services,
            "people": {name: person.display_name for name, person in EVERYONE.items()},
        }

    def state(self) -> dict[str, Any]:
        """What changes."""
        return {"signed_in": self.visitor.signed_in() if self.visitor else [], **self.switches.view()}

    def publish_state(self) -> None:
        """Tells the open pages what has changed."""
        self.story.stream.publish("state", "state", self.state)

    def routes(self) -> list[Route]:
        """The routes of the page, without the page itself."""
        return [
            Route("/_emulators/flow/events", self._events),
            Route("/_emulators/flow/call", self._call, methods=["POST"]),
            Route("/_emulators/flow/switch", self._switch, methods=["POST"]),
        ]

    async def _events(self, _request: Request) -> Response:
        self.story.watch()
        if self.story.stream.full:
            return json_reply({"error": "too many pages are open"}, 503)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return StreamingResponse(self._told(), headers=headers, media_type="text/event-stream")

    async def _told(self) -> AsyncIterator[str]:
        listener = self.story.stream.join()
        if listener is None:
            return
        try:
            yield "retry: 1000\n" + as_event("hello", self.hello())
            yield as_event("state", self.state())
            for request in self.story.snapshot():
                yield as_event("request", request)
            yield as_event("ready", {})
            while True:
                try:
                    event = await asyncio.wait_for(listener.queue.get(), KEEP_ALIVE)
                except TimeoutError:
                    yield ": alive\n\n"
                    continue
                if event is None:  # too slow: the page connects again
                    return
                yield event
        finally:
            self.story.stream.leave(listener)

    async def _call(self, request: Request) -> Response:
        try:
            options = await _options(request, {"person": str, "path": str, "how": str})
            person, path, how = options["person"], options["path"], options["how"]
            if person not in self.people:
                raise ValueError(f"person must be one of {', '.join(sorted(self.people))}")
            if how not in ("call", "fresh", "step-up", "consent"):
                raise ValueError("how must be one of call, consent, fresh, step-up")
            if len(path) > MAX_PATH:
                raise ValueError(f"path must have {MAX_PATH} characters at most")
            if self.visitor is None:
                raise BusyError("No API runs here. Start it: python3 dev.py run")
            self.story.watch()
            number = self.visitor.visit(person, path, how=how)
        except ValueError as problem:
            return json_reply({"error": str(problem)}, 400)
        except BusyError as busy:
            return json_reply({"error": str(busy)}, 409)
        return json_reply({"request": number}, 202)

    async def _switch(self, request: Request) -> Response:
        try:
            options = await _options(request, {"name": str, "on": bool})
            self.switches.set(options["name"], options["on"])
        except KeyError:
            return json_reply({"error": "there is no such switch"}, 400)
        except ValueError as problem:
            return json_reply({"error": str(problem)}, 400)
        self.publish_state()
        return json_reply(self.switches.view())


async def _options(request: Request, known: Mapping[str, type]) -> dict[str, Any]:
    """The JSON body: exactly these fields, of these types. Raises ValueError."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ValueError("the content type must be application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise ValueError(f"the body must have {MAX_BODY} bytes at most")
    try:
        options = json_object(bytes(body))
    except ValueError as problem:
        raise ValueError(f"the body must be a JSON object: {problem}") from problem
    if options.keys() != known.keys() or any(not isinstance(options[name], kind) for name, kind in known.items()):
        fields = ", ".join(f"{name} ({kind.__name__})" for name, kind in known.items())
        raise ValueError(f"the body must have the fields {fields}")
    return options
