"""The messages of dev.py: help, mistakes, and a Python that is too old."""

from __future__ import annotations

import ast
import os
import re
import socket
import subprocess
import sys

import pytest

import dev
from maintainers.tests.dev.project import ROOT, Project

COMMANDS = (
    *("run", "emulators", "test", "check", "fuzz", "mutate", "soak", "bench"),
    *("token", "call", "exec", "client", "explain", "doctor"),
)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"], ["run", "--help"], ["call", "-h"]])
def test_help_explains_every_command(project: Project, arguments: list[str]) -> None:
    result = project.dev(*arguments)

    assert (result.returncode, result.stderr) == (0, "")
    assert all(f"python3 dev.py {command}" in result.stdout for command in COMMANDS)
    assert "Examples:" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "did you mean python3 dev.py run?"),
        (["RUN"], "did you mean python3 dev.py run?"),
        (
            ["frobnicate"],
            "there are run, emulators, test, check, fuzz, mutate, soak, bench, remove-orders, upgrade, token, "
            "call, mcp, exec, client, explain, doctor.",
        ),
        (["check", "--fx"], "check takes nothing, --fix, --infra, --infra --renew or --package, not --fx"),
        (["run", "--port", "http"], "'http' is not a port"),
        (["run", "--port", "80"], "'80' is not a port from 1024"),
        (["run", "--port", "65535"], "'65535' is not a port"),
        (["run", "--reddis", "x"], "unrecognized arguments: --reddis x; did you mean --redis?"),
        (["run", "--frobnicate"], "unrecognized arguments: --frobnicate\n"),
        (["call", "alice", "--step-upp", "/api/me"], "did you mean --step-up?"),
        (["token"], "the following arguments are required: PERSON"),
        (["token", "alice", "--app", "daemon"], "unrecognized arguments: alice"),
        (["call", "--app", "daemon"], "the following arguments are required: PATH"),
        (["token", "--app", "daemon"], "nothing is running."),
        (["call", "alice"], "the following arguments are required: PATH"),
        (["token", "bob"], "there is nobody called 'bob'; there are alice, maya, connor, greta, blake, rhea, olga"),
        (["exec"], "which command?"),
        (["token", "alice"], "nothing is running. Type this in another terminal first: python3 dev.py run"),
        (["call", "alice", "/api/me"], "nothing is running."),
        (["mcp"], "the following arguments are required: PERSON"),
        (["mcp", "alice"], "nothing is running."),
        (["exec", "--", "python", "-V"], "nothing is running."),
        (["run", "--redis", "redis://10.0.0.7"], "a Redis on this machine, such as redis://127.0.0.1:6379"),
        (["emulators", "--redis", "localhost:6379"], "a Redis on this machine, such as redis://127.0.0.1:6379"),
    ],
)
def test_a_mistake_is_told_and_ends_with_2(project: Project, arguments: list[str], message: str) -> None:
    result = project.dev(*arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_port_is_told_with_a_command_that_works(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        first = port - 3  # the gateway's turn

        result = project.dev("run", "--port", str(first))

    assert result.returncode == 2
    told = re.fullmatch(
        r"dev\.py: port (\d+) \((.+)\) is taken.* Try: python3 dev\.py run --port (\d+)\n", result.stderr
    )
    assert told is not None, result.stderr
    assert (int(told[1]), told[2]) == (port, "gateway") or int(told[1]) in range(first, port)
    assert int(told[3]) not in range(first - 4, port + 1)


@pytest.mark.parametrize("command", [["run"], ["run", "--once"], ["emulators"]])
def test_a_redis_that_is_not_there_is_told(project: Project, command: list[str]) -> None:
    with socket.socket() as closed:  # bound, so that nobody takes the port, and not listening
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        result = project.dev(*command, "--port", "0", "--redis", f"redis://:secret@127.0.0.1:{port}")

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"dev.py: nobody listens on port {port} of 127.0.0.1. Start one there: redis-server --port {port}\n"
    )


def test_the_help_of_bench_is_that_of_the_benchmark() -> None:
    result = Project(ROOT).dev("bench", "--help")

    assert (result.returncode, result.stdout.startswith("usage: dev.py bench")) == (0, True), result.stderr
    assert "--row ROW" in result.stdout


def test_a_stack_file_left_by_a_crash_confuses_nobody(project: Project) -> None:
    folder = project.root / ".local"
    folder.mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as other:  # somebody else's port by now, who says something else
        port = other.getsockname()[1]
        state = (
            '{"command": "run", "api_url": "x", "apis": {}, "sign_in_url": "x", "environ": {},'
            f' "pid": 1, "pulse_port": {port}, "pulse": "0123"}}'
        )
        (folder / "stack.json").write_text(state, encoding="utf-8")

        result = project.dev("token", "alice")

    assert result.returncode == 2
    assert "nothing is running" in result.stderr


def test_the_client_goes_by_its_own_settings_when_nothing_runs(project: Project) -> None:
    result = project.dev("client", "/api/me", TENANT_ID="", CLIENT_APP_ID="", API_SCOPE="", API_BASE_URL="")

    assert result.returncode == 2
    assert "TENANT_ID is missing" in result.stderr
    assert result.stderr.endswith("or start `python3 dev.py run` first\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["client", "--help"]])
def test_a_reader_of_the_help_may_go_away(project: Project, arguments: list[str]) -> None:
    unread, out = os.pipe()
    os.close(unread)
    with os.fdopen(out, "wb") as gone:
        command = [sys.executable, "dev.py", *arguments]
        result = subprocess.run(
            command,
            cwd=project.root,
            env={**project.environ, "PYTHONUNBUFFERED": ""},
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert (result.returncode, result.stderr) == (0, b"")


def test_an_old_python_is_told_in_one_line() -> None:
    pretend = (
        "import runpy, sys; sys.version_info = (3, 9, 18, 'final', 0); sys.version = '3.9.18 (main)';"
        "runpy.run_path('dev.py', run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert all(version in result.stderr for version in ("3.11", "3.12", "3.13", "3.14", "3.9.18"))


def test_an_old_python_can_read_the_file_and_gets_as_far_as_that_line() -> None:
    source = (ROOT / "dev.py").read_text(encoding="ascii")  # Python 2 stops at the first other character

    as_3_6 = ast.parse(source, feature_version=(3, 6)).body

    kinds = [type(statement) for statement in as_3_6]
    before = as_3_6[: kinds.index(ast.If)]
    assert "sys.version_info < OLDEST" in ast.unparse(as_3_6[len(before)])
    assert {type(statement) for statement in before} == {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign}
    assert {str(node.module) for node in before if isinstance(node, ast.ImportFrom)} == {"pathlib"}  # as old as 3.4


def test_python_2_stops_at_a_line_that_says_what_it_lacks() -> None:
    lines = (ROOT / "dev.py").read_text(encoding="ascii").splitlines()
    first = next(line for line in lines if re.search(r"\) -> |\bf\"", line))  # its error message quotes that line

    assert first.endswith("# Python 3.11 or newer is needed: try python3 dev.py run")


@pytest.mark.parametrize("value", ["no-such-python", "/no/such/python"])
def test_an_interpreter_that_is_not_there_is_told(project: Project, value: str) -> None:
    result = project.dev("token", "alice", DEV_PYTHON=value)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"dev.py: DEV_PYTHON={value} is no program")
    assert result.stderr.count("\n") == 1


def test_an_interpreter_without_the_packages_is_told_what_to_install(project: Project) -> None:
    command = [sys.executable, "-S", "-m", "emulators.local", "run", "--port", "0"]
    environ = {**os.environ, "COLUMNS": ""}  # or the line is broken to fit
    result = subprocess.run(command, cwd=project.root, env=environ, capture_output=True, encoding="utf-8", check=False)

    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"dev\.py: this Python lacks \w+: .* -m pip install -r requirements-run\.txt\n", result.stderr)


@pytest.mark.parametrize("arguments", [["test"], ["test", "--all"], ["test", "--coverage"]])
def test_after_ctrl_c_the_tests_have_time_to_stop_what_they_started(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    timeout = {}

    def run(command: list[str], **options: int) -> int:
        timeout["pytest" in command] = options.get("timeout", 0)
        return 0

    monkeypatch.setattr(dev, "run", run)
    dev.dispatch("python", arguments[0], arguments[1:])

    assert timeout[True] == 60


def test_dev_py_imports_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "dev.py").read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    assert names
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
