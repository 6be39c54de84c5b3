"""A client of mcp 2 or mcp 1 that signs in by OAuth. It is given an address and a client id, and finds out the rest.

It prints what it was asked for at each sign-in, and what its calls brought. It has an environment of its own.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

NEW = version("mcp").startswith("2.")
if NEW:
    import httpx2 as http_library
    from mcp.client.client import Client
    from mcp.shared.auth import AuthorizationCodeResult
else:
    import httpx as http_library
    from mcp import ClientSession


class Storage:
    """Keeps the tokens, and the client id that somebody registered in Entra."""

    def __init__(self, client_id: str, redirect_uri: str) -> None:
        self._client = OAuthClientInformationFull(
            client_id=client_id, redirect_uris=[redirect_uri], token_endpoint_auth_method="none"
        )
        self._tokens: Any = None

    async def get_tokens(self) -> Any:
        return self._tokens

    async def set_tokens(self, tokens: Any) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> Any:
        return self._client

    async def set_client_info(self, client_info: Any) -> None:
        raise AssertionError("Entra registers no client on demand")


class Browser:
    """Where a person signs in, and the page to which the sign-in returns."""

    def __init__(self, command: list[str], root: str) -> None:
        self._command, self._root = command, root
        self._returned: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.asked: list[dict[str, str]] = []
        self.redirect_uri = ""

    @asynccontextmanager
    async def listening(self) -> Any:
        server = await asyncio.start_server(self._receive, "localhost")
        self.redirect_uri = f"http://localhost:{server.sockets[0].getsockname()[1]}/callback"
        async with server:
            yield self

    async def open(self, url: str) -> None:
        self.asked.append({name: values[0] for name, values in parse_qs(urlsplit(url).query).items()})
        await asyncio.to_thread(subprocess.run, [*self._command, url], cwd=self._root, check=True, timeout=60)

    async def response(self) -> Any:
        given = await asyncio.wait_for(self._returned.get(), 60)
        if NEW:
            return AuthorizationCodeResult(code=given["code"], state=given.get("state"), iss=given.get("iss"))
        return given["code"], given.get("state")

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readline()).decode().split()[1]
        while (await reader.readline()).strip():
            pass
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
        await writer.drain()
        writer.close()
        await self._returned.put({name: values[0] for name, values in parse_qs(urlsplit(target).query).items()})


@asynccontextmanager
async def connected(url: str, http: Any) -> Any:
    """A client that has begun to talk to the server."""
    if NEW:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            yield client
        return
    async with streamable_http_client(url, http_client=http) as (read, write, _), ClientSession(read, write) as client:
        await client.initialize()
        yield client


async def main(plan: dict[str, Any]) -> dict[str, Any]:
    browser = Browser(plan["browser"], plan["root"])
    trusted = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    said: dict[str, Any] = {"results": []}
    async with browser.listening():
        metadata = OAuthClientMetadata(redirect_uris=[browser.redirect_uri], client_name="A test")
        storage = Storage(plan["client_id"], browser.redirect_uri)
        signing_in = OAuthClientProvider(plan["url"], metadata, storage, browser.open, browser.response)
        async with (
            http_library.AsyncClient(auth=signing_in, timeout=60, verify=trusted) as http,
            connected(plan["url"], http) as client,
        ):
            said["tools"] = [tool.name for tool in (await client.list_tools()).tools]
            for name, arguments in plan["calls"]:
                result = await client.call_tool(name, arguments)
                said["results"].append(json.loads(result.content[0].text))
    return {**said, "asked": browser.asked}


sys.stdout.write(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
