"""`user.groups` and `user.member_of`: never an empty set where the user is in too many groups."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import azure.functions as func
import pytest

from shared import AsyncUser, User
from shared.errors import BadGateway, ServerMisconfigured
from shared.net import Response
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from shared.user.groups import confirmed, groups_in, questions
from tests.shared.guarded import body_of, reply_of, request
from tests.support.lab import Lab

GROUPS = [str(UUID(int=number)) for number in range(45)]


@pytest.mark.parametrize(
    ("claims", "groups"),
    [({}, set()), ({"groups": GROUPS[:2]}, set(GROUPS[:2])), ({"groups": []}, set()), ({"_claim_names": {}}, set())],
)
def test_the_groups_that_a_token_names(claims: dict[str, object], groups: set[str]) -> None:
    assert groups_in(claims) == groups


@pytest.mark.parametrize("claims", [{"_claim_names": {"groups": "src1"}}, {"hasgroups": True}])
def test_too_many_groups_for_a_token_is_an_error_that_says_what_to_use(
    lab: Lab, caplog: pytest.LogCaptureFixture, claims: dict[str, Any]
) -> None:
    @RequiresUser(LazyServices(lab.environ(), now=lab.clock))()
    def act(req: func.HttpRequest, user: User) -> object:
        return user.groups

    reply = reply_of(act, req=request(lab.stack.issue_access_token("alice", **claims)))
    assert (reply.status_code, body_of(reply)["code"]) == (500, "server_misconfigured")
    assert "user.member_of([...])" in caplog.text
    with pytest.raises(ServerMisconfigured):
        groups_in(claims)


@pytest.mark.parametrize("groups", ["x", {"a": 1}, 1, [1], [GROUPS[0], None]])
def test_a_claim_groups_in_another_form_is_an_error_and_no_empty_set(groups: object) -> None:
    with pytest.raises(ServerMisconfigured, match="no list of texts"):
        groups_in({"groups": groups})


@pytest.mark.parametrize("elsewhere", ['{"groups":"src1"}', ["groups"]])
def test_too_many_groups_are_noticed_in_other_forms_too(elsewhere: object) -> None:
    with pytest.raises(ServerMisconfigured, match="too many groups"):
        groups_in({"_claim_names": elsewhere})


def test_the_groups_of_a_genuine_token(lab: Lab) -> None:
    @RequiresUser(LazyServices(lab.environ(), now=lab.clock))()
    def act(req: func.HttpRequest, user: User) -> object:
        return user.groups

    lab.stack.directory.set_groups("alice", GROUPS[:2])
    assert body_of(reply_of(act, req=request(lab.stack.issue_access_token("alice")))) == []
    lab.stack.directory.name_groups(lab.stack.directory.applications["api"])
    assert body_of(reply_of(act, req=request(lab.stack.issue_access_token("alice")))) == GROUPS[:2]
    lab.stack.directory.set_groups("alice", [str(UUID(int=number)) for number in range(201)])
    assert reply_of(act, req=request(lab.stack.issue_access_token("alice"))).status_code == 500


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_graph_is_asked_for_20_groups_at_a_time(lab: Lab, kind: str) -> None:
    requires_user = RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))

    @requires_user()
    def act(req: func.HttpRequest, user: User) -> object:
        return user.member_of(asked)

    @requires_user()
    async def act_async(req: func.HttpRequest, user: AsyncUser) -> object:
        return await user.member_of(asked)

    groups, asked = [GROUPS[3], GROUPS[41]], [group.upper() for group in GROUPS] + [GROUPS[0]]
    lab.stack.directory.set_groups("alice", [*groups, str(UUID(int=99))])
    mark = lab.stack.audit.mark()
    reply = reply_of(act if kind == "def" else act_async, req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)) == (200, groups)
    assert [entry.status for entry in lab.seen(mark, "check groups")] == [200, 200, 200]


@pytest.mark.parametrize(
    "groups", ["one text", ["admins"], [GROUPS[0] + "/x"], [str(UUID(int=n)) for n in range(1001)]]
)
def test_what_is_no_list_of_object_ids_is_not_sent(groups: list[str]) -> None:
    with pytest.raises(ValueError, match="member_of takes"):
        list(questions(groups))


def test_each_group_is_asked_for_once_20_at_a_time() -> None:
    asked = [question["groupIds"] for question in questions([*GROUPS, GROUPS[7].upper()])]
    assert asked == [GROUPS[:20], GROUPS[20:40], GROUPS[40:]]
    assert sum(len(question["groupIds"]) for question in questions(str(UUID(int=n)) for n in range(1000))) == 1000
    assert list(questions([])) == []


def test_a_group_that_was_not_asked_for_is_not_confirmed() -> None:
    response = Response(200, {}, f'{{"value": ["{GROUPS[1]}", "{GROUPS[2]}"]}}'.encode())
    assert confirmed({"groupIds": [GROUPS[1]]}, response) == {GROUPS[1]}


@pytest.mark.parametrize("body", [b"[]", b'{"value": "x"}', b'{"value": [1]}', b"{}"])
def test_a_response_that_is_no_list_of_groups_is_a_failure_of_graph(body: bytes) -> None:
    with pytest.raises(BadGateway):
        confirmed({"groupIds": GROUPS[:1]}, Response(200, {}, body))
