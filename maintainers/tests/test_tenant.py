"""The fixture `tenant`: its calls, its canned responses, what it undoes, and its messages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import azure.functions as func
import pytest
import requests

from emulators.stack import Stack
from maintainers.tests.dev.project import Project
from shared import AsyncUser, User, json_body, requires_user
from tests.support.lab import ROOT
from tests.support.tenant import Tenant

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
blueprint = func.Blueprint()


@app.route("me", methods=["GET"])
@requires_user(scopes=["access_as_user"])
def me(req: func.HttpRequest, user: User) -> object:
    """Graph's own response, and the user's."""
    return user.api("Graph").get("/me")


@app.route("orders/{id}", methods=["GET", "PUT"])
@requires_user(scopes=["access_as_user"])
def order(req: func.HttpRequest, user: User) -> object:
    """Passes everything on."""
    path = f"/orders/{req.route_params['id']}"
    if req.method == "PUT":
        return user.api("Orders").put(path, json=json_body(req))
    return user.api("Orders").get(f"{path}?{req.url.partition('?')[2]}")


@blueprint.route("async", methods=["GET"])
@requires_user(scopes=["access_as_user"])
async def asynchronous(req: func.HttpRequest, user: AsyncUser) -> object:
    """The same as `async def`, in a blueprint."""
    return {"graph": (await user.api("Graph").get("/me")).json(), "roles": sorted(user.roles)}


@app.route("echo/{*rest}", trigger_arg_name="request")
def echo(request: func.HttpRequest, context: func.Context) -> str:
    """What the function is handed; with another name for its trigger, and guarded by nothing."""
    given = [dict(request.params), request.headers.get("X-Mine"), os.environ.get("X"), context.function_name]
    return f"{request.method} {request.url} {given}"


@app.route("settings")
@requires_user()
def by_settings(req: func.HttpRequest, user: User) -> object:
    """Asks for the scopes of the settings."""
    return {"ok": True}


@app.route("editor")
@requires_user(scopes=["access_as_user"], roles=["Notes.Editor"])
def editor(req: func.HttpRequest, user: User) -> object:
    """For one role."""
    return {"ok": True}


@app.timer_trigger(schedule="0 0 * * * *", arg_name="timer")
def hourly(timer: func.TimerRequest) -> None:
    """No HTTP trigger."""


def test_async_functions_of_blueprints_are_called_too(tenant: Tenant) -> None:
    tenant.responds("Graph", "GET /me", {"a": 1})
    for _ in range(2):
        response = tenant.call(asynchronous, as_="alice", roles=["Notes.Editor"])
        assert (response.status, response.json()) == (200, {"graph": {"a": 1}, "roles": ["Notes.Editor"]})
        assert response.headers["content-type"].startswith("application/json")


def test_a_function_gets_what_the_host_would_hand_it(tenant: Tenant) -> None:
    tenant.settings(X="1")
    response = tenant.call(
        echo, as_=None, body=b"x", params={"q": "a b"}, route={"rest": "x/y"}, headers={"X-Mine": "2"}
    )
    assert response.text == "POST http://localhost:7071/echo/x%2Fy?q=a+b [{'q': 'a b'}, '2', '1', 'echo']"
    assert tenant.call(echo, as_=None, route={"rest": ""}, method="PATCH").text.startswith("PATCH ")


def test_what_arrived_is_told_without_the_token(tenant: Tenant) -> None:
    tenant.responds("Orders", "PUT /orders/{id}", None, status=204)

    assert tenant.call(order, as_="olga", route={"id": "7"}, json={"item": "tea"}).status == 204
    (arrived,) = tenant.requests("Orders")
    assert (arrived.method, arrived.path, arrived.json()) == ("PUT", "/orders/7", {"item": "tea"})
    assert (arrived.user, arrived.scopes) == ("olga", ("Orders.Read", "Orders.Write"))
    assert "authorization" not in arrived.headers
    assert "eyJ" not in f"{arrived!r} {arrived.headers}"


def test_the_last_canned_response_that_fits_wins(tenant: Tenant) -> None:
    tenant.responds("Orders", "GET /orders/{id}", {"any": True})
    tenant.responds("Orders", "GET /orders/7?page=2", "text", headers={"Content-Type": "text/x", "X-Own": "1"})

    assert tenant.call(order, as_="alice", route={"id": "8"}).json() == {"any": True}
    assert tenant.call(order, as_="alice", route={"id": "7"}, params={"page": "1"}).json() == {"any": True}
    assert tenant.call(order, as_="alice", route={"id": "7"}, params={"page": "2"}).text == "text"
    assert tenant.requests("Orders")[-1].query == {"page": "2"}


def test_without_a_canned_response_an_api_has_nothing_and_graph_its_own(tenant: Tenant) -> None:
    assert tenant.call(order, as_="alice", route={"id": "7"}).status == 404
    assert tenant.call(me, as_="alice").json()["displayName"] == "Alice Ahlberg"


@pytest.mark.parametrize("api", ["Graph", "Orders"])
def test_canned_responses_are_behind_checked_tokens(tenant: Tenant, api: str, tmp_path: Path) -> None:
    """Straight to the API, through the gateway, with tokens that no real API would take."""
    stack = tenant.stack
    key, path = api.lower(), {"Graph": "/v1.0/me", "Orders": "/api/items"}[api]
    host = {"Graph": "graph.microsoft.com", "Orders": "orders-local.azurewebsites.net"}[api]
    tenant.responds(api, {"Graph": "GET /me", "Orders": "GET /items"}[api], {"secret": 1})

    def status(token: str | None) -> tuple[int, bool]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with requests.Session() as session:
            reply = session.get(f"https://{host}{path}", headers=headers, timeout=10)
        return reply.status_code, "secret" in reply.text

    good = stack.issue_access_token("alice", app=key)
    other = "orders" if api == "Graph" else "graph"
    with Stack.start(tmp_path) as stranger:
        forged = stranger.issue_access_token("alice", app=key)
    assert status(good) == (200, True)
    assert status(None) == (401, False)
    assert status(forged) == (401, False)
    assert status(stack.issue_access_token("alice", app=key, lifetime=-10)) == (401, False)
    assert status(stack.issue_access_token("alice")) == (401, False)
    assert status(stack.issue_access_token("alice", app=other)) == (401, False)
    assert status(stack.issue_access_token("alice", app=key, scopes=["Other.Read"])) == (403, False)
    app_only = status(stack.issue_app_token(app=key))
    assert (app_only[0] in (400, 401), app_only[1]) == (True, False)
    assert [one.user for one in tenant.requests(api)][:3] == ["alice", "", ""]


def test_graph_wants_the_permission_that_it_knows(tenant: Tenant) -> None:
    tenant.responds("Graph", "GET /me/messages", {"value": []})
    token = tenant.stack.issue_access_token("alice", app="graph", scopes=["User.Read"])
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        assert session.get("https://graph.microsoft.com/v1.0/me/messages", timeout=10).status_code == 403


FAILURES = {
    "MFA": (lambda tenant: tenant.requires_mfa("Graph"), 401, "insufficient_claims"),
    "consent": (lambda tenant: tenant.lacks_consent("Graph"), 403, "consent_required"),
    "throttled": (lambda tenant: tenant.throttles("Graph", retry_after=60), 503, "temporarily_unavailable"),
    "an error": (lambda tenant: tenant.fails("Graph", status=400), 400, "downstream_rejected"),
    "Entra": (lambda tenant: tenant.fails("Entra", status=500), 503, "temporarily_unavailable"),
}


@pytest.mark.parametrize(("fail", "status", "code"), FAILURES.values(), ids=FAILURES)
def test_failures_on_purpose(tenant: Tenant, fail: object, status: int, code: str) -> None:
    assert callable(fail)
    fail(tenant)
    response = tenant.call(me, as_="alice")
    assert (response.status, response.json()["code"]) == (status, code)


def test_a_failure_so_many_times(tenant: Tenant) -> None:
    tenant.fails("Graph", times=1)
    assert tenant.call(me, as_="alice").status == 200  # it is tried again
    assert len(tenant.requests("Graph")) == 2


def test_retry_after_is_passed_on(tenant: Tenant) -> None:
    tenant.throttles("Graph", retry_after=60)
    assert int(tenant.call(me, as_="alice").headers["Retry-After"]) in range(50, 61)


def test_an_api_that_cannot_be_reached(tenant: Tenant) -> None:
    tenant.is_unreachable("Graph")
    response = tenant.call(me, as_="alice")
    assert (response.status, response.json()["code"]) == (502, "downstream_failed")
    assert tenant.requests("Graph") == []


def test_a_setting_that_is_taken_away_is_missing(tenant: Tenant) -> None:
    tenant.settings(AzureAd__ClientId=None)
    response = tenant.call(me, as_="alice")
    assert (response.status, response.json()["code"]) == (500, "server_misconfigured")


def test_the_other_api_is_not_concerned(tenant: Tenant) -> None:
    tenant.responds("Orders", "GET /orders/{id}", {})
    tenant.lacks_consent("Graph")
    tenant.requires_mfa("Graph")
    assert tenant.call(order, as_="alice", route={"id": "1"}).status == 200


def test_settings_are_of_one_test(tenant: Tenant) -> None:
    assert tenant.call(by_settings, as_="alice").status == 200
    tenant.settings(AzureAd__Scopes="notes.read")
    assert tenant.call(by_settings, as_="alice").status == 403
    assert tenant.call(by_settings, as_="alice", scopes=["notes.read"]).status == 200


@pytest.mark.parametrize("number", [1, 2])
def test_nothing_is_left_of_a_test(tenant: Tenant, number: int) -> None:
    """The second run finds the tenant, the app and the environment as the first one did."""
    assert "Left" not in os.environ
    assert tenant.call(by_settings, as_="alice").status == 200
    assert tenant.call(me, as_="alice").json()["displayName"] == "Alice Ahlberg"
    assert len(tenant.requests("Graph")) == 1
    tenant.responds("Graph", "GET /me", {})
    tenant.fails("Entra")
    tenant.requires_mfa("Graph")
    tenant.lacks_consent("Orders")
    tenant.throttles("Graph", retry_after=60)
    tenant.settings(Left="1", AzureAd__Scopes="other")
    assert tenant.call(me, as_="alice").status != 200


@pytest.mark.parametrize("number", [1, 2])
def test_the_environment_that_a_test_changes_by_itself_is_undone_too(
    monkeypatch: pytest.MonkeyPatch, tenant: Tenant, number: int
) -> None:
    """In whichever order the two fixtures are asked for."""
    assert tenant.call(by_settings, as_="alice").status == 200
    monkeypatch.setenv("AzureAd__Scopes", "other")
    tenant.settings(AzureAd__Scopes="another")


def test_without_the_fixture_the_environment_is_as_it_was() -> None:
    assert [name for name in os.environ if name.startswith(("AzureAd__", "DownstreamApis__", "IDENTITY_"))] == []


def test_a_person_decides_as_in_the_local_stack(tenant: Tenant) -> None:
    assert tenant.call(me, as_="maya").json()["code"] == "insufficient_claims"
    assert tenant.call(me, as_="maya", mfa=True).status == 200
    assert tenant.call(me, as_="connor").json()["code"] == "consent_required"


MISTAKES = {
    "a stranger": (
        lambda tenant: tenant.call(me, as_="bob"),
        "there is nobody called 'bob'; there are alice, maya, connor",
    ),
    "an unknown API": (
        lambda tenant: tenant.responds("Stock", "GET /", {}),
        "there is no API 'Stock'; there are Graph, Orders. An API of your own is a table in local-stack.toml",
    ),
    "a near miss": (lambda tenant: tenant.requests("Order"), "did you mean 'Orders'"),
    "no method": (
        lambda tenant: tenant.responds("Graph", "/me", {}),
        'write a method and a path, such as "GET /items"',
    ),
    "no slash": (lambda tenant: tenant.responds("Graph", "GET me", {}), "write a method and a path"),
    "a whole address": (lambda tenant: tenant.responds("Graph", "GET https://x/me", {}), "write a method and a path"),
    "a wrong status": (
        lambda tenant: tenant.responds("Graph", "GET /me", {}, status=99),
        "status must be a whole",
    ),
    "a set": (lambda tenant: tenant.responds("Graph", "GET /me", {1}), "must be JSON, a text or bytes"),
    "a bare function": (lambda tenant: tenant.call(len, as_="alice"), "call a function with @app.route"),
    "a timer": (lambda tenant: tenant.call(hourly, as_="alice"), "hourly has no HTTP trigger"),
    "a missing route": (lambda tenant: tenant.call(order, as_="alice"), 'pass route={"id": "…"}'),
    "scopes as a text": (lambda tenant: tenant.call(me, as_="alice", scopes="a"), "scopes and roles are lists"),
}


@pytest.mark.parametrize(("mistake", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_test_is_told_with_what_to_do(tenant: Tenant, mistake: object, told: str) -> None:
    assert callable(mistake)
    with pytest.raises((ValueError, TypeError)) as raised:
        mistake(tenant)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"roles": ["Notes.Edtior"]},
            "the token has the roles ['Notes.Edtior'], and the function asks for one of ['Notes.Editor']; "
            "did you mean 'Notes.Editor'?",
        ),
        ({"roles": []}, "the token has the roles [], and the function asks for one of ['Notes.Editor']"),
        (
            {"scopes": ["access_as_usr"], "roles": ["Notes.Editor"]},
            "the token has the scopes ['access_as_usr'], and the function asks for one of ['access_as_user']; "
            "did you mean 'access_as_user'?",
        ),
    ],
)
def test_a_role_or_scope_that_is_misspelled_is_told_where_the_assertion_fails(
    tenant: Tenant, caplog: pytest.LogCaptureFixture, given: dict[str, list[str]], told: str
) -> None:
    response = tenant.call(editor, as_="alice", **given)  # type: ignore[arg-type]  # a list in each of them
    assert response.status == 403
    assert repr(response).endswith(f" ({told})>")
    wanted = "none of the scopes access_as_user" if "scopes" in given else "none of the roles Notes.Editor"
    assert f'reason="{wanted}"' in caplog.text


def test_another_response_has_no_note(tenant: Tenant) -> None:
    for response in (
        tenant.call(editor, as_="alice", roles=["Notes.Editor"]),
        tenant.call(editor, as_=None),
        tenant.call(me, as_="connor"),
    ):
        assert response.note == ""


def test_a_body_that_is_not_json_is_shown(tenant: Tenant) -> None:
    with pytest.raises(ValueError, match=r"the body is not JSON: <Response 200 GET"):
        tenant.call(echo, as_=None, route={"rest": ""}).json()


def test_a_wrong_table_is_told_before_any_test_runs(tmp_path: Path) -> None:
    project = Project.copy(tmp_path / "copy")
    shutil.copytree(ROOT / "tests" / "support", project.root / "tests" / "support")
    for name in ("pytest.ini", "tests/__init__.py", "tests/conftest.py", "tests/test_function_app.py"):
        shutil.copy2(ROOT / name, project.root / name)
    (project.root / "local-stack.toml").write_text("scoopes = 1", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_function_app.py"]
    result = subprocess.run(command, cwd=project.root, capture_output=True, encoding="utf-8", check=False, timeout=120)

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: the local stack cannot start with these entries:\n" in result.stderr
    assert "local-stack.toml: scoopes is not known: did you mean scopes?" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


STRICT = """
from maintainers.tests.test_tenant import me, order


def test_unasked(tenant):
    tenant.strict = True
    tenant.responds("Graph", "GET /me/photo", {})


def test_unanswered(tenant):
    tenant.strict = True
    tenant.call(order, as_="alice", route={"id": "7"})


def test_lenient(tenant):
    tenant.responds("Graph", "GET /me/photo", {})
    assert tenant.call(me, as_="alice").status == 200
"""


def test_a_strict_test_names_what_was_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "test_strict.py").write_text(STRICT, encoding="utf-8")
    plugin = ("-p", "tests.support.tenant", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-c", "pytest.ini", *plugin, str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=120)

    assert "3 passed, 2 errors" in result.stdout, result.stdout
    assert "graph: nobody asked for GET /me/photo" in result.stdout
    assert "orders: there is no canned response for GET /orders/7" in result.stdout
