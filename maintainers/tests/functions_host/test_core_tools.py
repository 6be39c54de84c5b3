"""The func engine, with a program that stands in for Azure Functions Core Tools."""

from __future__ import annotations

import os
import socket
import sys
import textwrap
from pathlib import Path

import pytest

from maintainers.tests.functions_host.calls import call
from maintainers.tests.functions_host.conftest import write_app
from maintainers.tests.functions_host.programs import ended, environment, ready, running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for func is a POSIX script")

# Like the real one it is a tree of two processes: `func`, and a host below it which listens and ignores SIGTERM.
FUNC = """\
    #!{python}
    import os, signal, subprocess, sys
    print("func", *sys.argv[1:], os.environ["FUNCTIONS_WORKER_RUNTIME"], os.getcwd(), flush=True)
    print("interpreter", os.environ.get("languageWorkers:python:defaultExecutablePath"), flush=True)
    sys.exit(subprocess.call([sys.executable, "-c", PROGRAM, *sys.argv[1:]]))
"""

HOST = """\
    import http.server, os, signal, sys
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'[{"name": "a"}, {"name": "b"}]' if self.path == "/admin/functions" else b"served"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *arguments):
            pass
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app for Core Tools to serve."""
    return write_app(tmp_path / "app", "")


def test_it_is_preferred_and_stopped_with_everything_it_started(app: Path, tmp_path: Path) -> None:
    with running("--root", app, "--port", "0", "--stop-with-stdin", env=_with_func(tmp_path, HOST)) as process:
        words = ready(process)
        assert words[0] == "ready"
        assert words[2:] == ["func", "2", "functions"]
        assert call(words[1]).body == b"served"
        code, _, err = ended(process)
    assert code == 0
    port = words[1].rpartition(":")[2]
    assert err.splitlines()[:2] == [f"func start --port {port} python {app.resolve()}", f"interpreter {sys.executable}"]
    with pytest.raises(ConnectionRefusedError):
        call(words[1])  # the process below func is gone too


def test_an_interpreter_that_the_person_has_chosen_stays(app: Path, tmp_path: Path) -> None:
    chosen = {**_with_func(tmp_path, HOST), "languageWorkers:python:defaultExecutablePath": "/opt/python"}
    with running("--root", app, "--port", "0", "--stop-with-stdin", env=chosen) as process:
        ready(process)
        _, _, err = ended(process)
    assert err.splitlines()[1] == "interpreter /opt/python"


def test_a_func_that_ends_before_it_listens_is_reported(app: Path, tmp_path: Path) -> None:
    program = "import sys; print('no host.json', file=sys.stderr); sys.exit(7)"
    with running("--root", app, "--port", "0", env=_with_func(tmp_path, program)) as process:
        code, out, err = ended(process)
    assert (code, out) == (1, "")
    assert "no host.json" in err
    assert err.endswith("functions_host: func start ended with exit code 7 before it listened; its output is above\n")


def test_a_func_that_dies_later_ends_the_host_too(app: Path, tmp_path: Path) -> None:
    dies = HOST.replace('b"served"', "os._exit(3)")
    with running("--root", app, "--port", "0", env=_with_func(tmp_path, dies)) as process:
        url = ready(process)[1]
        with pytest.raises(ConnectionError):
            call(url + "/die")
        code, _, err = ended(process)
    assert code == 1
    assert err.endswith("func start ended by itself with exit code 3\n")


def test_a_taken_port_is_found_before_func_is_started(app: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running("--root", app, "--port", port, env=_with_func(tmp_path, HOST)) as process:
            code, _, err = ended(process)
    assert code == 2
    assert err == f"functions_host: port {port} (host) is taken by another program; try another one with --port N\n"


def test_another_engine_can_be_chosen(app: Path, tmp_path: Path) -> None:
    arguments = ("--root", app, "--port", "0", "--engine", "sdk", "--stop-with-stdin")
    with running(*arguments, env=_with_func(tmp_path, HOST)) as process:
        assert ready(process)[2] == "sdk"
        assert ended(process)[0] == 0


def _with_func(folder: Path, program: str) -> dict[str, str]:
    """An environment whose PATH finds a `func` that runs `program` as its child."""
    script = folder / "bin" / "func"
    script.parent.mkdir()
    source = textwrap.dedent(FUNC).format(python=sys.executable)
    script.write_text(source.replace("PROGRAM", repr(textwrap.dedent(program))), encoding="utf-8")
    script.chmod(0o755)
    env = environment()
    return {**env, "PATH": f"{script.parent}{os.pathsep}{env['PATH']}"}
