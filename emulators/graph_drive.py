"""Drives of Graph: lists of files, uploads, and downloads from a host of their own, at an address that needs no token.

https://learn.microsoft.com/graph/api/driveitem-get-content
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as HttpRoute

from .applications import GRAPH_URI
from .entra.stores import ExpiringStore
from .graph_paging import Pages, selected
from .graph_routes import Call, GraphError, Needs, Route, segments_of
from .people import Person
from .requests_io import json_reply, note

DOWNLOAD_HOST = "contoso-my.sharepoint.com"
DOWNLOAD_LIFETIME = 3600.0
_BY_NAME = re.compile(r"root:/([^/]+):")
"""An item of the root folder by its name, in one segment of the path: `root:%2Freport.txt:`."""
_DENIED = ("accessDenied", "Access denied")
READ_FILES = Needs(("Files.Read", "Files.ReadWrite", "Files.Read.All", "Files.ReadWrite.All"), *_DENIED)
WRITE_FILES = Needs(("Files.ReadWrite", "Files.ReadWrite.All"), *_DENIED)


@dataclass(frozen=True)
class DriveItem:
    """A file, or with content None a folder."""

    id: str
    name: str
    changed: float
    content: bytes | None = None
    content_type: str = "application/octet-stream"


def item_id(person: str, name: str) -> str:
    """The id of an item that has this name at first."""
    return "01" + sha256(f"{person}|{name}".encode()).hexdigest()[:32].upper()


def drive_id(person: str) -> str:
    """The id of somebody's drive; Graph's own contain an exclamation mark, too."""
    return "b!" + sha256(person.encode()).hexdigest()[:40]


class Drives:
    """The drive of each person: one folder of files. Safe across threads. Also the host that files come from."""

    def __init__(self, pages: Pages, now: Callable[[], float]) -> None:
        self._pages, self._now = pages, now
        self._lock = threading.Lock()
        self._items: dict[str, dict[str, DriveItem]] = {}
        self._addresses: ExpiringStore[DriveItem] = ExpiringStore(now)

    def reset(self) -> None:
        """Gives everybody the files of the start."""
        with self._lock:
            self._items.clear()

    def put(self, person: str, name: str, content: bytes, content_type: str = "text/plain") -> tuple[DriveItem, bool]:
        """Writes a file into somebody's root folder. Returns it, and whether it is new."""
        items = self.items(person)
        with self._lock:
            present = next((one for one in items.values() if one.name == name), None)
            identifier = present.id if present else item_id(person, name)
            items[identifier] = DriveItem(identifier, name, self._now(), content, content_type)
            return items[identifier], present is None

    def items(self, person: str) -> dict[str, DriveItem]:
        """The items of somebody's root folder, by id."""
        with self._lock:
            if person not in self._items:
                seeds: list[tuple[str, bytes | None]] = [("Notes", None), ("report.txt", b"The report.\n")]
                made = (DriveItem(item_id(person, name), name, self._now(), data, "text/plain") for name, data in seeds)
                self._items[person] = {one.id: one for one in made}
            return self._items[person]

    def routes(self) -> list[Route]:
        """What Graph serves of them, at the addresses that people write and at those of msgraph-sdk."""
        own, by_id = "/me/drive", "/drives/{drive}"
        return [
            Route("GET", own, "drive", READ_FILES, self._drive),
            Route("GET", by_id, "drive", READ_FILES, self._drive),
            Route("GET", f"{own}/root/children", "files", READ_FILES, self._children),
            Route("GET", f"{by_id}/root/children", "files", READ_FILES, self._children),
            Route("GET", f"{by_id}/items/root/children", "files", READ_FILES, self._children),
            *(route for drive in (own, by_id) for route in self._items_of(drive)),
        ]

    def _items_of(self, drive: str) -> list[Route]:
        item = f"{drive}/items/{{id}}"
        return [
            Route("GET", item, "file", READ_FILES, self._item),
            Route("GET", f"{item}/content", "file content", READ_FILES, self._content),
            Route("PUT", f"{item}/content", "replace file", WRITE_FILES, self._replace),
            Route("GET", f"{drive}/root:/{{name}}", "file", READ_FILES, self._item),
            Route("GET", f"{drive}/root:/{{name}}:/content", "file content", READ_FILES, self._content),
            Route("PUT", f"{drive}/root:/{{name}}:/content", "upload file", WRITE_FILES, self._upload),
            Route("PUT", f"{drive}/items/root:/{{name}}:/content", "upload file", WRITE_FILES, self._upload),
        ]

    def _drive(self, call: Call) -> dict[str, object] | Response:
        _check_drive(call)
        context = f"{GRAPH_URI}/v1.0/$metadata#drives/$entity"
        owner = {"user": {"id": call.person.oid, "displayName": call.person.display_name}}
        described = {"id": drive_id(call.person.name), "name": "OneDrive", "driveType": "business", "owner": owner}
        return {"@odata.context": context, **selected(call, described)}

    def _children(self, call: Call) -> dict[str, object] | Response:
        _check_drive(call)
        items = [self._described(one, call.person) for one in self.items(call.person.name).values()]
        path = "/".join(quote(part, safe="!:") for part in segments_of(call.request.scope["raw_path"]))
        context = f"users('{call.person.oid}')/drive/root/children"
        return self._pages.page(call, f"/{path}", context, items, usual=200)

    def _item(self, call: Call) -> dict[str, object] | Response:
        item = self._found(call)
        described = selected(call, self._described(item, call.person))
        if item.content is not None and "$select" not in call.request.query_params:
            described["@microsoft.graph.downloadUrl"] = self._address(item, call.person)
        return {"@odata.context": f"{GRAPH_URI}/v1.0/$metadata#drives/$entity", **described}

    def _content(self, call: Call) -> dict[str, object] | Response:
        item = self._found(call)
        if item.content is None:
            raise GraphError(400, "invalidRequest", "You cannot get content for a folder.")
        return Response(None, 302, {"Location": self._address(item, call.person)})

    def _replace(self, call: Call) -> dict[str, object] | Response:
        by_name = _BY_NAME.fullmatch(call.parameters["id"])
        if by_name is not None:
            return self._upload(replace(call, parameters={**call.parameters, "name": by_name[1]}))
        item = self._found(call)
        if item.content is None:
            raise GraphError(400, "invalidRequest", "You cannot put content to a folder.")
        return self._written(call, item.name)

    def _upload(self, call: Call) -> dict[str, object] | Response:
        _check_drive(call)
        name = call.parameters["name"]
        if len(name) > 255 or any(sign in name for sign in '"*:<>?/\\|'):
            raise GraphError(400, "invalidRequest", 'The provided name cannot contain " * : < > ? / \\ |')
        if any(one.name == name and one.content is None for one in self.items(call.person.name).values()):
            raise GraphError(409, "nameAlreadyExists", "An item with the same name already exists.")
        return self._written(call, name)

    def _written(self, call: Call, name: str) -> Response:
        kind = call.request.headers.get("content-type", "application/octet-stream")
        item, is_new = self.put(call.person.name, name, call.body, kind)
        return json_reply(self._described(item, call.person), 201 if is_new else 200)

    def _found(self, call: Call) -> DriveItem:
        _check_drive(call)
        wanted, items = call.parameters.get("id", ""), self.items(call.person.name)
        in_path = _BY_NAME.fullmatch(wanted)
        name = in_path[1] if in_path else call.parameters.get("name", "").removesuffix(":")
        found = next((one for one in items.values() if one.name == name), None) if name else items.get(wanted)
        if found is None:
            raise GraphError(404, "itemNotFound", "The resource could not be found.")
        return found

    def _described(self, item: DriveItem, person: Person) -> dict[str, object]:
        when = datetime.fromtimestamp(item.changed, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kind: dict[str, object] = (
            {"folder": {"childCount": 0}}
            if item.content is None
            else {"file": {"mimeType": item.content_type}, "eTag": f'"{sha256(item.content).hexdigest()[:16]}"'}
        )
        return {
            "id": item.id,
            "name": item.name,
            "size": len(item.content or b""),
            "lastModifiedDateTime": when,
            "webUrl": f"https://{DOWNLOAD_HOST}/personal/{person.name}/Documents/{quote(item.name)}",
            **kind,
        }

    def _address(self, item: DriveItem, person: Person) -> str:
        key = secrets.token_urlsafe(32)
        self._addresses.put(key, item, DOWNLOAD_LIFETIME)
        folder = f"https://{DOWNLOAD_HOST}/personal/{person.name}_contoso_example/_layouts/15/download.aspx"
        return f"{folder}?UniqueId={item.id}&tempauth={key}"

    def build_downloads(self) -> Starlette:
        """The ASGI application of the host that files come from."""
        return Starlette(routes=[HttpRoute("/personal/{owner}/_layouts/15/download.aspx", self._download)])

    async def _download(self, request: Request) -> Response:
        note(request).action = "download"
        item = self._addresses.get(request.query_params.get("tempauth", ""))
        if "authorization" in request.headers:
            note(request).verdict = "refused: a request with the header Authorization"
            return PlainTextResponse("401 UNAUTHORIZED", 401)
        if item is None or item.content is None or item.id != request.query_params.get("UniqueId"):
            note(request).verdict = "refused: the address is unknown or has expired"
            return PlainTextResponse("401 UNAUTHORIZED", 401)
        note(request).verdict = f"ok: download of {len(item.content)} bytes"
        name = quote(item.name)
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "Cache-Control": "private"}
        return Response(item.content, 200, {**headers, "Content-Type": item.content_type})


def _check_drive(call: Call) -> None:
    """A path that names a drive must name that of the caller: nothing is shared. Raises GraphError."""
    if call.parameters.get("drive", drive_id(call.person.name)) != drive_id(call.person.name):
        raise GraphError(404, "itemNotFound", "The resource could not be found.")
