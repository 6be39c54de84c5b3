"""The request as a function sees it."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from emulators.functions_host import FunctionsHost
from emulators.functions_host.connection import BodyLimits
from maintainers.tests.functions_host.calls import call, connect, send, status_of
from maintainers.tests.functions_host.conftest import Serve, write_app

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
        return func.HttpResponse("the key was right")

    @app.route("master", auth_level=func.AuthLevel.ADMIN)
    def master(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("the key was right")

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
    assert seen["params"] == {"q": "x y z,2", "flag": "on,off"}
    assert seen["body"] == "\x00ÿ raw"


def test_header_names_are_lower_case_and_repeated_ones_joined_by_a_comma(host: FunctionsHost) -> None:
    headers = [("Authorization", "Bearer a"), ("X-One", "1"), ("authorization", "Bearer b"), ("X-Empty", "")]
    seen = call(host.url + "/api/echo", headers=headers).json["headers"]
    assert seen["authorization"] == "Bearer a,Bearer b"
    assert seen["x-one"] == "1"
    assert seen["x-empty"] == ""
    assert seen["host"] == urlsplit(host.url).netloc


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("A=1&a=2", {"a": "1,2"}),
        ("q=%FF&r=%C3%A9%2F", {"q": "%FF", "r": "é/"}),
        ("empty=&bare", {}),
        ("%41=%00", {"A": "\0"}),
    ],
)
def test_query_parameters(host: FunctionsHost, query: str, params: dict[str, str]) -> None:
    assert call(f"{host.url}/api/echo?{query}").json["params"] == params


@pytest.mark.parametrize(
    ("sent", "route", "url"),
    [
        ("a%252Fb", "a%2Fb", "a%2Fb"),
        ("a%2Fb", "a%2Fb", "a%2Fb"),
        ("%41%C3%A9", "Aé", "A%C3%A9"),
        ("%FF", "%FF", "%FF"),
        ("%C3%A9%ff%2f%E2%82", "é%ff%2f%E2%82", "%C3%A9%ff%2f%E2%82"),
        ("x/../y", "y", "y"),
        ("x/%2e%2E/y", "y", "y"),
        ("./y", "y", "y"),
        ("../../api/echo/y", "y", "y"),
        ("a.b..c", "a.b..c", "a.b..c"),
    ],
)
def test_the_path_is_decoded_once_and_its_dots_resolved(host: FunctionsHost, sent: str, route: str, url: str) -> None:
    seen = call(f"{host.url}/api/echo/{sent}").json
    assert (seen["route"]["id"], seen["url"]) == (route, f"{host.url}/api/echo/{url}")


def test_a_header_in_utf_8_arrives(host: FunctionsHost) -> None:
    seen = call(host.url + "/api/echo", headers=[("X-Name", "Łukasz".encode())]).json
    assert seen["headers"]["x-name"] == "Łukasz"


def test_a_large_body_arrives_whole(host: FunctionsHost) -> None:
    assert call(host.url + "/api/length", "POST", body=bytes(5_000_000)).body == b"0 5000000"


@pytest.mark.parametrize("headers", [[], [("Expect", "100-continue")]])
def test_a_body_over_the_limit_is_an_empty_500(host: FunctionsHost, headers: list[tuple[str, str]]) -> None:
    with connect(host) as connection:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        connection.sendall(f"POST /api/length HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: 104857601\r\n\r\n".encode())
        response = connection.recv(65536)
    assert (status_of(response), response.endswith(b"Content-Length: 0\r\n\r\n")) == (500, False)
    assert b"Content-Length: 0" in response


@pytest.mark.parametrize("limits", [BodyLimits(grace=0.0, rate=1e9), BodyLimits(grace=0.05)])
def test_a_body_that_comes_too_slowly_is_an_empty_500(engine: str, tmp_path: Path, limits: BodyLimits) -> None:
    with (
        FunctionsHost(write_app(tmp_path, APP), engine=engine, body_limits=limits) as slow,
        connect(slow) as connection,
    ):
        connection.sendall(b"POST /api/length HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        response = b""
        while chunk := connection.recv(65536):  # until the host closes
            response += chunk
    assert (status_of(response), b"Content-Length: 0" in response) == (500, True)


def test_a_body_may_be_announced_first(host: FunctionsHost) -> None:
    with connect(host) as connection:
        connection.sendall(b"POST /api/length HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(65536).endswith(b"\r\n3\r\n0 3\r\n0\r\n\r\n")


def test_json_and_forms_are_read_by_the_sdk(host: FunctionsHost) -> None:
    assert call(host.url + "/api/json", "POST", body=b'{"a": [1]}').json == {"a": [1]}
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert call(host.url + "/api/form", "POST", form, b"name=alice").body == b"alice"


def test_a_chunked_body_arrives_empty_as_it_does_in_azure(
    host: FunctionsHost, caplog: pytest.LogCaptureFixture
) -> None:
    chunked = "POST /api/length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with caplog.at_level(logging.WARNING):
        responses = send(host, 2 * chunked)
    assert responses.count(b"\r\n3\r\n0 0\r\n0\r\n\r\n") == 2  # the connection goes on
    assert "chunked" in caplog.text


def test_a_function_can_see_that_the_body_was_chunked(host: FunctionsHost) -> None:
    chunked = "POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert b'"transfer-encoding": "chunked"' in send(host, chunked)


def test_a_client_that_leaves_in_the_middle_of_its_body_runs_nothing(host: FunctionsHost) -> None:
    with connect(host) as connection:
        connection.sendall(b"POST /api/keep HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert call(host.url + "/api/keep", "POST", body=b"whole").json == ["whole"]


def test_a_request_cannot_be_given_as_text(host: FunctionsHost) -> None:
    assert call(host.url + "/api/as_text").status == 500


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", [], 401),
        ("?code=wrong", [], 401),
        ("", [("x-functions-key", "")], 401),
        ("?code=local", [("x-functions-key", "wrong")], 401),
        ("?code=local", [], 200),
        ("", [("X-Functions-Key", "local")], 200),
    ],
)
@pytest.mark.parametrize("path", ["secret", "master"])
def test_a_function_that_asks_for_a_key_gets_the_local_one(
    host: FunctionsHost, path: str, query: str, headers: list[tuple[str, str]], status: int
) -> None:
    response = call(f"{host.url}/api/{path}{query}", headers=headers)
    assert (response.status, response.body == b"") == (status, status == 401)


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
