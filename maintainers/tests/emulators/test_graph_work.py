"""Everyday work with the emulated Graph: mail in pages, files, batches, groups."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
import requests

from emulators.canned import CannedResponse
from emulators.continuous_access import bearer_challenge
from emulators.entra.claims_request import MFA_CLAIMS
from emulators.graph_drive import drive_id, item_id
from emulators.graph_mail import message_id
from emulators.groups import group_id
from emulators.stack import Stack

from .support import TOKEN_URL, Clock, Http, decode, obo_form

GRAPH = "https://graph.microsoft.com/v1.0"
ALL = ["User.Read", "Mail.Read", "Files.ReadWrite", "GroupMember.Read.All"]


def token_of(http: Http, person: str = "alice", scopes: list[str] | None = None) -> str:
    return http.stack.issue_access_token(person, app="graph", scopes=ALL if scopes is None else scopes)


def send(
    http: Http, method: str, path: str, token: str, body: object = None, content: bytes | None = None, **headers: str
) -> requests.Response:
    """One request below /v1.0, whose path stays as it is written."""
    request = requests.Request(method, GRAPH, json=body, data=content, headers={"Authorization": f"Bearer {token}"})
    prepared = http.session.prepare_request(request)
    prepared.url = GRAPH + path
    prepared.headers.update(headers)
    settings = http.session.merge_environment_settings(GRAPH, {}, False, http.session.verify, None)
    return http.session.send(prepared, timeout=10, allow_redirects=False, **settings)


def code_of(reply: requests.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def test_two_slashes_after_the_version(http: Http) -> None:
    """msgraph-sdk sends them."""
    assert send(http, "GET", "//me", token_of(http)).json()["displayName"] == "Alice Ahlberg"
    assert send(http, "GET", "//me/messages", token_of(http)).status_code == 200
    assert send(http, "GET", "///me", token_of(http)).status_code == 404
    assert send(http, "GET", "/me//messages", token_of(http)).status_code == 404


def test_mail_comes_in_pages(http: Http) -> None:
    token, url, subjects = token_of(http), f"{GRAPH}/me/messages?$top=10&$select=subject", []
    for expected in (10, 10, 3):
        body = http.get(url, token).json()
        assert len(body["value"]) == expected
        assert body["value"][0].keys() == {"id", "subject"}
        subjects += [one["subject"] for one in body["value"]]
        url = body.get("@odata.nextLink", "")
        assert not url or (url.startswith(f"{GRAPH}/me/messages?") and "$skiptoken=" in url and "$top=10" in url)
    assert url == ""
    assert subjects == [f"Message {number} for alice" for number in range(1, 24)]


def test_without_top_a_page_has_ten(http: Http) -> None:
    body = http.get(f"{GRAPH}/me/messages?$count=true", token_of(http)).json()
    assert (len(body["value"]), body["@odata.count"]) == (10, 23)
    assert "@odata.nextLink" not in http.get(f"{GRAPH}/me/messages", token_of(http, "olga")).json()


@pytest.mark.parametrize(
    "query",
    ["$top=0", "$top=1001", "$top=x", "$select=shoeSize", "$skiptoken=10", "$skiptoken=10.ff", "$filter=isRead"],
)
def test_a_wrong_query_is_refused(query: str, http: Http) -> None:
    assert code_of(http.get(f"{GRAPH}/me/messages?{query}", token_of(http))) == (400, "BadRequest")


def test_a_skip_token_is_for_one_user_and_one_path(http: Http) -> None:
    following = http.get(f"{GRAPH}/me/messages?$top=2", token_of(http)).json()["@odata.nextLink"]
    assert http.get(following, token_of(http)).status_code == 200
    assert code_of(http.get(following, token_of(http, "olga"))) == (400, "BadRequest")
    assert code_of(http.get(following.replace("messages", "memberOf"), token_of(http))) == (400, "BadRequest")


def test_an_id_with_a_slash_must_be_quoted(http: Http) -> None:
    wanted, token = message_id("alice", 5), token_of(http)
    assert "/" in wanted
    found = send(http, "GET", f"/me/messages/{quote(wanted, safe='')}", token)
    assert (found.status_code, found.json()["id"]) == (200, wanted)
    assert code_of(send(http, "GET", f"/me/messages/{wanted}", token)) == (404, "ResourceNotFound")
    twice = quote(quote(wanted, safe=""), safe="")
    assert code_of(send(http, "GET", f"/me/messages/{twice}", token)) == (404, "ErrorItemNotFound")
    others = quote(message_id("olga", 1), safe="")
    assert code_of(send(http, "GET", f"/me/messages/{others}", token)) == (404, "ErrorItemNotFound")


@pytest.mark.parametrize(
    ("method", "path", "scopes", "code"),
    [
        ("GET", "/me", ["Mail.Read"], "Authorization_RequestDenied"),
        ("GET", "/me/messages", ["User.Read"], "ErrorAccessDenied"),
        ("GET", f"/me/messages/{message_id('alice', 1)}", ["User.Read"], "ErrorAccessDenied"),
        ("GET", "/me/drive/root/children", ["User.Read"], "accessDenied"),
        ("GET", f"/me/drive/items/{item_id('alice', 'report.txt')}", ["Mail.Read"], "accessDenied"),
        ("GET", f"/me/drive/items/{item_id('alice', 'report.txt')}/content", ["Mail.Read"], "accessDenied"),
        ("PUT", "/me/drive/root:/new.txt:/content", ["Files.Read"], "accessDenied"),
        ("PUT", f"/me/drive/items/{item_id('alice', 'report.txt')}/content", ["Files.Read"], "accessDenied"),
        ("GET", "/me/memberOf", ["Mail.Read"], "Authorization_RequestDenied"),
        ("POST", "/me/checkMemberGroups", ["GroupMember.Read.All"], "Authorization_RequestDenied"),
    ],
)
def test_each_path_needs_its_permission(method: str, path: str, scopes: list[str], code: str, http: Http) -> None:
    refused = send(http, method, path, token_of(http, scopes=scopes), content=b"x")
    assert code_of(refused) == (403, code)
    assert "WWW-Authenticate" not in refused.headers
    assert not any(scope in refused.text for scope in ALL)  # as with Graph, only the audit trail names them


def test_a_drive(http: Http) -> None:
    token = token_of(http, scopes=["Files.Read"])
    items = http.get(f"{GRAPH}/me/drive/root/children", token).json()["value"]
    assert {one["name"]: one["size"] for one in items} == {"Notes": 0, "report.txt": 12}
    folder, file = sorted(items, key=lambda one: str(one["name"]))
    assert http.get(f"{GRAPH}/me/drive/items/{file['id']}", token).json()["file"] == {"mimeType": "text/plain"}
    assert code_of(http.get(f"{GRAPH}/me/drive/items/{folder['id']}/content", token)) == (400, "invalidRequest")
    assert code_of(http.get(f"{GRAPH}/me/drive/items/nothing", token)) == (404, "itemNotFound")
    assert code_of(http.get(f"{GRAPH}/me/drive/items/{file['id']}", token_of(http, "olga"))) == (404, "itemNotFound")


def test_a_drive_by_its_id(own: Http) -> None:
    """msgraph-sdk knows these addresses alone."""
    token = token_of(own)
    drive = f"/drives/{own.get(f'{GRAPH}/me/drive', token).json()['id']}"
    assert drive == f"/drives/{drive_id('alice')}"
    made = send(own, "PUT", f"{drive}/items/root:/new.txt:/content", token, content=b"1")
    assert made.status_code == 201
    first = own.get(f"{GRAPH}{drive}/items/root/children?$top=2", token).json()
    assert first["@odata.nextLink"].startswith(f"{GRAPH}{drive}/items/root/children?$top=2&$skiptoken=")
    assert [one["name"] for one in own.get(first["@odata.nextLink"], token).json()["value"]] == ["new.txt"]
    path = f"{drive}/items/{made.json()['id']}"
    assert own.get(send(own, "GET", f"{path}/content", token).headers["Location"]).content == b"1"

    named = f"{drive}/items/root:%2Fother.txt:/content"
    assert send(own, "PUT", named, token, content=b"2").json()["name"] == "other.txt"
    assert own.get(send(own, "GET", named, token).headers["Location"]).content == b"2"
    assert code_of(send(own, "GET", named.replace("other", "none"), token)) == (404, "itemNotFound")

    others = token_of(own, "olga")
    for method, tail in (("GET", ""), ("GET", "/root/children"), ("PUT", "/root:/x:/content")):
        assert code_of(send(own, method, drive + tail, others, content=b"1")) == (404, "itemNotFound")
    assert code_of(send(own, "GET", path, others)) == (404, "itemNotFound")


def test_content_comes_from_another_host_and_without_the_token(own: Http, clock: Clock) -> None:
    token = token_of(own)
    sent = own.get(f"{GRAPH}/me/drive/items/{item_id('alice', 'report.txt')}/content", token)
    where = sent.headers["Location"]
    assert (sent.status_code, sent.content) == (302, b"")
    assert where.startswith("https://contoso-my.sharepoint.com/personal/alice_contoso_example/")

    assert own.get(where).content == b"The report.\n"
    for refused in (own.get(where, token), own.get(where, Authorization="Basic x"), own.get(where[:-1])):
        assert (refused.status_code, refused.content) == (401, b"401 UNAUTHORIZED")
    assert own.get(where.replace("contoso-my.sharepoint.com", "graph.microsoft.com")).status_code == 401
    clock.ahead = 3601
    assert own.get(where).status_code == 401
    assert all("tempauth" not in entry.path for entry in own.stack.audit.entries())


def test_an_upload(own: Http) -> None:
    token, big = token_of(own), b"x" * 17_000_000
    made = send(own, "PUT", "/me/drive/root:/my%20file.bin:/content", token, content=big)
    assert (made.status_code, made.json()["name"], made.json()["size"]) == (201, "my file.bin", len(big))
    path = f"/me/drive/items/{made.json()['id']}/content"
    assert own.get(send(own, "GET", path, token).headers["Location"]).content == big

    replaced = send(own, "PUT", path, token, content=b"1", **{"Content-Type": "text/csv"})
    assert (replaced.status_code, replaced.json()["file"], replaced.json()["size"]) == (
        200,
        {"mimeType": "text/csv"},
        1,
    )
    assert code_of(send(own, "PUT", "/me/drive/root:/a%2Fb:/content", token, content=b"1")) == (400, "invalidRequest")
    folder = send(own, "PUT", "/me/drive/root:/Notes:/content", token, content=b"1")
    assert code_of(folder) == (409, "nameAlreadyExists")
    assert code_of(send(own, "POST", path, token, content=b"1")) == (405, "Request_BadRequest")


def test_a_file_by_its_path(own: Http) -> None:
    token = token_of(own)
    assert own.get(f"{GRAPH}/me/drive/root:/report.txt", token).json()["id"] == item_id("alice", "report.txt")
    sent = send(own, "GET", "/me/drive/root:/report.txt:/content", token)
    assert sent.status_code == 302
    assert own.get(sent.headers["Location"]).content == b"The report.\n"
    assert code_of(send(own, "GET", "/me/drive/root:/none.txt:/content", token)) == (404, "itemNotFound")
    lacking = token_of(own, scopes=["Mail.Read"])
    assert code_of(send(own, "GET", "/me/drive/root:/report.txt:/content", lacking)) == (403, "accessDenied")


# Groups


def test_groups_of_the_caller(http: Http) -> None:
    named = http.get(f"{GRAPH}/me/memberOf", token_of(http)).json()["value"]
    assert [one["displayName"] for one in named] == ["Staff", "Administrators", "Editors"]
    nameless = http.get(f"{GRAPH}/me/memberOf", token_of(http, scopes=["User.Read"])).json()["value"]
    assert [(one["id"], one["displayName"]) for one in nameless] == [(one["id"], None) for one in named]
    many = http.get(f"{GRAPH}/me/memberOf", token_of(http, "olga")).json()
    assert (len(many["value"]), "@odata.nextLink" in many) == (100, True)


def test_check_member_groups(http: Http) -> None:
    asked = [group_id("Editors"), group_id("Nobody"), group_id("Staff")]
    reply = send(http, "POST", "/me/checkMemberGroups", token_of(http), {"groupIds": asked})
    assert (reply.status_code, reply.json()["value"]) == (200, [group_id("Editors"), group_id("Staff")])
    nobody = send(http, "POST", "/me/checkMemberGroups", token_of(http, "connor"), {"groupIds": asked})
    assert nobody.json()["value"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"groupIds": []},
        {"groupIds": "x"},
        {"groupIds": [group_id("Staff")] * 21},
        {"groupIds": ["Staff"]},
        {"groupIds": [7]},
        [],
    ],
    ids=["nothing", "empty", "a text", "21", "no id", "a number", "a list"],
)
def test_check_member_groups_refuses(body: object, http: Http) -> None:
    refused = send(http, "POST", "/me/checkMemberGroups", token_of(http), body)
    assert code_of(refused) == (400, "Request_BadRequest")


def test_tokens_name_groups_only_when_the_registration_asks(stack: Stack, own: Http) -> None:
    assert "groups" not in decode(stack.issue_access_token("alice"))
    stack.directory.name_groups(stack.directory.applications["api"])
    assert decode(stack.issue_access_token("alice"))["groups"] == [
        group_id(name) for name in ("Staff", "Administrators", "Editors")
    ]
    assert "groups" not in decode(stack.issue_access_token("connor"))  # he is in none
    form = obo_form(stack, stack.issue_access_token("alice"))
    assert "groups" not in decode(own.post(TOKEN_URL, form).json()["access_token"])  # Graph does not ask


def test_more_groups_than_a_token_can_name(stack: Stack) -> None:
    api = stack.directory.applications["api"]
    stack.directory.name_groups(api)
    claims = decode(stack.issue_access_token("olga"))
    assert "groups" not in claims
    assert claims["_claim_names"] == {"groups": "src1"}
    assert claims["_claim_sources"]["src1"]["endpoint"].endswith(f"/users/{claims['oid']}/getMemberObjects")

    stack.directory.set_groups("olga", [group_id(f"Project {number}") for number in range(1, 201)])
    assert len(decode(stack.issue_access_token("olga"))["groups"]) == 200


# Batches


def batch(http: Http, *parts: dict[str, Any], token: str | None = None) -> requests.Response:
    return send(http, "POST", "/$batch", token or token_of(http), {"requests": list(parts)})


def get(identifier: str, url: str, **more: object) -> dict[str, Any]:
    return {"id": identifier, "method": "GET", "url": url, **more}


def test_a_batch(http: Http) -> None:
    check = {"groupIds": [group_id("Staff")]}
    reply = batch(
        http,
        get("1", "/me?$select=displayName"),
        get("2", "me/messages?$top=1"),
        get("3", f"/me/messages/{quote(message_id('alice', 5), safe='')}"),
        get("4", "/planets"),
        get("5", f"/me/drive/items/{item_id('alice', 'report.txt')}/content"),
        {
            **get("6", "/me/checkMemberGroups", body=check, headers={"Content-Type": "application/json"}),
            "method": "POST",
        },
        token=token_of(http, scopes=["User.Read", "Mail.Read", "Files.Read"]),
    )
    parts = {one["id"]: one for one in reply.json()["responses"]}
    assert {name: one["status"] for name, one in parts.items()} == {
        "1": 200,
        "2": 200,
        "3": 200,
        "4": 404,
        "5": 302,
        "6": 200,
    }
    assert parts["1"]["body"]["displayName"] == "Alice Ahlberg"
    assert parts["1"]["headers"]["Content-Type"].startswith("application/json")
    assert parts["3"]["body"]["id"] == message_id("alice", 5)
    assert parts["4"]["body"]["error"]["code"] == "ResourceNotFound"
    assert parts["5"]["headers"]["Location"].startswith("https://contoso-my.sharepoint.com/")
    assert parts["6"]["body"]["value"] == check["groupIds"]
    assert http.stack.audit.entries()[-1].verdict == "ok: batch of alice: 200, 200, 200, 404, 302, 200"


def test_each_part_needs_its_own_permission(http: Http) -> None:
    token = token_of(http, scopes=["User.Read"])
    reply = batch(http, get("a", "/me"), get("b", "/me/messages"), token=token)
    assert reply.status_code == 200
    assert [one["status"] for one in reply.json()["responses"]] == [200, 403]


def test_a_part_waits_for_those_that_it_depends_on(http: Http) -> None:
    reply = batch(http, get("a", "/planets"), get("b", "/me", dependsOn=["a"]), get("c", "/me"))
    assert [one["status"] for one in reply.json()["responses"]] == [404, 424, 200]
    assert reply.json()["responses"][1]["body"]["error"]["code"] == "FailedDependency"


def test_parts_that_fail_as_a_test_says(own: Http) -> None:
    """One is throttled once, another one asks for claims."""
    canned, challenge = own.stack.graph.canned, bearer_challenge(MFA_CLAIMS)
    canned.add(CannedResponse("GET /me/messages", {"error": {}}, 429, {"Retry-After": "3"}, times=1))
    canned.add(CannedResponse("GET /me/memberOf", {"error": {}}, 401, {"WWW-Authenticate": challenge}, times=1))
    parts = [get("1", "/me/messages"), get("2", "/me/memberOf"), get("3", "/me")]

    first = batch(own, *parts).json()["responses"]
    assert [one["status"] for one in first] == [429, 401, 200]
    assert first[0]["headers"]["Retry-After"] == "3"
    assert first[1]["headers"]["Www-Authenticate"] == challenge
    assert [one["status"] for one in batch(own, *parts).json()["responses"]] == [200, 200, 200]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([get(str(number), "/me") for number in range(21)], "MaximumValueExceeded"),
        ([], "BadRequest"),
        ([get("1", "/me"), get("1", "/me")], "BadRequest"),
        ([get("", "/me")], "BadRequest"),
        ([get("1", "https://graph.microsoft.com/v1.0/me")], "BadRequest"),
        ([get("1", "/me\u00e9")], "BadRequest"),
        ([{"id": "1", "url": "/me"}], "BadRequest"),
        ([get("1", "/me", dependsOn=["2"]), get("2", "/me")], "BadRequest"),
        ([get("1", "/me", body={})], "BadRequest"),
        ([get("1", "/me", headers={"A": 1})], "BadRequest"),
        ([get("1", "/me", headers={"Content-Type": "text/plain"}, body="\u00e9")], "BadRequest"),
        ([7], "BadRequest"),
    ],
    ids=range(12),
)
def test_a_wrong_batch_is_refused_as_a_whole(parts: list[Any], code: str, http: Http) -> None:
    assert code_of(batch(http, *parts)) == (400, code)


def test_twenty_parts_are_not_too_many(http: Http) -> None:
    assert len(batch(http, *(get(str(number), "/me") for number in range(20))).json()["responses"]) == 20


def test_a_batch_needs_a_token_and_gives_it_to_no_part_that_names_another(http: Http) -> None:
    assert code_of(http.session.post(f"{GRAPH}/$batch", json={"requests": [get("1", "/me")]}, timeout=10)) == (
        401,
        "InvalidAuthenticationToken",
    )
    olga = {"Authorization": f"Bearer {token_of(http, 'olga')}"}
    (part,) = batch(http, get("1", "/me", headers=olga)).json()["responses"]
    assert part["body"]["displayName"] == "Alice Ahlberg"
    assert code_of(send(http, "POST", "/$batch", token_of(http), content=json.dumps([]).encode())) == (
        400,
        "BadRequest",
    )


# Slow APIs


def test_a_slow_api_takes_no_time_of_a_test(own: Http, clock: Clock) -> None:
    faults = own.stack.faults
    faults.add("graph", delay=30, times=1)
    faults.on_delay = lambda seconds: setattr(clock, "ahead", clock.ahead + seconds)
    assert own.get(f"{GRAPH}/me", token_of(own)).status_code == 200
    assert clock.ahead == 30
    assert own.get(f"{GRAPH}/me", token_of(own)).status_code == 200
    assert clock.ahead == 30
