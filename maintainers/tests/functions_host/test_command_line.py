"""`python -m emulators.functions_host` as its caller sees it: streams, exit codes, signals."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from emulators.functions_host.worker_library import is_installed
from maintainers.tests.functions_host.calls import call
from maintainers.tests.functions_host.conftest import write_app
from maintainers.tests.functions_host.programs import PROJECT, command, ended, environment, ready, running

APP = """
    print("printed at import")
    logging.error("nobody hears what is logged at import")

    @app.route("hello")
    def hello(req):
        print("printed")
        logging.getLogger("mine").info("a line\\nand another")
        logging.getLogger("azure.core").info("of a library")
        logging.debug("quiet")
        return "hello"

    @app.route("boom")
    def boom(req):
        raise ValueError("the reason")

    @app.route("stuck")
    def stuck(req):
        import threading
        print("stuck now", flush=True)
        threading.Event().wait()
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The app above."""
    return write_app(tmp_path, APP)


def test_one_ready_line_on_stdout_and_everything_else_on_stderr(app: Path) -> None:
    with running("--root", app, "--port", "0", "--stop-with-stdin") as process:
        words = ready(process)
        assert words[0] == "ready"
        assert words[2:] == ["worker" if is_installed() else "sdk", "3", "functions"]
        assert call(words[1] + "/api/hello").body == b"hello"
        assert call(words[1] + "/api/boom").status == 500
        code, out, err = ended(process)
    assert (code, out) == (0, "")
    lines = err.splitlines()
    assert lines[:5] == [
        "printed at import",
        "printed",
        "INFO Function.hello.User: a line",
        "    and another",
        "INFO Function.hello.User: of a library",
    ]
    assert lines[5].startswith("INFO Host.Requests: GET /api/hello 200 ")
    assert lines[6].startswith("ERROR Function.boom: Executed 'boom' (Failed, Id=")
    assert lines[7] == "    Traceback (most recent call last):"
    assert lines[-2] == "    ValueError: the reason"
    assert lines[-1].startswith("INFO Host.Requests: GET /api/boom 500 ")
    assert "quiet" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_stops_it_gracefully(app: Path, name: str) -> None:
    with running("--root", app, "--port", "0") as process:
        ready(process)
        process.send_signal(signal.Signals[name])
        code, _, err = ended(process)
    assert (code, err) == (0, "printed at import\n")


def test_a_function_that_never_ends_does_not_keep_it_alive(app: Path) -> None:
    with running("--root", app, "--port", "0", "--stop-with-stdin") as process:
        url = ready(process)[1]
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(b"GET /api/stuck HTTP/1.1\r\nHost: x\r\n\r\n")
            assert process.stderr is not None
            while process.stderr.readline().strip() != "stuck now":
                pass
            assert ended(process)[0] == 0


def test_an_import_that_never_ends_does_not_keep_it_alive(app: Path) -> None:
    write_app(app, "\n    import threading\n    print('stuck now')\n    threading.Event().wait()\n")
    with running("--root", app, "--port", "0", "--stop-with-stdin") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "stuck now\n"
        assert ended(process)[:2] == (0, "")


def test_an_app_that_cannot_be_indexed_is_reported_and_the_host_runs_on(app: Path) -> None:
    (app / "function_app.py").write_text("import no_such_module\n", encoding="utf-8")
    with running("--root", app, "--port", "0", "--stop-with-stdin") as process:
        words = ready(process)
        assert words[3] == "0"
        assert call(words[1] + "/api/hello").status == 404
        code, _, err = ended(process)
    assert code == 0
    assert (
        "ERROR Host.Startup: function_app.py cannot be indexed, so every route responds with 404: "
        "ModuleNotFoundError" in err
    )
    assert "Traceback (most recent call last):" in err
    assert "import no_such_module" in err


def test_a_taken_port_is_named_and_so_is_what_to_type(app: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = _run("--root", app, "--port", str(port), "--name", "api")
    message = f"api: port {port} (host) is taken by another program; try another one with --port N\n"
    assert (finished.returncode, finished.stdout, finished.stderr) == (2, "", message)


def test_it_ends_when_the_host_stops_by_itself(app: Path) -> None:
    write_app(app, "\n    @app.route('exits')\n    def exits(req):\n        raise SystemExit(3)\n")
    with running("--root", app, "--port", "0", "--stop-with-stdin") as process:
        url = ready(process)[1]
        assert [call(url + "/api/exits").status for _ in range(4)] == [500] * 4
        assert process.wait(30) == 1


def test_a_missing_script_is_one_clear_line(tmp_path: Path) -> None:
    finished = _run("--root", tmp_path, "--port", "0")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith(f"functions_host: there is no function_app.py in {tmp_path.resolve()}")
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--root", "no/such/folder"], "does not exist"),
        (["--engine", "func"], "Core Tools on the PATH"),
        (["--port", "70000"], "is no port"),
        (["--port", "x"], "is no port"),
    ],
)
def test_other_mistakes_are_clear_too(app: Path, arguments: list[str], message: str) -> None:
    finished = _run("--root", app, *arguments)
    assert finished.returncode == 2
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [("../other.py", "plain file name"), ("other.txt", "plain file name"), ("gone.py", "no gone.py")],
)
def test_a_script_setting_the_worker_would_refuse_is_refused(app: Path, name: str, message: str) -> None:
    finished = _run("--root", app, env=environment(PYTHON_SCRIPT_FILE_NAME=name))
    assert finished.returncode == 2
    assert message in finished.stderr


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"extensions": {"http": {"routePrefix": 5}}}',
        '{"extensions": {"http": {"maxConcurrentRequests": "5"}}}',
        '{"functionTimeout": "soon"}',
        '{"functionTimeout": 5}',
    ],
)
def test_a_host_json_that_cannot_be_read_is_named(app: Path, content: str) -> None:
    (app / "host.json").write_text(content, encoding="utf-8")
    finished = _run("--root", app)
    assert finished.returncode == 2
    assert "host.json" in finished.stderr


@pytest.mark.skipif(is_installed(), reason="the worker library is installed")
def test_an_engine_that_is_not_installed_says_what_it_needs(app: Path) -> None:
    finished = _run("--root", app, "--engine", "worker")
    assert (finished.returncode, finished.stderr.strip()) == (
        2,
        "functions_host: the worker engine needs Python 3.13 or newer and the package azure-functions-runtime",
    )


def test_help_says_what_the_engines_are() -> None:
    finished = _run("--help")
    assert finished.returncode == 0
    for word in (
        "--port",
        "--engine",
        "--root",
        "--name",
        "--stop-with-stdin",
        "PYTHON_SCRIPT_FILE_NAME",
        "Core Tools",
    ):
        assert word in finished.stdout


def _run(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The program, expected to end by itself."""
    return subprocess.run(
        command(*arguments),
        env=env or environment(),
        cwd=PROJECT,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
