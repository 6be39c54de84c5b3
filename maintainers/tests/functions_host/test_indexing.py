"""Apps that cannot be indexed: every engine refuses the same apps with the same messages."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from emulators.functions_host import FunctionsHost
from maintainers.tests.functions_host.calls import call
from maintainers.tests.functions_host.conftest import Serve, write_app

UNBOUND = "declared in Python but not in the function definition (function.json or function decorators):  {'user'}"

DECORATED = """
    import functools

    def requires_user(function):
        @functools.wraps(function)
        def wrapper(req: func.HttpRequest):
            return function(req, user="alice")
        {after}
        return wrapper

    @app.route("me")
    @requires_user
    def me(req: func.HttpRequest, user: str) -> func.HttpResponse:
        return func.HttpResponse(user)
"""


def test_a_decorator_that_adds_a_parameter_with_plain_wraps_fails_to_index(serve: Serve) -> None:
    """inspect.signature follows `__wrapped__`, so the worker sees a parameter that no binding fills."""
    host = serve(DECORATED.format(after=""))
    assert host.indexing_error is not None
    assert host.indexing_error.startswith("FunctionLoadError: cannot load the me function: ")
    assert UNBOUND in host.indexing_error
    assert call(host.url + "/api/me").status == 404


def test_the_same_decorator_without_wrapped_is_served(serve: Serve) -> None:
    host = serve(DECORATED.format(after="del wrapper.__wrapped__"))
    assert host.indexing_error is None
    assert call(host.url + "/api/me").body == b"alice"


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("(req: func.HttpRequest, user)", UNBOUND),
        ("(req: func.HttpRequest, *user)", UNBOUND),
        ("()", "are declared as bindings but are not present in Python: {'req'}"),
        ("(request: func.HttpRequest)", "not in the function definition"),
        ("(req: dict)", "do not match the corresponding function parameter's Python type annotation dict"),
        ("(req: 5)", "has invalid non-type annotation 5"),
        ("(req: func.HttpRequest | None)", "has invalid non-type annotation"),
        ("(req: func.Out[func.HttpRequest])", 'declared to have the "in" direction'),
        ("(req: func.Out)", "has invalid Out annotation"),
        ("(req, context: int)", 'the "context" parameter is expected to be of type azure.functions.Context'),
        ("(req: 'Missing')", "NameError: name 'Missing' is not defined"),
        ("(req) -> object", 'Python return annotation "object" does not match binding type "http"'),
        ("(req) -> None", 'Python return annotation "NoneType" does not match binding type "http"'),
        ("(req) -> dict", 'Python return annotation "dict" does not match binding type "http"'),
        ("(req) -> str | None", "has invalid non-type return annotation"),
        ("(req) -> func.Out[str]", "return annotation should not be azure.functions.Out"),
    ],
)
def test_a_signature_that_does_not_fit_its_bindings_is_refused(serve: Serve, signature: str, reason: str) -> None:
    host = serve(f"""
    @app.route("good")
    def good(req):
        return "good"

    @app.route("bad")
    def bad{signature}:
        return "bad"
    """)
    assert host.indexing_error is not None
    assert reason in host.indexing_error
    assert host.functions == ()
    assert call(host.url + "/api/good").status == 404  # one bad function takes all of them down


@pytest.mark.parametrize(
    "signature",
    [
        "(req)",
        "(req: func.HttpRequest) -> func.HttpResponse",
        "(req) -> str",
        "(req, context)",
        "(req, context: func.Context)",
    ],
)
def test_a_signature_that_fits_is_served(serve: Serve, signature: str) -> None:
    host = serve(f"""
    @app.route("good")
    def good{signature}:
        return "good"
    """)
    assert (host.indexing_error, call(host.url + "/api/good").body) == (None, b"good")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("raise SystemExit('at import')", "SystemExit: at import"),
        ("def (", "SyntaxError"),
        ("del app", "Could not find top level function app instances in function_app.py."),
        (
            "other = func.FunctionApp()",
            "More than one FunctionApp or other top level function app instances are defined.",
        ),
        ("@app.route('a')\n    def one(req): ...\n    @app.route('b')\n    def one(req): ...", "unique"),
        ("@app.function_name('x')\n    def x(req): ...", "trigger"),
        ("@app.route('{id:nonsense}')\n    def x(req): ...", "could not be resolved"),
        ("@app.route('{id')\n    def x(req): ...", "cannot be read|do not match"),
    ],
)
def test_an_app_that_cannot_be_imported_responds_with_404_and_the_log_says_why(
    serve: Serve, source: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        host = serve("\n    " + source + "\n")
    assert call(host.url + "/api/x").status == 404
    assert host.indexing_error is not None
    assert any(part in host.indexing_error for part in reason.split("|"))
    assert host.indexing_error in caplog.text


def test_the_traceback_of_a_failed_import_is_logged_once(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        serve("\n    import no_such_module\n")
    traces = [
        vars(record).get("stack_trace", "") for record in caplog.records if "no_such_module" in record.getMessage()
    ]
    assert len(traces) == 1
    assert "function_app.py" in traces[0]


def test_two_apps_at_once_do_not_disturb_each_other(serve: Serve) -> None:
    source = """
    @app.route("who")
    def who(req):
        return {name!r}
    """
    first, second = serve(source.format(name="first")), serve(source.format(name="second"))
    assert call(first.url + "/api/who").body == b"first"
    assert call(second.url + "/api/who").body == b"second"


def test_the_script_may_have_another_name(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_app(tmp_path, '\n    @app.route("x")\n    def x(req):\n        return "other"\n', script="downstream_app.py")
    monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", "downstream_app.py")
    with FunctionsHost(tmp_path, engine=engine) as host:
        assert call(host.url + "/api/x").body == b"other"


def test_an_app_imports_its_own_modules_and_leaves_no_trace(engine: str, tmp_path: Path) -> None:
    (tmp_path / f"helper_for_{engine}.py").write_text("WORD = 'helped'\n", encoding="utf-8")
    source = f"""
    @app.route("x")
    def x(req):
        from helper_for_{engine} import WORD
        return WORD
    """
    before, path = sys.modules.get("function_app"), list(sys.path)
    with FunctionsHost(write_app(tmp_path, source), engine=engine) as host:
        assert call(host.url + "/api/x").body == b"helped"
    assert sys.modules.get("function_app") is before
    assert sys.path == path


def test_apps_are_forgotten_in_any_order(engine: str, tmp_path: Path) -> None:
    before, path = sys.modules.get("function_app"), list(sys.path)
    hosts = [FunctionsHost(write_app(tmp_path / name, ""), engine=engine).start() for name in ("a", "b", "c")]
    for host in (hosts[1], hosts[0], hosts[2]):
        host.stop()
        host.stop()
    assert sys.modules.get("function_app") is before
    assert sys.path == path


def test_blueprints_are_served(serve: Serve) -> None:
    host = serve("""
    blueprint = func.Blueprint()

    @blueprint.route("from_a_blueprint")
    def from_a_blueprint(req):
        return "blue"

    app.register_functions(blueprint)
    """)
    assert call(host.url + "/api/from_a_blueprint").body == b"blue"
