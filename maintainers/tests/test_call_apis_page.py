"""docs/call-apis.md: every function of the page runs against the emulated tenant."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.canned import CannedResponse, StandIn
from emulators.graph_drive import item_id
from emulators.graph_mail import message_id
from emulators.stack import Stack
from emulators.table import DownstreamApi as TableApi
from emulators.table import Table
from shared.downstream.api import DownstreamApi
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from shared.user.async_api import AsyncDownstreamApi
from tests.support.azure_call import Response, call, runner
from tests.support.lab import finish_background_work

PAGE = Path(__file__).parents[2] / "docs" / "call-apis.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GRAPH = ("User.Read", "Mail.Read", "Files.ReadWrite")
TABLE = Table(graph=GRAPH, apis=(TableApi("Files", ("Files.Read",), url="http://127.0.0.1:9"),))
EXPORT = b"first line\n" + b"x" * 300_000
Ask = Callable[..., Response]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack.start(tmp_path_factory.mktemp("page"), table=TABLE) as stack:
        files = stack.apis["files"]
        files.stand_in = StandIn(stack.directory.applications["files"], files.canned, stack.entra)
        files.canned.add(CannedResponse("GET /export", EXPORT, headers={"Content-Type": "text/plain"}))
        yield stack


@pytest.fixture
def ask(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Calls a function of the page as alice."""
    for name, value in stack.environ("api").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("shared.requires_user", RequiresUser(LazyServices(stack.environ("api"))))
    names: dict[str, Any] = {"__name__": "page"}
    code = "import hashlib\nimport tempfile\n" + "\n\n".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 — the page is ours
    bearer = stack.issue_access_token("alice")
    with runner() as running:

        def asked(function: str, **request: Any) -> Response:
            options = {"json": None, "body": None, "params": None, "route": None, "method": None, "bindings": None}
            headers = {"Authorization": f"Bearer {bearer}"}
            return call(names[function], running, headers=headers, **{**options, **request})

        yield asked
    finish_background_work()


def test_a_message_whose_id_has_a_slash(ask: Ask) -> None:
    identifier = message_id("alice", 5)
    assert "/" in identifier
    answer = ask("read_message", params={"id": identifier})
    assert (answer.status, answer.json()["subject"]) == (200, "Message 5 for alice")


@pytest.mark.parametrize("function", ["list_subjects", "list_subjects_async"])
def test_a_list_of_three_pages(ask: Ask, function: str) -> None:
    assert ask(function).json() == [f"Message {number} for alice" for number in range(1, 24)]


def test_a_report_is_at_an_address_of_its_own(ask: Ask, stack: Stack) -> None:
    mark = stack.audit.mark()
    answer = ask("open_report", params={"id": item_id("alice", "report.txt")})
    assert (answer.status, answer.body) == (302, b"")
    assert answer.headers["Location"].startswith("https://contoso-my.sharepoint.com/")
    assert [entry.path for entry in stack.audit.entries(mark) if "sharepoint" in f"{entry.service} {entry.path}"] == []


def test_three_calls_in_one_request(ask: Ask, stack: Stack) -> None:
    mark = stack.audit.mark()
    answer = ask("overview").json()
    assert answer == {"name": "Alice Ahlberg", "newest": "Message 1 for alice", "has_photo": False}
    assert [entry.action for entry in stack.audit.entries(mark) if entry.service == "graph"] == ["batch"]


def test_a_file_is_sent_and_another_is_read(ask: Ask, stack: Stack) -> None:
    assert ask("copy_file", json={}).status == 201
    assert {item.name: item.content for item in stack.graph.drives.items("alice").values()}[
        "copy.txt"
    ] == b"a large file"
    assert ask("export").json() == {"bytes": len(EXPORT), "first": "first line"}
    assert ask("hash_export").json() == {"sha256": hashlib.sha256(EXPORT).hexdigest()}


@pytest.mark.parametrize("owner", [DownstreamApi, AsyncDownstreamApi])
def test_every_method_is_in_the_table(owner: type) -> None:
    page = PAGE.read_text(encoding="utf-8")
    methods = {name for name in dir(owner) if not name.startswith("_")} - {"send", "reader", "base_url", "calls"}
    assert {name for name in methods if f"`{name}`" not in page} == set()
