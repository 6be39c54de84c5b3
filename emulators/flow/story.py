"""Groups the hops of the audit trail into requests, as a person tells them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from ..audit import Audit, Entry
from ..entra.service import Entra
from .decoded import DecodedTokens, without_tokens
from .stream import Stream

MAX_REQUESTS = 40
MAX_HOPS = 60
"""Hops that one request keeps; further ones are counted."""
MAX_TEXT = 400
EXPECTED_WITHIN = 10.0
"""Seconds in which the host logs the request that a click made."""
QUIET = 2.0
"""Seconds without a hop, after which the next hop belongs to another request."""
TOKENS = ("bearer", "assertion", "client_assertion", "issued")
"""The details of an audit entry that are fingerprints of tokens."""


class Request:
    """One request to the API, or a sign-in: its hops, and how it ended. `token` is the caller's, by fingerprint."""

    def __init__(self, number: int, at: float, source: str, person: str | None, method: str, path: str) -> None:
        self.number, self.at, self.source, self.person = number, at, source, person
        self.method, self.path = method, without_tokens(path, MAX_TEXT)
        self.kind = "call"
        self.phase = "sign-in"
        self.token: str | None = None
        self.hops: list[dict[str, Any]] = []
        self.more = 0
        self.status: int | None = None
        self.ms: float | None = None
        self.reply: Mapping[str, Any] | None = None
        self.error = ""
        self.last = at
        self.done = False

    def view(self) -> dict[str, Any]:
        """What the page gets."""
        shown = ("number", "at", "source", "person", "method", "path", "kind", "phase", "token", "more", "status", "ms")
        hops = sorted(self.hops, key=lambda hop: float(hop["at"]))
        return {
            **{name: getattr(self, name) for name in (*shown, "reply", "error", "done")},
            "hops": hops,
        }


class Story:
    """The last requests. It watches nothing until `watch`; then it publishes each change to the open pages."""

    def __init__(self, audit: Audit, entra: Entra) -> None:
        self.tokens = DecodedTokens()
        self.stream = Stream()
        self._audit = audit
        self._entra = entra
        self._now = entra.now
        self._requests: deque[Request] = deque(maxlen=MAX_REQUESTS)
        self._expected: deque[tuple[str, str, float]] = deque(maxlen=MAX_REQUESTS)
        self._elsewhere: Request | None = None
        self._count = 0
        self._watching = False
        self._lock = threading.RLock()

    def watch(self) -> None:
        """From now on, hops and decoded tokens are kept. A second call does nothing."""
        with self._lock:
            if not self._watching:
                self._watching = True
                self._entra.on_token = self.tokens.keep
                self._audit.subscribe(self._hop)

    def snapshot(self) -> list[dict[str, Any]]:
        """Every request that is kept, for a page that has just been opened."""
        with self._lock:
            return [self._view(request) for request in self._requests]

    # What a click does

    def begin(self, person: str, path: str, kind: str) -> Request:
        """A click on a person. The hops of the sign-in follow."""
        with self._lock:
            request = self._new("page", person, "GET", path)
            request.kind = kind
            self._publish(request)
            return request

    def calls(self, request: Request, token: str, path: str) -> None:
        """The sign-in is over: the API is called with the token of this fingerprint."""
        with self._lock:
            request.token, request.phase = token, "call"
            self._expected.append((request.method, path, self._now()))
            hop = {"from": "client", "to": "api", "at": self._now(), "action": "call", "tokens": {"bearer": token}}
            hop |= {"method": request.method, "path": request.path, "status": None, "ms": None, "verdict": ""}
            self._add(request, hop)
            self._publish(request)

    def ends(self, request: Request, status: int, ms: float, reply: Mapping[str, Any]) -> None:
        """The API has responded."""
        with self._lock:
            request.status, request.ms, request.reply = status, ms, reply
            for hop in request.hops:
                if hop["action"] == "call":
                    hop |= {"status": status, "ms": ms}
            self._finish(request)

    def fails(self, request: Request, error: str) -> None:
        """There is no response, and why."""
        with self._lock:
            request.error = without_tokens(error, MAX_TEXT)
            self._finish(request)

    # What happens by itself

    def host_request(self, entry: Entry) -> None:
        """A request that the host of the API has logged. That of a click is known already."""
        with self._lock:
            if not self._watching or self._is_expected(entry):
                return
            began = entry.at - entry.ms / 1000 - 0.05
            open_request, self._elsewhere = self._elsewhere, None
            hops = open_request.hops if open_request else []
            mine = [hop for hop in hops if hop["at"] >= began and hop["from"] not in ("client", "browser")]
            if open_request is None or len(mine) < len(hops):
                if open_request is not None:
                    open_request.hops = [hop for hop in hops if hop not in mine]
                    open_request.kind = "sign-in"
                    self._finish(open_request)
                open_request = self._new("elsewhere", None, entry.method, entry.path)
                open_request.hops = mine
            self._complete(open_request, entry)

    def _complete(self, request: Request, entry: Entry) -> None:
        request.method, request.path = entry.method, without_tokens(entry.path, MAX_TEXT)
        request.kind, request.phase = "call", "call"
        request.at = entry.at - entry.ms / 1000
        request.status, request.ms = entry.status, entry.ms
        roots = [root for hop in request.hops if (root := self._root(hop)) is not None]
        request.token = roots[0] if roots else None
        request.person = next((hop["person"] for hop in request.hops if hop["person"]), None)
        tokens = {"bearer": request.token} if request.token else {}
        first = {"from": entry.caller, "to": entry.service, "at": request.at, "action": "call", "tokens": tokens}
        first |= {"method": request.method, "path": request.path, "verdict": "", "person": request.person}
        request.hops.insert(0, first | {"status": entry.status, "ms": entry.ms})
        self._finish(request)

    def _is_expected(self, entry: Entry) -> bool:
        now = self._now()
        for one in list(self._expected):
            method, path, at = one
            if now - at > EXPECTED_WITHIN + entry.ms / 1000:
                self._expected.remove(one)
            elif (method, path.partition("?")[0]) == (entry.method, entry.path.partition("?")[0]):
                self._expected.remove(one)
                return True
        return False

    def _hop(self, entry: Entry) -> None:
        if entry.service == "gateway" and entry.status < 400:
            return  # an opened tunnel is no hop: the request in it is
        tokens = {name: entry.details[name] for name in TOKENS if name in entry.details}
        hop: dict[str, Any] = {
            "from": entry.caller,
            "to": entry.service,
            "method": entry.method,
            "path": without_tokens(entry.path, MAX_TEXT),
            "action": entry.action,
            "status": entry.status,
            "verdict": without_tokens(entry.verdict, MAX_TEXT),
            "ms": entry.ms,
            "at": entry.at - entry.ms / 1000,
            "person": entry.person,
            "tokens": tokens,
            "resource": entry.details.get("resource"),
            "claims": without_tokens(entry.details.get("claims", ""), MAX_TEXT),
        }
        with self._lock:
            request = self._request_of(hop)
            if entry.action == "obo" and "issued" in tokens:
                self.tokens.exchanged(tokens["issued"], tokens.get("assertion", ""), request.number)
            self._add(request, hop)
            self._publish(request)

    def _request_of(self, hop: Mapping[str, Any]) -> Request:
        running = [request for request in self._requests if request.source == "page" and not request.done]
        root = self._root(hop)
        for request in running:
            if hop["from"] in ("client", "browser"):
                if request.phase == "sign-in" and hop["person"] in (None, request.person):
                    return request
            elif request.phase == "call" and root in (None, request.token):
                return request
        quiet = self._elsewhere is not None and hop["at"] - self._elsewhere.last > QUIET
        if self._elsewhere is None or quiet:
            if self._elsewhere is not None:
                self._finish(self._elsewhere)
            self._elsewhere = self._new("elsewhere", None, "", "")
        return self._elsewhere

    def _root(self, hop: Mapping[str, Any]) -> str | None:
        """The caller's token, from which the hop follows, by fingerprint. None when the hop does not say."""
        tokens = hop["tokens"]
        if "assertion" in tokens:
            return str(tokens["assertion"])
        decoded = self.tokens.get(tokens.get("bearer"))
        return decoded.get("from") if decoded else None

    def _new(self, source: str, person: str | None, method: str, path: str) -> Request:
        self._count += 1
        request = Request(self._count, self._now(), source, person, method, path)
        self._requests.append(request)
        return request

    @staticmethod
    def _add(request: Request, hop: dict[str, Any]) -> None:
        request.last = float(hop["at"])
        if len(request.hops) < MAX_HOPS:
            request.hops.append(hop)
        else:
            request.more += 1

    def _finish(self, request: Request) -> None:
        request.done = True
        self._publish(request)

    def _publish(self, request: Request) -> None:
        self.stream.publish(request.number, "request", lambda: self._view(request))

    def _view(self, request: Request) -> dict[str, Any]:
        """The request with the decoded tokens that it names."""
        with self._lock:
            names = [request.token, *(name for hop in request.hops for name in hop["tokens"].values())]
            decoded = [self.tokens.get(name) for name in dict.fromkeys(names)]
            return {**request.view(), "decoded": [token for token in decoded if token]}
