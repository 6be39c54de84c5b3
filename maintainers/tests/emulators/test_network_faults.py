"""Failures below HTTP, seen from a socket: the bytes that arrive, and that no connection remains open."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from emulators.fault import NETWORK
from emulators.faults import Faults
from emulators.stack import Stack

from .support import AUTHORITY, TOKEN_URL, Http, connect, obo_form

URLS = {
    "entra.discovery": f"{AUTHORITY}/v2.0/.well-known/openid-configuration",
    "entra.keys": f"{AUTHORITY}/discovery/v2.0/keys",
    "entra.token": TOKEN_URL,
    "identity": "",
    "vault": "https://obo-local.vault.azure.net/secrets/api-client/",
    "graph": "https://graph.microsoft.com/v1.0/me",
    "orders": "https://orders-local.azurewebsites.net/api/orders",
}
KEYS = URLS["entra.keys"]
ON_A_REQUEST = ("reset-before", "reset", "hang", "drip-headers", "drip-body", "garbage")


@pytest.fixture(scope="module")
def _one_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack.start(tmp_path_factory.mktemp("faulty")) as running:
        yield running


@pytest.fixture
def stack(_one_stack: Stack, caplog: pytest.LogCaptureFixture) -> Iterator[Stack]:
    """In place of a new one for each test: a fault leaves nothing behind once it is switched off."""
    yield _one_stack
    _one_stack.faults.on_drip = None
    _one_stack.faults.clear()
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelname == "ERROR"] == []


def url_of(target: str, stack: Stack) -> str:
    return URLS[target] or stack.environ("api")["IDENTITY_ENDPOINT"]


class Tls:
    """TLS over a plain socket that stays in sight: Python's own SSLSocket shows a reset as an end of file."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._raw, self._in, self._out = raw, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._exchange()

    def sendall(self, data: bytes) -> None:
        self._tls.write(data)
        self._raw.sendall(self._out.read())

    def recv(self, size: int) -> bytes:
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._exchange()
            except ssl.SSLZeroReturnError:  # the other side has said that this is the end
                return b""

    def _exchange(self) -> None:
        if self._out.pending:
            self._raw.sendall(self._out.read())
        data = self._raw.recv(65_536)
        self._in.write(data) if data else self._in.write_eof()


@contextmanager
def requested(stack: Stack, target: str) -> Iterator[socket.socket | Tls]:
    """A connection on which one GET has been sent, through gateway and TLS where there are any."""
    url = url_of(target, stack)
    host, path = url.split("/", 3)[2:]
    port = stack.ports.identity if target == "identity" else stack.ports.gateway
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        opened: socket.socket | Tls = raw
        if target != "identity":
            raw.sendall(connect(host))
            assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
            context = ssl.create_default_context(cafile=stack.environ("api")["SSL_CERT_FILE"])
            opened = Tls(raw, context, host)
        opened.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        yield opened


def read(connection: socket.socket | Tls) -> tuple[bytes, list[bytes], type[Exception] | None]:
    """All that came, in the pieces it came in, and how it ended; None: in order."""
    pieces: list[bytes] = []
    try:
        while piece := connection.recv(65_536):
            pieces.append(piece)
    except OSError as error:
        return b"".join(pieces), pieces, type(error)
    return b"".join(pieces), pieces, None


@pytest.mark.parametrize("target", URLS)
def test_a_refused_connection(target: str, stack: Stack, own: Http) -> None:
    """Also when an open connection would not meet the fault."""
    url = url_of(target, stack)
    assert own.get(url).status_code < 504
    fault = stack.faults.add(target, network="refused", times=1)
    mark = stack.audit.mark()
    with pytest.raises(requests.ConnectionError):
        own.get(url)
    [entry] = stack.audit.entries(mark)
    assert (entry.action, entry.verdict) == ("connect", "fault: connection refused")
    assert (entry.service, entry.status) == (("identity", 0) if target == "identity" else ("gateway", 502))
    assert fault.left == 0
    assert own.get(url).status_code < 504


@pytest.mark.parametrize("target", sorted(URLS.keys() - {"identity"}))
def test_a_certificate_that_nobody_trusts(target: str, stack: Stack, own: Http) -> None:
    url = url_of(target, stack)
    own.get(url)
    stack.faults.add(target, network="tls", times=1)
    mark = stack.audit.mark()
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        own.get(url)
    assert [entry.verdict for entry in stack.audit.entries(mark)] == ["fault: certificate of an unknown authority"]
    assert own.get(url).status_code < 504


def test_whoever_accepts_that_certificate_is_sent_away(stack: Stack) -> None:
    stack.faults.add("graph", network="tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", stack.ports.gateway), timeout=10) as raw:
        raw.sendall(connect("graph.microsoft.com"))
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(raw, server_hostname="graph.microsoft.com") as tls:
            assert read(tls)[0] == b""


@pytest.mark.parametrize("target", sorted(URLS.keys() - {"identity"}))
def test_a_connection_without_a_word(target: str, stack: Stack, own: Http) -> None:
    stack.faults.add(target, network="silent")
    mark = stack.audit.mark()
    with pytest.raises(requests.Timeout):
        own.session.get(url_of(target, stack), timeout=0.2)
    assert [entry.verdict for entry in stack.audit.entries(mark)] == ["fault: a connection without a word"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(own.get, url_of(target, stack))
        while len(stack.audit.entries(mark)) < 2:
            time.sleep(0.005)
        stack.faults.clear()  # then that connection ends
        assert isinstance(waiting.exception(10), requests.ConnectionError)


def test_the_whole_host_is_hit_and_no_other(stack: Stack, own: Http) -> None:
    """Discovery, keys and tokens are on one host: a connection cannot be refused to one of them alone."""
    stack.faults.add("entra.keys", network="refused")
    for target in ("entra.keys", "entra.discovery", "entra.token"):
        with pytest.raises(requests.ConnectionError):
            own.get(URLS[target])
    assert own.get(URLS["graph"]).status_code == 401
    stack.faults.clear()
    assert own.get(KEYS).status_code == 200


@pytest.mark.parametrize("target", URLS)
def test_a_reset_before_the_response(target: str, stack: Stack) -> None:
    stack.faults.add(target, network="reset-before")
    with requested(stack, target) as connection:
        assert read(connection) == (b"", [], ConnectionResetError)
    entry = stack.audit.entries()[-1]
    assert (entry.status, entry.verdict) == (0, "fault: reset before the response")


@pytest.mark.parametrize("target", URLS)
def test_a_reset_in_the_middle_of_the_response(target: str, stack: Stack) -> None:
    stack.faults.add(target, network="reset", status=200, body="x" * 1000)
    with requested(stack, target) as connection:
        data, _, end = read(connection)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: 1000\r\n" in data
    assert data.endswith(b"\r\n\r\n" + b"x" * 500)
    assert end is ConnectionResetError
    entry = stack.audit.entries()[-1]
    assert (entry.status, entry.verdict) == (200, "fault: status 200, reset in mid-response")


def test_a_reset_in_the_middle_of_a_response_that_has_no_body(stack: Stack) -> None:
    stack.faults.add("graph", network="reset", status=204)
    with requested(stack, "graph") as connection:
        data, _, end = read(connection)
    assert data.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"\r\n\r\n" not in data
    assert end is ConnectionResetError


def test_the_services_own_response_can_be_cut_short(stack: Stack, own: Http) -> None:
    stack.faults.add("entra.keys", network="reset", times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="Connection broken"):
        own.get(KEYS)
    assert stack.audit.entries()[-1].verdict.startswith("fault: reset in mid-response; ")
    assert own.get(KEYS).json()["keys"]


@pytest.mark.parametrize("target", URLS)
@pytest.mark.parametrize("kind", ["drip-headers", "drip-body"])
def test_a_response_byte_by_byte(target: str, kind: str, stack: Stack) -> None:
    """It comes whole in the end, one byte at a time; a test's clock can move with each."""
    steps: list[str] = []
    stack.faults.on_drip = lambda: steps.append(threading.current_thread().name)
    stack.faults.add(target, network=kind, status=200, body={"a": 1})
    with requested(stack, target) as connection:
        data, pieces, end = read(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    assert (body, end) == (b'{"a": 1}', None)
    assert len(steps) == (len(head) + 4 if kind == "drip-headers" else len(body))
    assert len(pieces) > len(steps) / 2  # a busy machine may hand over two at a time
    assert set(steps) == {"emulators"}


def test_the_pause_between_two_bytes_can_be_chosen(stack: Stack, own: Http) -> None:
    fault = stack.faults.add("graph", network="drip-body", delay=0.02, status=200, body="x" * 10)
    assert own.get(URLS["graph"]).text == "x" * 10
    assert stack.audit.entries()[-1].verdict == "fault: status 200, body byte by byte, delayed 0.02 s"
    stack.faults.remove(fault)
    stack.faults.add("graph", network="drip-body", delay=600, status=200, body="x" * 10)
    with pytest.raises(requests.RequestException, match="timed out"):
        own.session.get(URLS["graph"], timeout=0.3)


@pytest.mark.parametrize("target", ["graph", "identity"])
@pytest.mark.parametrize("kind", ["drip-headers", "drip-body"])
def test_a_drip_ends_when_nobody_listens(target: str, kind: str, stack: Stack, own: Http) -> None:
    steps: list[int] = []
    stack.faults.on_drip = lambda: steps.append(1)
    long = "x" * (1_000_000 if kind == "drip-body" else 1)
    stack.faults.add(target, network=kind, status=200, body=long, headers={"X-Note": "x" * 10_000})
    with requested(stack, target) as connection:
        connection.recv(100)
    stack.faults.clear()
    counts = [-1]
    while len(counts) < 100 and counts[-1] != len(steps):
        counts.append(len(steps))
        time.sleep(0.05)
    assert counts[-1] == len(steps)
    assert own.get(URLS["graph"]).status_code == 401


@pytest.mark.parametrize("target", URLS)
def test_what_is_no_http(target: str, stack: Stack, own: Http) -> None:
    url = url_of(target, stack)
    stack.faults.add(target, network="garbage", times=1)
    with pytest.raises(requests.ConnectionError):
        own.get(url)
    assert stack.audit.entries()[-1].verdict == "fault: bytes that are not HTTP"
    assert own.get(url).status_code < 504


@pytest.mark.parametrize("target", URLS)
def test_a_hanging_request_is_answered_when_the_fault_is_switched_off(target: str, stack: Stack, own: Http) -> None:
    stack.faults.add(target, network="hang")
    mark = stack.audit.mark()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(own.get, url_of(target, stack))
        while "fault: no response" not in [entry.verdict for entry in stack.audit.entries(mark)]:
            time.sleep(0.005)
        assert not hanging.done()
        stack.faults.clear()
        assert hanging.result(10).status_code < 504


def test_a_caller_may_give_up_on_a_hanging_request(stack: Stack, own: Http) -> None:
    fault = stack.faults.add("graph", network="hang")
    with pytest.raises(requests.ReadTimeout):
        own.session.get(URLS["graph"], timeout=0.2)
    stack.faults.remove(fault)
    stack.faults.remove(fault)
    assert own.get(URLS["graph"]).status_code == 401


def test_the_end_of_the_stack_is_the_end_of_every_fault(tmp_path: Path) -> None:
    threads = threading.active_count()
    stack = Stack.start(tmp_path)
    long = {"status": 200, "body": "x" * 1_000_000}
    stack.faults.add("graph", network="hang")
    stack.faults.add("identity", network="hang")
    stack.faults.add("vault", network="silent")
    stack.faults.add("orders", network="drip-body", **long)  # type: ignore[arg-type]
    callers = {target: Http(stack) for target in ("graph", "identity", "vault", "orders")}
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(caller.get, url_of(target, stack)) for target, caller in callers.items()]
        while len([entry for entry in stack.audit.entries() if entry.verdict.startswith("fault")]) < 4:
            time.sleep(0.005)
        pool.submit(stack.stop).result(60)
        assert all(isinstance(call.exception(10), requests.RequestException) for call in waiting)
    for caller in callers.values():
        caller.session.close()
    assert threading.active_count() == threads
    stack.faults.clear()  # with nobody left to tell
    stack.faults.add("graph", network="refused")


@pytest.mark.parametrize("kind", ON_A_REQUEST)
def test_a_network_failure_may_hit_one_path_and_one_person(kind: str, stack: Stack, own: Http) -> None:
    own.session.headers["Connection"] = "close"
    stack.faults.add("entra.token", network=kind, person="alice", times=1)
    alice, olga = (obo_form(stack, stack.issue_access_token(person)) for person in ("alice", "olga"))
    assert own.get(KEYS).status_code == 200
    assert own.post(TOKEN_URL, olga).status_code == 200
    if kind.startswith("drip"):
        assert own.post(TOKEN_URL, alice).status_code == 200
    else:
        with pytest.raises(requests.RequestException):
            own.session.post(TOKEN_URL, data=alice, timeout=0.3)
    assert stack.audit.entries()[-1].person == "alice"
    assert stack.audit.entries()[-1].verdict.endswith("for alice") or kind.startswith(("drip", "reset"))


@pytest.mark.parametrize("target", URLS)
def test_every_target_can_respond_at_length_and_redirect(target: str, stack: Stack, own: Http) -> None:
    url, long = url_of(target, stack), "x" * 10_000_000
    for status, headers, body in (
        (200, {}, long),
        (200, {}, ""),
        (200, {}, "<html>"),
        (302, {"Location": "https://graph.microsoft.com/v1.0/me"}, ""),
    ):
        stack.faults.add(target, status=status, headers=headers, body=body, times=1)
        reply = own.get(url)
        assert (reply.status_code, reply.text == body) == (status, True)
        assert reply.headers.get("location") == headers.get("Location")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "rest"}, "network must be one of refused, .*, not 'rest'"),
        ({"network": "refused", "status": 500}, "sends no response"),
        ({"network": "hang", "status": 500}, "sends no response"),
        ({"network": "hang", "delay": 1}, "takes no delay"),
        ({"network": "tls", "delay": 1}, "takes no delay"),
        ({"network": "tls", "person": "alice"}, "names no person"),
        ({"network": "reset", "body": "x"}, "need a status"),
    ],
)
def test_a_network_failure_that_makes_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Faults().add("graph", **options)  # type: ignore[arg-type]  # a row of the table above


@pytest.mark.parametrize("kind", ["tls", "silent"])
def test_tls_cannot_fail_where_there_is_none(kind: str) -> None:
    with pytest.raises(ValueError, match="does not speak"):
        Faults().add("identity", network=kind)


def test_the_documentation_names_every_kind_and_no_other() -> None:
    text = (Path(__file__).parents[3] / "docs" / "local-stack.md").read_text(encoding="utf-8")
    rows = text.partition("| `network` | what the other side sees |")[2].partition("\n\n")[0].splitlines()[2:]
    assert {name.strip(" `") for row in rows for name in row.split("|")[1].split(",")} == NETWORK.keys()


def test_network_failures_can_be_switched_at_the_sign_in_server(stack: Stack, own: Http) -> None:
    url = f"{stack.sign_in_url}/_emulators/faults"
    reply = requests.post(url, json={"target": "graph", "network": "refused", "times": 1}, timeout=10)
    assert (reply.status_code, reply.json()["added"]) == (201, "fault: connection refused")
    with pytest.raises(requests.ConnectionError):
        own.get(URLS["graph"])
    assert own.get(URLS["graph"]).status_code == 401
    mistakes: list[dict[str, object]] = [
        {"network": "rest"},
        {"network": 1},
        {"network": []},
        {"status": 500, "delay": "x"},
    ]
    for wrong in mistakes:
        assert requests.post(url, json={"target": "graph", **wrong}, timeout=10).status_code == 400
