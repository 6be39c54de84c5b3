"""Your own API behind the local stack: with a table in local-stack.toml, or with `run --api` for one run."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from maintainers.tests.dev.project import Project, Serving

FUNCTION = '''

@app.route("api/stock", methods=["GET"])
@requires_user(scopes=["access_as_user"])
def stock(req: func.HttpRequest, user: User) -> object:
    """From the API that the test has added."""
    return user.api("Stock").get("/items").json()
'''
STOCK = '''"""An API of one's own: a Functions app in the same folder."""

import azure.functions as func

from shared import User, requires_user

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("api/items", methods=["GET"])
@requires_user(scopes=["Stock.Read"])
def items(req: func.HttpRequest, user: User) -> object:
    """Who asks, with what."""
    return {"owner": user.name, "roles": sorted(user.roles)}
'''
STOCK_HOST = """
import os, runpy, sys
os.environ["PYTHON_SCRIPT_FILE_NAME"] = "stock_app.py"
sys.argv = ["functions_host", "--port", sys.argv[1], "--engine", "sdk"]
runpy.run_module("emulators.functions_host", run_name="__main__")
"""
TABLE = """
[graph]
run_once = "/api/me"

[apis.Stock]
app = "stock_app.py"
scopes = ["Stock.Read"]
roles = { "Stock.Keeper" = ["olga"] }
run_once = "/api/stock"
"""


def project_with(target: Path, table: str) -> Project:
    """A copy without the sample, and with a function that calls Stock."""
    project = Project.copy(target)
    (project.root / "downstream_app.py").unlink()
    (project.root / "stock_app.py").write_text(STOCK, encoding="utf-8")
    (project.root / "local-stack.toml").write_text(table, encoding="utf-8")
    app = project.root / "function_app.py"
    app.write_text(app.read_text(encoding="utf-8") + FUNCTION, encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A stack with two apps of the folder: Stock by the table, and the same again as Depot."""
    table = f'{TABLE}\n[apis.Depot]\napp = "stock_app.py"\nscopes = ["Stock.Read"]\n'
    with project_with(tmp_path_factory.mktemp("own") / "copy", table).serving("run", "--port", "0") as serving:
        yield serving


def test_an_app_of_the_folder_is_called_as_the_user(own: Serving) -> None:
    result = own.project.dev("call", "olga", "/api/stock")

    assert result.returncode == 0
    assert result.stdout.startswith("200 OK")
    assert '"roles": [\n    "Stock.Keeper"' in result.stdout
    own.wait_for("Stock API token for olga")
    assert re.search(r"api → stock +GET  /api/items +200", own.text)
    assert re.search(r"stock → entra +GET  /contoso/discovery", own.text)


def test_each_app_has_an_address_and_people_show_their_roles(own: Serving) -> None:
    state = own.project.state()
    assert set(state["apis"]) == {"stock", "depot"}
    assert f"Stock API     {state['apis']['stock']}" in own.text
    assert f"Depot API     {state['apis']['depot']}" in own.text
    assert re.search(r"^  olga +.*role Stock\.Keeper$", own.text, re.MULTILINE)


def test_a_program_gets_the_environment_of_an_api_behind(own: Serving) -> None:
    print_it = "import os; print(os.environ['AzureAd__Scopes'], os.environ['HTTPS_PROXY'])"
    result = own.project.dev("exec", "--api", "Stock", "--", "python", "-c", print_it)

    assert result.stdout.startswith("Stock.Read http://stock:local@127.0.0.1:")
    unknown = own.project.dev("exec", "--api", "Shop", "--", "python", "-V")
    assert (unknown.returncode, "knows no API 'Shop'; there are api, stock, depot" in unknown.stderr) == (2, True)


def test_run_once_calls_what_the_table_names(tmp_path: Path) -> None:
    result = project_with(tmp_path / "copy", TABLE).dev("run", "--once")

    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"  api → stock +GET  /api/items +200", result.stdout)
    assert result.stdout.rstrip().splitlines()[-2:] == [
        "first round: 2 On-Behalf-Of exchanges",
        "second round: 0 On-Behalf-Of exchanges",
    ]


@pytest.mark.parametrize(
    ("table", "last"),
    [
        (None, ["first round: 0 On-Behalf-Of exchanges", "second round: 0 On-Behalf-Of exchanges"]),
        (
            '[graph]\nrun_once = "/api/me"',
            ["first round: 1 On-Behalf-Of exchange", "second round: 0 On-Behalf-Of exchanges"],
        ),
    ],
    ids=["no table", "no API in it"],
)
def test_without_an_api_in_the_table_the_api_runs_alone(tmp_path: Path, table: str | None, last: list[str]) -> None:
    project = project_with(tmp_path / "copy", table or "")
    if table is None:
        (project.root / "local-stack.toml").unlink()

    result = project.dev("run", "--once")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.rstrip().splitlines()[-2:] == last
    assert ("Nothing was called: local-stack.toml names no path." in result.stdout) is (table is None)


def test_an_api_that_runs_elsewhere_for_one_run(tmp_path: Path) -> None:
    """`--api`: registered, consented, behind the gateway, in the timeline; it checks its own tokens."""
    project = project_with(tmp_path / "copy", "")
    port = free_port()
    arguments = ("run", "--port", "0", "--api", f"Stock=http://127.0.0.1:{port}/api", "--scope", "Stock.Read")
    with project.serving(*arguments) as serving:
        assert f"Stock API     http://127.0.0.1:{port}" in serving.text
        assert "nothing listens there yet" in serving.text
        unreachable = project.dev("call", "alice", "/api/stock")
        assert unreachable.stdout.startswith("502 ")
        serving.wait_for(
            f"the Stock API cannot be reached: ConnectionRefusedError; start it at http://127.0.0.1:{port}"
        )

        with started(project, "exec", "--api", "Stock", "--", "python", "-c", STOCK_HOST, str(port)):
            result = project.dev("call", "alice", "/api/stock")
            assert result.stdout.startswith("200 OK"), result.stdout + serving.text
            assert '"owner": "Alice Ahlberg"' in result.stdout
        serving.wait_for("ok: 200 from the Stock API")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--api", "Stock"), "--api takes NAME=URL, such as Stock=http://127.0.0.1:9000, not 'Stock'"),
        (("--scope", "Stock.Read"), "--scope Stock.Read comes after the --api that it belongs to"),
        (("--api", "A=http://127.0.0.1:1", "--api", "A=http://127.0.0.1:2"), "--api A is there twice"),
        (("--api", "Stock=http://127.0.0.1:9000"), "--api Stock: scopes must be a list of one or more"),
        (("--api", "Stock=9000", "--scope", "a"), "--api Stock: url must be the address of your API on this machine"),
        (("--api", "Orders=http://127.0.0.1:9000", "--scope", "a"), "the API orders is there 2 times"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_said(project: Project, arguments: tuple[str, ...], problem: str) -> None:
    result = project.dev("run", "--port", "0", *arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert problem in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_table_ends_run_with_every_problem(tmp_path: Path) -> None:
    result = project_with(tmp_path / "copy", "scope = 1\n[apis.Stock]\nurl = 9000\nscopes = ['a']").dev("run")

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "dev.py: the local stack cannot start with these entries:",
        "  local-stack.toml: apis.Stock.url must be the address of your API on this machine, such as"
        " http://127.0.0.1:9000, not 9000",
        "  local-stack.toml: scope is not known: did you mean scopes?",
        "  docs/local-stack.md explains them.",
    ]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def started(project: Project, *arguments: str) -> Iterator[None]:
    """`dev.py` with something that runs until the block ends."""
    command = [sys.executable, "dev.py", *arguments]
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready "):
                break
        yield
    finally:
        process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        process.communicate(timeout=30)
