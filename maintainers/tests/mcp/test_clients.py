"""Real clients of the Model Context Protocol: they list, call, and understand each refusal."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.support.lab import Lab

from .conftest import Served, sessions
from .environments import node_program

TOOLS = ["profile", "place_order", "test_simple_text", "test_error_handling", "write_note"]
CLIENTS = pytest.mark.parametrize(
    ("client", "mode", "version"),
    [
        ("mcp2", "auto", "2026-07-28"),
        ("mcp2", "legacy", "2025-11-25"),
        ("mcp1", "", "2025-11-25"),
        ("fastmcp", "", ""),
    ],
)


CALLS = [
    ("profile", {}),
    ("place_order", {"item": "tea", "quantity": 2}),
    ("test_simple_text", {}),
    ("place_order", {"item": "tea", "quantity": "2"}),
    ("test_error_handling", {}),
    ("write_note", {"text": "hello"}),
]


@CLIENTS
def test_a_client_lists_calls_and_understands_each_refusal(
    lab: Lab, served: Served, client: str, mode: str, version: str
) -> None:
    """One process for all sessions: to start a client takes longer than all of its calls."""
    lab.stack.directory.require_mfa(lab.stack.directory.applications["graph"])
    both = ["access_as_user", "Notes.Write"]
    sessions_of = [
        (served.token("alice", scopes=both, mfa=True), CALLS),
        (served.token("connor", mfa=True), [("profile", {})]),
        (served.token("alice"), [("profile", {})]),
        ("", []),
        (served.token("alice", scopes=["another.scope"]), []),
        (served.token("alice"), [("write_note", {"text": "hello"})]),
    ]
    plans = [{"url": served.url, "token": token, "mode": mode, "calls": calls} for token, calls in sessions_of]
    said, consent, claims, anonymous, other_scope, step_up = sessions(client, plans)

    assert (said["version"], said["instructions"], said["tools"]) == (version, "Tools for tests.", TOOLS)
    profile, order, text, wrong, failed, note = said["results"]
    assert (profile["error"], profile["object"]["displayName"]) == (False, "Alice Ahlberg")
    assert json.loads(order["text"]) == order["object"] == {"by": "Alice Ahlberg", "item": "tea", "quantity": 2}
    assert text == {"error": False, "text": "This is a simple text response for testing.", "object": None}
    assert problem_in(wrong)["code"] == "bad_request"
    assert problem_in(failed)["code"] == "internal_error"
    assert note["object"] == {"by": "Alice Ahlberg", "note": "hello"}

    refused = problem_in(consent["results"][0])
    assert (refused["code"], refused["admin_consent_url"][:8]) == ("consent_required", "https://")
    refused = problem_in(claims["results"][0])
    assert (refused["code"], list(json.loads(refused["claims"]))) == ("insufficient_claims", ["access_token"])
    assert anonymous.keys() == other_scope.keys() == {"failed"}
    assert "failed" in step_up or "raised" in step_up["results"][0]
    assert set(served.refusals) == {(401, "missing_token"), (403, "insufficient_scope")}
    assert served.refusals[-1] == (403, "insufficient_scope")


def problem_in(result: dict[str, Any]) -> Any:
    """The problem document in the text of a result, which is an error."""
    assert (result["error"], result["object"]) == (True, None)
    return json.loads(result["text"])


def inspected(served: Served, token: str, *arguments: str) -> Any:
    program, environ = node_program("mcp-inspector")
    options = ["--transport", "http", "--header", f"Authorization: Bearer {token}"]
    done = subprocess.run(
        [program, "--cli", served.url, *options, *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
        env={**environ, "NO_PROXY": "127.0.0.1"},
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_the_inspector_lists_calls_and_finds_no_fault_in_the_schemas(served: Served) -> None:
    token = served.token("alice")
    listed = inspected(served, token, "--method", "tools/list", "--strict")
    assert [tool["name"] for tool in listed["tools"]] == TOOLS
    call = ("--method", "tools/call", "--tool-name", "place_order", "--tool-arg", "item=tea", "quantity=2")
    called = inspected(served, token, *call)
    assert called["structuredContent"] == {"by": "Alice Ahlberg", "item": "tea", "quantity": 2}
    assert "auth_required" in inspected(served, "none", "--method", "tools/list")
    assert served.refusals[-1] == (401, "invalid_token")
