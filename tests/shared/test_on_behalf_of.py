"""The exchange: the outcome for each person, and that MSAL never gives one caller the result of another."""

from __future__ import annotations

import base64
import json
import logging

import pytest

from emulators.applications import API
from emulators.people import PEOPLE
from shared.errors import (
    AccessDenied,
    ApiError,
    ClaimsChallenge,
    ConsentRequired,
    InvalidToken,
    ServerMisconfigured,
    ServiceUnavailable,
)
from shared.net.circuit_breaker import FAILURES, FIRST_OPEN_SECONDS
from shared.net.deadline import within
from tests.support.lab import Lab


def failure(lab: Lab, person: str) -> ApiError:
    with pytest.raises(ApiError) as raised:
        lab.me(lab.services(), lab.stack.issue_access_token(person))
    return raised.value


@pytest.mark.parametrize(
    ("person", "name"),
    [("alice", PEOPLE["alice"].display_name), ("greta", PEOPLE["greta"].display_name), ("olga", "Olga Olsen")],
)
def test_those_for_whom_all_is_well(lab: Lab, person: str, name: str) -> None:
    """greta is a guest: the exchange goes to the tenant of her token, not to her home."""
    assert lab.me(lab.services(), lab.stack.issue_access_token(person)) == name


@pytest.mark.parametrize(("person", "kind"), [("blake", AccessDenied), ("rhea", InvalidToken)])
def test_those_who_are_refused(lab: Lab, person: str, kind: type[ApiError]) -> None:
    assert type(failure(lab, person)) is kind


def test_maya_gets_entras_claims_to_step_up_with_and_her_new_token_starts_afresh(lab: Lab) -> None:
    services, first = lab.services(), lab.stack.issue_access_token("maya")
    with pytest.raises(ClaimsChallenge) as raised:
        lab.me(services, first)
    challenge = raised.value.challenge()
    assert json.loads(base64.b64decode(challenge["claims"]))["access_token"]["capolids"]["essential"] is True
    assert lab.me(services, lab.stack.issue_access_token("maya", mfa=True)) == PEOPLE["maya"].display_name
    with pytest.raises(ClaimsChallenge):
        lab.me(services, first)  # the result for the second token is not used for the first


@pytest.mark.parametrize("source_type", ["KeyVault", "ClientSecret"])
def test_connor_succeeds_in_the_moment_he_has_consented(lab: Lab, source_type: str) -> None:
    """MSAL would repeat the refusal for a minute, at least where both requests are the same because of a secret."""
    secret = lab.stack.directory.add_secret(API, lab.clock() + 3600)
    changes = lab.credential("ClientSecret", ClientSecret=secret) if source_type == "ClientSecret" else {}
    services, token = lab.services(**changes), lab.stack.issue_access_token("connor")
    with pytest.raises(ConsentRequired) as raised:
        lab.me(services, token)
    assert raised.value.scopes == ("https://graph.microsoft.com/.default",)
    lab.stack.directory.consent("connor")
    try:
        assert lab.me(services, token) == PEOPLE["connor"].display_name
    finally:
        lab.stack.directory.withdraw_consent("connor")


def test_one_users_throttling_leaves_the_next_user_alone(lab: Lab) -> None:
    """MSAL remembers a 429 by client and scope, not by user."""
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("olga"))
    lab.stack.faults.add("entra.token", status=429, headers={"Retry-After": "17"}, person="alice", body={"error": "x"})
    with pytest.raises(ServiceUnavailable) as raised:
        lab.me(services, lab.stack.issue_access_token("alice"))
    assert raised.value.retry_after == 17
    mark = lab.stack.audit.mark()
    assert lab.me(services, lab.stack.issue_access_token("greta")) == PEOPLE["greta"].display_name
    assert len(lab.exchanges(mark)) == 1


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_failure_is_never_kept_as_a_response(lab: Lab, status: int) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    body = {"error": "invalid_grant", "error_codes": [53003]}
    lab.stack.faults.add("entra.token", status=status, body=body, times=2 if status >= 500 else 1)
    with pytest.raises(ApiError):
        lab.me(services, token)
    assert lab.me(services, token) == PEOPLE["alice"].display_name


@pytest.mark.parametrize(
    ("response", "wait"),
    [
        ({"status": 503}, 5),
        ({"status": 503, "headers": {"Retry-After": "99"}}, 99),
        ({"status": 429, "headers": {"Retry-After": "999999"}}, 3600),
        ({"status": 429, "headers": {"Retry-After": "soon"}}, 5),
        ({"status": 200, "body": "<html>gateway</html>"}, 5),
        ({"status": 200, "body": ""}, 5),
        ({"status": 200, "body": ["access_token"]}, 5),
        ({"status": 302, "headers": {"Location": "https://graph.microsoft.com/"}}, 5),
    ],
)
def test_what_is_no_response_of_the_protocol_is_503_with_retry_after(
    lab: Lab, response: dict[str, object], wait: int
) -> None:
    lab.stack.faults.add("entra.token", **response)  # type: ignore[arg-type]  # a row of the table above
    error = failure(lab, "alice")
    assert isinstance(error, ServiceUnavailable)
    assert error.retry_after == wait


SECRET = "s3cr3t-downstream-token"
REPLY = json.dumps({"token_type": "Bearer", "access_token": SECRET, "expires_in": 4199})


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + REPLY.encode(),
        REPLY.encode("utf-16"),
        REPLY.encode("utf-16-le"),
        REPLY.encode("utf-32"),
        REPLY.encode() + b"\0",
        REPLY.encode() + REPLY.encode(),
        REPLY.replace("Bearer", "B\xe4rer").encode("latin-1"),
        REPLY.replace("4199", "NaN").encode(),
        REPLY.replace("4199", "9" * 5000).encode(),
        REPLY.replace("4199", "[" * 100_000).encode(),
        REPLY.replace("4199", "[" * 900 + "]" * 900).encode(),
        REPLY.replace("token_type", "access_token").encode(),
        json.dumps({**json.loads(REPLY), "scope": ["User.Read"]}).encode(),
    ],
    ids=[str(n) for n in range(13)],
)
def test_a_response_that_cannot_be_read_in_one_way_alone_is_503_and_in_no_log(
    lab: Lab, body: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MSAL logs the whole token response if its parser cannot read it. Here the filter on its logger is off."""
    monkeypatch.setattr(logging.getLogger("msal.oauth2cli.oauth2"), "filters", [])
    caplog.set_level(logging.DEBUG)
    for name in ("msal", "shared", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    lab.stack.faults.add("entra.token", status=200, body=body)
    error = failure(lab, "alice")
    assert (error.status, error.retry_after) == (503, 5)
    assert any(record.name.startswith("msal") for record in caplog.records)
    shown = [record.name for record in caplog.records if SECRET in f"{record.getMessage()} {record.exc_text}"]
    assert shown == []


@pytest.mark.parametrize("more", [{"id_token": "x"}, {"id_token": 5}, {"refresh_in": "soon"}, {"client_info": "!"}])
def test_what_nobody_reads_of_a_response_cannot_spoil_it(lab: Lab, more: dict[str, object]) -> None:
    lab.stack.faults.add("entra.token", status=200, body={**json.loads(REPLY), **more})
    assert lab.user(lab.services(), lab.stack.issue_access_token("alice")).token("Graph") == SECRET


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        ({}, 3600),
        ({"expires_in": None}, 3600),
        ({"expires_in": 4199}, 4199),
        ({"expires_in": 4199.0}, 4199),
        ({"expires_in": "3599"}, 3599),
        ({"expires_in": "3599.5"}, 3599.5),
        ({"expires_in": 10**12}, 24 * 3600),
        ({"expires_in": 1e300}, 24 * 3600),
    ],
)
def test_a_token_lives_as_long_as_entra_says_or_an_hour(lab: Lab, expires_in: dict[str, object], life: float) -> None:
    services = lab.services()
    session = services.sessions.open(token := lab.stack.issue_access_token("alice"))
    body = {name: value for name, value in json.loads(REPLY).items() if name != "expires_in"}
    lab.stack.faults.add("entra.token", status=200, body={**body, **expires_in})
    lab.user(services, token).token("Graph")
    (kept,) = session.downstream_tokens.values()
    assert kept.expires_at - lab.clock() == pytest.approx(life, abs=30)
    assert kept.renew_at < kept.expires_at


@pytest.mark.parametrize("expires_in", [0, 0.4, -1, "-1", True, False, "", "soon", [3600], {"s": 1}, "\u0663"])
def test_a_token_whose_life_is_none_is_no_success_and_nobodys_misconfiguration(lab: Lab, expires_in: object) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    lab.stack.faults.add("entra.token", status=200, body={**json.loads(REPLY), "expires_in": expires_in}, times=1)
    with pytest.raises(ServiceUnavailable) as raised:
        lab.me(services, token)
    assert raised.value.retry_after == 5
    assert lab.me(services, token) == PEOPLE["alice"].display_name


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": 1, "expires_in": 60}])
def test_a_reply_without_a_usable_token_is_no_success(lab: Lab, body: dict[str, object]) -> None:
    lab.stack.faults.add("entra.token", status=200, body=body)
    assert type(failure(lab, "alice")) is ServerMisconfigured


@pytest.mark.parametrize("error", [["a"], {"a": 1}, 7, "two words", "line\nbreak", "ä"])
def test_one_malformed_error_does_not_spoil_the_next_exchange(lab: Lab, error: object) -> None:
    """MSAL keeps errors for a header of its next request. If one did not fit, all further requests would fail."""
    services = lab.services()
    lab.stack.faults.add("entra.token", status=400, body={"error": error, "error_codes": [1]}, times=1)
    with pytest.raises(ServiceUnavailable):
        lab.me(services, lab.stack.issue_access_token("alice"))
    assert lab.me(services, lab.stack.issue_access_token("olga")) == PEOPLE["olga"].display_name


@pytest.mark.parametrize("claims", ["x" * 5000, '{"access_token":[1]}', "[]", "{}", '{"a":{},"a":{}}'])
def test_claims_that_no_client_could_use_are_no_challenge(lab: Lab, claims: str) -> None:
    body = {"error": "interaction_required", "error_codes": [50076], "claims": claims}
    lab.stack.faults.add("entra.token", status=400, body=body)
    assert type(failure(lab, "alice")) is InvalidToken


def test_the_request_is_what_entra_documents(lab: Lab) -> None:
    mark = lab.stack.audit.mark()
    lab.me(lab.services(), lab.stack.issue_access_token("alice"))
    (entry,) = lab.exchanges(mark)
    assert entry.caller == "api"
    assert "offline_access" not in str(entry.details)
    assert entry.verdict == "ok: Microsoft Graph token for alice"


def test_discovery_is_asked_once_by_msal_however_many_users_come(lab: Lab) -> None:
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("alice"))
    mark = lab.stack.audit.mark()
    for person in ("alice", "greta", "olga"):
        lab.me(services, lab.stack.issue_access_token(person))
    assert lab.seen(mark, "discovery") == []


def test_a_tenant_that_entra_does_not_know_is_a_misconfiguration(lab: Lab) -> None:
    services = lab.services(AzureAd__TenantId="00000000-0000-4000-8000-00000000dead")
    for _ in range(2):
        with pytest.raises(ServerMisconfigured) as raised:
            lab.me(services, lab.stack.issue_access_token("alice"))
        assert "tenant" in raised.value.reason


@pytest.mark.parametrize("target", ["entra.discovery", "entra.keys"])
@pytest.mark.parametrize("status", [400, 404])
def test_not_every_refusal_means_that_the_tenant_is_unknown(lab: Lab, target: str, status: int) -> None:
    """A proxy on the way may have its own."""
    services = lab.services()
    lab.stack.faults.add(target, status=status, body={"error": "bad_gateway"}, times=1)
    with pytest.raises(ServiceUnavailable):
        services.sessions.open(lab.stack.issue_access_token("alice"))


def test_metadata_that_breaks_after_the_keys_came_is_not_missed(lab: Lab) -> None:
    """MSAL takes the document that came with the signing keys."""
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    services.sessions.open(token)
    lab.stack.faults.add("entra.discovery", status=503)
    mark = lab.stack.audit.mark()
    assert lab.me(services, token) == PEOPLE["alice"].display_name
    assert lab.seen(mark, "discovery") == []


def _metadata(lab: Lab) -> dict[str, object]:
    services = lab.services()
    address = f"{services.settings.authority.url}/v2.0/.well-known/openid-configuration"
    response = services.apis.transport.send("GET", address)
    document: dict[str, object] = response.json()
    return document


def test_metadata_with_a_byte_order_mark_serves_msal_as_well_as_us(lab: Lab) -> None:
    lab.stack.faults.add("entra.discovery", status=200, body=b"\xef\xbb\xbf" + json.dumps(_metadata(lab)).encode())
    assert lab.me(lab.services(), lab.stack.issue_access_token("alice")) == PEOPLE["alice"].display_name


@pytest.mark.parametrize(
    "token_endpoint", [5, None, ["https://login.microsoftonline.com/"], "", "https://graph.microsoft.com/token"]
)
def test_metadata_without_a_token_endpoint_on_the_authoritys_own_host_is_refused(
    lab: Lab, token_endpoint: object
) -> None:
    document, mark = {**_metadata(lab), "token_endpoint": token_endpoint}, lab.stack.audit.mark()
    lab.stack.faults.add("entra.discovery", status=200, body=document)
    assert type(failure(lab, "alice")) is ServiceUnavailable
    assert lab.exchanges(mark) == []
    assert [entry for entry in lab.stack.audit.entries(mark) if entry.service == "graph"] == []


def test_msal_keeps_no_token(lab: Lab) -> None:
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("alice"))
    clients = services.entra.of(services.settings.authority)._clients
    client = clients._client
    assert client is not None
    assert client.msal.token_cache._cache == {}
    assert not any(
        str(key).startswith("POST") for key in services.entra.of(services.settings.authority)._clients._discovery
    )


def test_a_throttled_token_waits_as_long_as_entra_asks_and_nobody_else_does(lab: Lab) -> None:
    services = lab.services()
    throttled, other = (lab.stack.issue_access_token("alice") for _ in range(2))
    lab.stack.faults.add("entra.token", status=429, headers={"Retry-After": "40"}, times=1)
    with pytest.raises(ServiceUnavailable):
        lab.me(services, throttled)
    mark = lab.stack.audit.mark()
    lab.clock.forward(30)
    with pytest.raises(ServiceUnavailable) as raised:
        lab.me(services, throttled)
    assert raised.value.retry_after in (9, 10)
    assert lab.exchanges(mark) == []
    assert lab.me(services, other) == PEOPLE["alice"].display_name
    lab.clock.forward(11)
    assert lab.me(services, throttled) == PEOPLE["alice"].display_name


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 500}])
def test_a_passing_failure_of_entra_is_not_seen_by_the_caller(lab: Lab, fault: dict[str, int]) -> None:
    services, mark = lab.services(), lab.stack.audit.mark()
    lab.stack.faults.add("entra.token", status=fault["status"], times=1)
    assert lab.me(services, lab.stack.issue_access_token("alice")) == PEOPLE["alice"].display_name
    assert [entry.status for entry in lab.exchanges(mark)] == [fault["status"], 200]


def test_an_entra_that_is_down_is_left_alone_and_live_sessions_go_on(lab: Lab) -> None:
    services = lab.services()
    known = lab.stack.issue_access_token("alice")
    strangers = [lab.stack.issue_access_token("olga") for _ in range(8)]
    lab.me(services, known)
    lab.stack.faults.add("entra.token", status=503)
    mark = lab.stack.audit.mark()
    for token in strangers:
        with pytest.raises(ServiceUnavailable):
            lab.me(services, token)
    assert len(lab.exchanges(mark)) == FAILURES
    assert lab.me(services, known) == PEOPLE["alice"].display_name
    lab.stack.faults.clear()
    lab.clock.forward(FIRST_OPEN_SECONDS)
    assert lab.me(services, strangers[0]) == PEOPLE["olga"].display_name


def test_one_request_that_entra_chokes_on_stops_no_other_caller(lab: Lab) -> None:
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("alice"))
    lab.stack.faults.add("entra.token", status=500, person="olga")
    for _ in range(FAILURES):
        with pytest.raises(ServiceUnavailable):
            lab.me(services, lab.stack.issue_access_token("olga"))
    assert lab.me(services, lab.stack.issue_access_token("alice")) == PEOPLE["alice"].display_name


def test_callers_who_have_no_time_left_do_not_stop_others(lab: Lab) -> None:
    """These callers are late. Entra is not down."""
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("alice"))
    for _ in range(2 * FAILURES):
        user = lab.user(services, lab.stack.issue_access_token("alice"))
        with within(1, lab.clock):
            lab.clock.forward(2)
            with pytest.raises(ServiceUnavailable):
                user.token("Graph")
    assert lab.me(services, lab.stack.issue_access_token("olga")) == PEOPLE["olga"].display_name
