"""How an MCP client connects to the running API: the address, and a configuration with a token in a header."""

from __future__ import annotations

import json

import requests

PATH = "/api/mcp"
"""The route in function_app.py."""
_SECONDS = 10.0


def address(api_url: str) -> str:
    """Where the API has its MCP endpoint; "" if it has none at this route."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            reply = session.get(f"{api_url}{PATH}", timeout=_SECONDS, allow_redirects=False)
    except requests.RequestException:
        return ""
    return "" if reply.status_code == 404 else f"{api_url}{PATH}"


def configuration(url: str, token: str) -> str:
    """What clients read from a file: Claude Code from `.mcp.json`, Cursor from `.cursor/mcp.json`, the inspector."""
    server = {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {token}"}}
    return json.dumps({"mcpServers": {"local-api": server}}, indent=2)
