"""Who is told what: HTTP 401 and 403 before a tool runs, results with isError after that, and the request's line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import azure.functions as func
import pytest

from shared import AsyncUser, Forbidden, McpServer, NotFound, User
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab

from .mcp_client import McpClient, body_of, error_of, result_of

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
tools = McpServer("notes")
async_tools = McpServer("notes")
ran: list[str] = []


class TeapotError(Exception):
    """Its text must reach nobody."""


class Odd(Forbidden):
    """Has a member that JSON lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.extra = {"odd": object()}


class OddStatus(Forbidden):
    status = 99


FAILURES: dict[str, Callable[[], BaseException]] = {
    "teapot": lambda: TeapotError("text-of-the-error"),
    "odd": Odd,
    "odd_status": OddStatus,
    "not_found": NotFound,
    "forbidden": lambda: Forbidden("Not on Sundays.", reason="it is Sunday"),
    "recursion": RecursionError,
    "exit": lambda: SystemExit(3),
}


@tools.tool
def profile(user: User) -> object:
    """The profile of the user."""
    ran.append("profile")
    return user.api("Graph").get("/me?$select=displayName")


@tools.tool(scopes=["Notes.Write", "Notes.All"])
def write(user: User, text: str) -> str:
    """Writes a note."""
    ran.append(text)
    return text


@tools.tool
def fail(how: str) -> None:
    """Fails."""
    raise FAILURES[how]()


@async_tools.tool
async def async_profile(user: AsyncUser) -> object:
    """The profile of the user."""
    return await user.api("Graph").get("/me?$select=displayName")


@pytest.fixture
def endpoint(lab: Lab) -> Iterator[Callable[..., Any]]:
    ran.clear()

    @RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))(scopes=["access_as_user"])
    def mcp(req: func.HttpRequest, user: User) -> func.HttpResponse:
        return tools.handle(req, user)

    with lab.stack.directory.unchanged():
        yield mcp


@pytest.fixture
def client(lab: Lab, endpoint: Callable[..., Any]) -> McpClient:
    return McpClient(endpoint, lab.stack.issue_access_token("alice"))


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "shared.telemetry.request_record"]


@ERAS
def test_what_entra_demands_at_the_exchange_is_a_result_with_the_claims(
    lab: Lab, endpoint: Callable[..., Any], modern: bool
) -> None:
    """With 401, a client would sign in again without the claims, and come back with the same kind of token."""
    lab.stack.directory.require_mfa(lab.stack.directory.applications["graph"])
    reply = McpClient(endpoint, lab.stack.issue_access_token("alice")).call("profile", modern=modern)
    refused = error_of(reply)
    assert (refused["status"], refused["code"]) == (401, "insufficient_claims")
    assert "access_token" in json.loads(refused["claims"])
    assert "WWW-Authenticate" not in reply.headers
    assert ran == ["profile"]


def test_consent_that_is_missing_is_a_result_with_the_address(lab: Lab, endpoint: Callable[..., Any]) -> None:
    reply = McpClient(endpoint, lab.stack.issue_access_token("connor")).call("profile")
    refused = error_of(reply)
    assert (refused["status"], refused["code"]) == (403, "consent_required")
    assert refused["admin_consent_url"].startswith("https://")
    assert refused.keys() >= {"status", "code", "detail", "correlation_id", "scopes"}


COPILOT = "ab3be6b7-f5df-413d-ac2d-abf1e3fd9c0b"


@ERAS
@pytest.mark.parametrize("endpoint_of", [tools, async_tools], ids=["def", "async def"])
def test_a_client_that_asks_for_consent_gets_401_and_calls_again_with_the_same_token(
    lab: Lab, endpoint_of: McpServer, modern: bool
) -> None:
    changed = lab.environ(AzureAd__ConsentPromptClients=COPILOT)
    requires_user = RequiresUser(LazyServices(changed, now=lab.clock, sleep=lab.clock.forward))

    @requires_user()
    def mcp(req: func.HttpRequest, user: User) -> func.HttpResponse:
        return tools.handle(req, user)

    @requires_user()
    async def async_mcp(req: func.HttpRequest, user: AsyncUser) -> func.HttpResponse:
        return await async_tools.handle(req, user)

    endpoint, tool = (mcp, "profile") if endpoint_of is tools else (async_mcp, "async_profile")
    with lab.stack.directory.unchanged():
        copilot = McpClient(endpoint, lab.stack.issue_access_token("connor", azp=COPILOT))
        reply = copilot.call(tool, modern=modern)
        assert (reply.status_code, body_of(reply)["code"]) == (401, "consent_required")
        assert 'error="consent_required"' in reply.headers["WWW-Authenticate"]
        other = McpClient(endpoint, lab.stack.issue_access_token("connor"))
        assert error_of(other.call(tool, modern=modern))["status"] == 403
        lab.stack.directory.consent("connor")
        assert result_of(copilot.call(tool, modern=modern))["structuredContent"]["displayName"]


def test_a_challenge_for_a_scope_names_it_in_full(lab: Lab) -> None:
    """To Entra, a bare scope is one of Graph."""
    url = "https://api.contoso.example/api/mcp"
    changed = lab.environ(AzureAd__PublicUrls=url)

    @RequiresUser(LazyServices(changed, now=lab.clock, sleep=lab.clock.forward))(scopes=["access_as_user"])
    def mcp(req: func.HttpRequest, user: User) -> func.HttpResponse:
        return tools.handle(req, user)

    reply = McpClient(mcp, lab.stack.issue_access_token("alice"), url).call("write", {"text": "a"})
    challenge = reply.headers["WWW-Authenticate"]
    assert (reply.status_code, body_of(reply)["scopes"]) == (403, ["Notes.Write", "Notes.All"])
    assert f'scope="{url}/Notes.Write {url}/Notes.All"' in challenge
    document = "https://api.contoso.example/.well-known/oauth-protected-resource/api/mcp"
    assert f'resource_metadata="{document}"' in challenge


def test_a_token_that_entra_no_longer_takes_is_a_result(lab: Lab, endpoint: Callable[..., Any]) -> None:
    assert error_of(McpClient(endpoint, lab.stack.issue_access_token("rhea")).call("profile"))["status"] == 401


def test_a_failure_of_the_api_behind_is_a_result(lab: Lab, client: McpClient) -> None:
    lab.stack.faults.add("graph", status=404)
    refused = error_of(client.call("profile"))
    assert (refused["status"], refused["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("content_type", "content", "structured"),
    [
        ("application/json", '{"name": "é \\u00e9",\n "n": 1}', {"name": "é é", "n": 1}),
        ("application/vnd.api+json; charset=utf-8", "{}", {}),
        ("application/json", '{"n": NaN}', None),
        ("application/json", "[1]", None),
        ("text/plain", '{"n": 1}', None),
    ],
)
def test_what_an_api_sends_is_the_text_and_an_object_is_structured(
    lab: Lab, client: McpClient, content_type: str, content: str, structured: object
) -> None:
    lab.stack.faults.add("graph", status=200, headers={"Content-Type": content_type}, body=content)
    found = result_of(client.call("profile"))
    assert found["content"] == [{"type": "text", "text": content}]
    assert found.get("structuredContent") == structured


@pytest.mark.parametrize(
    ("status", "content", "code"), [(200, b"\xff", "internal_error"), (302, b"", "downstream_failed")]
)
def test_what_is_no_text_is_an_error(lab: Lab, client: McpClient, status: int, content: bytes, code: str) -> None:
    lab.stack.faults.add("graph", status=status, headers={"Location": "https://x.example/"}, body=content)
    assert error_of(client.call("profile"))["code"] == code


def test_an_async_tool_has_the_same_rule(lab: Lab) -> None:
    @RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))()
    async def mcp(req: func.HttpRequest, user: AsyncUser) -> func.HttpResponse:
        return await async_tools.handle(req, user)

    refused = error_of(McpClient(mcp, lab.stack.issue_access_token("connor")).call("async_profile"))
    assert (refused["status"], refused["code"]) == (403, "consent_required")


@ERAS
def test_a_scope_that_is_missing_is_403_before_the_tool_runs(
    client: McpClient, caplog: pytest.LogCaptureFixture, modern: bool
) -> None:
    caplog.set_level(logging.INFO)
    reply = client.call("write", {"text": 5}, modern=modern)
    assert (reply.status_code, reply.mimetype) == (403, "application/problem+json")
    assert body_of(reply)["code"] == "insufficient_scope"
    assert body_of(reply)["scopes"] == ["Notes.Write", "Notes.All"]
    assert 'error="insufficient_scope"' in reply.headers["WWW-Authenticate"]
    assert "Notes.Write" in reply.headers["WWW-Authenticate"]
    assert ran == []
    (line,) = lines(caplog)
    assert " status=403 " in line.getMessage()
    assert " tool=write " in line.getMessage()


@pytest.mark.parametrize("scope", ["Notes.Write", "Notes.All"])
def test_one_of_the_scopes_suffices(lab: Lab, endpoint: Callable[..., Any], scope: str) -> None:
    token = lab.stack.issue_access_token("alice", scopes=["access_as_user", scope])
    assert result_of(McpClient(endpoint, token).call("write", {"text": "hello"}))["content"][0]["text"] == "hello"
    assert ran == ["hello"]


def test_the_scope_of_the_endpoint_comes_first(lab: Lab, endpoint: Callable[..., Any]) -> None:
    token = lab.stack.issue_access_token("alice", scopes=["Notes.Write"])
    reply = McpClient(endpoint, token).call("write", {"text": "hello"})
    assert (reply.status_code, body_of(reply)["scopes"]) == (403, ["access_as_user"])
    assert ran == []


@pytest.mark.parametrize(
    ("how", "status", "code", "level", "said"),
    [
        ("teapot", 500, "internal_error", logging.ERROR, "code=internal_error reason=TeapotError"),
        ("recursion", 500, "internal_error", logging.ERROR, "code=internal_error reason=RecursionError"),
        ("odd", 500, "internal_error", logging.ERROR, "code=internal_error reason=TypeError"),
        ("odd_status", 500, "internal_error", logging.ERROR, "OddStatus has the status 99"),
        ("not_found", 404, "not_found", logging.INFO, "code=not_found"),
        ("forbidden", 403, "forbidden", logging.INFO, 'code=forbidden reason="it is Sunday"'),
    ],
)
@ERAS
def test_a_failure_of_the_tool_is_a_result_and_the_log_says_which(
    client: McpClient,
    caplog: pytest.LogCaptureFixture,
    how: str,
    status: int,
    code: str,
    level: int,
    said: str,
    modern: bool,
) -> None:
    caplog.set_level(logging.INFO)
    reply = client.call("fail", {"how": how}, modern=modern)
    refused = error_of(reply)
    assert (refused["status"], refused["code"]) == (status, code)
    assert b"text-of" not in reply.get_body()
    (line,) = lines(caplog)
    assert line.levelno == level
    assert " method=POST status=200 " in line.getMessage()
    assert " tool=fail " in line.getMessage()
    assert said in line.getMessage()
    assert f"correlation_id={refused['correlation_id']} " in line.getMessage()
    assert "text-of-the-error" not in caplog.text
    assert ("in fail" in caplog.text) == (how in ("teapot", "recursion"))
    assert (line.exc_info is not None) == (how in ("teapot", "recursion", "odd"))


def test_a_tool_that_would_end_the_worker_does_not(client: McpClient) -> None:
    reply = client.call("fail", {"how": "exit"})
    assert (reply.status_code, body_of(reply)["code"]) == (500, "internal_error")


@pytest.mark.parametrize("name", ["nobody", "write\nstatus=200", "a" * 1000, "alice@contoso.example"])
def test_the_log_repeats_nothing_that_a_model_wrote(
    client: McpClient, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    client.call(name, {"secret-key": "secret-value"})
    client.call("fail", {"secret-key": "secret-value", "how": "x"})
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert name not in said
    assert "secret-key" not in said
    assert "secret-value" not in said
    first, second = lines(caplog)
    assert "tool=" not in first.getMessage()
    assert ' tool=fail code=bad_request reason="wrong arguments of the tool"' in second.getMessage()


def test_wrong_arguments_are_not_an_alarm(client: McpClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert error_of(client.call("fail"))["code"] == "bad_request"
    (line,) = lines(caplog)
    assert (line.levelno, line.exc_info) == (logging.INFO, None)


def test_a_call_that_succeeds_names_the_tool_and_what_it_called(
    client: McpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    result_of(client.call("profile"))
    (line,) = lines(caplog)
    assert " status=200 " in line.getMessage()
    assert " tool=profile tokens=Graph:miss:" in line.getMessage()
    assert " calls=Graph:200:" in line.getMessage()
    assert " code=" not in line.getMessage()


def test_the_deadline_of_the_request_holds_in_a_tool(lab: Lab) -> None:
    changed = lab.environ(AzureAd__RequestTimeoutSeconds="1")

    @RequiresUser(LazyServices(changed, now=lab.clock, sleep=lab.clock.forward))()
    def mcp(req: func.HttpRequest, user: User) -> func.HttpResponse:
        return tools.handle(req, user)

    client = McpClient(mcp, lab.stack.issue_access_token("alice"))
    lab.stack.faults.add("graph", delay=4.0)
    assert error_of(client.call("profile"))["code"] == "downstream_timeout"
