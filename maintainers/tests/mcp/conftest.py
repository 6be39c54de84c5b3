"""The endpoint of these tests, served over HTTP from this process, and real clients that call it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from emulators.stack import Stack
from maintainers.tests.client.http_server import Received, Response, answering
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab

from . import endpoint
from .environments import python

HERE = Path(__file__).parent


class Served:
    """The endpoint: its address, tokens for it, and an Authorization header for clients that send none."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.url, self.default_token = stack, "", ""
        self.refusals: list[tuple[int, str]] = []
        """Status and error code of each refusal with 401 or 403."""

    def token(self, person: str, **options: Any) -> str:
        """A token of this person."""
        return self.stack.issue_access_token(person, **options)


@pytest.fixture
def served(lab: Lab) -> Iterator[Served]:
    """The endpoint, over HTTP. A page at its own address may call it."""
    state, origins = Served(lab.stack), list[str]()
    functions: list[Callable[..., func.HttpResponse]] = []

    def response(asked: Received) -> Response:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        if state.default_token:
            headers.setdefault("authorization", f"Bearer {state.default_token}")
        request = func.HttpRequest(asked.method, asked.path, headers=headers, params={}, body=asked.body)
        reply = functions[0](req=request)
        if reply.status_code in (401, 403):
            state.refusals.append((reply.status_code, json.loads(reply.get_body())["code"]))
        return reply.status_code, {"Content-Type": reply.mimetype, **reply.headers}, reply.get_body()

    with lab.stack.directory.unchanged(), answering(response) as address:
        origins.append(address)
        functions.append(endpoint.guarded(RequiresUser(LazyServices(lab.environ(), now=lab.clock)), origins))
        state.url = f"{address}/api/mcp"
        yield state


def sessions(client: str, plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lets a client list the tools and call some, in a session for each plan; what it says of each."""
    program = [python(client), str(HERE / f"client_{client}.py"), json.dumps(plans)]
    done = subprocess.run(program, capture_output=True, encoding="utf-8", check=False, timeout=60, cwd=HERE)
    assert done.returncode == 0, done.stderr
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)
    return outcomes
