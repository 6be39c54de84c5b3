"""The README's commands, run unchanged, and its transcript against the current output of the command."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from maintainers.tests.dev.project import ROOT, Project, Serving

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "local-stack.md").read_text(encoding="utf-8")
WHILE_IT_RUNS = PAGE.partition("## Commands while it runs")[2].partition("\n## ")[0]
SIDE_BY_SIDE = re.compile(r" +(api|orders) → (entra|vault|identity) +GET")
COMMANDS = [
    line.partition("  #")[0].strip()
    for line in (README + WHILE_IT_RUNS).splitlines()
    if line.startswith("python3 dev.py ")
]

# What each prints first, or what else shows that it worked.
EXPECTED = {
    "call alice /api/me": "200 OK",
    "call maya /api/me": "401 Unauthorized",
    "call maya --step-up /api/me": "200 OK",
    "call connor /api/me": "403 Forbidden",
    "call connor --consent /api/me": "200 OK",
    """call alice -X POST -d '{"item": "chair", "quantity": 1}' /api/orders""": "201 Created",
    "client /api/me": "200 OK",
    "call --app daemon /api/me": "403 Forbidden",
    "doctor": "ok           settings: ",
    "token alice": "eyJ",
    "mcp alice": '{\n  "mcpServers": {',
    "exec -- python -m pip list": "Package",
}
ELSEWHERE = {
    "run": "the fixture `stack` types it",
    "test": "what runs this; a part of it below",
}


def arguments(command: str) -> list[str]:
    return shlex.split(command.removeprefix("python3 dev.py "))


def path_with_browser(folder: Path) -> str:
    """A PATH with a browser that signs in as alice, under the name by which Python looks for one in a terminal."""
    program = folder / "www-browser"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m emulators.browser --as alice "$1"\n', encoding="utf-8")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_every_command_of_the_two_pages_is_known_here() -> None:
    typed = {command.removeprefix("python3 dev.py ") for command in COMMANDS}
    assert typed == EXPECTED.keys() | ELSEWHERE.keys()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the stand-in for a browser is a shell script")
@pytest.mark.parametrize("command", EXPECTED)
def test_a_command_does_what_the_readme_says(command: str, stack: Serving, tmp_path: Path) -> None:
    result = stack.project.dev(
        *arguments(command), PATH=path_with_browser(tmp_path), TERM="xterm", DISPLAY="", WAYLAND_DISPLAY=""
    )
    assert result.stdout.startswith(EXPECTED[command]), result.stdout + result.stderr
    assert (result.returncode == 0) is not EXPECTED[command].startswith("4")


def test_the_function_of_the_readme_works_when_it_is_pasted(tmp_path: Path) -> None:
    shown = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    project = Project.copy(tmp_path / "copy")
    with (project.root / "function_app.py").open("a", encoding="utf-8") as app:
        app.write(f"\n\n{shown[1]}")
    with project.serving("run", "--port", "0") as serving:
        result = serving.project.dev("call", "alice", "/api/hello")
    assert result.stdout.startswith("200 OK"), result.stdout + result.stderr
    assert json.loads(result.stdout.partition("\n\n")[2]) == {"hello": "Alice", "mail": "alice@contoso.example"}


def test_an_app_that_cannot_be_loaded_is_not_called_ready_without_a_word(tmp_path: Path) -> None:
    project = Project.copy(tmp_path / "copy")
    (project.root / "function_app.py").write_text("import nowhere\n", encoding="utf-8")
    with project.serving("run", "--port", "0") as serving:
        serving.wait_for("Every route of the API responds with 404: function_app.py could not be loaded: ")
        assert "No module named 'nowhere'" in serving.text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a browser")
def test_without_a_browser_the_client_says_which_address_to_open(stack: Serving) -> None:
    """The local address: the client's own address would lead to the real Entra."""
    address, page = stack.project.state()["sign_in_url"], "https://login.microsoftonline.com/x/oauth2/v2.0/authorize"
    environ = {**stack.project.environ, "EMULATORS_SIGN_IN_URL": address, "PATH": "", "DISPLAY": "", "BROWSER": "x"}
    command = [sys.executable, "-m", "emulators.browser", page]
    result = subprocess.run(
        command, cwd=stack.project.root, env=environ, capture_output=True, encoding="utf-8", check=False
    )
    assert (result.returncode, result.stdout) == (0, "")
    assert f"{address}/login.microsoftonline.com/x/oauth2/v2.0/authorize" in result.stderr


def test_the_test_command_ends_with_the_line_of_pytest() -> None:
    result = Project(ROOT).dev("test", "tests/shared/test_strict_json.py")
    assert re.fullmatch(r"\d+ passed in .*", result.stdout.rstrip().splitlines()[-1]), result.stdout + result.stderr


def test_the_transcript_is_true(project: Project) -> None:
    """Line by line, but for the time of day, how long things took, and the order of what goes on side by side."""
    shown = re.search(r"run --once -->\n```\n(.*?)\n```", PAGE, re.DOTALL)
    assert shown is not None
    printed = project.dev("run", "--once").stdout.rstrip()
    assert timeless(printed) == timeless(shown[1])


def test_the_excerpt_is_true_and_fits(project: Project) -> None:
    """Each line is one of the output at 80 columns, and they are in order."""
    shown = re.search(r"COLUMNS=80 python3 dev.py run --once -->\n```\n(.*?)\n```", README, re.DOTALL)
    assert shown is not None
    assert len(shown[1].splitlines()) <= 12
    assert max(map(len, shown[1].splitlines())) <= 80
    printed = iter(timeless(project.dev("run", "--once", COLUMNS="80").stdout))
    for line in timeless(shown[1]):
        assert line in printed, line


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


def timeless(text: str) -> list[str]:
    lines = re.sub(r"\d\d:\d\d:\d\d|Up in [\d.]+ s| +[\d.]+ ms", "", text).splitlines()
    runs = itertools.groupby(lines, lambda line: bool(SIDE_BY_SIDE.match(line)))
    return [line for together, run in runs for line in (sorted(run) if together else run)]
