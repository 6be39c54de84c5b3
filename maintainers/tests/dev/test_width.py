"""What dev.py prints fits the terminal, 80 columns at least; in a file or a pipe no line is cut."""

from __future__ import annotations

import io
import re

import pytest

from client.output import tell
from emulators.audit import Entry
from emulators.azure.declared import AzureService
from emulators.local.banner import banner
from emulators.local.sign_in import client_environ
from emulators.local.state import StackState
from emulators.local.timeline import Timeline, width_of
from emulators.people import CONTOSO, FABRIKAM
from emulators.table import Table, read_table
from maintainers.tests.dev.project import Project

PATH = "/contoso/oauth2/v2.0/.well-known/openid-configuration/and/more"
VERDICT = "refused: AADSTS65001, nobody has consented to what the application asks for in this request"
WIDEST = Entry(0.0, "orders", "entra", "POST", PATH, "obo", 200, VERDICT, 123456.0)


def lines(columns: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The widest hop and the widest log lines, as that many columns show them."""
    monkeypatch.setenv("COLUMNS", columns)
    out = io.StringIO()
    timeline = Timeline(out)
    timeline.hop(WIDEST, indent="    ")
    timeline.logged("orders", "ERROR Function.me.User: " + "several words " * 30)
    timeline.logged("orders", "    " + "x" * 300)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("columns", [80, 100, 109, 110, 120, 132, 160, 200])
def test_no_line_is_wider_than_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = lines(str(columns), monkeypatch)

    assert max(map(len, shown)) <= columns
    assert len(shown[0]) == columns  # the widest hop takes all there is
    assert "".join(line[19:].lstrip() for line in shown[1:]).count("x") == 300  # of a log line nothing is lost
    assert bool(re.match(r"\d\d:\d\d:\d\d  ", shown[0])) is (columns >= 110)


def test_the_end_of_a_path_and_the_beginning_of_a_verdict_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    hop = lines("80", monkeypatch)[0]

    assert "…onfiguration/and/more 200" in hop
    assert "  refused: " in hop
    assert hop.endswith("…")


def test_a_file_or_a_pipe_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = lines("", monkeypatch)

    assert len(shown) == 3
    assert PATH in shown[0]
    assert shown[0].endswith(f"{VERDICT} (On-Behalf-Of)")


@pytest.mark.parametrize(
    ("columns", "width"), [("80", 80), ("20", 80), ("132", 132), ("", None), ("wide", None), ("0", None)]
)
def test_the_width(columns: str, width: int | None) -> None:
    assert width_of(io.StringIO(), {"COLUMNS": columns}) == width


def test_the_banner_fits() -> None:
    state = StackState(
        "run", "http://localhost:59000", {"orders": "http://localhost:59001"}, "http://localhost:59002", {}, 1, 1, ""
    )
    text = banner(state, read_table(), started_in=10.5, api="on Azure Functions Core Tools", redis="127.0.0.1:59003")

    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_the_banner_names_azure_services_and_roles() -> None:
    name, role = "S" * 18, "Storage Blob Data Reader"
    state = StackState("run", "http://localhost:59000", {}, "http://localhost:59002", {}, 1, 1, "")
    text = banner(state, Table(azure=(AzureService(name, "storage", {role: ("olga",)}),)), started_in=1, api="on it")

    assert f"  {name}  https://{'s' * 18}local.blob.core.windows.net" in text
    assert next(line for line in text.splitlines() if line.strip().startswith("olga")).endswith(f"role {role}")
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_run_once_fits(project: Project) -> None:
    result = project.dev("run", "--once", COLUMNS="80")

    assert result.returncode == 0
    assert [line for line in result.stdout.splitlines() if len(line) > 80] == []
    assert "api → graph" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["check", "--fx"],
        ["token", "bob"],
        ["token", "alice"],
        ["call", "alice", "/api/me"],
        ["exec", "--", "python", "-V"],
        ["run", "--redis", "redis://10.0.0.7"],
    ],
    ids=" ".join,
)
def test_what_is_wrong_with_a_command_fits(project: Project, arguments: list[str]) -> None:
    narrow, whole = project.dev(*arguments, COLUMNS="80"), project.dev(*arguments, COLUMNS="")

    assert [line for line in narrow.stderr.splitlines() if len(line) > 80] == []
    assert narrow.stderr.split() == whole.stderr.split()
    assert len(whole.stderr.splitlines()) == 1


def test_a_command_to_copy_is_never_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = "python3 dev.py run --once"

    for before in range(80):
        tell(f"{'x' * before} Type {command}, then wait.")

    shown = capsys.readouterr().err
    assert shown.count(command) == 80
    assert max(map(len, shown.splitlines())) <= 80


def test_the_banner_names_the_people_of_the_second_tenant_if_they_may_call() -> None:
    state = StackState("run", "http://localhost:59000", {}, "http://localhost:59002", {}, 1, 1, "")
    one, several = (
        banner(state, Table(sign_in_audience=audience), started_in=1, api="on it")
        for audience in ("AzureADMyOrg", "AzureADMultipleOrgs")
    )
    assert ("frida" in one, "  frida   of Fabrikam: all is well" in several) == (False, True)


def test_the_client_signs_a_person_in_at_their_own_tenant() -> None:
    for person, tenant in (("alice", CONTOSO), ("frida", FABRIKAM)):
        environ = client_environ({"TENANT_ID": CONTOSO}, "http://127.0.0.1:1", "http://localhost:2", person)
        assert environ["TENANT_ID"] == tenant
    assert client_environ({"TENANT_ID": CONTOSO}, "http://x", "http://y", None)["TENANT_ID"] == CONTOSO
