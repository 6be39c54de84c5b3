"""`AzureAd__ConsentPromptClients`: clients that ask their user for consent when the response is 401, and not 403.

Microsoft 365 Copilot is one. It calls again with the same token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import azure.functions as func
import pytest

from shared import AsyncUser, User
from shared.errors import AccessDenied, ConsentRequired
from shared.hosting import turn_into_consent_prompt
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from shared.settings.settings import Settings
from tests.support.lab import Lab

from .guarded import body_of, reply_of, request
from .test_settings import CLIENT, GOOD, TENANT, problems

NAME = "AzureAd__ConsentPromptClients"
COPILOT = "ab3be6b7-f5df-413d-ac2d-abf1e3fd9c0b"
OTHER = "c0ffee00-0000-4000-8000-000000000000"


@pytest.fixture
def tenant(lab: Lab) -> Iterator[Lab]:
    """Connor has not consented yet."""
    with lab.stack.directory.unchanged():
        yield lab


def me(lab: Lab, **changes: str) -> tuple[Any, Any]:
    """The same function as `def` and as `async def`."""
    provider = LazyServices(lab.environ(**changes), now=lab.clock, sleep=lab.clock.forward)

    @RequiresUser(provider)()
    def me(req: func.HttpRequest, user: User) -> object:
        return user.api("Graph").get("/me?$select=displayName").json()["displayName"]

    @RequiresUser(provider)()
    async def me_async(req: func.HttpRequest, user: AsyncUser) -> object:
        return (await user.api("Graph").get("/me?$select=displayName")).json()["displayName"]

    return me, me_async


@pytest.mark.parametrize("number", [0, 1], ids=["def", "async def"])
@pytest.mark.parametrize("version", [1, 2])
def test_copilot_gets_401_consents_and_calls_again_with_the_same_token(tenant: Lab, number: int, version: int) -> None:
    public = "https://api.contoso.example"
    function = me(tenant, **{NAME: f"{OTHER} {COPILOT.upper()}", "AzureAd__PublicUrls": public})[number]
    client: dict[str, Any] = {"azp" if version == 2 else "appid": COPILOT}
    token = tenant.stack.issue_access_token("connor", version=version, **client)
    refused = reply_of(function, req=request(token))
    said = body_of(refused)
    assert (refused.status_code, said["status"], said["code"]) == (401, 401, "consent_required")
    assert said["scopes"] == ["https://graph.microsoft.com/.default"]
    assert "/adminconsent?client_id=" in said["admin_consent_url"]
    challenge = refused.headers["WWW-Authenticate"]
    realm = tenant.stack.directory.tenant("contoso.example")
    assert challenge.startswith(f'Bearer realm="{realm}", error="consent_required", scope="{public}/access_as_user", ')
    assert refused.headers["Cache-Control"] == "no-store"
    tenant.stack.directory.consent("connor")
    again = reply_of(function, req=request(token))
    assert (again.status_code, again.get_body()) == (200, b"Connor Castle")


@pytest.mark.parametrize("setting", ["", OTHER, CLIENT])
def test_any_other_client_gets_403_and_no_challenge(tenant: Lab, setting: str) -> None:
    changes = {NAME: setting} if setting else {}
    tokens = [tenant.stack.issue_access_token("connor", azp=COPILOT), tenant.stack.issue_access_token("connor")]
    for function in me(tenant, **changes):
        for token in tokens:
            reply = reply_of(function, req=request(token))
            said = body_of(reply)
            assert (reply.status_code, said["status"], said["code"]) == (403, 403, "consent_required")
            assert "WWW-Authenticate" not in reply.headers


def test_copilot_gets_any_other_refusal_as_everybody_does(tenant: Lab) -> None:
    blocked, _ = me(tenant, **{NAME: COPILOT})
    reply = reply_of(blocked, req=request(tenant.stack.issue_access_token("blake", azp=COPILOT)))
    assert (reply.status_code, body_of(reply)["code"]) == (403, "access_denied")
    assert "WWW-Authenticate" not in reply.headers


def test_a_token_that_is_not_valid_gets_401_as_ever(tenant: Lab) -> None:
    function, _ = me(tenant, **{NAME: COPILOT})
    reply = reply_of(function, req=request(tenant.stack.issue_access_token("connor", azp=COPILOT)[:-4] + "AAAA"))
    assert (reply.status_code, body_of(reply)["code"]) == (401, "invalid_token")


def test_one_question_for_all_who_turn_a_failure_into_a_response(tenant: Lab) -> None:
    services = tenant.services(**{NAME: COPILOT})
    copilot = services.sessions.open(tenant.stack.issue_access_token("alice", azp=COPILOT)).access_token
    other = services.sessions.open(tenant.stack.issue_access_token("alice")).access_token
    assert (turn_into_consent_prompt(AccessDenied(), copilot), turn_into_consent_prompt(KeyError(), copilot)) == (
        False,
        False,
    )
    missing = ConsentRequired(["a"])
    assert (turn_into_consent_prompt(missing, other), missing.status, missing.challenge()) == (False, 403, None)
    assert (turn_into_consent_prompt(missing, copilot), missing.status) == (True, 401)
    assert missing.challenge() == {"error": "consent_required"}
    assert ConsentRequired(["a"]).status == 403


def test_the_setting_is_a_list_of_client_ids() -> None:
    read = Settings.from_environ({**GOOD, f"{NAME}__0": COPILOT.upper(), f"{NAME}__1": TENANT}).tokens
    assert read.consent_prompt_clients == (COPILOT, TENANT)
    assert Settings.from_environ(GOOD).tokens.consent_prompt_clients == ()
    wrong = problems(**{NAME: f"{COPILOT} Copilot"})
    assert wrong == {NAME: "must be client ids (GUIDs), separated by spaces"}
    assert list(problems(**{NAME: ""})) == [NAME]
