"""The parts of emulators/local that decide something: variables, ports, lines."""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from emulators.audit import Entry
from emulators.local.environment import for_core_tools, ignored_settings, process_environ
from emulators.local.errors import LocalError
from emulators.local.health import complaint, wrong_settings
from emulators.local.ports import StackPorts
from emulators.local.state import published, running
from emulators.local.timeline import Timeline, wants_colors
from emulators.people import CONTOSO

OTHER = "12345678-90ab-4cde-8f01-234567890abc"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def hop(status: int = 200, verdict: str = "ok", ms: float = 1.25, path: str = "/x") -> Entry:
    return Entry(0.0, "api", "entra", "GET", path, "keys", status, verdict, ms)


@pytest.mark.parametrize(
    "name",
    [
        "ALL_PROXY",
        "all_proxy",
        "http_proxy",
        "CURL_CA_BUNDLE",
        "AZURE_CLIENT_ID",
        "AzureAd__ClientId",
        "IDENTITY_SERVER_THUMBPRINT",
        "DownstreamApis__Graph__BaseUrl",
        "PYTHON_SCRIPT_FILE_NAME",
        "TokenCache__Redis__Url",
        "MSI_ENDPOINT",
        "API_BASE_URL",
        "SSL_CERT_DIR",
    ],
)
def test_a_dangerous_variable_does_not_reach_the_app(name: str) -> None:
    assert name not in process_environ({"OWN": "1"}, {name: "x", "HOME": "h"})


def test_the_rest_of_the_environment_does_and_ours_wins() -> None:
    environ = process_environ({"HTTPS_PROXY": "ours"}, {"HTTPS_PROXY": "theirs", "HOME": "h", "PATH": "p"})

    programs = str(Path(sys.executable).parent)
    assert environ == {"HTTPS_PROXY": "ours", "HOME": "h", "PATH": f"{programs}{os.pathsep}p"}


def test_only_settings_of_the_api_are_told_as_ignored() -> None:
    shell = {
        "DownstreamApis__Stock__BaseUrl": "x",
        "AZUREAD__TENANTID": "x",
        "HTTPS_PROXY": "x",
        "AZURE_CLIENT_ID": "x",
    }

    assert ignored_settings(shell) == ["AZUREAD__TENANTID", "DownstreamApis__Stock__BaseUrl"]


def test_core_tools_reach_their_downloads_and_the_app_still_only_the_gateway(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("OURS", encoding="ascii")
    own = {"NO_PROXY": "localhost", "SSL_CERT_FILE": str(ca), "REQUESTS_CA_BUNDLE": str(ca), "HTTPS_PROXY": "p"}

    changed = for_core_tools(own)

    assert changed["NO_PROXY"].startswith("localhost,cdn.functions.azure.com")
    assert (changed["REQUESTS_CA_BUNDLE"], changed["HTTPS_PROXY"]) == (str(ca), "p")
    both = Path(changed["SSL_CERT_FILE"]).read_text(encoding="utf-8")
    assert both.startswith("OURS\n")
    assert "BEGIN CERTIFICATE" in both


def test_ports_are_five_in_a_row_or_any() -> None:
    assert StackPorts.starting_at(8000) == StackPorts(8000, 8002, 8003, 8004)
    assert StackPorts.starting_at(0) == StackPorts(0, 0, 0, 0)
    StackPorts().check("run")


def test_further_apps_have_the_ports_after_those_five() -> None:
    ports = StackPorts.starting_at(8000, ["orders", "stock", "bank"])
    assert ports.apps == {"orders": 8001, "stock": 8005, "bank": 8006}
    assert (ports.size, StackPorts.starting_at(0, ["orders"]).apps) == (7, {"orders": 0})
    with pytest.raises(LocalError, match=r"--port must be 65529 or less, for 7 ports in a row"):
        StackPorts.starting_at(65530, ["orders", "stock", "bank"])


def test_the_port_of_an_app_that_is_taken_is_told_by_its_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} \(stock\) is taken by another program"):
            StackPorts(apps={"stock": port}).check("run")


def test_a_listener_on_all_interfaces_has_the_port_too() -> None:
    with (
        socket.create_server(("", 0)) as everywhere,
        pytest.raises(LocalError, match=r"is taken.*emulators --port \d+"),
    ):
        StackPorts(identity=everywhere.getsockname()[1]).check("emulators")


def test_the_state_is_there_while_the_block_runs(tmp_path: Path) -> None:
    where = {
        "command": "run",
        "api_url": "a",
        "apis": {"stock": "o"},
        "sign_in_url": "s",
        "environ": {"api": {"A": "1"}},
    }
    assert running(tmp_path) is None

    with published(tmp_path, **where) as state:
        assert running(tmp_path) == state

    assert running(tmp_path) is None


def test_a_hop_is_one_aligned_line() -> None:
    out = io.StringIO()
    timeline = Timeline(out)

    timeline.hop(hop(path=f"/{CONTOSO}/x/{OTHER}"))
    timeline.hop(hop(500, "broken", 123.4, "/longer/path"), indent="  ")

    first, second = out.getvalue().splitlines()
    assert "/contoso/x/12345678…" in first
    assert first.endswith("200    1.2 ms  ok")
    assert second.endswith("500    123 ms  broken")
    assert first.index("200") == second.index("500")
    assert "  api → entra" in second


def test_colors_on_a_terminal_only() -> None:
    terminal = Terminal()
    Timeline(terminal, colors=True).hop(hop(404))

    assert "\x1b[33m404\x1b[0m" in terminal.getvalue()
    capable = {"TERM": "xterm", "WT_SESSION": "1"}
    assert wants_colors(terminal, capable)
    assert not wants_colors(terminal, capable | {"NO_COLOR": "1"})
    assert not wants_colors(terminal, {"TERM": "dumb"})
    assert not wants_colors(io.StringIO(), capable)


def test_an_apps_warnings_are_shown_with_their_traceback_and_the_rest_is_not() -> None:
    out = io.StringIO()
    timeline = Timeline(out)
    lines = [
        "INFO a: quiet",
        "  quiet too",
        "WARNING a: loud",
        "ERROR a: louder",
        "Traceback",
        "  File",
        "INFO a: quiet",
    ]

    for line in lines:
        timeline.logged("api", line)

    shown = [line.removeprefix(" " * 10) for line in out.getvalue().splitlines()]
    assert shown == [f"api log  {line}" for line in lines[2:6]]


def test_the_reason_of_a_refusal_is_shown_without_the_rest_of_its_line() -> None:
    out = io.StringIO()
    line = "Function.me.User: request function=me method=GET status={} ms=1 user=- correlation_id=x code={} reason={}"
    for row in (("401", "invalid_token", '"audience: \\"x\\""'), ("200", "x", '"x"'), ("401", "missing_token", "")):
        Timeline(out).logged("api", f"INFO {line.format(*row)}")
    assert out.getvalue() == '          api log  401 invalid_token: audience: "x"\n'


def test_a_request_the_host_reports_is_a_hop_once() -> None:
    out = io.StringIO()
    timeline = Timeline(out)

    for app in ("api", "orders"):  # what reaches Orders has come through the gateway, and is reported there
        timeline.logged(app, "INFO Host.Requests: GET /api/me 200 12.5 ms")

    assert out.getvalue().count("\n") == 1
    assert "client → api" in out.getvalue()
    assert "/api/me" in out.getvalue()


def test_a_request_of_the_stack_itself_is_no_hop() -> None:
    out = io.StringIO()
    timeline = Timeline(out)
    timeline.leave_out("/api/health")
    for _ in range(2):
        timeline.logged("api", "INFO Host.Requests: GET /api/health 200 12.5 ms")
    assert out.getvalue().count("/api/health") == 1


@pytest.mark.parametrize(
    ("status", "content", "names"),
    [
        (503, '{"settings": ["A", "B"]}', ["A", "B"]),
        (503, '{"settings": {"A": 1}}', []),
        (503, '["A"]', []),
        (503, "busy", []),
        (200, '{"settings": ["A"]}', []),
        (404, "", []),
    ],
)
def test_a_health_check_of_ones_own_is_not_taken_for_the_templates(status: int, content: str, names: list[str]) -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/v1/api/health"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert wrong_settings(f"http://127.0.0.1:{server.server_port}/v1") == names
        thread.join(10)
    assert wrong_settings(f"http://127.0.0.1:{server.server_port}") == []  # nobody listens


def test_wrong_settings_are_told_in_one_sentence() -> None:
    assert complaint([]) == ""
    assert complaint(["A", "B"]) == "Every function responds with 500, because these settings are wrong: A, B."
