"""An index of the search service: documents by key, and a simple query over their texts."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

Document = dict[str, Any]
QUERY_FIELDS = frozenset({"search", "count", "top", "skip", "select", "queryType", "searchMode", "filter"})
MAX_TOP = 1_000


class SearchError(Exception):
    """An error reply of the service."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Index:
    """Documents by their key. Safe across threads."""

    def __init__(self, name: str, key: str = "id") -> None:
        self.name, self.key = name, key
        self._lock = threading.Lock()
        self._documents: dict[str, Document] = {}

    def put(self, documents: Iterable[Document]) -> None:
        """Adds documents, or replaces those with the same key."""
        with self._lock:
            self._documents.update({str(one[self.key]): dict(one) for one in documents})

    def documents(self) -> list[Document]:
        """All of them, in the order in which they came."""
        with self._lock:
            return list(self._documents.values())

    def find(self, key: str) -> Document | None:
        """The document with this key, or None."""
        with self._lock:
            return self._documents.get(key)

    def apply(self, action: Any) -> dict[str, object]:
        """One entry of a batch, such as `{"@search.action": "upload", "id": "1"}`: its part of the reply."""
        what = action.get("@search.action", "upload") if isinstance(action, dict) else None
        key = action.get(self.key) if isinstance(action, dict) else None
        if what not in ("upload", "merge", "mergeOrUpload", "delete") or not isinstance(key, str) or not key:
            raise SearchError(400, "The request is invalid. Details: actions : An action or a document key is invalid.")
        fields = {name: value for name, value in action.items() if name != "@search.action"}
        with self._lock:
            known = self._documents.get(key)
            if what == "delete":
                self._documents.pop(key, None)
            elif what == "merge" and known is None:
                return _result(key, 404, "Document not found.")
            else:
                self._documents[key] = fields if what == "upload" else {**(known or {}), **fields}
        return _result(key, 201 if known is None and what != "delete" else 200)

    def search(self, query: Mapping[str, Any]) -> dict[str, object]:
        """The reply of a query. Raises SearchError, also for what this emulator does not know."""
        if unknown := query.keys() - QUERY_FIELDS:
            raise SearchError(
                400, f"The request is invalid. The local stack does not know {', '.join(sorted(unknown))}."
            )
        top, skip = _number(query, "top", 50, MAX_TOP), _number(query, "skip", 0, 100_000)
        found = [one for one in self.documents() if _matches(one, query.get("search")) and _passes(one, query)]
        wanted = _names(query.get("select"))
        page = [{"@search.score": 1.0, **self.selected(one, wanted)} for one in found[skip : skip + top]]
        return {**({"@odata.count": len(found)} if query.get("count") is True else {}), "value": page}

    def selected(self, document: Document, wanted: list[str]) -> Document:
        """Only these fields of a document; all when none is named. Raises SearchError for a field that is unknown."""
        known = {name for one in self.documents() for name in one}
        if unknown := [name for name in wanted if name not in known]:
            raise SearchError(400, f"Invalid expression: Could not find a property named '{unknown[0]}'.")
        return {name: value for name, value in document.items() if not wanted or name in wanted}


def select_of(text: str | None) -> list[str]:
    """The fields that `$select` names."""
    return _names(text)


def _names(text: Any) -> list[str]:
    if text is not None and not isinstance(text, str):
        raise SearchError(400, "The request is invalid. Details: select must be a text.")
    return [name.strip() for name in (text or "").split(",") if name.strip() not in ("", "*")]


def _number(query: Mapping[str, Any], name: str, usual: int, most: int) -> int:
    value = query.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise SearchError(400, f"Value must be between 0 and {most}. Parameter name: ${name}")
    return value


def _matches(document: Document, text: Any) -> bool:
    """Whether one word of the query is among the words of the document."""
    if text is not None and not isinstance(text, str):
        raise SearchError(400, "The request is invalid. Details: search must be a text.")
    words = {word.lower() for word in (text or "*").split()}
    held = " ".join(value for value in document.values() if isinstance(value, str)).lower()
    return "*" in words or not words.isdisjoint(held.replace(",", " ").replace(".", " ").split())


def _passes(document: Document, query: Mapping[str, Any]) -> bool:
    """The filter `field eq 'value'`; every other one is refused rather than ignored."""
    text = query.get("filter")
    if text is None:
        return True
    field, operator, value = (*str(text).split(" ", 2), "", "")[:3]
    if operator != "eq" or len(value) < 2 or value[0] != "'" or value[-1] != "'":
        raise SearchError(400, "Invalid expression: the local stack knows filters such as owner eq 'alice'.")
    return bool(document.get(field) == value[1:-1].replace("''", "'"))


def _result(key: str, status: int, problem: str | None = None) -> dict[str, object]:
    return {"key": key, "status": problem is None, "errorMessage": problem, "statusCode": status}
