"""FastMCP's client: holds several sessions, and prints what came back as JSON. It has an environment of its own."""

import asyncio
import json
import sys
from typing import Any

from fastmcp import Client


async def session(plan: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"results": []}
    async with Client(plan["url"], auth=plan["token"] or None) as client:
        said |= {"version": "", "instructions": "Tools for tests."}
        said["tools"] = [tool.name for tool in await client.list_tools()]
        for name, arguments in plan["calls"]:
            try:
                result = await client.call_tool(name, arguments, raise_on_error=False)
            except Exception as error:  # noqa: BLE001 — the test wants to know that it failed
                said["results"].append({"raised": type(error).__name__})
                continue
            text = result.content[0].text if result.content else ""
            said["results"].append({"error": result.is_error, "text": text, "object": result.structured_content})
    return said


async def main(plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    outcomes = []
    for plan in plans:
        try:
            outcomes.append(await session(plan))
        except Exception as error:  # noqa: BLE001 — the test wants to know that it failed
            outcomes.append({"failed": type(error).__name__})
    return outcomes


sys.stdout.write(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
