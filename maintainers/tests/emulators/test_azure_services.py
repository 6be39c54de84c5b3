"""What the emulated Azure services say on the wire: blobs, documents and secrets, and every refusal."""

from __future__ import annotations

from typing import cast
from xml.etree.ElementTree import Element, fromstring

import pytest
import requests

from emulators.applications import API
from emulators.people import PEOPLE
from tests.support.azure_call import Runner
from tests.support.tenant import Tenant

from .azure_support import ACCOUNT, VAULT, blob, code_of, put_blob, search, secret
from .support import Http


@pytest.fixture
def storage(own_azure: Http) -> str:
    """Alice's token for storage."""
    return own_azure.stack.issue_access_token("alice", app="azure-storage")


@pytest.fixture
def index(own_azure: Http) -> str:
    """Alice's token for search."""
    return own_azure.stack.issue_access_token("alice", app="azure-search")


@pytest.fixture
def vault(own_azure: Http) -> str:
    """Alice's token for the vault."""
    return own_azure.stack.issue_access_token("alice", app="azure-vault")


# Blob storage


def xml_of(reply: requests.Response) -> Element:
    return fromstring(reply.content)  # noqa: S314 (it comes from the emulator)


def names(reply: requests.Response, tag: str = "Name") -> list[str | None]:
    assert reply.status_code == 200, reply.text
    assert reply.headers["Content-Type"] == "application/xml"
    return [one.text for one in xml_of(reply).iter(tag)]


def test_containers(own_azure: Http, storage: str) -> None:
    assert names(blob(own_azure, "GET", "/?comp=list&include=", storage)) == ["notes"]
    made = blob(own_azure, "PUT", "/more?restype=container", storage)
    assert (made.status_code, made.headers["x-ms-version"]) == (201, "2026-10-06")
    assert code_of(blob(own_azure, "PUT", "/more?restype=container", storage)) == "ContainerAlreadyExists"
    assert code_of(blob(own_azure, "PUT", "/No?restype=container", storage)) == "InvalidResourceName"
    assert names(blob(own_azure, "GET", "/?comp=list&prefix=mo", storage)) == ["more"]
    assert blob(own_azure, "HEAD", "/more?restype=container", storage).headers["ETag"] == made.headers["ETag"]
    assert blob(own_azure, "DELETE", "/more?restype=container", storage).status_code == 202
    gone = blob(own_azure, "HEAD", "/more?restype=container", storage)
    assert (gone.status_code, gone.content, code_of(gone)) == (404, b"", "ContainerNotFound")


def test_a_blob_is_written_read_and_deleted(own_azure: Http, storage: str) -> None:
    made = put_blob(own_azure, "/notes/a%20b/c%2Fd.txt", storage, b"hello", x_ms_meta_kind="note")
    assert (made.status_code, made.headers["Content-MD5"]) == (201, "XUFAKrxLKna5cZ2REBfFkg==")
    read = blob(own_azure, "GET", "/notes/a%20b/c/d.txt", storage)
    assert (read.status_code, read.content, read.headers["Content-Type"]) == (200, b"hello", "text/plain")
    head = blob(own_azure, "HEAD", "/notes/a%20b/c/d.txt", storage)
    assert (head.headers["Content-Length"], head.headers["x-ms-meta-kind"]) == ("5", "note")
    assert head.headers["ETag"] == made.headers["ETag"]
    assert blob(own_azure, "DELETE", "/notes/a%20b/c/d.txt", storage).status_code == 202
    for method in ("GET", "DELETE"):
        gone = blob(own_azure, method, "/notes/a%20b/c/d.txt", storage)
        assert (gone.status_code, code_of(gone)) == (404, "BlobNotFound")


def test_blobs_are_listed_in_pages_and_folders(own_azure: Http, storage: str) -> None:
    for name in ("b/1", "b/2", "a"):
        put_blob(own_azure, f"/notes/{name}", storage, b"x")
    path = "/notes?restype=container&comp=list"
    assert names(blob(own_azure, "GET", path, storage)) == ["a", "b/1", "b/2", "hello.txt"]
    assert names(blob(own_azure, "GET", f"{path}&prefix=b%2F", storage)) == ["b/1", "b/2"]
    folders = blob(own_azure, "GET", f"{path}&delimiter=%2F", storage)
    assert names(folders) == ["a", "b/", "hello.txt"]
    assert [one[0].text for one in xml_of(folders).iter("BlobPrefix")] == ["b/"]

    first = blob(own_azure, "GET", f"{path}&maxresults=3", storage)
    (marker,) = names(first, "NextMarker")
    assert names(blob(own_azure, "GET", f"{path}&maxresults=3&marker={marker}", storage)) == ["hello.txt"]
    assert code_of(blob(own_azure, "GET", f"{path}&maxresults=0", storage)) == "OutOfRangeQueryParameterValue"


def test_a_part_of_a_blob(own_azure: Http, storage: str) -> None:
    part = blob(own_azure, "GET", "/notes/hello.txt", storage, x_ms_range="bytes=0-4")
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"Hello", "bytes 0-4/28")
    rest = blob(own_azure, "GET", "/notes/hello.txt", storage, Range="bytes=24-")
    assert (rest.content, rest.headers["Content-Range"]) == (b"ck.\n", "bytes 24-27/28")
    put_blob(own_azure, "/notes/empty", storage, b"")
    beyond = blob(own_azure, "GET", "/notes/empty", storage, x_ms_range="bytes=0-33554431")
    assert (beyond.status_code, code_of(beyond)) == (416, "InvalidRange")
    assert code_of(blob(own_azure, "GET", "/notes/hello.txt", storage, x_ms_range="bytes=a-b")) == "InvalidHeaderValue"


def test_conditions(own_azure: Http, storage: str) -> None:
    etag = blob(own_azure, "HEAD", "/notes/hello.txt", storage).headers["ETag"]
    exists = put_blob(own_azure, "/notes/hello.txt", storage, b"2", If_None_Match="*")
    assert (exists.status_code, code_of(exists)) == (409, "BlobAlreadyExists")
    other = put_blob(own_azure, "/notes/hello.txt", storage, b"2", If_Match='"0x8D"')
    assert (other.status_code, code_of(other)) == (412, "ConditionNotMet")
    same = blob(own_azure, "GET", "/notes/hello.txt", storage, If_None_Match=etag)
    assert (same.status_code, same.content) == (304, b"")
    assert put_blob(own_azure, "/notes/hello.txt", storage, b"2", If_Match=etag).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("PUT", "/notes/x", {}, 400, "MissingRequiredHeader"),
        ("PUT", "/notes/x", {"x_ms_blob_type": "PageBlob"}, 400, "MissingRequiredHeader"),
        ("GET", "/notes?comp=acl", {}, 400, "InvalidQueryParameterValue"),
        ("GET", "/notes/x?comp=tags", {}, 400, "InvalidQueryParameterValue"),
        ("POST", "/notes/x", {}, 405, "UnsupportedHttpVerb"),
        ("GET", "/notes/hello.txt", {"x_ms_version": "new"}, 400, "InvalidHeaderValue"),
        ("GET", "/notes/hello.txt", {"x_ms_version": "2015-02-21"}, 403, "AuthenticationFailed"),
        ("PUT", "/nothing/x", {"x_ms_blob_type": "BlockBlob"}, 404, "ContainerNotFound"),
    ],
)
def test_storage_refuses(
    method: str, path: str, headers: dict[str, str], status: int, code: str, own_azure: Http, storage: str
) -> None:
    refused = blob(own_azure, method, path, storage, b"1" if method == "PUT" else None, **headers)
    assert (refused.status_code, code_of(refused)) == (status, code)
    body = xml_of(refused)
    assert (body.tag, body.findtext("Code")) == ("Error", code)
    assert f"RequestId:{refused.headers['x-ms-request-id']}" in str(body.findtext("Message"))


def test_a_request_without_the_version_is_too_old_for_a_token(own_azure: Http, storage: str) -> None:
    refused = own_azure.get(f"{ACCOUNT}/notes/hello.txt", storage)
    assert (refused.status_code, code_of(refused)) == (403, "AuthenticationFailed")
    detail = xml_of(refused).findtext("AuthenticationErrorDetail")
    assert detail == "Authentication scheme Bearer is not supported in this version."


def test_storage_asks_for_a_token_as_the_client_reads_it(own_azure: Http) -> None:
    refused = blob(own_azure, "GET", "/notes/hello.txt", None)
    assert (refused.status_code, code_of(refused)) == (401, "NoAuthenticationInformation")
    scheme, uri, resource = refused.headers["WWW-Authenticate"].split(" ")
    assert (scheme, resource) == ("Bearer", "resource_id=https://storage.azure.com")
    assert uri.startswith("authorization_uri=https://login.microsoftonline.com/c0070505-")
    assert uri.endswith("/oauth2/authorize")


# Search


def test_a_query(own_azure: Http, index: str) -> None:
    query = {"search": "travel", "count": True, "top": 1, "select": "id,title"}
    reply = search(own_azure, "POST", "/search.post.search", index, query)
    assert reply.json() == {
        "@odata.count": 2,
        "value": [{"@search.score": 1.0, "id": "1", "title": "Travel policy"}],
    }
    assert reply.headers["OData-Version"] == "4.0"
    of_olga = search(own_azure, "POST", "/search.post.search", index, {"filter": "owner eq 'olga'", "skip": 1})
    assert [one["id"] for one in of_olga.json()["value"]] == ["3"]


def test_documents(own_azure: Http, index: str) -> None:
    assert search(own_azure, "GET", "/$count", index).text == "3"
    assert search(own_azure, "GET", "('1')?$select=title", index).json() == {"title": "Travel policy"}
    assert search(own_azure, "GET", "('9')", index).status_code == 404
    actions = [
        {"@search.action": "upload", "id": "9", "title": "New"},
        {"@search.action": "delete", "id": "1"},
        {"@search.action": "mergeOrUpload", "id": "2", "owner": "alice"},
        {"@search.action": "merge", "id": "nothing"},
    ]
    loaded = search(own_azure, "POST", "/search.index", index, {"value": actions})
    assert loaded.status_code == 207
    assert [(one["key"], one["statusCode"], one["status"]) for one in loaded.json()["value"]] == [
        ("9", 201, True),
        ("1", 200, True),
        ("2", 200, True),
        ("nothing", 404, False),
    ]
    assert search(own_azure, "GET", "/$count", index).text == "3"
    assert search(own_azure, "GET", "('2')", index).json()["title"] == "Travel report"


@pytest.mark.parametrize(
    "query",
    [
        {"orderby": "title"},
        {"filter": "owner ne 'olga'"},
        {"top": -1},
        {"top": True},
        {"select": "shoeSize"},
        {"search": 7},
        [],
    ],
    ids=str,
)
def test_search_refuses_a_query_that_it_does_not_know(query: object, own_azure: Http, index: str) -> None:
    refused = search(own_azure, "POST", "/search.post.search", index, query)
    assert refused.status_code == 400
    assert refused.json()["error"]["message"]


def test_search_needs_an_index_and_a_version(own_azure: Http, index: str) -> None:
    url = "https://search-local.search.windows.net/indexes('{}')/docs('1')"
    missing = own_azure.get(url.format("none") + "?api-version=2026-04-01", index)
    assert (missing.status_code, code_of(missing)) == (404, "ResourceNotFound")
    assert own_azure.get(url.format("docs"), index).status_code == 400


# Key Vault


def test_secrets(own_azure: Http, vault: str) -> None:
    read = secret(own_azure, "GET", "/greeting/", vault).json()
    assert read["value"] == "Hello from the local stack"
    assert read["id"].startswith(f"{VAULT}/secrets/greeting/")
    made = secret(own_azure, "PUT", "/mine", vault, {"value": "1", "contentType": "text/plain"}).json()
    newer = secret(own_azure, "PUT", "/mine", vault, {"value": "2"}).json()
    assert secret(own_azure, "GET", "/mine/", vault).json()["value"] == "2"
    assert (
        secret(own_azure, "GET", made["id"].removeprefix(f"{VAULT}/secrets"), vault).json()["contentType"]
        == "text/plain"
    )
    listed = secret(own_azure, "GET", "", vault).json()
    assert [one["id"] for one in listed["value"]] == [f"{VAULT}/secrets/greeting", f"{VAULT}/secrets/mine"]
    assert all("value" not in one for one in listed["value"])
    versions = secret(own_azure, "GET", "/mine/versions?maxresults=1", vault).json()
    assert {versions["value"][0]["id"]} < {made["id"], newer["id"]}
    assert versions["nextLink"].startswith(f"{VAULT}/secrets/mine/versions?")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/none/", None, 404, "SecretNotFound"),
        ("GET", "/none/versions", None, 404, "SecretNotFound"),
        ("PUT", "/mine", {"value": 1}, 400, "BadParameter"),
        ("PUT", "/mine", [], 400, "BadParameter"),
        ("PUT", "/a_b", {"value": "1"}, 400, "BadParameter"),
    ],
)
def test_the_vault_refuses(
    method: str, path: str, body: object, status: int, code: str, own_azure: Http, vault: str
) -> None:
    refused = secret(own_azure, method, path, vault, body)
    assert (refused.status_code, code_of(refused)) == (status, code)


def test_who_may_list_names_may_not_read_values(own_azure: Http) -> None:
    reader = own_azure.stack.issue_access_token("greta", app="azure-vault")
    assert secret(own_azure, "GET", "", reader).status_code == 200
    refused = secret(own_azure, "GET", "/greeting/", reader)
    assert (refused.status_code, refused.json()["error"]["innererror"]["code"]) == (403, "ForbiddenByRbac")


def test_a_user_reads_no_secret_of_the_app(own_azure: Http, vault: str) -> None:
    """The vault with the certificate of the API knows no users."""
    url = "https://obo-local.vault.azure.net/secrets/api-client/?api-version=7.6"
    assert own_azure.get(url, vault).status_code == 403
    assert secret(own_azure, "GET", "/api-client/", vault).status_code == 404


def test_contents_can_be_reset(own_azure: Http, storage: str, vault: str) -> None:
    put_blob(own_azure, "/notes/x", storage, b"1")
    secret(own_azure, "PUT", "/mine", vault, {"value": "1"})
    own_azure.stack.azure["storage"].access.holders["Storage Blob Data Contributor"].clear()
    own_azure.stack.reset_contents()
    path = "/notes?restype=container&comp=list"
    assert names(blob(own_azure, "GET", path, storage)) == ["hello.txt"]
    assert secret(own_azure, "GET", "/mine/", vault).status_code == 404


# In a person's tests


def test_the_fixture_tenant_knows_the_names_of_the_table(
    own_azure: Http, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = own_azure.stack
    tenant = Tenant(stack, cast(Runner, None), monkeypatch)
    tenant.fails("Storage", status=503, times=1)
    assert blob(own_azure, "GET", "/?comp=list", storage).status_code == 503
    tenant.requires_mfa("Storage")
    tenant.lacks_consent("Search")
    granted = stack.directory.granted(PEOPLE["alice"], API, stack.directory.applications["azure-search"])
    assert granted == frozenset()
    with pytest.raises(ValueError, match="'Storage' is an Azure service; it has no canned responses"):
        tenant.responds("Storage", "GET /notes", {})
