"""The clients of Azure SDKs against the local stack: each function of docs/azure-sdks.md, and what Entra demands."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func
import pytest

from emulators.canned import CannedResponse
from emulators.continuous_access import bearer_challenge
from emulators.entra.claims_request import MFA_CLAIMS
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


CASES = [
    Case("read_file", "storage", "azure-storage", "Hello from the local stack.\n", route={"name": "hello.txt"}),
    Case("list_files", "storage", "azure-storage", ["hello.txt"]),
    Case("search", "search", "azure-search", ["Travel policy", "Travel report"], params={"q": "travel"}),
    Case("secret_changed", "secrets", "azure-vault", {"changed": "*"}, route={"name": "greeting"}),
    Case("connections", "foundry", "foundry", ["one", "two"]),
    Case("graph_me", "graph", "graph", {"name": "Alice Ahlberg"}),
]
each = pytest.mark.parametrize("case", CASES, ids=[case.function for case in CASES])
WITH_OPTIONS = [case for case in CASES if case.service != "graph"]  # msgraph-sdk has its own HTTP client
azure = pytest.mark.parametrize("case", WITH_OPTIONS, ids=[case.function for case in WITH_OPTIONS])


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


def refused(lab: Lab, mark: int, service: str) -> int:
    """The requests with a token that the service refused."""
    entries = [entry for entry in lab.stack.audit.entries(mark) if entry.service == service and entry.status == 401]
    return len([entry for entry in entries if "no token" not in entry.verdict])


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


def demand(lab: Lab, case: Case, claims: dict[str, object], tokens: int = 1) -> None:
    """The service refuses this many requests or different tokens, and asks for these claims."""
    if case.service in lab.stack.azure:
        lab.stack.azure[case.service].access.demands.add(claims, tokens=tokens)
    elif case.service == "graph":
        lab.stack.graph.challenge(claims, times=tokens)
    else:
        headers = {"WWW-Authenticate": bearer_challenge(claims)}
        lab.stack.faults.add(case.service, status=401, headers=headers, times=tokens)


@each
def test_a_claims_challenge_of_the_service_costs_one_more_exchange(lab: Lab, page: Page, case: Case) -> None:
    demand(lab, case, LATER)
    mark = lab.stack.audit.mark()
    reply = call(page, lab, case)
    assert (reply.status_code, len(lab.exchanges(mark))) == (200, 2)


def test_a_challenge_of_the_storage_with_its_resource_in_it_is_met_too(lab: Lab, page: Page) -> None:
    """The storage client takes its resource for a reason to ask for the same token again, without the claims."""
    where = "https://login.microsoftonline.com/c0070505-1e9a-4c21-9d5e-3f6a0b7c8d21/oauth2/authorize"
    encoded = base64.b64encode(json.dumps(LATER).encode()).decode()
    told = f'error="insufficient_claims", claims="{encoded}"'
    for case in CASES[:2]:
        for separator in (", ", " "):
            asked = f"Bearer authorization_uri={where}{separator}resource_id=https://storage.azure.com{separator}{told}"
            lab.stack.faults.add("storage", status=401, headers={"WWW-Authenticate": asked}, times=1)
            mark = lab.stack.audit.mark()
            reply = call(page, lab, case)
            assert (reply.status_code, len(lab.exchanges(mark)), arrived(lab, mark, "storage")) == (200, 2, 2)


@azure
def test_a_second_challenge_goes_to_the_caller(lab: Lab, page: Page, case: Case) -> None:
    demand(lab, case, LATER, tokens=2)
    mark = lab.stack.audit.mark()
    reply = call(page, lab, case)
    assert (reply.status_code, body_of(reply)["code"]) == (401, "insufficient_claims")
    assert json.loads(body_of(reply)["claims"]) == LATER
    assert 'error="insufficient_claims"' in reply.headers["WWW-Authenticate"]
    assert (len(lab.exchanges(mark)), refused(lab, mark, case.service)) == (2, 2)


@azure
def test_what_entra_demands_for_the_claims_goes_to_the_caller(lab: Lab, page: Page, case: Case) -> None:
    demand(lab, case, MFA_CLAIMS)
    mark = lab.stack.audit.mark()
    reply = call(page, lab, case)
    assert (reply.status_code, body_of(reply)["code"]) == (401, "insufficient_claims")
    assert 'error="insufficient_claims"' in reply.headers["WWW-Authenticate"]
    assert (len(lab.exchanges(mark)), refused(lab, mark, case.service)) == (2, 1)
    assert call(page, lab, case, mfa=True).status_code == 200


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


@pytest.mark.parametrize("challenges", [0, 16])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_each_user_reads_only_as_themselves(lab: Lab, page: Page, kind: str, challenges: int) -> None:
    """The path of a request names who sends it; the storage says who it took them for.

    Each token may be refused with a claims challenge, until all challenges are used up.
    """
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
    people = ["alice", "olga"] * 16
    tokens = [lab.stack.issue_access_token(person) for person in people]  # each is a session, with its own exchange
    if challenges:
        storage.access.demands.add(LATER, person="alice", tokens=1)
        storage.access.demands.add(LATER, person="olga", tokens=1)
    mark = lab.stack.audit.mark()
    try:
        with ThreadPoolExecutor(8) as threads:
            replies = list(threads.map(lambda token: page.call(function, token), tokens))
        assert [body_of(reply) for reply in replies] == [f"of {names[person]}" for person in people]
        sent = [entry for entry in lab.stack.audit.entries(mark) if entry.service == "storage" and entry.status != 401]
        assert len(sent) == len(people)
        assert all(entry.path.lower().count(entry.verdict.split()[-1]) == 1 for entry in sent)
    finally:
        for name in names.values():
            storage.delete("notes", name, lambda _: None)


class _Pipe(io.RawIOBase):
    """A file that cannot be rewound."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)


def _parts() -> Iterator[bytes]:
    yield b"Hello "
    yield b"again."


@pytest.mark.parametrize(
    "content",
    [lambda: b"Hello again.", lambda: io.BytesIO(b"Hello again."), lambda: _Pipe(b"Hello again."), _parts],
    ids=["bytes", "file", "pipe", "iterator"],
)
def test_an_upload_after_a_claims_challenge_is_whole(lab: Lab, page: Page, content: Callable[[], Any]) -> None:
    from azure.storage.blob import BlobServiceClient

    def write(req: func.HttpRequest, user: User) -> object:
        client = BlobServiceClient(
            user.api("Storage").base_url, credential=user.credential("Storage"), **user.azure_options()
        )
        client.get_blob_client("notes", "new.txt").upload_blob(content(), length=12, overwrite=True)
        return {}

    storage: Any = lab.stack.azure["storage"]
    storage.access.holders["Storage Blob Data Contributor"].add("alice")
    storage.access.demands.add(LATER)
    mark = lab.stack.audit.mark()
    try:
        reply = page.call(page.guarded(write), lab.stack.issue_access_token("alice"))
        assert (reply.status_code, len(lab.exchanges(mark))) == (200, 2)
        assert storage.get("notes", "new.txt").content == b"Hello again."
    finally:
        storage.reset()


WITHOUT_AIOHTTP = """
import sys
sys.modules["aiohttp"] = None
from azure.storage.blob.aio import BlobServiceClient
from shared.user.azure_sdk import async_client_options
for options in ({}, async_client_options({}, print)):
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


@pytest.mark.parametrize("path", ["/notes/hello.txt", "/notes?restype=container&comp=list"])
def test_another_host_gets_no_token_and_so_cannot_challenge_for_one(lab: Lab, page: Page, path: str) -> None:
    from azure.storage.blob import BlobClient, ContainerClient

    def read(req: func.HttpRequest, user: User) -> object:
        elsewhere = "https://search-local.search.windows.net"  # of the same user, but not for this token
        options = {"credential": user.credential("Storage"), **user.azure_options()}
        if "?" in path:
            return [blob.name for blob in ContainerClient(elsewhere, "notes", **options).list_blobs()]
        return BlobClient(elsewhere, "notes", "hello.txt", **options).download_blob().readall().decode()

    lab.stack.faults.add("search", status=401, headers={"WWW-Authenticate": bearer_challenge(LATER)})
    mark = lab.stack.audit.mark()
    reply = page.call(page.guarded(read), lab.stack.issue_access_token("alice"))
    assert (reply.status_code, body_of(reply)["code"]) == (500, "server_misconfigured")
    assert (len(lab.exchanges(mark)), arrived(lab, mark, "search")) == (1, 0)


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
