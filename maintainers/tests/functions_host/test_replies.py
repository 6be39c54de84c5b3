"""The response to a caller for each result of a function."""

from __future__ import annotations

import logging

import pytest

from emulators.functions_host import FunctionsHost
from maintainers.tests.functions_host.calls import call, send
from maintainers.tests.functions_host.conftest import Serve

APP = """
    @app.route("response")
    def response(req: func.HttpRequest) -> func.HttpResponse:
        headers = {"X-One": "1", "Content-Length": "999", "Connection": "close"}
        return func.HttpResponse("é", status_code=418, headers=headers, mimetype="text/html", charset="latin-1")

    @app.route("problem")
    def problem(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(b"{}", status_code=401, mimetype="application/problem+json",
                                 headers={"WWW-Authenticate": 'Bearer realm="x"'})

    @app.route("own_type")
    async def own_type(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("x", headers={"Content-Type": "text/csv"})

    @app.route("cookies")
    def cookies(req: func.HttpRequest) -> func.HttpResponse:
        reply = func.HttpResponse("x")
        reply.headers.add("Set-Cookie", "a=1; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60; Domain=x.test")
        reply.headers.add("Set-Cookie", "b=two; Expires=Wed, 21 Oct 2026 07:28:00 GMT")
        return reply

    @app.route("bad_cookie")
    def bad_cookie(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("x", headers={"Set-Cookie": "b=two; Expires=soon"})

    @app.route("text")
    def text(req: func.HttpRequest) -> str:
        return "snow ☃"

    @app.route("empty")
    def empty(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()

    @app.route("no_content")
    def no_content(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("not sent", status_code=204)

    @app.route("raises")
    def raises(req: func.HttpRequest) -> func.HttpResponse:
        raise ZeroDivisionError("the reason, for the log only")

    @app.route("raises_async")
    async def raises_async(req: func.HttpRequest) -> func.HttpResponse:
        raise ZeroDivisionError("the reason, for the log only")

    @app.route("returns_none")
    def returns_none(req: func.HttpRequest):
        return None

    @app.route("returns_dict")
    def returns_dict(req: func.HttpRequest):
        return {"a": 1}

    @app.route("returns_bytes")
    def returns_bytes(req: func.HttpRequest):
        return b"bytes"

    @app.route("bad_header")
    def bad_header(req: func.HttpRequest):
        return func.HttpResponse("x", headers={"X-Name": "☃"})

    @app.route("status/{code}")
    def status(req: func.HttpRequest):
        return func.HttpResponse("x", status_code=int(req.route_params["code"]))

    @app.generic_trigger(arg_name="req", type="httpTrigger", route="without_output")
    def without_output(req: func.HttpRequest):
        return None

    @app.generic_trigger(arg_name="req", type="httpTrigger", route="without_output_but_returns")
    def without_output_but_returns(req: func.HttpRequest):
        return "nobody takes it"

    @app.route("out", binding_arg_name="reply")
    def out(req: func.HttpRequest, reply: func.Out[func.HttpResponse]) -> None:
        if req.params:
            reply.set(func.HttpResponse("set", status_code=201))

    @app.route("logs")
    def logs(req: func.HttpRequest):
        logging.info("a line\\nand another")
        return "logged"
"""


@pytest.fixture(scope="module")
def host(serve: Serve) -> FunctionsHost:
    """The app above."""
    return serve(APP)


def test_a_response_keeps_its_status_headers_type_and_charset(host: FunctionsHost) -> None:
    response = call(host.url + "/api/response")
    assert (response.status, response.body) == (418, b"\xe9")
    assert response.headers["Content-Type"] == "text/html; charset=latin-1"
    assert response.headers["X-One"] == "1"


def test_the_server_frames_the_message_whatever_the_function_says(host: FunctionsHost) -> None:
    headers = call(host.url + "/api/response").headers
    assert headers.get_all("Content-Length") is None
    assert headers.get_all("Transfer-Encoding") == ["chunked"]
    assert headers.get_all("Connection") is None


def test_the_server_is_kestrel(host: FunctionsHost) -> None:
    headers = call(host.url + "/api/text").headers
    assert headers.get_all("Server") == ["Kestrel"]
    assert headers["Date"].endswith(" GMT")


def test_a_type_that_is_not_text_gets_no_charset(host: FunctionsHost) -> None:
    response = call(host.url + "/api/problem")
    assert (response.status, response.headers["Content-Type"]) == (401, "application/problem+json")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="x"'


def test_a_content_type_among_the_headers_wins(host: FunctionsHost) -> None:
    assert call(host.url + "/api/own_type").headers.get_all("Content-Type") == ["text/csv"]


def test_several_cookies_each_have_their_header(host: FunctionsHost) -> None:
    assert call(host.url + "/api/cookies").headers.get_all("Set-Cookie") == [
        "a=1; max-age=60; domain=x.test; path=/; secure; samesite=lax; httponly",
        "b=two; expires=Wed, 21 Oct 2026 07:28:00 GMT; domain=; path=",
    ]


def test_a_string_is_plain_text(host: FunctionsHost) -> None:
    response = call(host.url + "/api/text")
    assert (response.status, response.body) == (200, "snow ☃".encode())
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_an_empty_response_is_a_200(host: FunctionsHost) -> None:
    response = call(host.url + "/api/empty")
    assert (response.status, response.body, response.headers["Transfer-Encoding"]) == (200, b"", "chunked")


def test_a_204_has_no_body(host: FunctionsHost) -> None:
    response = call(host.url + "/api/no_content")
    assert (response.status, response.body, response.headers["Content-Length"]) == (204, b"", None)


def test_head_runs_the_function_and_sends_no_body(host: FunctionsHost) -> None:
    response = call(host.url + "/api/response", "HEAD")
    assert (response.status, response.body, response.headers["X-One"]) == (418, b"", "1")


@pytest.mark.parametrize("name", ["raises", "raises_async"])
def test_an_exception_is_an_empty_500_and_a_traceback_in_the_log(
    host: FunctionsHost, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = call(host.url + f"/api/{name}")
    assert (response.status, response.body, response.headers["Content-Length"]) == (500, b"", "0")
    [record] = caplog.records
    assert record.name == f"Function.{name}"
    assert "ZeroDivisionError" in record.getMessage()
    assert "the reason, for the log only" in vars(record)["stack_trace"]
    assert "function_app.py" in vars(record)["stack_trace"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("returns_none", 'unsupported type "http" for Python type "NoneType"'),
        ("returns_dict", 'unsupported type "http" for Python type "dict"'),
        ("returns_bytes", 'unsupported type "http" for Python type "bytes"'),
        ("without_output_but_returns", "without a $return binding returned a non-None value"),
        ("bad_header", "X-Name"),
        ("status/101", "101"),
        ("bad_cookie", "soon"),
    ],
)
def test_what_cannot_be_sent_is_an_empty_500(
    host: FunctionsHost, name: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = call(host.url + f"/api/{name}")
    assert (response.status, response.body) == (500, b"")
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("200", b"HTTP/1.1 200 OK"),
        ("418", b"HTTP/1.1 418 I'm a Teapot"),
        ("600", b"HTTP/1.1 600 "),
        ("999", b"HTTP/1.1 999 "),
        ("1000", b"HTTP/1.1 1000 "),
        ("0", b"HTTP/1.1 0 "),
        ("-1", b"HTTP/1.1 -1 "),
    ],
)
def test_a_status_that_http_does_not_know_is_sent_as_it_is(host: FunctionsHost, status: str, line: bytes) -> None:
    head, _, body = send(host, f"GET /api/status/{status} HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == line
    assert (b"Transfer-Encoding: chunked" in head, body) == (True, b"1\r\nx\r\n0\r\n\r\n")


def test_none_without_an_http_output_is_a_204(host: FunctionsHost) -> None:
    assert call(host.url + "/api/without_output").status == 204


def test_an_output_parameter_carries_the_reply(host: FunctionsHost) -> None:
    response = call(host.url + "/api/out?set=1")
    assert (response.status, response.body) == (201, b"set")
    assert call(host.url + "/api/out").status == 204


def test_functions_log_through_the_process_logging(host: FunctionsHost, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert call(host.url + "/api/logs").body == b"logged"
    assert ("root", logging.INFO, "a line\nand another") in caplog.record_tuples
