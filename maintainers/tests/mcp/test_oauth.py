"""The OAuth of real clients: given the address and a client id, they find Entra, sign in, and ask for more scopes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from emulators.applications import MCP_CLIENT_ID
from emulators.stack import Stack
from maintainers.tests.client.http_server import Received, Response, answering
from maintainers.tests.dev.project import ROOT, Project, Serving
from shared.hosting.protected_resource import metadata_routes
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from shared.settings import WELL_KNOWN
from tests.support.lab import TABLE

from . import endpoint
from .environments import python

HERE = Path(__file__).parent
NETWORK = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CLIENTS = pytest.mark.parametrize("client", ["mcp2", "mcp1"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The local stack with the functions of docs/mcp.md. The API has one more scope."""
    python("mcp2")  # skips before anything is started
    project = Project.copy(tmp_path_factory.mktemp("oauth") / "project")
    page = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    (project.root / "function_app.py").write_text("\n\n".join(BLOCK.findall(page)), encoding="utf-8")
    table = project.root / "local-stack.toml"
    declared = table.read_text(encoding="utf-8")
    more = declared.replace('scopes = ["access_as_user"]', 'scopes = ["access_as_user", "Orders.Place"]', 1)
    assert more != declared
    table.write_text(more, encoding="utf-8")
    with project.serving("run", "--port", "0") as serving:
        yield serving


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Stack]]:
    """The endpoint of these tests in this process: its address, and a tenant that knows the API by it."""
    functions: dict[bool, Callable[..., Any]] = {}

    def response(asked: Received) -> Response:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        is_document = asked.path.startswith(f"/{WELL_KNOWN}")
        rest = {"path": asked.path.removeprefix(f"/{WELL_KNOWN}")}
        url = f"{address}{asked.path}"
        request = func.HttpRequest(asked.method, url, headers=headers, route_params=rest, body=asked.body)
        result = functions[is_document](req=request)
        reply = asyncio.run(result) if is_document else result
        return reply.status_code, {"Content-Type": reply.mimetype, **reply.headers}, reply.get_body()

    with answering(response) as address:
        url = f"{address}/api/mcp"
        table = replace(TABLE, scopes=("access_as_user", "Notes.Write"), public_urls=(url,))
        with Stack.start(tmp_path, table=table) as stack:
            for name in (*NETWORK, *IDENTITY):
                monkeypatch.setenv(name, stack.environ("api")[name])
            services = LazyServices(stack.environ("api"))
            app = func.FunctionApp()
            app.register_functions(metadata_routes(services.settings))
            functions[True] = app.get_functions()[0].get_user_function()
            functions[False] = endpoint.guarded(RequiresUser(services), [])
            applications = stack.directory.applications
            stack.directory.pre_authorize(applications["api"], applications["mcp"], ("access_as_user",))
            yield url, stack


def signed_in(
    client: str, person: str, calls: list[Any], url: str, sign_in_url: str, environ: Mapping[str, str]
) -> Any:
    """What the client says; nothing but the address and the client id is given to it."""
    browser = [sys.executable, "-m", "emulators.browser", "--as", person, "--wait", "--sign-in-server", sign_in_url]
    plan = {"url": url, "client_id": MCP_CLIENT_ID, "browser": browser, "root": str(ROOT), "calls": calls}
    program = [python(client), str(HERE / "client_oauth.py"), json.dumps(plan)]
    done = subprocess.run(
        program, capture_output=True, encoding="utf-8", check=False, timeout=90, env={**os.environ, **environ}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@CLIENTS
def test_the_address_and_a_client_id_suffice_to_sign_in_at_the_running_stack(running: Serving, client: str) -> None:
    state = running.project.state()
    url, environ = f"{state['api_url']}/api/mcp", state["environ"]["client"]
    calls = [("my_profile", {}), ("place_order", {"item": "tea"})]
    said = signed_in(client, "alice", calls, url, state["sign_in_url"], environ)
    assert said["tools"] == ["my_profile", "place_order"]
    profile, order = said["results"]
    assert profile["mail"] == "alice@contoso.example"
    assert order == {"item": "tea", "quantity": 1, "by": "Alice Ahlberg"}
    (asked,) = said["asked"]
    assert (asked["resource"], asked["client_id"]) == (url, MCP_CLIENT_ID)
    assert f"{url}/access_as_user" in asked["scope"].split()


@CLIENTS
def test_a_tool_with_a_scope_makes_the_client_ask_for_it(here: tuple[str, Stack], client: str) -> None:
    url, stack = here
    calls = [("place_order", {"item": "tea"}), ("write_note", {"text": "hello"}), ("place_order", {"item": "tea"})]
    said = signed_in(client, "alice", calls, url, stack.sign_in_url, stack.environ("client"))
    assert [result.get("item", result.get("note")) for result in said["results"]] == ["tea", "hello", "tea"]
    first, second = (set(asked["scope"].split()) for asked in said["asked"])
    assert f"{url}/access_as_user" in first
    assert f"{url}/Notes.Write" not in first
    assert f"{url}/Notes.Write" in second


def test_what_the_exchange_refuses_is_a_result_and_not_a_new_sign_in(here: tuple[str, Stack]) -> None:
    url, stack = here
    said = signed_in("mcp2", "connor", [("profile", {})], url, stack.sign_in_url, stack.environ("client"))
    assert said["results"][0]["code"] == "consent_required"
    assert len(said["asked"]) == 1
