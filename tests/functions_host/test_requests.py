"""What a function sees of a request."""

from __future__ import annotations

import logging
import socket
from urllib.parse import urlsplit

import pytest

from emulators.functions_host import FunctionsHost
from tests.functions_host.calls import call
from tests.functions_host.conftest import Serve

APP = """
    @app.route("echo/{id?}")
    def echo(req: func.HttpRequest) -> func.HttpResponse:
        seen = {
            "method": req.method,
            "url": req.url,
            "headers": dict(req.headers),
            "params": dict(req.params),
            "route": dict(req.route_params),
            "body": req.get_body().decode("latin-1"),
        }
        return func.HttpResponse(json.dumps(seen), mimetype="application/json")

    @app.route("json")
    def as_json(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(json.dumps(req.get_json()))

    @app.route("form")
    def form(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.form["name"])

    @app.route("length")
    def length(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"{len(req.headers.get('authorization', ''))} {len(req.get_body())}")

    bodies = []

    @app.route("keep")
    async def keep(req: func.HttpRequest) -> func.HttpResponse:
        bodies.append(req.get_body().decode())
        return func.HttpResponse(json.dumps(bodies))

    @app.route("as_text")
    def as_text(req: str):
        return "the worker indexes this, and cannot call it"

    @app.route("secret", auth_level=func.AuthLevel.FUNCTION)
    def secret(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("no key is asked for")

    @app.route("context")
    def with_context(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return func.HttpResponse(json.dumps({
            "invocation": context.invocation_id,
            "name": context.function_name,
            "directory": context.function_directory,
            "parent": context.trace_context.trace_parent,
            "Parent": context.trace_context.Traceparent,
            "state": context.trace_context.trace_state,
            "local": context.thread_local_storage.invocation_id,
            "retries": context.retry_context.retry_count,
        }))
"""


@pytest.fixture(scope="module")
def host(serve: Serve) -> FunctionsHost:
    """The app above."""
    return serve(APP)


def test_method_url_query_and_body(host: FunctionsHost) -> None:
    url = host.url + "/api/echo/a%20b?q=x%20y+z&q=2&Flag=on&flag=off&empty=&bare"
    seen = call(url, "PATCH", body=b"\x00\xff raw").json
    assert seen["method"] == "PATCH"
    assert seen["url"] == url
    assert seen["route"] == {"id": "a b"}
    assert seen["params"] == {"q": "x y z,2", "Flag": "on,off"}
    assert seen["body"] == "\x00ÿ raw"


def test_header_names_are_lower_case_and_repeated_ones_joined_by_a_comma(host: FunctionsHost) -> None:
    headers = [("Authorization", "Bearer a"), ("X-One", "1"), ("authorization", "Bearer b"), ("X-Empty", "")]
    seen = call(host.url + "/api/echo", headers=headers).json["headers"]
    assert seen["authorization"] == "Bearer a,Bearer b"
    assert seen["x-one"] == "1"
    assert seen["x-empty"] == ""
    assert seen["host"] == urlsplit(host.url).netloc


def test_header_bytes_that_are_not_ascii_arrive(host: FunctionsHost) -> None:
    seen = call(host.url + "/api/echo", headers=[("Authorization", b"Bearer \xe9\xff")]).json
    assert seen["headers"]["authorization"] == "Bearer éÿ"


def test_a_header_of_a_megabyte_arrives(host: FunctionsHost) -> None:
    answer = call(host.url + "/api/length", headers=[("Authorization", "x" * 1_000_000)])
    assert (answer.status, answer.body) == (200, b"1000000 0")


def test_a_large_body_arrives_whole(host: FunctionsHost) -> None:
    assert call(host.url + "/api/length", "POST", body=bytes(5_000_000)).body == b"0 5000000"


def test_a_body_over_100_megabytes_is_refused_before_it_is_sent(host: FunctionsHost) -> None:
    headers = [("Content-Length", str(100 * 1024 * 1024 + 1)), ("Expect", "100-continue")]
    answer = call(host.url + "/api/length", "POST", headers=headers)
    assert (answer.status, answer.body) == (413, b"")


def test_json_and_forms_are_read_by_the_sdk(host: FunctionsHost) -> None:
    assert call(host.url + "/api/json", "POST", body=b'{"a": [1]}').json == {"a": [1]}
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert call(host.url + "/api/form", "POST", form, b"name=alice").body == b"alice"


def test_a_chunked_body_arrives_empty_as_it_does_in_azure(
    host: FunctionsHost, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [("Transfer-Encoding", "chunked")]
    with caplog.at_level(logging.WARNING):
        answer = _send_raw(host, b"POST /api/length HTTP/1.1", headers, b"3\r\nabc\r\n0\r\n\r\n")
    assert answer.endswith(b"0 0")
    assert "chunked" in caplog.text


def test_a_client_that_leaves_in_the_middle_of_its_body_runs_nothing(host: FunctionsHost) -> None:
    with _connect(host) as connection:
        connection.sendall(b"POST /api/keep HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert call(host.url + "/api/keep", "POST", body=b"whole").json == ["whole"]


def test_a_request_cannot_be_given_as_text(host: FunctionsHost) -> None:
    assert call(host.url + "/api/as_text").status == 500


def test_function_keys_are_not_asked_for_on_this_machine(host: FunctionsHost) -> None:
    assert call(host.url + "/api/secret").status == 200


def test_the_context_names_the_invocation_and_goes_on_with_the_callers_trace(host: FunctionsHost) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    seen = call(host.url + "/api/context", headers=[("traceparent", parent), ("tracestate", "a=1")]).json
    assert seen["name"] == "with_context"
    assert seen["directory"] == str(host.layout.root)
    assert seen["local"] == seen["invocation"] != ""
    assert seen["parent"] == seen["Parent"] != parent
    assert seen["parent"].split("-")[1] == parent.split("-")[1]
    assert seen["state"] == "a=1"
    assert seen["retries"] == 0


def test_each_invocation_without_a_trace_starts_one(host: FunctionsHost) -> None:
    first, second = (
        call(host.url + "/api/context", headers=[("traceparent", "nonsense"), ("tracestate", "a=1")]).json
        for _ in range(2)
    )
    assert first["invocation"] != second["invocation"]
    assert first["parent"][:35] != second["parent"][:35]
    assert first["state"] == ""


def _connect(host: FunctionsHost) -> socket.socket:
    parts = urlsplit(host.url)
    return socket.create_connection((parts.hostname, parts.port or 0), timeout=30)


def _send_raw(host: FunctionsHost, line: bytes, headers: list[tuple[str, str]], body: bytes) -> bytes:
    """A request byte by byte, on a connection that the server closes."""
    lines = [line, b"Host: x", b"Connection: close", *(f"{name}: {value}".encode() for name, value in headers)]
    answer = b""
    with _connect(host) as connection:
        connection.sendall(b"\r\n".join([*lines, b"", body]))
        while chunk := connection.recv(65536):
            answer += chunk
    return answer
