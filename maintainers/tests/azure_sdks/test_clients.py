"""The clients of Azure SDKs against the local stack: each function of docs/azure-sdks.md, and what Entra demands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func
import pytest

from emulators.canned import CannedResponse
from emulators.continuous_access import bearer_challenge
from shared import AsyncUser, User
from shared.user.credential import UserCredential
from tests.support.lab import Lab, said_by

from .page import Page

pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:(msgraph|kiota_\w+)\..*")  # at their own import
LATER: dict[str, object] = {"access_token": {"nbf": {"essential": True, "value": "1"}}}


@dataclass(frozen=True)
class Case:
    """A function of the page: what it is called with, what it returns, and which service it calls."""

    function: str
    service: str
    application: str
    returns: object
    route: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    meets_claims: bool = True


CASES = [
    Case(
        "read_file",
        "storage",
        "azure-storage",
        "Hello from the local stack.\n",
        route={"name": "hello.txt"},
        meets_claims=False,
    ),
    Case("list_files", "storage", "azure-storage", ["hello.txt"], meets_claims=False),
    Case("search", "search", "azure-search", ["Travel policy", "Travel report"], params={"q": "travel"}),
    Case("secret_changed", "secrets", "azure-vault", {"changed": "*"}, route={"name": "greeting"}),
    Case("connections", "foundry", "foundry", ["one", "two"]),
    Case("graph_me", "graph", "graph", {"name": "Alice Ahlberg"}),
]
each = pytest.mark.parametrize("case", CASES, ids=[case.function for case in CASES])


def call(page: Page, lab: Lab, case: Case, person: str = "alice", **token: Any) -> func.HttpResponse:
    return page.call(case.function, lab.stack.issue_access_token(person, **token), case.route, case.params)


def body_of(reply: func.HttpResponse) -> Any:
    text = reply.get_body().decode()
    return json.loads(text) if "json" in str(reply.mimetype) else text


@pytest.fixture(autouse=True)
def _foundry(lab: Lab) -> None:
    connection = {"id": "1", "type": "ApiKey", "target": "x", "isDefault": False, "credentials": {"type": "None"}}
    found = {"value": [{"name": name, **connection, "metadata": {}} for name in ("one", "two")]}
    canned = lab.stack.apis["foundry"].canned
    canned.clear()
    canned.add(CannedResponse("GET /connections", found))


def arrived(lab: Lab, mark: int, service: str) -> int:
    return len([entry for entry in lab.stack.audit.entries(mark) if entry.service == service])


def test_every_function_of_the_page_is_called_here(page: Page) -> None:
    assert page.functions == {case.function for case in CASES} | {"rows"}


@each
def test_a_client_gets_what_the_user_may_see(lab: Lab, page: Page, case: Case) -> None:
    reply = call(page, lab, case)
    kind = "text/plain" if isinstance(case.returns, str) else "application/json"
    assert (reply.status_code, reply.mimetype) == (200, kind)
    body = body_of(reply)
    assert body == case.returns or (case.returns == {"changed": "*"} and body["changed"].startswith("20"))


@each
def test_a_user_who_needs_mfa_gets_the_claims_challenge(lab: Lab, page: Page, case: Case) -> None:
    lab.stack.directory.require_mfa(lab.stack.directory.applications[case.application])
    mark = lab.stack.audit.mark()
    reply = call(page, lab, case)
    assert (reply.status_code, body_of(reply)["code"]) == (401, "insufficient_claims")
    assert 'error="insufficient_claims"' in reply.headers["WWW-Authenticate"]
    sent = [entry for entry in lab.stack.audit.entries(mark) if entry.service == case.service]
    assert all(entry.status == 401 for entry in sent)  # Key Vault is asked without a token first
    assert call(page, lab, case, mfa=True).status_code == 200


@each
def test_a_user_without_consent_gets_that_error(lab: Lab, page: Page, case: Case) -> None:
    reply = call(page, lab, case, "connor")
    assert (reply.status_code, body_of(reply)["code"]) == (403, "consent_required")
    assert "admin_consent_url" in body_of(reply)


@each
def test_a_claims_challenge_of_the_service_costs_one_more_exchange(lab: Lab, page: Page, case: Case) -> None:
    if case.service in lab.stack.azure:
        lab.stack.azure[case.service].access.demands.add(LATER)
    elif case.service == "graph":
        lab.stack.graph.challenge(LATER, times=1)
    else:
        lab.stack.faults.add(case.service, status=401, headers={"WWW-Authenticate": bearer_challenge(LATER)}, times=1)
    mark = lab.stack.audit.mark()
    reply = call(page, lab, case)
    if case.meets_claims:
        assert (reply.status_code, len(lab.exchanges(mark))) == (200, 2)
    else:  # this client does not pass claims on; the page says so
        assert (reply.status_code, body_of(reply)["code"], len(lab.exchanges(mark))) == (500, "internal_error", 1)


@each
def test_two_users_at_once_each_act_as_themselves(lab: Lab, page: Page, case: Case) -> None:
    tokens = {person: lab.stack.issue_access_token(person) for person in ("alice", "olga")}
    people = ["alice", "olga"] * 8
    mark = lab.stack.audit.mark()

    def run(person: str) -> int:
        return int(page.call(case.function, tokens[person], case.route, case.params).status_code)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(run, people)) == [200] * len(people)
    verdicts = [entry.verdict for entry in lab.stack.audit.entries(mark) if entry.service == case.service]
    if case.service in lab.stack.azure or case.service == "graph":
        named = [verdict.split()[-1] for verdict in verdicts if verdict.startswith("ok")]
        assert (named.count("alice"), named.count("olga"), len(named)) == (8, 8, 16)
    assert len(lab.exchanges(mark)) == 2


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_each_user_reads_only_as_themselves(lab: Lab, page: Page, kind: str) -> None:
    """The path of a request names who sends it; the storage says who it took them for."""
    from azure.storage.blob import BlobServiceClient
    from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient

    def read(req: func.HttpRequest, user: User) -> object:
        url, own = user.api("Storage").base_url, user.credential("Storage")
        client = BlobServiceClient(url, credential=own, **user.azure_options())
        return client.get_blob_client("notes", user.name).download_blob().readall().decode()

    async def read_async(req: func.HttpRequest, user: AsyncUser) -> object:
        url, own = user.api("Storage").base_url, user.credential("Storage")
        async with AsyncBlobServiceClient(url, credential=own, **user.azure_options()) as client:
            found = await client.get_blob_client("notes", user.name).download_blob()
            return (await found.readall()).decode()

    function = page.guarded(read if kind == "def" else read_async)
    storage: Any = lab.stack.azure["storage"]
    names = {"alice": "Alice Ahlberg", "olga": "Olga Olsen"}
    for name in names.values():
        storage.put("notes", name, f"of {name}".encode(), "text/plain")
    tokens = {person: lab.stack.issue_access_token(person) for person in names}
    mark = lab.stack.audit.mark()
    try:
        with ThreadPoolExecutor(8) as threads:
            people = ["alice", "olga"] * 16
            replies = list(threads.map(lambda person: page.call(function, tokens[person]), people))
        assert [body_of(reply) for reply in replies] == [f"of {names[person]}" for person in people]
        sent = [entry for entry in lab.stack.audit.entries(mark) if entry.service == "storage"]
        assert len(sent) == len(people)
        assert all(entry.path.lower().count(entry.verdict.split()[-1]) == 1 for entry in sent)
    finally:
        for name in names.values():
            storage.delete("notes", name, lambda _: None)


WITHOUT_AIOHTTP = """
import sys
sys.modules["aiohttp"] = None
from azure.storage.blob.aio import BlobServiceClient
from shared.user.azure_sdk import async_client_options
for options in ({}, async_client_options(print)):
    try:
        BlobServiceClient("https://x.blob.core.windows.net", **options)
        print("made")
    except ImportError:
        print("no aiohttp")
"""


def test_an_async_client_needs_no_aiohttp() -> None:
    assert said_by(WITHOUT_AIOHTTP, {}).split("\n") == ["no aiohttp", "made", ""]


def test_a_user_without_a_role_is_told_that_there_is_nothing(lab: Lab, page: Page) -> None:
    reply = call(page, lab, CASES[0], "greta")
    assert (reply.status_code, body_of(reply)["code"]) == (404, "not_found")


@pytest.mark.parametrize("function", ["read_file", "list_files"])
def test_a_hostile_storage_that_asks_for_a_graph_token_gets_none(lab: Lab, page: Page, function: str) -> None:
    case = next(one for one in CASES if one.function == function)
    address = "https://login.microsoftonline.com/c0070505-1e9a-4c21-9d5e-3f6a0b7c8d21/oauth2/authorize"
    wanted = f"Bearer authorization_uri={address} resource_id=https://graph.microsoft.com"
    lab.stack.faults.add("storage", status=401, headers={"WWW-Authenticate": wanted})
    mark = lab.stack.audit.mark()
    reply = call(page, lab, case)
    assert (reply.status_code, body_of(reply)["code"]) == (500, "server_misconfigured")
    assert [entry.details["resource"] for entry in lab.exchanges(mark)] == ["Azure Storage"]
    assert arrived(lab, mark, "storage") == 1


def test_mssql_python_asks_for_a_token_of_its_scope(lab: Lab, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no SQL server here, so what comes after the token is not tested."""
    asked: list[tuple[str, ...]] = []
    own = UserCredential.get_token

    def noted(self: UserCredential, *scopes: str, **options: Any) -> Any:
        asked.append(scopes)
        return own(self, *scopes, **options)

    monkeypatch.setattr(UserCredential, "get_token", noted)
    mark = lab.stack.audit.mark()
    reply = page.call("rows", lab.stack.issue_access_token("alice"))
    assert (reply.status_code, body_of(reply)["code"]) == (500, "internal_error")
    assert asked == [("https://database.windows.net/.default",)]
    assert len(lab.exchanges(mark)) == 1
    reply = page.call("rows", lab.stack.issue_access_token("maya"))
    assert (reply.status_code, body_of(reply)["code"]) == (401, "insufficient_claims")
