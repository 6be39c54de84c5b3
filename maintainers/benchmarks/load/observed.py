"""What a run is judged by: the API's own line per request, and the exchanges that Entra saw."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass

from emulators.audit import Entry

from .callers import TRACE

_LINE = re.compile(
    r"request function=\S+ method=\S+ status=(?P<status>\d+) ms=(?P<ms>\d+) .*?correlation_id=(?P<id>\S+)(?P<rest>.*)"
)
_ELSEWHERE = re.compile(r":\w+:(\d+)ms")
_OUTAGE = re.compile(r"\bRedis\b")
_CIRCUIT = re.compile(r"WARNING \S+: (?P<service>Redis[^:]*): .*\bcircuit (?P<state>open|closed)\b")


Exchange = tuple[str, str]
"""The fingerprint of the caller's token, and the scope set: what is exchanged once in a fleet that shares."""


@dataclass(frozen=True)
class Timed:
    """One request as the API saw it, in milliseconds: all of it, and without getting tokens and calling other APIs."""

    status: int
    whole: int
    rest: int


def exchange(entry: Entry) -> Exchange:
    """What was exchanged. One that was refused has no scope set."""
    details = entry.details
    return details.get("assertion", "?"), f"{details.get('resource', '?')}: {details.get('scopes', '?')}"


class Observed:
    """Fed by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests: dict[int, Timed] = {}
        self.complaints: Counter[str] = Counter()
        """Lines above INFO that are not about Redis."""
        self.redis_outages: list[str] = []
        self.open_circuits: set[tuple[str, str]] = set()
        """Who leaves Redis alone, and for what: the process and the circuit's name, until its log says otherwise."""
        self.exchanges: Counter[Exchange] = Counter()

    def line(self, app: str, line: str) -> None:
        """One line of a log."""
        found = _LINE.search(line)
        with self._lock:
            if found:
                self._request(found)
            elif app != "orders" and _OUTAGE.search(line) and line.startswith(("WARNING", "ERROR")):
                self.redis_outages.append(line)
                self._circuit(app, line)
            if line.startswith(("ERROR", "CRITICAL")) or (line.startswith("WARNING") and not _OUTAGE.search(line)):
                self.complaints[line if found is None else f"{app}: status {found['status']}"] += 1

    def entry(self, entry: Entry) -> None:
        """One entry of the tenant's audit trail."""
        if entry.action == "obo":
            with self._lock:
                self.exchanges[exchange(entry)] += 1

    def _circuit(self, app: str, line: str) -> None:
        if found := _CIRCUIT.match(line):
            change = self.open_circuits.add if found["state"] == "open" else self.open_circuits.discard
            change((app, found["service"]))

    def _request(self, found: re.Match[str]) -> None:
        trace = found["id"].replace("-", "")
        if int(trace[:8], 16) == TRACE:
            elsewhere = sum(map(int, _ELSEWHERE.findall(found["rest"])))
            whole = int(found["ms"])
            self.requests[int(trace[8:], 16)] = Timed(int(found["status"]), whole, max(0, whole - elsewhere))
