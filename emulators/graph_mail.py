"""Mailboxes of Graph: messages that are read one page at a time, some with an id that contains a slash.

https://learn.microsoft.com/graph/api/user-list-messages
"""

from __future__ import annotations

import base64
from hashlib import sha256

from starlette.responses import Response

from .applications import GRAPH_URI
from .graph_paging import Pages, selected
from .graph_routes import Call, GraphError, Needs, Route

READ_MAIL = Needs(
    ("Mail.Read", "Mail.ReadWrite"), "ErrorAccessDenied", "Access is denied. Check credentials and try again."
)
_SEEDED = {"alice": 23, "olga": 3}
"""How many messages somebody has at first. Everybody else's mailbox is empty."""


def message_id(person: str, number: int) -> str:
    """The id of a message, in base64: every fifth one has a slash in it."""
    text = base64.b64encode(sha256(f"{person}|{number}".encode()).digest() * 3).decode()
    middle = "/" if number % 5 == 0 else "A"
    return f"AAMkAGI2{text[:20].replace('/', 'B')}{middle}{text[20:100].replace('/', 'C')}="


def make_message(person: str, number: int) -> dict[str, object]:
    """One message."""
    return {
        "id": message_id(person, number),
        "subject": f"Message {number} for {person}",
        "bodyPreview": f"Preview {number}",
        "isRead": number % 2 == 0,
        "receivedDateTime": f"2026-01-{1 + number % 28:02}T08:00:00Z",
        "from": {"emailAddress": {"name": "Olga Olsen", "address": "olga@contoso.example"}},
    }


class Mail:
    """The mailboxes, by short name of the person. A test may change them."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.boxes: dict[str, list[dict[str, object]]] = {}
        self.reset()

    def reset(self) -> None:
        """Gives everybody the messages of the start."""
        self.boxes.clear()
        for person, count in _SEEDED.items():
            self.boxes[person] = [make_message(person, number) for number in range(1, count + 1)]

    def routes(self) -> list[Route]:
        """What Graph serves of them."""
        return [
            Route("GET", "/me/messages", "messages", READ_MAIL, self._list),
            Route("GET", "/me/messages/{id}", "message", READ_MAIL, self._one),
        ]

    def _list(self, call: Call) -> dict[str, object] | Response:
        context = f"users('{call.person.oid}')/messages"
        return self._pages.page(call, "/me/messages", context, self.boxes.get(call.person.name, []))

    def _one(self, call: Call) -> dict[str, object] | Response:
        wanted = call.parameters["id"]
        found = next((one for one in self.boxes.get(call.person.name, []) if one["id"] == wanted), None)
        if found is None:
            raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        context = f"{GRAPH_URI}/v1.0/$metadata#users('{call.person.oid}')/messages/$entity"
        return {"@odata.context": context, **selected(call, found)}
