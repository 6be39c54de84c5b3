"""Which function is called: routes, methods, prefix and precedence of the real host."""

from __future__ import annotations

import json

import pytest

from emulators.functions_host import FunctionsHost
from maintainers.tests.functions_host.calls import call
from maintainers.tests.functions_host.conftest import Serve

APP = """
    def told(name):
        def body(req: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse(json.dumps([name, req.method, dict(req.route_params)]))
        body.__name__ = name
        return body

    app.route("me", methods=["GET"])(told("me"))
    app.route("orders", methods=["GET", "POST"])(told("orders"))
    app.route("orders/{id:int}", methods=["GET"])(told("order"))
    app.route("orders/{id:guid}", methods=["DELETE"])(told("order_by_guid"))
    app.route("files/{*rest}")(told("files"))
    app.route("page/{number?}")(told("page"))
    app.route()(told("named_by_its_function"))
    app.route("products/{id}")(told("details"))
    app.route("products/list")(told("list"))
    app.route("things/{id}")(told("Zebra"))
    app.route("things/list")(told("ant"))
    app.route("same", methods=["GET", "PUT"])(told("same_a"))
    app.route("SAME", methods=["GET", "POST"])(told("same_b"))

    @app.function_name("renamed")
    @app.route(methods=["GET"])
    def original(req):
        return "renamed"

    @app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
    def nightly(timer: func.TimerRequest) -> None:
        raise RuntimeError("timers are not fired here")
"""


@pytest.fixture(scope="module")
def host(serve: Serve) -> FunctionsHost:
    """The app above."""
    return serve(APP)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/me", ["me", "GET", {}]),
        ("GET", "/API/ME/", ["me", "GET", {}]),
        ("POST", "/api/orders", ["orders", "POST", {}]),
        ("GET", "/api/orders/12", ["order", "GET", {"id": "12"}]),
        ("GET", "/api/files/a/b%20c%2Fd", ["files", "GET", {"rest": "a/b c%2Fd"}]),
        ("GET", "/api/page", ["page", "GET", {}]),
        ("GET", "/api/page/2", ["page", "GET", {"number": "2"}]),
        ("GET", "/api/named_by_its_function", ["named_by_its_function", "GET", {}]),
        ("DELETE", "/api/page", ["page", "DELETE", {}]),
        ("PROPFIND", "/api/page", ["page", "PROPFIND", {}]),
    ],
)
def test_the_function_of_a_route_responds(host: FunctionsHost, method: str, path: str, expected: object) -> None:
    response = call(host.url + path, method)
    assert (response.status, response.json) == (200, expected)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nothing"),
        ("GET", "/me"),
        ("GET", "/api/files/rest//a"),
        ("GET", "/api/%2E"),
        ("POST", "/api/me"),
        ("HEAD", "/api/me"),
        ("OPTIONS", "/api/me"),
        ("GET", "/api/orders/twelve"),
        ("DELETE", "/api/orders/12"),
        ("GET", "/api/orders%2F12"),
        ("GET", "/api/original"),
        ("GET", "/api/nightly"),
    ],
)
def test_everything_else_is_an_empty_404(host: FunctionsHost, method: str, path: str) -> None:
    response = call(host.url + path, method)
    assert (response.status, response.body, response.headers["Content-Length"]) == (404, b"", "0")


def test_a_function_is_known_by_the_name_it_was_given(host: FunctionsHost) -> None:
    assert call(host.url + "/api/renamed").body == b"renamed"


def test_the_first_function_by_name_wins_even_over_a_literal_route(host: FunctionsHost) -> None:
    assert call(host.url + "/api/products/list").json == ["details", "GET", {"id": "list"}]
    assert call(host.url + "/api/things/list").json == ["ant", "GET", {}]


def test_of_two_functions_with_one_route_the_second_is_refused(host: FunctionsHost) -> None:
    assert call(host.url + "/api/same", "GET").json[0] == "same_a"
    assert call(host.url + "/api/same", "POST").status == 404


def test_functions_without_an_http_trigger_are_counted(host: FunctionsHost) -> None:
    assert len(host.functions) == 15


RESERVED = """
    @app.route("admin/x")
    def one(req):
        return "x"

    @app.route("adminx")
    def two(req):
        return "x"

    @app.route("runtime/x")
    def three(req):
        return "x"

    @app.route("/Administration")
    def four(req):
        return "x"
"""

HELLO = """
    @app.route("hello")
    def hello(req):
        return "hello"
"""


@pytest.mark.parametrize(
    ("prefix", "path"), [("", "/hello"), ("v1/{tenant}", "/v1/contoso/hello"), ("/things/", "/things/hello")]
)
def test_the_route_prefix_of_host_json_is_honored(serve: Serve, prefix: str, path: str) -> None:
    host = serve(HELLO, host_json=json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": prefix}}}))
    assert call(host.url + path).body == b"hello"
    assert call(host.url + "/api/hello").status == 404


@pytest.mark.parametrize("prefix", ["", "api"])
def test_a_route_that_the_host_keeps_is_refused_and_the_others_live(
    serve: Serve, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = serve(
        HELLO + RESERVED,
        host_json=json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": prefix}}}),
    )
    start = f"{host.url}/{prefix}".rstrip("/")
    assert call(f"{start}/hello").body == b"hello"
    for path in ("adminx", "runtime/x", "Administration"):
        assert call(f"{start}/{path}").status == 404
    assert caplog.text.count("conflicts with one or more built in routes") == 4


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/admin/host/status", 401), ("/Admin/x", 401), ("/runtime/webhooks/x", 401), ("/runtime/x", 404)],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_hosts_own_pages(host: FunctionsHost, method: str, path: str, status: int) -> None:
    response = call(host.url + path, method)
    assert (response.status, b"up and running" in response.body) == (status, status == 200)
    assert response.headers["Content-Type"] == ("text/html" if status == 200 else None)


def test_the_home_page_can_be_taken_away(host: FunctionsHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AzureWebJobsDisableHomepage", "true")
    assert call(host.url + "/").status == 204


AT_ONCE = """
    import asyncio
    entered, release = asyncio.Event(), asyncio.Event()

    @app.route("wait")
    async def wait(req):
        entered.set()
        await release.wait()
        return "waited"
"""


@pytest.mark.parametrize("setting", ["maxConcurrentRequests", "maxOutstandingRequests"])
def test_a_request_above_the_bound_of_host_json_is_refused(serve: Serve, setting: str) -> None:
    host = serve(AT_ONCE, host_json=json.dumps({"version": "2.0", "extensions": {"http": {setting: 0}}}))
    response = call(host.url + "/api/wait")
    assert (response.status, response.body, response.headers["X-FUNCTION-SCALEOUT"]) == (429, b"", "1")
    assert call(host.url + "/").status == 200
