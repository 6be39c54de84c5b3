"""`breakpoint()`: a prompt in a terminal. Everywhere else it prints one line that says how to get a prompt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import IO

import pytest
import requests

from emulators.functions_host.breakpoints import HOOK, without_terminal
from maintainers.tests.dev.project import ROOT, Project, wait_until

FUNCTION = """

@app.route("api/stops", methods=["GET"])
def stops(req: func.HttpRequest) -> str:
    word = "gone on"
    breakpoint()
    return word
"""
HOST = ("exec", "--", "python", "-m", "emulators.functions_host", "--port", "0", "--engine")
ENGINE = "worker" if sys.version_info >= (3, 13) else "sdk"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A copy whose app has a function with a breakpoint."""
    copy = Project.copy(tmp_path / "copy")
    with (copy.root / "function_app.py").open("a", encoding="utf-8") as file:
        file.write(FUNCTION)
    return copy


def get(url: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=60)


def collect(stream: IO[str], into: list[str]) -> None:
    """Character by character, because a prompt has no line end."""
    for character in iter(lambda: stream.read(1), ""):
        into.append(character)


def test_a_prompt_where_a_person_can_type(project: Project) -> None:
    with project.serving("emulators", "--port", "0"):
        host = subprocess.Popen(
            [sys.executable, "dev.py", *HOST, ENGINE],
            cwd=project.root,
            env=project.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert host.stdin is not None
        assert host.stdout is not None
        assert host.stderr is not None
        said: list[str] = []
        reader = Thread(target=collect, args=(host.stderr, said), daemon=True)
        reader.start()
        try:
            url = host.stdout.readline().split()[1]
            replies: list[requests.Response] = []
            caller = Thread(target=lambda: replies.append(get(f"{url}/api/stops")), daemon=True)
            caller.start()
            wait_until(lambda: "(Pdb)" in "".join(said))
            assert "(Pdb)" in "".join(said), "".join(said)
            assert replies == []  # it waits for the person
            host.stdin.write("p word\nc\n")
            host.stdin.flush()
            caller.join(30)
            assert [(reply.status_code, reply.text) for reply in replies] == [(200, "gone on")]
            assert "'gone on'" in "".join(said)
        finally:
            host.terminate()
            host.wait(30)
            reader.join(10)
            for stream in (host.stdin, host.stdout, host.stderr):
                stream.close()


def test_under_run_one_line_says_where_to_go_and_the_request_goes_on(project: Project) -> None:
    with project.serving("run", "--port", "0") as serving:
        reply = get(f"{project.state()['api_url']}/api/stops")
        serving.wait_for("breakpoint()")

    line = project.root.joinpath("function_app.py").read_text(encoding="utf-8").splitlines().index("    breakpoint()")
    assert (reply.status_code, reply.text) == (200, "gone on")
    assert f"function_app.py, line {line + 1}: breakpoint() is skipped" in serving.text
    assert "dev.py emulators" in serving.text
    assert "dev.py exec -- python -m emulators.functions_host" in serving.text


@pytest.mark.parametrize(("own", "value"), [({}, HOOK), ({"PYTHONBREAKPOINT": "ipdb.set_trace"}, HOOK)])
def test_what_breakpoint_calls_under_run(own: dict[str, str], value: str) -> None:
    assert without_terminal(own)["PYTHONBREAKPOINT"] == value


def test_whoever_has_switched_breakpoints_off_keeps_them_off() -> None:
    assert without_terminal({"PYTHONBREAKPOINT": "0"}) == {"PYTHONBREAKPOINT": "0"}


def test_the_launch_entry_serves_the_api_in_one_process(tmp_path: Path) -> None:
    entries = json.loads((ROOT / ".vscode/launch.json").read_text(encoding="utf-8"))["configurations"]
    tasks = json.loads((ROOT / ".vscode/tasks.json").read_text(encoding="utf-8"))["tasks"]
    entry = next(entry for entry in entries if entry["request"] == "launch")
    task = next(task for task in tasks if task["label"] == entry["preLaunchTask"])
    command = task["command"].split()
    project = Project.copy(tmp_path / "copy")
    alone = subprocess.run(
        [sys.executable, "-m", entry["module"]], cwd=project.root, capture_output=True, encoding="utf-8", check=False
    )
    with project.serving(*command[2:], "--port", str(free_block())) as serving:
        host = subprocess.Popen(
            [sys.executable, "-m", entry["module"]],
            cwd=project.root,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        try:
            assert host.stdout is not None
            ready = host.stdout.readline().split()
            me = project.dev("call", "alice", "/api/me")
        finally:
            host.terminate()
            host.communicate(timeout=30)

    assert (alone.returncode, "dev.py emulators" in alone.stderr) == (2, True)
    assert command[:2] == ["python3", "dev.py"]
    assert task["problemMatcher"]["background"]["endsPattern"].split("|")[0] in serving.text
    assert (ready[0], ready[2]) == ("ready", ENGINE)
    assert (me.returncode, "Alice Ahlberg" in me.stdout) == (0, True), me.stderr


def free_block() -> int:
    """The first of five ports in a row that nobody listens on."""
    from emulators.local import ports

    return ports._free_block(5)
