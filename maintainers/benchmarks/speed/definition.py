"""The table: the measured figures, the peers, and the targets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .targets import Target, at_most, equal, of_floor, of_peer, of_peer_at_least

MISSING = "\N{EN DASH}"
"""The cell of a row that has no such part."""


@dataclass(frozen=True)
class Row:
    """One figure. `peer` and `floor` say in words what it stands next to; empty: nothing does.

    `group` is the module in rows/ that measures it.
    """

    key: str
    group: str
    title: str
    target: Target | None = None
    peer: str = ""
    floor: str = ""


_CACHED = "PyJWKClient + `jwt.decode` + MSAL's `acquire_token_silent`"
_HASHED = "SHA-256 + a plain dict"
_RAW = "raw RSA-2048 verify"
_HELLO = "an app with one hello route"
_WAITS = "the waits for Entra and Graph"

ROWS = (
    Row("known-1k", "known", "known token → user + downstream token, 1,000 users", of_floor(0.5), _CACHED, _RAW),
    Row("known-10k", "known", "the same, 10,000 users", of_floor(0.5), _CACHED, _RAW),
    Row("known-100k", "known", "the same, 100,000 users", of_floor(0.5), _CACHED, _RAW),
    Row("known-flat", "known", "the same: 100,000 users against 1,000", at_most("≤ 1.1 (flat)", 1.1), "its own"),
    Row(
        "call",
        "calling",
        "a request with one call of Graph over TLS, known token: processor time",
        of_peer(0.75),
        "`requests` by hand in a bare function",
    ),
    Row("new", "new", "new token of 2 KB → validated", of_peer(1.1), "`jwt.decode` with a ready key", _RAW),
    Row("new-28k", "new", "the same, of 28 KB", of_peer(1.1), "`jwt.decode` with a ready key", _RAW),
    Row(
        "exchange",
        "exchange",
        "first exchange of a token: processor time",
        of_peer(1.1),
        "one MSAL application for all",
        "the same POST with `requests`, nothing else",
    ),
    Row("threads", "flights", "exchanges for 100 threads with one cold token", at_most("1", 1), "MSAL"),
    Row("processes", "flights", "exchanges for 8 processes with one cold token, Redis", at_most("1", 1), "MSAL"),
    Row(
        "memory",
        "memory",
        "memory per cached user",
        at_most("≤ 4.5 KB", 4500),
        "MSAL's token cache",
        "claims + downstream token",
    ),
    Row(
        "resident",
        "resident",
        "resident size after 1,000,000 tokens against after 100,000",
        equal("equal within 5 %", 0.05),
        "MSAL, 50,000 against 5,000",
    ),
    Row("lookups-4", "lookups", "lookups per second: 4 threads against 1", of_peer_at_least(0.9), _HASHED),
    Row("lookups-32", "lookups", "lookups per second: 32 threads against 1", of_peer_at_least(0.9), _HASHED),
    Row(
        "requests",
        "requests",
        "requests per second through the worker library alone, known tokens",
        of_peer_at_least(0.85),
        "a hello route that writes a line, too",
    ),
    Row(
        "mcp-list",
        "mcp",
        "MCP: `tools/list`, through the worker library",
        of_peer(1.1),
        "a guarded route, the same JSON",
    ),
    Row("mcp-call", "mcp", "MCP: `tools/call` with one call of Graph", of_peer(1.15), "a guarded route, the same work"),
    Row(
        "served",
        "served",
        "the same over loop-back HTTP, through the local host",
        of_peer_at_least(0.85),
        "a hello route",
    ),
    Row(
        "waiting",
        "waiting",
        "64 callers, Graph takes 200 ms, one core: `def`",
        of_peer_at_least(0.95),
        "`requests` by hand in a bare function",
    ),
    Row(
        "awaiting",
        "awaiting",
        "the same: `async def`",
        of_peer_at_least(0.95),
        "`httpx2` by hand in a bare function",
    ),
    Row(
        "crowd",
        "crowd",
        "100 callers, Graph takes 200 ms, one core: `def`",
        of_peer_at_least(0.9),
        "`httpx2` by hand in a bare `async def` function",
    ),
    Row(
        "newcomers",
        "newcomers",
        "100 new users at once: validated, exchanged, one call of Graph",
        of_peer(1.1),
        "`jwt.decode`, one MSAL application, `requests`",
    ),
    Row("two-apis", "two_apis", "a new token for two APIs, prefetched", of_peer(1.1), "one exchange"),
    Row("import", "imports", "import of function_app", of_peer(1.5), _HELLO),
    Row(
        "cold",
        "start",
        "process start → first authenticated response",
        of_floor(1.25),
        "the hello app's first response",
        f"that and {_WAITS}",
    ),
    Row(
        "warm",
        "start",
        "first authenticated response of a process that stood ready",
        of_floor(1.1),
        "the hello app's",
        _WAITS,
    ),
    Row("redis-get", "second_level", "second level: get + open", of_peer(1.3), "redis-py's plain GET"),
    Row("redis-put", "second_level", "second level: seal + put", of_peer(1.3), "redis-py's plain SET"),
    Row("test-start", "testing", "tests of one's own: start of the emulated tenant", at_most("≤ 0.5 s", 0.5)),
    Row("test-call", "testing", "tests of one's own: a call with an exchange and Graph", at_most("≤ 15 ms", 0.015)),
)

FLOORS = (
    Row("sha256", "floors", "SHA-256 of a 2 KB token"),
    Row("verify", "floors", "raw RSA-2048 verify of a 2 KB token"),
    Row("sign", "floors", "PS256 sign of a client assertion"),
    Row("post", "floors", "one loop-back POST (TCP, kept alive, 4 KB there, 2 KB back)"),
)
"""What no Python code around it can be faster than."""


GATE = ("call", "new", "new-28k", "exchange")
"""The rows that CI measures: processor time on what users wait for. They take a minute together."""


def chosen(keys: Collection[str]) -> list[Row]:
    """Rows and floors with these keys, or all if there are none."""
    return [row for row in (*ROWS, *FLOORS) if not keys or row.key in keys]
