"""A client of mcp 1: holds several sessions, and prints what came back as JSON. It has an environment of its own."""

import json
import sys
from typing import Any

import anyio
import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def session(plan: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {plan['token']}"} if plan["token"] else {}
    said: dict[str, Any] = {"results": []}
    async with (
        httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as http,
        streamable_http_client(plan["url"], http_client=http) as (read, write, _),
        ClientSession(read, write) as client,
    ):
        started = await client.initialize()
        said |= {"version": started.protocolVersion, "instructions": started.instructions}
        await client.send_ping()
        said["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        for name, arguments in plan["calls"]:
            try:
                result = await client.call_tool(name, arguments)
            except Exception as error:  # noqa: BLE001 — the test wants to know that it failed
                said["results"].append({"raised": type(error).__name__})
                continue
            text = result.content[0].text if result.content else ""
            said["results"].append({"error": result.isError, "text": text, "object": result.structuredContent})
    return said


async def main(plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    outcomes = []
    for plan in plans:
        try:
            outcomes.append(await session(plan))
        except Exception as error:  # noqa: BLE001 — the test wants to know that it failed
            outcomes.append({"failed": type(error).__name__})
    return outcomes


sys.stdout.write(json.dumps(anyio.run(main, json.loads(sys.argv[1]))))
