"""`app_api`: an API called as the application, with the client credentials grant, inside and outside a request."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Iterator
from typing import Any

import azure.functions as func
import pytest

from emulators.applications import API
from emulators.people import CONTOSO, people_of
from shared import BatchCall, CallingApp, User
from shared.application.app_api import AppApi, AsyncAppApi
from shared.errors import (
    AccessDenied,
    ApiError,
    BadGateway,
    GatewayTimeout,
    NotFound,
    ServerMisconfigured,
    ServiceUnavailable,
    SettingsError,
)
from shared.exchange import DownstreamToken
from shared.exchange.client_credentials import AppToken
from shared.requires_user import RequiresApp, RequiresUser
from shared.services import LazyServices, Services
from shared.sessions import JobContext
from shared.settings.settings import Settings
from shared.telemetry import RequestRecord
from shared.validation.access_token import ValidatedAppToken, ValidatedToken
from tests.support.lab import Lab, at_once, finish_background_work

from .guarded import body_of, reply_of, request

AT = "DownstreamApis__Directory__"
DIRECTORY: dict[str, str | None] = {
    f"{AT}BaseUrl": "https://graph.microsoft.com/v1.0",
    f"{AT}Scopes": "https://graph.microsoft.com/.default",
    f"{AT}RequestAppToken": "true",
}


class Desk:
    """The API's services, with Graph as `Directory` for the application and as `Graph` for users."""

    def __init__(self, lab: Lab, **changes: str | None) -> None:
        self.lab = lab
        self.lazy = LazyServices(lab.environ(**{**DIRECTORY, **changes}), lab.clock, lab.clock.forward)
        self.api = AppApi("Directory", self.lazy)
        self.mark = lab.stack.audit.mark()

    def names(self) -> list[str]:
        return [one["displayName"] for one in self.api.get("/users?$select=displayName").json()["value"]]

    def asked(self) -> int:
        """How many tokens Entra was asked for."""
        return len(self.lab.seen(self.mark, "client_credentials"))


@pytest.fixture
def desk(lab: Lab) -> Iterator[Desk]:
    with lab.stack.directory.unchanged():
        lab.stack.directory.assign_app_role(API, lab.stack.directory.applications["graph"], "User.Read.All")
        yield Desk(lab)
        finish_background_work()


def test_an_api_is_called_as_the_application(desk: Desk) -> None:
    assert "Alice Ahlberg" in desk.names()
    assert "Alice Ahlberg" in desk.names()
    assert (desk.asked(), desk.lab.exchanges(desk.mark)[0].details["client"]) == (1, API.name)
    (sent,) = [entry for entry in desk.lab.exchanges(desk.mark) if entry.action == "client_credentials"]
    assert sent.details["roles"] == "User.Read.All"


def test_the_calls_are_those_of_a_user(desk: Desk) -> None:
    assert desk.api.base_url == "https://graph.microsoft.com/v1.0"
    assert [one["id"] for one in desk.api.items("/users")] == [one["id"] for page in desk.api.pages("/users")
                                                               for one in page.json()["value"]]  # fmt: skip
    first, second = desk.api.batch([BatchCall("GET", "/users/alice@contoso.example"), BatchCall("GET", "/me")])
    assert first.json()["displayName"] == "Alice Ahlberg"
    assert second.status_code == 400
    with desk.api.stream("/users") as chunks:
        assert b"Alice" in b"".join(chunks)
    with pytest.raises(NotFound):
        desk.api.get("/users/{id}", path_params={"id": "nobody"})
    assert desk.asked() == 1


@pytest.mark.parametrize("path", ["//evil.example/x", "https://evil.example/", "/../x", "/%2e%2e/x", "x"])
def test_a_path_that_leads_elsewhere_is_a_value_error_and_costs_no_token(desk: Desk, path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        desk.api.get(path)
    assert desk.asked() == 0


def test_a_header_of_identity_cannot_be_set(desk: Desk) -> None:
    with pytest.raises(ValueError, match="may not set these headers"):
        desk.api.get("/users", headers={"Authorization": "Bearer other"})
    assert desk.asked() == 0


def test_a_redirect_is_not_followed_with_the_applications_token(desk: Desk) -> None:
    desk.lab.stack.faults.add("graph", status=302, headers={"Location": "https://evil.example/"}, times=1)
    response = desk.api.get("/users")
    assert (response.status_code, response.headers["Location"]) == (302, "https://evil.example/")


def test_it_works_in_async_def(desk: Desk) -> None:
    api = AsyncAppApi("Directory", desk.lazy)

    async def both() -> list[Any]:
        names = [one["displayName"] async for one in api.items("/users")]
        return [names, (await api.get("/users/alice@contoso.example")).json()["displayName"]]

    names, alice = asyncio.run(both())
    assert (alice in names, desk.asked()) == (True, 1)


def test_the_blocking_form_is_refused_in_an_event_loop(desk: Desk) -> None:
    async def inside() -> None:
        desk.api.get("/users")

    with pytest.raises(RuntimeError, match=r"write await async_app_api\(…\).get\(…\)"):
        asyncio.run(inside())
    assert desk.asked() == 0


def test_32_threads_share_one_request_for_a_token(desk: Desk) -> None:
    desk.lab.stack.faults.add("entra.token", delay=0.3)
    assert len({tuple(names) for names in at_once(32, lambda _: desk.names())}) == 1
    assert desk.asked() == 1


def test_a_token_is_renewed_in_the_background_before_it_ends(desk: Desk) -> None:
    desk.names()
    desk.lab.clock.forward(3600 - 299)
    desk.names()
    finish_background_work()
    assert desk.asked() == 2
    desk.names()
    assert desk.asked() == 2


def test_a_token_is_used_on_while_it_cannot_be_renewed(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.names()
    desk.lab.clock.forward(3600 - 299)
    desk.lab.stack.faults.add("entra.token", status=503)
    desk.names()
    finish_background_work()
    desk.names()
    assert "a token of the application could not be renewed yet" in caplog.text
    desk.lab.clock.forward(300)
    with pytest.raises(ServiceUnavailable):
        desk.names()


def test_a_failing_entra_is_left_alone_for_a_while(desk: Desk) -> None:
    desk.lab.stack.faults.add("entra.token", status=503)
    for _ in range(8):
        with pytest.raises(ServiceUnavailable):
            desk.names()
    assert 5 <= len(desk.lab.exchanges(desk.mark)) <= 6


def test_throttling_is_kept_to(desk: Desk) -> None:
    desk.lab.stack.faults.add("entra.token", status=429, headers={"Retry-After": "40"}, times=1)
    for wait in (40, 40):
        with pytest.raises(ServiceUnavailable) as raised:
            desk.names()
        assert raised.value.retry_after in (wait, wait - 1)
    assert len(desk.lab.exchanges(desk.mark)) == 1
    desk.lab.clock.forward(41)
    assert desk.names()


def test_a_rotated_certificate_costs_one_more_request(desk: Desk) -> None:
    desk.names()
    desk.lab.stack.rotate_client_certificate(unregister_old=True)
    desk.lab.clock.forward(3601)
    assert desk.names()


@pytest.mark.parametrize("roles", [(), ("Mail.Read",)])
def test_an_application_without_the_role_is_denied(desk: Desk, roles: tuple[str, ...]) -> None:
    graph = desk.lab.stack.directory.applications["graph"]
    desk.lab.stack.directory.withdraw_app_roles(API, graph)
    for role in roles:
        desk.lab.stack.directory.assign_app_role(API, graph, role)
    with pytest.raises(AccessDenied) as raised:
        desk.names()
    assert raised.value.reason == "Directory: HTTP 403 Authorization_RequestDenied"


def test_a_role_that_is_given_later_is_found(desk: Desk) -> None:
    graph = desk.lab.stack.directory.applications["graph"]
    desk.lab.stack.directory.withdraw_app_roles(API, graph)
    with pytest.raises(AccessDenied):
        desk.names()
    desk.lab.stack.directory.assign_app_role(API, graph, "User.Read.All")
    desk.lab.clock.forward(61)
    with pytest.raises(AccessDenied):
        desk.names()  # refused with the old token; the new one is for the next call
    assert desk.names()


def test_where_an_assignment_is_required_entra_gives_none(desk: Desk) -> None:
    graph = desk.lab.stack.directory.applications["graph"]
    desk.lab.stack.directory.withdraw_app_roles(API, graph)
    desk.lab.stack.directory.require_assignment(graph)
    with pytest.raises(ServerMisconfigured, match="no token for the application: Entra: invalid_grant, AADSTS501051"):
        desk.names()


def test_a_claims_challenge_costs_one_more_token_and_is_never_a_callers(desk: Desk) -> None:
    desk.names()
    desk.lab.stack.graph.challenge(times=1)
    assert desk.names()
    assert desk.asked() == 2
    desk.lab.stack.graph.challenge(times=None)
    with pytest.raises(ServerMisconfigured, match="asks for a sign-in or consent, but the app called it"):
        desk.names()


def test_a_refused_token_is_replaced_once_a_minute(desk: Desk) -> None:
    desk.lab.stack.faults.add("graph", status=401, times=1)
    assert desk.names()
    assert desk.asked() == 2
    desk.lab.stack.faults.add("graph", status=401)
    for _ in range(3):
        with pytest.raises(BadGateway):
            desk.names()
    assert desk.asked() == 2


# Users and applications are kept apart


def test_an_api_is_for_users_or_for_the_application(desk: Desk) -> None:
    user = desk.lab.user(desk.lazy.get(), desk.lab.stack.issue_access_token("alice"))
    setting = "DownstreamApis__Directory__RequestAppToken"
    for call in (
        lambda: user.api("directory").get("/me"),
        lambda: user.token("Directory"),
        lambda: user.credential("Directory"),
        lambda: user.member_of([API.client_id], api="Directory"),
    ):
        with pytest.raises(ServerMisconfigured, match=f"{setting} must not be true: user.api calls an API as the user"):
            call()
    with pytest.raises(ServerMisconfigured, match="DownstreamApis__Graph__RequestAppToken must be true: app_api calls"):
        AppApi("graph", desk.lazy).get("/users")
    with pytest.raises(ServerMisconfigured, match="no settings DownstreamApis__Nothing__BaseUrl"):
        AppApi("Nothing", desk.lazy).get("/users")
    assert desk.asked() == 0


def test_in_a_request_it_is_500_and_names_the_setting_in_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    @RequiresUser(desk.lazy)(scopes=["access_as_user"])
    def me(req: func.HttpRequest, user: User) -> object:
        return user.api("Directory").get("/me")

    reply = reply_of(me, req=request(desk.lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)["code"]) == (500, "server_misconfigured")
    assert "RequestAppToken" not in reply.get_body().decode()
    assert 'reason="DownstreamApis__Directory__RequestAppToken must not be true' in caplog.text


def test_a_prefetched_api_for_the_application_is_reported_at_start(desk: Desk) -> None:
    @RequiresUser(desk.lazy)(scopes=["access_as_user"], prefetch=["Directory"])
    def me(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    (problem,) = desk.lazy.problems().items()
    assert problem[0] == "DownstreamApis__Directory__RequestAppToken"
    assert problem[1].startswith("must not be true")
    assert problem[1].endswith("and me prefetches it")
    assert reply_of(me, req=request(desk.lab.stack.issue_access_token("alice"))).status_code == 500


def test_tokens_are_apart_in_type_and_place(desk: Desk) -> None:
    token = desk.lab.stack.issue_access_token("alice")
    services = desk.lazy.get()
    desk.lab.me(services, token)
    desk.names()
    assert not issubclass(AppToken, DownstreamToken)
    assert not issubclass(ValidatedAppToken, ValidatedToken)
    (session,) = services.sessions._sessions._entries.values()
    (kept,) = services.app_tokens()._kept.values()
    assert kept.token is not None
    assert kept.token.token not in [each.token for each in session.value.downstream_tokens.values()]
    assert repr(kept.token).startswith("AppToken(***")
    assert kept.token.token not in repr(desk.api)


def test_a_calling_application_has_no_apis(desk: Desk) -> None:
    @RequiresApp(desk.lazy)(roles=["Jobs.Run"])
    def job(req: func.HttpRequest, app: CallingApp) -> object:
        assert not any(hasattr(app, name) for name in ("api", "token", "credential"))
        return {"id": app.id, "tenant": app.tenant_id, "roles": sorted(app.roles), "users": len(desk.names())}

    token = desk.lab.stack.issue_app_token(roles=("Jobs.Run", "Other"))
    own = desk.lab.stack.environ("client")
    for _ in range(2):
        assert body_of(reply_of(job, req=request(token))) == {
            "id": own["CLIENT_APP_ID"],
            "tenant": own["TENANT_ID"],
            "roles": ["Jobs.Run", "Other"],
            "users": len(people_of(CONTOSO)),
        }
    assert (desk.asked(), [entry.action for entry in desk.lab.exchanges(desk.mark)]) == (1, ["client_credentials"])


def test_in_a_request_its_line_has_the_calls_and_says_that_the_caller_is_an_application(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    @RequiresApp(desk.lazy)(roles=["Jobs.Run"])
    async def job(req: func.HttpRequest, app: CallingApp) -> object:
        return await AsyncAppApi("Directory", desk.lazy).get("/users")

    assert reply_of(job, req=request(desk.lab.stack.issue_app_token(roles=("Jobs.Run",)))).status_code == 200
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("request ")]
    assert "function=job method=GET status=200" in line
    assert "tokens=Directory:miss:" in line
    assert "calls=Directory:200:" in line
    assert "caller=app" in line


# Outside a request


def test_outside_a_request_each_call_writes_a_line(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk.names()
    with pytest.raises(NotFound):
        desk.api.get("/users/nobody")
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("request ")]
    assert [line.partition(" ms=")[0] for line in lines] == [
        "request function=app_api method=GET status=200",
        "request function=app_api method=GET status=404",
    ]
    assert "tokens=Directory:miss:" in lines[0]
    assert "tokens=Directory:hit calls=Directory:404:" in lines[1]
    assert len({line.partition("correlation_id=")[2][:36] for line in lines}) == 2


def test_outside_a_request_an_awaited_call_writes_its_line_on_the_event_loop(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """The Functions host drops what a thread of the app logs."""
    caplog.set_level(logging.INFO)
    api = AsyncAppApi("Directory", desk.lazy)
    asyncio.run(_get(api))
    with pytest.raises(NotFound):
        asyncio.run(_get(api, "/users/nobody"))
    lines = [record for record in caplog.records if record.getMessage().startswith("request ")]
    assert [line.getMessage().partition(" ms=")[0] for line in lines] == [
        "request function=app_api method=GET status=200",
        "request function=app_api method=GET status=404",
    ]
    assert {line.thread for line in lines} == {threading.get_ident()}
    assert "tokens=Directory:miss:" in lines[0].getMessage()


def test_a_stream_and_pages_write_one_line_for_each_request(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    api = AsyncAppApi("Directory", desk.lazy)

    async def read() -> bytes:
        async with api.stream("/users") as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def count() -> int:
        return len([item async for item in api.items("/users")])

    assert b"Alice" in asyncio.run(read())
    assert asyncio.run(count()) == len(people_of(CONTOSO))
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("request ")]
    assert [line.partition(" status=")[0] for line in lines] == ["request function=app_api method=GET"] * 2


def test_a_user_that_was_kept_does_not_act_in_a_job(desk: Desk) -> None:
    user = desk.lab.user(desk.lazy.get(), desk.lab.stack.issue_access_token("alice"))
    with JobContext(RequestRecord()), pytest.raises(ApiError, match="of another request was used"):
        user.api("Graph").get("/me")


def test_outside_a_request_the_deadline_is_that_of_the_setting(desk: Desk) -> None:
    short = Desk(desk.lab, AzureAd__RequestTimeoutSeconds="1")
    short.names()
    desk.lab.stack.faults.add("graph", delay=20)
    with pytest.raises(GatewayTimeout):
        short.api.get("/users")
    with pytest.raises(GatewayTimeout):
        asyncio.run(_get(AsyncAppApi("Directory", short.lazy)))


async def _get(api: AsyncAppApi, path: str = "/users") -> object:
    return await api.get(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AzureAd__TenantId": None}, "AzureAd__TenantId: is missing"),
        ({f"{AT}Scopes": "https://graph.microsoft.com/User.Read.All"}, "must be one scope that ends with /.default"),
        ({f"{AT}Scopes": "a/.default b/.default"}, f"because {AT}RequestAppToken is true"),
        ({f"{AT}Scopes": "/.default"}, "must be one scope that ends with /.default"),
        ({f"{AT}Scopes": "api://x/ /.default"}, "must be one scope that ends with /.default"),
        ({f"{AT}Scopes": ".default"}, "must be one scope that ends with /.default"),
        ({f"{AT}RequestAppToken": "yes"}, "must be true or false"),
        ({f"{AT}Scopes": None}, f"{AT}Scopes: is missing"),
        (
            {"AzureAd__TenantId": "organizations", "AzureAd__AllowedTenants": CONTOSO},
            f"{AT}RequestAppToken: must not be true while AzureAd__TenantId is organizations",
        ),
    ],
)
def test_wrong_settings_are_named_before_anything_is_sent(
    desk: Desk, changes: dict[str, str | None], words: str
) -> None:
    wrong = Desk(desk.lab, **changes)
    with pytest.raises(SettingsError) as raised:
        wrong.names()
    assert words in str(raised.value)
    assert wrong.asked() == 0


def test_an_app_that_only_calls_as_itself_needs_a_credential(desk: Desk) -> None:
    gone = {name: None for name in desk.lab.environ() if "ClientCredentials" in name}
    with pytest.raises(SettingsError, match="calls of APIs need a credential"):
        Settings.from_environ(desk.lab.environ(**DIRECTORY, **gone))


def test_after_a_request_a_call_is_not_one_of_it(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A thread that a function has started goes on after the response."""
    caplog.set_level(logging.INFO)
    go, threads = threading.Event(), list[threading.Thread]()

    @RequiresApp(desk.lazy)(roles=["Jobs.Run"])
    def job(req: func.HttpRequest, app: CallingApp) -> None:
        run = contextvars.copy_context().run
        threads.append(threading.Thread(target=lambda: run(lambda: (go.wait(30), desk.names()))))
        threads[0].start()

    assert reply_of(job, req=request(desk.lab.stack.issue_app_token(roles=("Jobs.Run",)))).status_code == 204
    go.set()
    threads[0].join()
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("request ")]
    assert ["function=app_api" in line for line in lines] == [False, True]


def test_nothing_of_it_is_made_before_the_first_call(desk: Desk) -> None:
    services: Services = desk.lazy.get()
    assert services._app_tokens is None
    assert isinstance(desk.api, AppApi)
    desk.names()
    assert services.app_tokens() is services.app_tokens()


def test_its_errors_are_the_templates_own(desk: Desk) -> None:
    desk.lab.stack.faults.add("graph", network="refused")
    with pytest.raises(ApiError) as raised:
        desk.names()
    assert type(raised.value) is BadGateway
