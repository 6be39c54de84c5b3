"""`user.credential`: what a client of an Azure SDK gets, for which resource, for whom, and how long."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import jwt
import pytest
from azure.core import AsyncPipelineClient, PipelineClient
from azure.core.credentials import AccessToken, SupportsTokenInfo, TokenCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    BearerTokenCredentialPolicy,
    RedirectPolicy,
    RetryPolicy,
)
from azure.core.rest import HttpRequest
from requests import RequestException

from shared import ApiError, AsyncUser, User
from shared.errors import BadGateway, ClaimsChallenge, ConsentRequired, InvalidToken, ServerMisconfigured
from shared.exchange import DownstreamToken, Refusal
from shared.net import within
from shared.requires_user import RequiresUser
from shared.services import LazyServices, Services
from shared.settings.authority import Authority
from shared.user.credential import UserCredential, graph_of, resource_of
from tests.support.lab import Lab
from tests.support.wire import RESPONSE, Wire, listening

from .guarded import body_of, reply_of, request

GRAPH = "https://graph.microsoft.com"
DEFAULT = f"{GRAPH}/.default"
NAME = "/v1.0/me?$select=displayName"
SETTING = "DownstreamApis__Graph__Scopes"
NBF = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'


def alice(lab: Lab, services: Services | None = None) -> User:
    return lab.user(services or lab.services(), lab.stack.issue_access_token("alice"))


def credential(lab: Lab, name: str = "Graph", **settings: str | None) -> UserCredential:
    return alice(lab, lab.services(**settings)).credential(name)


def graph_client(user: User, **options: Any) -> Any:
    policy = BearerTokenCredentialPolicy(user.credential("Graph"), DEFAULT)
    return PipelineClient(GRAPH, per_retry_policies=[policy], **{**user.azure_options(), **options})


def get(client: Any, path: str, **options: Any) -> Any:
    return client.send_request(HttpRequest("GET", f"{client._base_url}{path}"), **options)


def name_of(client: Any) -> str:
    response = get(client, NAME)
    response.raise_for_status()
    name: str = response.json()["displayName"]
    return name


async def async_name_of(user: AsyncUser) -> str:
    policy = AsyncBearerTokenCredentialPolicy(user.credential("Graph"), DEFAULT)
    client: Any = AsyncPipelineClient(GRAPH, per_retry_policies=[policy], **user.azure_options())
    async with client:
        response = await get(client, NAME)
        response.raise_for_status()
        name: str = response.json()["displayName"]
        return name


class EchoedTokens:
    """In place of Entra: the token for a user is the user's own name, with a plus for each refused token before it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, refusal: Refusal | None = None, **_: object
    ) -> DownstreamToken:
        self.asked.append(tuple(scopes))
        name = jwt.decode(assertion, options={"verify_signature": False})["name"]
        return DownstreamToken(f"{refusal.token}+" if refusal else name, 4e9, 4e9)


def test_a_credential_has_the_protocols_of_azure_core_and_shows_no_token(lab: Lab) -> None:
    with credential(lab) as own:
        assert isinstance(own, TokenCredential)
        assert isinstance(own, SupportsTokenInfo)
        token, info = own.get_token(DEFAULT), own.get_token_info(DEFAULT, options={"enable_cae": True})
    assert isinstance(token, AccessToken)
    assert (token.token, token.expires_on) == (info.token, info.expires_on)
    assert jwt.decode(token.token, options={"verify_signature": False})["aud"] == GRAPH
    assert info.refresh_on == 1
    assert all("***" in repr(each) and token.token not in repr(each) for each in (own, token, info))


def test_the_async_credential_has_them_too(lab: Lab) -> None:
    async def run() -> None:
        made = alice(lab)
        user = AsyncUser(made._context, made._apis)
        async with user.credential("graph") as own:
            assert isinstance(own, AsyncTokenCredential)
            token, info = await own.get_token(DEFAULT), await own.get_token_info(DEFAULT)
            assert (token.token, info.refresh_on) == (info.token, 1)
            assert repr(own) == "AsyncUserCredential(***)"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("setting", "base_url", "asked"),
    [
        (DEFAULT, f"{GRAPH}/v1.0", DEFAULT),
        (DEFAULT, f"{GRAPH}/v1.0", "User.Read"),
        (DEFAULT, f"{GRAPH}/v1.0", "https://Graph.Microsoft.com/Mail.Read"),
        ("User.Read", f"{GRAPH}/v1.0", DEFAULT),
        ("User.Read", "", DEFAULT),
        (DEFAULT, f"{GRAPH}/v1.0", "https://graph.microsoft.com//.default"),
    ],
)
def test_any_scope_of_the_settings_resource_brings_the_scopes_of_the_setting(
    lab: Lab, setting: str, base_url: str, asked: str
) -> None:
    services = lab.services(DownstreamApis__Graph__Scopes=setting, DownstreamApis__Graph__BaseUrl=base_url or None)
    services.sessions._exchanger = entra = EchoedTokens()
    own = alice(lab, services).credential("Graph")
    assert own.get_token(asked, asked).token == own.get_token_info(asked).token == "Alice Ahlberg"
    assert entra.asked == [(setting,)]


@pytest.mark.parametrize(
    ("scope", "resource"),
    [
        ("https://vault.azure.net//.default", "https://vault.azure.net"),
        ("https://storage.azure.com/user_impersonation", "https://storage.azure.com"),
        ("api://6f0c/Stock.Read", "api://6f0c"),
        ("6f0c/.default", "6f0c"),
        ("User.Read", GRAPH),
    ],
)
def test_the_resource_of_a_scope(scope: str, resource: str) -> None:
    assert resource_of(scope, GRAPH) == resource


@pytest.mark.parametrize(
    ("instance", "base_url", "graph"),
    [
        ("https://login.microsoftonline.com", "", GRAPH),
        ("https://login.microsoftonline.com", "https://x.blob.core.windows.net", GRAPH),
        ("https://login.example", "", GRAPH),
        ("https://contoso.ciamlogin.com", "", GRAPH),
        ("https://login.microsoftonline.us", "", "https://graph.microsoft.us"),
        ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us/v1.0", "https://dod-graph.microsoft.us"),
        ("https://login.partner.microsoftonline.cn", "", "https://microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_graph_is_that_of_the_cloud(instance: str, base_url: str, graph: str) -> None:
    assert graph_of(base_url, Authority(instance, "tenant", "client")) == graph


FOREIGN: list[tuple[str, ...]] = [
    (),
    ("https://storage.azure.com/.default",),
    (DEFAULT, "https://storage.azure.com/.default"),
    ("https://graph.microsoft.com.evil.example/.default",),
    ("https://evil.example/https://graph.microsoft.com/.default",),
    ("https://graph.microsoft.com@evil.example/.default",),
    ("http://graph.microsoft.com/.default",),
    ("00000003-0000-0000-c000-000000000000/.default",),
    ("https://x\r\nevil: log/.default",),
]


@pytest.mark.parametrize("scopes", FOREIGN)
def test_a_scope_of_another_resource_is_refused_before_anything_is_sent(lab: Lab, scopes: tuple[str, ...]) -> None:
    own, mark = credential(lab), lab.stack.audit.mark()
    calls: list[Callable[[], object]] = [
        lambda: own.get_token(*scopes),
        lambda: own.get_token(*scopes, claims=NBF),
        lambda: own.get_token_info(*scopes),
        lambda: own.get_token_info(*scopes, options={"claims": NBF}),
    ]
    for call in calls:
        with pytest.raises(ServerMisconfigured, match=SETTING) as raised:
            call()
        assert not isinstance(raised.value, AzureError)
        assert "\n" not in str(raised.value)
    assert lab.exchanges(mark) == []


@pytest.mark.parametrize("tenant", ["fab41ca0-52d4-4b6e-8a19-6c3e5d4f7b82", "common", "organizations"])
def test_another_tenant_is_refused_before_anything_is_sent(lab: Lab, tenant: str) -> None:
    own, mark = credential(lab), lab.stack.audit.mark()
    with pytest.raises(ServerMisconfigured, match="another tenant"):
        own.get_token(DEFAULT, tenant_id=tenant)
    with pytest.raises(ServerMisconfigured, match="another tenant"):
        own.get_token_info(DEFAULT, options={"tenant_id": tenant})
    assert lab.exchanges(mark) == []
    user = alice(lab)
    assert user.credential("Graph").get_token(DEFAULT, tenant_id=user.tenant_id.upper()).token


def test_claims_cost_one_more_exchange(lab: Lab) -> None:
    own = credential(lab)
    first, mark = own.get_token_info(DEFAULT).token, lab.stack.audit.mark()
    second = own.get_token_info(DEFAULT, options={"claims": NBF}).token
    assert (len(lab.exchanges(mark)), second == first) == (1, False)
    assert own.get_token(DEFAULT).token == second
    assert len(lab.exchanges(mark)) == 1


@pytest.mark.parametrize("claims", ["{}", "not json", "[1]", '{"access_token": 1}', "x" * 5000])
def test_what_is_no_claims_request_is_a_bad_gateway(lab: Lab, claims: str) -> None:
    own, mark = credential(lab), lab.stack.audit.mark()
    with pytest.raises(BadGateway):
        own.get_token(DEFAULT, claims=claims)
    assert lab.exchanges(mark) == []


def test_an_azure_client_sends_the_users_token_and_answers_a_challenge(lab: Lab) -> None:
    client = graph_client(alice(lab))
    assert name_of(client) == "Alice Ahlberg"
    mark = lab.stack.audit.mark()
    lab.stack.graph.challenge({"access_token": {"nbf": {"essential": True, "value": "1"}}}, times=1)
    assert (name_of(client), len(lab.exchanges(mark))) == ("Alice Ahlberg", 1)


@pytest.mark.parametrize(("person", "kind"), [("maya", ClaimsChallenge), ("connor", ConsentRequired)])
def test_what_entra_demands_passes_through_an_azure_client(lab: Lab, person: str, kind: type[ApiError]) -> None:
    with pytest.raises(kind) as raised:
        name_of(graph_client(lab.user(lab.services(), lab.stack.issue_access_token(person))))
    assert type(raised.value) is kind


def test_a_challenge_that_entra_cannot_answer_passes_through_an_azure_client(lab: Lab) -> None:
    client = graph_client(alice(lab))
    lab.stack.graph.challenge(times=None)
    with pytest.raises(ClaimsChallenge) as raised:
        name_of(client)
    assert "claims" in raised.value.extra


def test_a_function_replies_what_entra_demands(lab: Lab) -> None:
    requires_user = RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))

    @requires_user()
    def me(req: func.HttpRequest, user: User) -> object:
        return {"name": name_of(graph_client(user))}

    @requires_user()
    async def me_async(req: func.HttpRequest, user: AsyncUser) -> object:
        return {"name": await async_name_of(user)}

    for function in (me, me_async):
        reply = reply_of(function, req=request(lab.stack.issue_access_token("alice")))
        assert (reply.status_code, body_of(reply)) == (200, {"name": "Alice Ahlberg"})
        reply = reply_of(function, req=request(lab.stack.issue_access_token("maya")))
        assert (reply.status_code, body_of(reply)["code"]) == (401, "insufficient_claims")
        assert 'error="insufficient_claims"' in reply.headers["WWW-Authenticate"]
        reply = reply_of(function, req=request(lab.stack.issue_access_token("connor")))
        assert (reply.status_code, body_of(reply)["code"]) == (403, "consent_required")


class DropsClaims(BearerTokenCredentialPolicy[Any, Any]):
    """As the storage clients, it does not know claims challenges."""

    def on_challenge(self, request: Any, response: Any) -> bool:
        return False


class AsyncDropsClaims(AsyncBearerTokenCredentialPolicy[Any, Any]):
    """The same for `async` clients."""

    async def on_challenge(self, request: Any, response: Any) -> bool:
        return False


def sends(user: User, url: str, method: str = "GET", *, stream: bool = False, **body: Any) -> Any:
    """The response to one request of a client that drops claims challenges."""
    client: Any = PipelineClient(
        url, per_retry_policies=[DropsClaims(user.credential("Graph"), DEFAULT)], **user.azure_options()
    )
    response = client.send_request(HttpRequest(method, url, **body), stream=stream)
    response.read()
    return response


def sends_async(made: User, url: str, method: str = "GET", *, stream: bool = False, **body: Any) -> Any:
    """The same of an `async` client."""
    user = AsyncUser(made._context, made._apis)

    async def send() -> Any:
        policy = AsyncDropsClaims(user.credential("Graph"), DEFAULT)
        client: Any = AsyncPipelineClient(url, per_retry_policies=[policy], **user.azure_options())
        response = await client.send_request(HttpRequest(method, url, **body), stream=stream)
        await response.read()
        return response

    return asyncio.run(send())


both = pytest.mark.parametrize("send", [sends, sends_async], ids=["def", "async def"])


@both
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_challenge_that_a_client_drops_costs_one_more_exchange(lab: Lab, send: Any, stream: bool) -> None:
    user = alice(lab)
    user.token("Graph")
    mark = lab.stack.audit.mark()
    lab.stack.graph.challenge(json.loads(NBF), times=1)
    for _ in range(2):
        response = send(user, GRAPH + NAME, stream=stream)
        assert (response.status_code, response.json()["displayName"]) == (200, "Alice Ahlberg")
    assert len(lab.exchanges(mark)) == 1


@both
def test_a_second_challenge_passes_through_the_client(lab: Lab, send: Any) -> None:
    user = alice(lab)
    user.token("Graph")
    mark = lab.stack.audit.mark()
    lab.stack.graph.challenge(json.loads(NBF), times=2)
    with pytest.raises(ClaimsChallenge) as raised:
        send(user, GRAPH + NAME)
    assert (raised.value.claims, raised.value.reason) == (NBF, "Graph: HTTP 401")
    assert raised.value.authorization_uri == user._context.access_token.authority.authorization_uri
    called = [entry for entry in lab.stack.audit.entries(mark) if entry.service == "graph"]
    assert (len(lab.exchanges(mark)), len(called)) == (1, 2)


@both
@pytest.mark.parametrize("claims", ["", "e30=", "bm90IGpzb24=", "!"])
def test_a_challenge_without_a_claims_request_stays_a_response(lab: Lab, send: Any, claims: str) -> None:
    mark = lab.stack.audit.mark()
    challenge = f'Bearer error="insufficient_claims", claims="{claims}"'
    lab.stack.faults.add("graph", status=401, headers={"WWW-Authenticate": challenge})
    assert send(alice(lab), GRAPH + NAME).status_code == 401
    assert len(lab.exchanges(mark)) == 1


CHALLENGED = (
    b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nWWW-Authenticate: Bearer error="insufficient_claims", claims="'
    + base64.b64encode(NBF.encode())
    + b'"\r\n\r\n{}'
)


@contextmanager
def challenging(lab: Lab, tmp: Path, patch: pytest.MonkeyPatch) -> Iterator[tuple[User, str, Wire]]:
    """A Graph at the other end of a wire, which wants a new token of each user."""
    services = lab.services()
    user = lab.user(services, lab.stack.issue_access_token("alice", name="Alice"))
    with listening(tmp, patch) as wire:
        url = graph_is_at(wire, services)
        wire.reply = lambda secure: secure.sendall(RESPONSE if b"Alice+" in wire.current.request else CHALLENGED)
        yield user, url, wire


def graph_is_at(wire: Wire, services: Services) -> str:
    """The address of the other end, which these services then take for Graph's, with tokens that name their user."""
    services.sessions._exchanger = EchoedTokens()
    url, apis = f"https://localhost:{wire.port}", services.apis._settings
    services.apis._settings = {**apis, "graph": apis["graph"]._replace(base_url=f"{url}/v1.0")}
    return url


class Pipe(io.BytesIO):
    """A file that cannot be rewound."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


class Fixed(io.BytesIO):
    """A file that says where it is, but cannot go back."""

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


def after_its_head() -> io.BytesIO:
    file = io.BytesIO(b"head" + b"one two")
    file.seek(4)
    return file


async def in_parts() -> Any:
    yield b"one "
    yield b"two"


@pytest.mark.parametrize(
    ("send", "content", "again"),
    [
        (sends, lambda: b"one two", True),
        (sends, lambda: "one two", True),
        (sends, after_its_head, True),
        (sends, lambda: iter([b"one ", b"two"]), False),
        (sends, lambda: Pipe(b"one two"), False),
        (sends, lambda: Fixed(b"one two"), False),
        (sends_async, lambda: b"one two", True),
        (sends_async, after_its_head, True),
        (sends_async, in_parts, True),
        (sends_async, lambda: iter([b"one ", b"two"]), False),
    ],
)
def test_a_body_is_sent_again_whole_or_not_at_all(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, send: Any, content: Callable[[], Any], again: bool
) -> None:
    with challenging(lab, tmp_path, monkeypatch) as (user, url, wire):
        body: dict[str, Any] = {"content": content(), "headers": {"Content-Length": "7"}}
        if again:
            assert send(user, f"{url}/", "PUT", **body).status_code == 200
        else:
            with pytest.raises(ClaimsChallenge) as raised:
                send(user, f"{url}/", "PUT", **body)
            assert (raised.value.status, raised.value.claims) == (401, NBF)
        assert [each.partition(b"\r\n\r\n")[2] for each in wire.taken()] == [b"one two"] * (1 + again)
        assert send(user, f"{url}/").status_code == 200  # with the token that has the claims
        assert len(wire.taken()) == 1


@both
def test_a_form_with_files_is_not_sent_again(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, send: Any
) -> None:
    with challenging(lab, tmp_path, monkeypatch) as (user, url, wire):
        with pytest.raises(ClaimsChallenge):
            send(user, f"{url}/", "POST", files={"file": io.BytesIO(b"content")})
        assert len(wire.taken()) == 1


@both
@pytest.mark.parametrize(
    "other",
    [
        "https://orders-local.azurewebsites.net/",
        "https://graph.microsoft.com.evil.example/",
        "https://graph.microsoft.com:8443/v1.0/me",
        "https://graph.microsoft.com@evil.example/",
        "https://evil.example/https://graph.microsoft.com/",
        "https://graph.microsoft.com\\@evil.example/",
        "https://graph.microsoft.com\t.evil.example/",
        "https://graph.microsoft.com\n/v1.0/me",
        "https://[graph.microsoft.com/",
    ],
)
def test_no_token_goes_to_another_host(lab: Lab, send: Any, other: str) -> None:
    user = alice(lab)
    user.token("Graph")
    mark = lab.stack.audit.mark()
    with pytest.raises((ServerMisconfigured, ValueError)) as raised:
        send(user, other)
    if isinstance(raised.value, ServerMisconfigured):
        assert "another host than DownstreamApis__Graph__BaseUrl" in raised.value.reason
    assert lab.stack.audit.entries(mark) == []


def test_no_token_goes_over_plain_http(lab: Lab) -> None:
    user = alice(lab)
    policy = DropsClaims(user.credential("Graph"), DEFAULT)
    client: Any = PipelineClient("http://graph.microsoft.com", per_retry_policies=[policy], **user.azure_options())
    with pytest.raises(ServerMisconfigured, match="DownstreamApis__Graph__BaseUrl"):
        client.send_request(HttpRequest("GET", "http://graph.microsoft.com/"), enforce_https=False)


def test_a_client_needs_the_setting_that_names_its_host(lab: Lab) -> None:
    user = alice(lab, lab.services(DownstreamApis__Graph__BaseUrl=None))
    mark = lab.stack.audit.mark()
    with pytest.raises(ServerMisconfigured, match="DownstreamApis__Graph__BaseUrl is missing"):
        sends(user, GRAPH + NAME)
    assert [entry for entry in lab.stack.audit.entries(mark) if entry.service == "graph"] == []


def test_two_names_of_one_resource_may_have_a_host_each(lab: Lab) -> None:
    """They have one token, since their scopes are the same."""
    scopes = lab.environ()[SETTING]
    elsewhere = {"DownstreamApis__Beta__BaseUrl": "https://beta.example/", "DownstreamApis__Beta__Scopes": scopes}
    user = alice(lab, lab.services(**elsewhere))
    assert user.credential("Beta").get_token(DEFAULT).token == user.token("Graph")
    assert sends(user, GRAPH + NAME).json()["displayName"] == "Alice Ahlberg"


def test_the_options_of_one_user_send_no_token_of_another(lab: Lab) -> None:
    services = lab.services()
    users = [lab.user(services, lab.stack.issue_access_token(person)) for person in ("alice", "olga")]
    assert users[1].credential("Graph").get_token(DEFAULT).token
    policy = DropsClaims(users[0].credential("Graph"), DEFAULT)
    client: Any = PipelineClient(GRAPH, per_retry_policies=[policy], **users[1].azure_options())
    mark = lab.stack.audit.mark()
    with pytest.raises(ServerMisconfigured, match=r"not of user\.credential"):
        get(client, NAME)
    assert [entry for entry in lab.stack.audit.entries(mark) if entry.service == "graph"] == []


@pytest.mark.parametrize(
    "value", ["Bearer {}", "bearer {}", "Bearer\t{}", "Bearer  {}", "Bearer x {}", "Bearer {} x", "Bearer "]
)
def test_a_token_that_no_credential_issued_is_not_sent(lab: Lab, value: str) -> None:
    user = alice(lab)
    client: Any = PipelineClient(GRAPH, **user.azure_options())
    header = value.format(user.token("Graph"))  # of the same user, but not by a credential
    mark = lab.stack.audit.mark()
    with pytest.raises(ServerMisconfigured, match=r"not of user\.credential"):
        client.send_request(HttpRequest("GET", GRAPH + NAME, headers={"Authorization": header}))
    assert lab.stack.audit.entries(mark) == []


def test_a_client_with_a_key_of_its_own_sends_it(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = alice(lab)
    with listening(tmp_path, monkeypatch) as wire:
        url = f"https://localhost:{wire.port}"
        client: Any = PipelineClient(url, **user.azure_options())
        for headers in ({}, {"Authorization": "SharedKey account:signature"}):
            client.send_request(HttpRequest("GET", url, headers=headers)).raise_for_status()
        assert len(wire.taken()) == 2


class SignInAgain(EchoedTokens):
    """In place of an Entra that says no more, when claims are asked for, than that the user must sign in."""

    def exchange(self, assertion: str, scopes: Sequence[str], **options: Any) -> DownstreamToken:
        if options["refusal"] is not None:
            raise InvalidToken(reason="AADSTS50173")
        return super().exchange(assertion, scopes)


def test_claims_for_which_the_user_must_sign_in_go_on_to_the_client(lab: Lab) -> None:
    services = lab.services()
    services.sessions._exchanger = SignInAgain()
    own = alice(lab, services).credential("Graph")
    with pytest.raises(ClaimsChallenge) as raised:
        own.get_token(DEFAULT, claims=NBF)
    assert (raised.value.claims, raised.value.reason) == (NBF, "AADSTS50173")
    assert raised.value.authorization_uri == services.settings.authority.authorization_uri


class StorageLike(BearerTokenCredentialPolicy[Any, Any]):
    """As the storage clients do, it asks for what the server's 401 names."""

    def on_challenge(self, request: Any, response: Any) -> bool:
        words = response.http_response.headers["WWW-Authenticate"].split()
        named = dict(word.split("=", 1) for word in words if "=" in word)
        tenant = named["authorization_uri"].split("/")[3]
        self.authorize_request(request, named["resource_id"] + "/.default", tenant_id=tenant)
        return True


@pytest.mark.parametrize("tenant", ["own", "common"])
def test_a_hostile_server_that_asks_for_a_graph_token_gets_none(lab: Lab, tenant: str) -> None:
    user = alice(lab)
    api = user.api("Orders")
    resource = user.credential("Orders")._api.scopes[0].rpartition("/")[0]
    wanted, where = (GRAPH, user.tenant_id) if tenant == "own" else (resource, tenant)
    challenge = (
        f"Bearer authorization_uri=https://login.microsoftonline.com/{where}/oauth2/authorize resource_id={wanted}"
    )
    lab.stack.faults.add("orders", status=401, headers={"WWW-Authenticate": challenge})
    policy = StorageLike(user.credential("Orders"), f"{resource}/.default")
    client: Any = PipelineClient(api.base_url, per_retry_policies=[policy], **user.azure_options())
    mark = lab.stack.audit.mark()
    with pytest.raises(ServerMisconfigured):
        get(client, "/orders")
    assert len(lab.exchanges(mark)) == 1  # the one for Orders itself
    assert len([entry for entry in lab.stack.audit.entries(mark) if entry.service == "orders"]) == 1


def test_base_url_may_be_absent_where_only_a_credential_is_used(lab: Lab) -> None:
    user = alice(lab, lab.services(DownstreamApis__Graph__BaseUrl=None))
    assert user.credential("Graph").get_token(DEFAULT).token == user.token("Graph")
    calls: list[Callable[[], object]] = [lambda: user.api("Graph").get("/me"), lambda: user.api("Graph").base_url]
    for call in calls:
        with pytest.raises(ServerMisconfigured, match="DownstreamApis__Graph__BaseUrl"):
            call()
    assert alice(lab).api("Graph").base_url == f"{GRAPH}/v1.0"
    with pytest.raises(ServerMisconfigured, match="DownstreamApis__Grpah"):
        user.credential("Grpah")


def test_a_netrc_file_does_not_replace_the_token(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine graph.microsoft.com login u password p\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    assert name_of(graph_client(alice(lab))) == "Alice Ahlberg"


def test_a_client_follows_no_redirect_and_repeats_no_refused_request(lab: Lab) -> None:
    user = alice(lab)
    options = user.azure_options()
    bearer: Any = BearerTokenCredentialPolicy(user.credential("Graph"), DEFAULT)
    policies = [RedirectPolicy(**options), RetryPolicy(**options), bearer]
    client: Any = PipelineClient(GRAPH, policies=policies, transport=options["transport"])
    for status, headers in (
        (302, {"Location": "https://orders-local.azurewebsites.net/"}),
        (503, {"Retry-After": "9"}),
    ):
        mark = lab.stack.audit.mark()
        lab.stack.faults.add("graph", status=status, headers=headers, times=1)
        assert get(client, NAME).status_code == status
        sent_to = [entry.service for entry in lab.stack.audit.entries(mark)]
        assert (sent_to.count("graph"), sent_to.count("orders")) == (1, 0)


def test_closing_a_client_does_not_close_the_connections_of_others(lab: Lab) -> None:
    user = alice(lab)
    with graph_client(user) as first:
        assert name_of(first) == "Alice Ahlberg"
    assert name_of(first) == name_of(graph_client(user)) == "Alice Ahlberg"
    sessions = [each.azure_options()["transport"].session for each in (user, alice(lab))]
    assert sessions[0] is sessions[1]


def late_function(lab: Lab, keep: Callable[[User], object]) -> object:
    """What a request has kept, after its end."""
    requires_user = RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))
    kept = []

    @requires_user()
    def me(req: func.HttpRequest, user: User) -> object:
        kept.append(keep(user))
        return {}

    assert reply_of(me, req=request(lab.stack.issue_access_token("alice"))).status_code == 200
    return kept[0]


def test_a_client_or_credential_that_outlives_its_request_raises(lab: Lab) -> None:
    def used(user: User) -> Any:
        client = graph_client(user)
        assert name_of(client) == "Alice Ahlberg"  # so that azure-core has a token that is good for an hour
        return client

    client = late_function(lab, used)
    with pytest.raises(ApiError, match="kept longer than its request"):
        name_of(client)
    kept: Any = late_function(lab, lambda user: (user.token("Graph"), user.credential("Graph"), user.azure_options()))
    token, own, options = kept
    bare: Any = PipelineClient(GRAPH, **options)
    own._issued.append(DownstreamToken(token, 4e9, 4e9))  # as if a client had asked for it, and kept it
    with pytest.raises(ApiError, match="kept longer than its request"):
        bare.send_request(HttpRequest("GET", GRAPH + NAME, headers={"Authorization": f"Bearer {token}"}))
    with pytest.raises(ApiError, match="kept longer than its request"):
        own.get_token(DEFAULT)


USERS, ROUNDS = 8, 100


def eight_users(
    lab: Lab,
    client_of: Callable[[User, str], Any],
    tmp: Path,
    patch: pytest.MonkeyPatch,
    reply_to: Callable[[bytes], bytes] = lambda _: RESPONSE,
) -> Any:
    """(path, token) of each request that 8 users on 8 threads sent, 100 each; and the statuses of the replies.

    `reply_to`: the response to a request of one of them.
    """
    tokens = [lab.stack.issue_access_token("alice", name=f"user-{number}") for number in range(USERS)]
    together = threading.Barrier(USERS)
    services = LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward)
    for token in tokens:
        services.get().sessions.open(token)
    requires_user = RequiresUser(services)
    with listening(tmp, patch) as wire:
        wire.reply = lambda secure: secure.sendall(reply_to(wire.current.request))
        url = graph_is_at(wire, services.get())

        @requires_user()
        def read(req: func.HttpRequest, user: User) -> object:
            client = client_of(user, url)
            get(client, f"/{user.name}").raise_for_status()
            return {}

        def run(token: str) -> list[int]:
            together.wait(30)
            return [reply_of(read, req=request(token)).status_code for _ in range(ROUNDS)]

        with ThreadPoolExecutor(USERS) as threads:
            statuses = [status for each in threads.map(run, tokens) for status in each]
        sent = [(head.split()[1][1:].decode(), bearer_in(head)) for head in wire.taken()]
    return SimpleNamespace(sent=sent, statuses=statuses)


def bearer_in(head: bytes) -> str:
    lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization:")]
    assert len(lines) == 1
    return lines[0].rpartition(b" ")[2].decode()


def client_at(url: str, user: User, kind: type[Any] = BearerTokenCredentialPolicy) -> Any:
    policy = kind(user.credential("Graph"), DEFAULT)
    return PipelineClient(url, per_retry_policies=[policy], **user.azure_options())


def test_eight_users_on_eight_threads_send_their_own_tokens_alone(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = eight_users(lab, lambda user, url: client_at(url, user), tmp_path, monkeypatch)
    assert seen.statuses == [200] * (USERS * ROUNDS)
    assert len(seen.sent) == USERS * ROUNDS
    assert [pair for pair in seen.sent if pair[0] != pair[1]] == []


def test_eight_users_with_claims_challenges_send_their_own_tokens_alone(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service accepts the third token of a user. The first request gets two challenges, which is one too many."""

    def reply_to(received: bytes) -> bytes:
        return RESPONSE if bearer_in(received.partition(b"\r\n\r\n")[0]).endswith("++") else CHALLENGED

    def client_of(user: User, url: str) -> Any:
        return client_at(url, user, DropsClaims)

    seen = eight_users(lab, client_of, tmp_path, monkeypatch, reply_to)
    assert (seen.statuses.count(200), seen.statuses.count(401)) == (USERS * ROUNDS - USERS, USERS)
    assert len(seen.sent) == USERS * (ROUNDS + 2)
    assert [pair for pair in seen.sent if pair[0] != pair[1].rstrip("+")] == []


def test_one_client_for_everybody_fails_and_never_sends_anothers_token(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The obvious shortcut. It fails while the first user's request still runs, and after it."""
    clients: dict[str, Any] = {}
    caplog.set_level(logging.CRITICAL)
    seen = eight_users(lab, lambda user, url: clients.setdefault(url, client_at(url, user)), tmp_path, monkeypatch)
    assert set(seen.statuses) == {200, 500}
    assert seen.statuses.count(200) == len(seen.sent) < USERS
    assert [pair for pair in seen.sent if pair[0] != pair[1]] == []


def test_a_client_of_a_request_that_still_runs_does_not_act_for_another_request(lab: Lab) -> None:
    requires_user = RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))
    shared: dict[str, Any] = {}
    inner: dict[str, Any] = {}

    @requires_user()
    def uses_it(req: func.HttpRequest, user: User) -> object:
        return {"name": name_of(shared["client"])}

    @requires_user()
    def makes_it(req: func.HttpRequest, user: User) -> object:
        shared["client"] = graph_client(user)
        with ThreadPoolExecutor(1) as thread:
            inner["own"] = thread.submit(name_of, shared["client"]).result()  # a thread of the function itself may
            olga = request(lab.stack.issue_access_token("olga"))
            inner["olga"] = thread.submit(reply_of, uses_it, req=olga).result()
        return {"name": name_of(shared["client"])}

    reply = reply_of(makes_it, req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply), inner["own"]) == (200, {"name": "Alice Ahlberg"}, "Alice Ahlberg")
    assert (inner["olga"].status_code, body_of(inner["olga"])["code"]) == (500, "internal_error")


def drip(secure: Any) -> None:
    """A response whose body never ends, one byte at a time."""
    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    with suppress(OSError):
        while True:
            secure.sendall(b"x")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_async_client_keeps_to_the_deadline_in_head_and_body(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    made = alice(lab)
    user = AsyncUser(made._context, made._apis)
    made.token("Graph")

    class Dripped:
        """Each look at the clock takes a second."""

        at = 0.0

        def __call__(self) -> float:
            self.at += 1
            return self.at

    async def read(wire: Wire) -> None:
        options = user.azure_options()
        client: Any = AsyncPipelineClient(f"https://localhost:{wire.port}", **options)
        response = await get(client, "/", stream=stream)
        async for _ in response.iter_bytes():
            pass

    with listening(tmp_path, monkeypatch) as wire:
        wire.reply = drip
        with within(60, Dripped()), pytest.raises((AzureError, RequestException)):
            asyncio.run(read(wire))


def test_an_async_client_sends_what_an_async_iterator_yields(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = alice(lab)
    user = AsyncUser(made._context, made._apis)

    async def parts() -> Any:
        yield b"one "
        yield b"two"

    async def send(wire: Wire) -> int:
        client: Any = AsyncPipelineClient(f"https://localhost:{wire.port}", **user.azure_options())
        headers = {"Content-Length": "7"}
        response = await client.send_request(
            HttpRequest("PUT", f"{client._base_url}/", content=parts(), headers=headers)
        )
        return int(response.status_code)

    with listening(tmp_path, monkeypatch) as wire:
        assert asyncio.run(send(wire)) == 200
        assert wire.taken()[0].endswith(b"one two")


def test_a_pause_before_another_attempt_is_short_and_ends_with_the_deadline(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("azure.core.pipeline.transport._base.time", SimpleNamespace(sleep=slept.append))
    transport = alice(lab).azure_options()["transport"]
    transport.sleep(15)
    with within(0, lambda: 0.0):
        transport.sleep(15)
    assert slept == [1.0, 0.0]
