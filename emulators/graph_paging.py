"""Lists of Graph in pages: $top, $select, $count, and the absolute address of the next page."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from urllib.parse import quote

from .applications import GRAPH_URI
from .graph_routes import Call, GraphError

OPTIONS = frozenset({"$top", "$select", "$skiptoken", "$count"})
MAX_TOP = 1_000


class Pages:
    """Makes pages. A `$skiptoken` is good for one user and one path, and cannot be made up."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)

    def page(
        self,
        call: Call,
        path: str,
        context: str,
        items: Sequence[Mapping[str, object]],
        usual: int = 10,
        *,
        filtered: bool = False,
    ) -> dict[str, object]:
        """The page that is asked for. `usual` is its size without $top. Raises GraphError for a bad query.

        `filtered`: the items are what the caller's $filter has left.
        """
        query = call.request.query_params
        if unknown := sorted(set(query) - OPTIONS - ({"$filter"} if filtered else set())):
            raise _bad(f"The query option '{unknown[0]}' is not emulated.")
        top = query.get("$top", str(usual))
        if not (top.isascii() and top.isdecimal() and 1 <= int(top) <= MAX_TOP):
            raise _bad(f"Invalid value '{top[:20]}' for $top query option found. It must be from 1 to {MAX_TOP}.")
        start = self._start(call, path, query.get("$skiptoken"))
        end = start + int(top)
        body: dict[str, object] = {"@odata.context": f"{GRAPH_URI}/v1.0/$metadata#{context}"}
        if query.get("$count") == "true":
            body["@odata.count"] = len(items)
        if end < len(items):
            kept = {"$top": top, "$select": query.get("$select"), "$filter": query.get("$filter") if filtered else None}
            kept["$skiptoken"] = self._token(call, path, end)
            asked = "&".join(f"{name}={quote(value, safe=',')}" for name, value in kept.items() if value)
            body["@odata.nextLink"] = f"{GRAPH_URI}/v1.0{path}?{asked}"
        body["value"] = [selected(call, item) for item in items[start:end]]
        return body

    def _start(self, call: Call, path: str, token: str | None) -> int:
        if token is None:
            return 0
        start = token.partition(".")[0]
        if not (start.isascii() and start.isdecimal() and len(start) < 10):
            raise _bad("The skip token is invalid.")
        if not hmac.compare_digest(token.encode(), self._token(call, path, int(start)).encode()):
            raise _bad("The skip token is invalid.")
        return int(start)

    def _token(self, call: Call, path: str, start: int) -> str:
        proof = hmac.new(self._secret, f"{call.person.oid}|{path}|{start}".encode(), sha256)
        return f"{start}.{proof.hexdigest()[:32]}"


def selected(call: Call, item: Mapping[str, object]) -> dict[str, object]:
    """The properties that $select names, and always the id; all without $select. Raises GraphError."""
    wanted = [name.strip() for name in call.request.query_params.get("$select", "").split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in item]:
        raise _bad(f"Parsing OData Select and Expand failed: Could not find a property named '{unknown[0]}'.")
    return {name: value for name, value in item.items() if not wanted or name in wanted or name == "id"}


def _bad(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)
