"""What the local host adds when an app cannot be indexed: the app's own lines, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulators.functions_host import FunctionsHost
from emulators.local.loading_errors import brief
from maintainers.tests.functions_host.calls import call
from maintainers.tests.functions_host.conftest import Serve, write_app

GUARDED = """
    from shared import AsyncUser, User, requires_user

"""


def test_a_forgotten_guard_is_asked_for(serve: Serve) -> None:
    host = serve("""
    @app.route("me")
    def me(req: func.HttpRequest, user) -> func.HttpResponse:
        return func.HttpResponse("never")
    """)
    assert host.indexing_error is not None
    assert host.indexing_error.startswith("FunctionLoadError: cannot load the me function: ")
    assert host.indexing_error.endswith(" (is @requires_user missing below @app.route?)")
    assert call(host.url + "/api/me").status == 404


def test_another_parameter_without_a_binding_is_not_taken_for_it(serve: Serve) -> None:
    host = serve("""
    @app.route("me")
    def me(req: func.HttpRequest, users) -> func.HttpResponse:
        return func.HttpResponse("never")
    """)
    assert host.indexing_error is not None
    assert "requires_user" not in host.indexing_error
    assert host.indexing_error.endswith(
        ' (a part of the route or the query is no argument: req.route_params["users"] or req.params["users"])'
    )


def test_a_part_of_the_route_as_an_argument_of_a_guarded_function_is_refused_with_the_apps_line(serve: Serve) -> None:
    host = serve(
        GUARDED
        + """
    @app.route("items/{id}")
    @requires_user()
    def item(req: func.HttpRequest, id: str, user: User) -> object:
        return {"id": id}
    """
    )
    assert host.indexing_error == (
        "TypeError: item (function_app.py, line 11): id is a part of the route and no argument; "
        'remove it, and write req.route_params["id"]'
    )


def test_two_functions_of_one_name_are_shown_with_the_apps_own_lines(serve: Serve) -> None:
    host = serve("""
    @app.route("a")
    def twice(req: func.HttpRequest) -> str:
        return "a"

    @app.route("other")
    @app.function_name("other")
    def unlike(req: func.HttpRequest) -> str:
        return "a"

    @app.function_name(name="twice")
    @app.route("b")
    def unlike_in_python(req: func.HttpRequest) -> str:
        return "b"
    """)
    assert host.indexing_error is not None
    assert host.indexing_error.startswith("ValueError: Function twice does not have a unique function name.")
    assert host.indexing_error.endswith(
        " (twice is declared in function_app.py, line 9 and in function_app.py, line 19)"
    )


def test_two_functions_of_one_name_in_two_files(engine: str, tmp_path: Path) -> None:
    """Each file alone is right, so only the app as a whole can tell."""
    people = f"people_of_{engine}"  # its own for each engine: a module that an app imports stays imported
    root = write_app(
        tmp_path,
        f"""
    import {people}

    app.register_functions({people}.blueprint)

    @app.route("a")
    def twice(req: func.HttpRequest) -> str:
        return "a"
    """,
    )
    blueprint = "blueprint = app = func.Blueprint()\n\n@app.route('b')\ndef twice(req): return 'b'\n"
    (root / f"{people}.py").write_text("import azure.functions as func\n" + blueprint, encoding="utf-8")
    with FunctionsHost(root, engine=engine) as host:
        assert host.indexing_error is not None
        assert host.indexing_error.endswith(
            f" (twice is declared in function_app.py, line 13 and in {people}.py, line 5)"
        )


@pytest.mark.parametrize("decorators", ["@requires_user()", "@requires_user(scopes=['a'])"])
@pytest.mark.parametrize(
    "signature",
    [
        "def {name}(req: func.HttpRequest, user: User) -> object",
        "def {name}(req: func.HttpRequest, user: User, **rest: object) -> dict[str, object]",
        "def {name}(req, *args, user)",
        "def {name}(req: func.HttpRequest, context: func.Context, user: 'User') -> 'object'",
        "async def {name}(req: func.HttpRequest, user: 'AsyncUser | None' = None) -> None",
    ],
)
def test_a_guarded_function_that_declares_well_is_indexed(serve: Serve, signature: str, decorators: str) -> None:
    host = serve(
        GUARDED
        + f"""
    @app.route("one")
    {decorators}
    {signature.format(name="one")}:
        return None
    """
    )
    assert host.indexing_error is None
    assert [function.name for function in host.functions] == ["one"]
    assert call(host.url + "/api/one").status in (401, 500)  # 500: this process has no settings


def test_a_guarded_function_that_cannot_work_is_refused_with_the_apps_line(serve: Serve) -> None:
    host = serve(
        GUARDED
        + """
    @app.route("me")
    @requires_user()
    async def me(req: func.HttpRequest, user: User) -> object:
        return None
    """
    )
    assert host.indexing_error == (
        "TypeError: me (function_app.py, line 11): a function with async def gets an AsyncUser; "
        "annotate user: AsyncUser"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("from azure.nothere.blob.aio import Client", "; add azure-nothere-blob to requirements.txt"),
        ("import azure.cosmos.aio as cosmos", "; add azure-cosmos to requirements.txt"),
        (
            "import no_such_module.part",
            "; add the package that has no_such_module to requirements.txt, or no_such_module.py to the project",
        ),
    ],
)
def test_a_missing_package_is_told_by_its_name(serve: Serve, line: str, told: str) -> None:
    host = serve(f"\n    {line}\n")
    assert host.indexing_error is not None
    assert host.indexing_error.endswith(f" (function_app.py, line 8){told}")
    assert brief(host.indexing_error).endswith(f"' (function_app.py, line 8){told}")
