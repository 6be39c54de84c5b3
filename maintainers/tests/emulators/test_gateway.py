"""The proxy: its targets, the caller that it reports, and what it refuses."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator

import pytest
import requests

from emulators import pipes
from emulators.stack import Stack

from .support import AUTHORITY, Http, connect


@contextlib.contextmanager
def connected(stack: Stack) -> Iterator[socket.socket]:
    """A raw connection to the gateway."""
    with socket.create_connection(("127.0.0.1", stack.ports.gateway), timeout=5) as raw:
        yield raw


def said(raw: socket.socket, data: bytes) -> bytes:
    """The bytes that the gateway sends until it closes the connection."""
    raw.sendall(data)
    response = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := raw.recv(4096):
            response += chunk
    return response


ELSEWHERE = (
    "example.com:443",
    "login.microsoftonline.com:80",
    "127.0.0.1:22",
    "graph.microsoft.com.evil.example:443",
    "evil.vault.azure.net:443",
    "",
    ":443",
    "login.microsoftonline.com",
)


@pytest.mark.parametrize("target", ELSEWHERE)
def test_leads_nowhere_else(target: str, shared: Stack) -> None:
    mark = shared.audit.mark()
    with connected(shared) as raw:
        assert said(raw, f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()).startswith(b"HTTP/1.1 403 ")
    [entry] = shared.audit.entries(mark)
    assert (entry.service, entry.method, entry.path, entry.status) == ("gateway", "CONNECT", target, 403)
    assert entry.verdict.startswith("refused: ")


def test_a_client_is_told_that_the_host_is_closed(shared: Stack, http: Http) -> None:
    with pytest.raises(requests.exceptions.ProxyError, match="403"):
        http.get("https://example.com/")
    assert shared.audit.entries()[-1].caller == "api"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"CONNECT  HTTP/1.1 x y\r\n\r\n", b"400"),
        (b"CONNECT graph.microsoft.com:443 HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_refuses_what_is_no_connect(data: bytes, status: bytes, shared: Stack) -> None:
    with connected(shared) as raw:
        assert said(raw, data)[9:12] == status


def test_a_client_that_leaves_early_does_no_harm(shared: Stack, http: Http) -> None:
    with connected(shared) as raw:
        raw.sendall(b"CONNECT graph.mic")
    assert http.get(f"{AUTHORITY}/discovery/v2.0/keys").status_code == 200


def test_a_tunnel_that_nobody_uses_ends(shared: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "IDLE_TIMEOUT", 0.1)
    with connected(shared) as raw:
        raw.sendall(connect("graph.microsoft.com"))
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert raw.recv(4096) == b""


@pytest.mark.parametrize("caller", ["api", "orders", "client"])
def test_the_user_name_says_who_calls(caller: str, shared: Stack) -> None:
    mark = shared.audit.mark()
    with requests.Session() as session:
        Http(shared, caller, session).get(f"{AUTHORITY}/discovery/v2.0/keys")
    assert [(entry.service, entry.caller) for entry in shared.audit.entries(mark)] == [
        ("gateway", caller),
        ("entra", caller),
    ]


@pytest.mark.parametrize("name", ["stranger", "ap\u00ef"])
def test_a_caller_without_a_known_name_is_a_question_mark(name: str, shared: Stack) -> None:
    head = "CONNECT graph.microsoft.com:443 HTTP/1.1\r\n"
    head += f"Proxy-Authorization: Basic {base64.b64encode(f'{name}:x'.encode('latin-1')).decode()}\r\n"
    with connected(shared) as raw:
        raw.sendall(f"{head}\r\n".encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert shared.audit.entries()[-1].caller == "?"


UNNAMED = b"CONNECT graph.microsoft.com:443 HTTP/1.1\r\nHost: graph.microsoft.com:443\r\n\r\n"


@pytest.mark.parametrize("times", [1, 2])
def test_a_client_that_does_not_tell_its_name_is_asked_and_may_tell_it_on_the_same_connection(
    times: int, shared: Stack
) -> None:
    """.NET, curl and Java send the proxy's credentials only then."""
    mark = shared.audit.mark()
    with connected(shared) as raw:
        for _ in range(times):
            raw.sendall(UNNAMED)
            asked = raw.recv(4096)
            assert asked.startswith(b"HTTP/1.1 407 ")
            assert b"\r\nProxy-Authenticate: Basic realm=" in asked
            assert asked.endswith(b"\r\nContent-Length: 0\r\n\r\n")
        raw.sendall(connect("graph.microsoft.com", "client"))
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert [(entry.caller, entry.status) for entry in shared.audit.entries(mark)] == [("client", 200)]


def test_a_client_that_never_tells_its_name_is_in_the_audit_trail_once(shared: Stack) -> None:
    mark = shared.audit.mark()
    with connected(shared) as raw:
        assert said(raw, UNNAMED * 3).count(b"HTTP/1.1 407 ") == 3  # then it is closed
    [entry] = shared.audit.entries(mark)
    assert (entry.caller, entry.path, entry.status) == ("?", "graph.microsoft.com:443", 407)
    assert "user name" in entry.verdict


def test_a_fault_of_the_connection_waits_for_the_name(stack: Stack) -> None:
    fault = stack.faults.add("graph", network="refused", times=1)
    with connected(stack) as raw:
        raw.sendall(UNNAMED)
        assert raw.recv(4096).startswith(b"HTTP/1.1 407 ")
        assert fault.left == 1
        raw.sendall(connect("graph.microsoft.com"))
        assert raw.recv(4096).startswith(b"HTTP/1.1 502 ")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH")
@pytest.mark.parametrize("options", [["--proxy-anyauth"], ["--proxy-anyauth", "--http1.0"], []])
def test_curl_shows_by_its_name(options: list[str], shared: Stack) -> None:
    mark, environ = shared.audit.mark(), shared.environ("client")
    address = f"{AUTHORITY}/discovery/v2.0/keys"
    command = [
        "curl",
        "-sS",
        *options,
        "--cacert",
        environ["SSL_CERT_FILE"],
        "--proxy",
        environ["HTTPS_PROXY"],
        address,
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "keys" in json.loads(done.stdout)
    seen = [(entry.service, entry.caller) for entry in shared.audit.entries(mark) if entry.status == 200]
    assert seen == [("gateway", "client"), ("entra", "client")]


def test_host_and_tunnel_must_agree(shared: Stack) -> None:
    context = ssl.create_default_context(cafile=shared.environ("api")["SSL_CERT_FILE"])
    with connected(shared) as raw:
        raw.sendall(connect("graph.microsoft.com"))
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(raw, server_hostname="graph.microsoft.com") as tls:
            request = (
                b"GET /secrets/api-client/ HTTP/1.1\r\nHost: obo-local.vault.azure.net\r\nConnection: close\r\n\r\n"
            )
            tls.sendall(request)
            assert tls.recv(4096).startswith(b"HTTP/1.1 421 ")


def test_the_certificate_is_good_for_the_emulated_hosts_only(shared: Stack) -> None:
    context = ssl.create_default_context(cafile=shared.environ("api")["SSL_CERT_FILE"])
    with connected(shared) as raw:
        raw.sendall(connect("graph.microsoft.com"))
        raw.recv(4096)
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(raw, server_hostname="example.com")


def test_a_big_body_is_refused(shared: Stack, http: Http) -> None:
    reply = http.session.post(f"{AUTHORITY}/oauth2/v2.0/token", data=b"x" * 1_100_000, timeout=10)
    assert reply.status_code == 413
    assert shared.audit.entries()[-1].verdict == "refused: the body is too large"
