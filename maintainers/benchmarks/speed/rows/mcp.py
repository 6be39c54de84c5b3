"""An MCP endpoint next to guarded routes that send the same list and do the same work, through the worker library."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emulators.functions_host.engines import in_process_engine
from emulators.functions_host.invocations import invocation
from emulators.functions_host.layout import AppLayout
from emulators.functions_host.model import Invocation
from emulators.functions_host.requests import Request
from emulators.functions_host.router import Router

from ..result import Result, compared
from ..tenant import tenant
from .requests import APPS, rate, turns

_USERS = 50
_ORDER: Mapping[str, Any] = {"item": "tea", "quantity": 2}
_VERSION = "2026-07-28"
_META = {
    "io.modelcontextprotocol/protocolVersion": _VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
}
_TOOLS: Mapping[str, Mapping[str, Any]] = {"add_order": _ORDER, "my_profile": {}}


def measure(quick: bool) -> Iterator[Result]:
    """Requests of the modern era, which have more to check. The routes are of one app in one process."""
    with tenant() as there:
        logging.basicConfig(level="INFO", stream=open(os.devnull, "w", encoding="utf-8"), force=True)  # noqa: SIM115
        taken = asyncio.run(_measured(there.tokens(4 if quick else _USERS), *((3, 60) if quick else (45, 100))))
    seconds = {name: [1 / rate_ for rate_ in rates] for name, rates in taken.items()}
    bare = compared("", "time", seconds["add_order"], seconds["call"])
    note = f"a tool that calls no API: {bare.ours.median * 1e6:.0f} µs, {_ratio(bare):.2f} of the plain route"
    yield compared("mcp-list", "time", seconds["tools/list"], seconds["list"])
    yield compared("mcp-call", "time", seconds["my_profile"], seconds["profile"], note=note)


def _ratio(result: Result) -> float:
    return result.to_peer.median if result.to_peer else 0.0


async def _measured(tokens: Sequence[str], rounds: int, calls: int) -> dict[str, list[float]]:
    engine = in_process_engine()
    taken: dict[str, list[float]] = {name: [] for name in ("tools/list", "list", *_TOOLS, "call", "profile")}
    try:
        router = Router(await engine.index(AppLayout.read(APPS, "mcp_app.py")), "api")
        await rate(engine, [_request(router, "profile", token) for token in tokens])
        for number in range(rounds):
            for name in turns(taken, number):
                calls_now = [_request(router, name, tokens[index % len(tokens)]) for index in range(calls)]
                taken[name].append(await rate(engine, calls_now))
    finally:
        engine.close()
    return taken


def _request(router: Router, name: str, token: str) -> Invocation:
    """`name`: `tools/list`, a tool, or a plain route."""
    is_mcp = name == "tools/list" or name in _TOOLS
    body: Mapping[str, Any] = _ORDER
    headers = {"host": "localhost", "authorization": f"Bearer {token}", "content-type": "application/json"}
    if is_mcp:
        method = "tools/call" if name in _TOOLS else name
        params = {"name": name, "arguments": _TOOLS[name]} if name in _TOOLS else {}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": _META}}
        headers |= {"mcp-protocol-version": _VERSION, "mcp-method": method, "mcp-name": name}
    path = f"/api/{'mcp' if is_mcp else name}"
    found = router.match("POST", path)
    if found is None:
        raise RuntimeError(f"the app has no route {path}")
    return invocation(Request("POST", path, "", tuple(headers.items())), json.dumps(body).encode(), *found)
