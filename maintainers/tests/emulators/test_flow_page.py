"""The start page's server: what it tells, to whom, and how much. test_flow_in_browser.py tests the page itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from emulators.applications import API_ID, CLIENT_ID, GRAPH_URI
from emulators.audit import Entry
from emulators.flow.decoded import MAX_PART, MAX_TOKENS, DecodedTokens, without_tokens
from emulators.flow.story import MAX_HOPS, MAX_REQUESTS, MAX_TEXT
from emulators.flow.stream import MAX_CHANGED, MAX_LISTENERS, MAX_WAITING, Listener, Stream
from emulators.index_page import index_page
from emulators.people import EVERYONE, PEOPLE, Person
from emulators.requests_io import fingerprint
from emulators.stack import Stack
from maintainers.tests.dev.project import Project, Serving, wait_until

from .support import TOKEN_URL, Http, client_assertion, obo_form

ME = "https://graph.microsoft.com/v1.0/me"
Json = dict[str, Any]


@pytest.fixture
def told(stack: Stack) -> Stack:
    """A stack whose requests the page shows."""
    stack.flow.story.watch()
    return stack


class Events:
    """The stream of one open page, read as far as a test wants."""

    def __init__(self, url: str, **headers: str) -> None:
        self.response = requests.get(f"{url}/_emulators/flow/events", headers=headers, stream=True, timeout=20)
        self._lines = self.response.iter_lines(decode_unicode=True)
        self.text = ""
        self.seen: dict[int, Json] = {}

    def next(self) -> tuple[str, Any]:
        """The next event: its name and data."""
        name = ""
        for line in self._lines:
            self.text += f"{line}\n"
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = json.loads(line.removeprefix("data: "))
                if name == "request":
                    self.seen[data["number"]] = data
                return name, data
        raise EOFError("the stream has ended")

    def until(self, wanted: str) -> Any:
        """The data of the next event with this name."""
        while True:
            name, data = self.next()
            if name == wanted:
                return data

    def request(self, **wanted: object) -> Json:
        """The next request of which these fields have these values."""
        while True:
            data: Json = self.until("request")
            if all(data[name] == value for name, value in wanted.items()):
                return data


@contextlib.contextmanager
def listening(url: str) -> Iterator[Events]:
    """An open page that has got everything so far."""
    events = Events(url)
    with events.response:
        assert events.response.headers["content-type"].startswith("text/event-stream")
        events.until("ready")
        yield events


def click(url: str, what: str, body: object, **headers: str) -> requests.Response:
    """As the page's own script sends it."""
    return requests.post(
        f"{url}/_emulators/flow/{what}",
        json=body,
        headers={"Origin": url, **headers},
        timeout=10,
        allow_redirects=False,
    )


def entry(stack: Stack, service: str = "graph", caller: str = "api", **more: Any) -> Entry:
    """An entry of the audit trail."""
    usual: Json = {"method": "GET", "path": "/v1.0/me", "action": "me", "status": 200, "verdict": "ok", "ms": 1.0}
    return Entry(at=stack.entra.now(), caller=caller, service=service, **{**usual, **more})


# The page


def test_the_page_runs_only_its_own_script_and_style(shared: Stack) -> None:
    reply = requests.get(f"{shared.sign_in_url}/", timeout=10)

    policy = dict(part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";"))
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", reply.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cross-origin-opener-policy"] == "same-origin"


def test_the_page_loads_nothing_and_makes_no_markup_of_text() -> None:
    page = index_page()
    assert set(re.findall(r"\b(?:src|href)=\"(?!#)([^\"]*)\"", page)) == {
        "data:,",
        "/_emulators/audit",
        *re.findall(r"href=\"(/login[^\"]+)\"", page),
    }
    dangerous = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:|@import|url\("
    )
    assert re.findall(dangerous, page) == []
    assert re.findall(r"\son\w+=", page) == []


def test_a_name_with_markup_is_text_on_the_page() -> None:
    markup = '"><script>alert(1)</script>'
    mallory = Person(markup, markup, markup, markup, "0", about=markup)
    page = index_page([mallory])
    assert "<script>alert" not in page
    assert page.count("&quot;&gt;&lt;script&gt;alert(1)") == 4


# What is told


def test_an_exchange_is_told_with_decoded_tokens_and_without_a_whole_one(told: Stack, own: Http) -> None:
    token, proof = told.issue_access_token("alice"), client_assertion(told.client_certificate)
    with listening(told.sign_in_url) as events:
        reply = own.post(TOKEN_URL, obo_form(told, token, client_assertion=proof))
        exchanged = str(reply.json()["access_token"])
        own.get(ME, exchanged)
        seen = events.request(number=1)
        while len(seen["hops"]) < 2:
            seen = events.request(number=1)

    exchange, call = seen["hops"]
    assert (exchange["action"], exchange["status"], exchange["resource"]) == ("obo", 200, "Microsoft Graph")
    assert (call["from"], call["to"], call["tokens"]) == ("api", "graph", {"bearer": fingerprint(exchanged)})
    decoded = {one["id"]: one for one in seen["decoded"]}
    assert decoded.keys() == {fingerprint(token), fingerprint(proof), fingerprint(exchanged)}
    before, after = decoded[fingerprint(token)]["claims"], decoded[fingerprint(exchanged)]["claims"]
    assert (before["aud"], before["azp"], before["oid"]) == (API_ID, CLIENT_ID, PEOPLE["alice"].oid)
    assert (after["aud"], after["appid"], after["oid"]) == (GRAPH_URI, API_ID, PEOPLE["alice"].oid)
    assert decoded[fingerprint(exchanged)]["from"] == fingerprint(token)
    assert decoded[fingerprint(token)]["header"]["alg"] == "RS256"
    assert decoded[fingerprint(proof)]["claims"]["iss"] == API_ID
    for whole in (token, proof, exchanged):
        for part in whole.split("."):
            assert part not in events.text


def test_a_later_page_gets_what_was_before(told: Stack, own: Http) -> None:
    own.post(TOKEN_URL, obo_form(told, told.issue_access_token("alice")))
    events = Events(told.sign_in_url)
    with events.response:
        hello = events.until("hello")
        events.until("ready")
    assert [hop["action"] for hop in events.seen[1]["hops"]] == ["obo"]
    assert hello["people"].keys() == EVERYONE.keys()
    assert (hello["names"][API_ID], hello["api"]) == ("Sample API", None)


def test_a_refusal_is_told_with_its_reason(told: Stack, own: Http) -> None:
    own.post(TOKEN_URL, obo_form(told, told.issue_access_token("maya")))
    (request,) = told.flow.story.snapshot()
    (hop,) = request["hops"]
    assert (hop["status"], hop["verdict"][:12], hop["person"]) == (400, "AADSTS50076:", "maya")


def test_what_the_host_logs_closes_the_request(told: Stack, own: Http) -> None:
    token = told.issue_access_token("alice")
    own.post(TOKEN_URL, obo_form(told, token))
    told.flow.story.host_request(entry(told, "api", "client", path="/api/me", action="request", status=200, ms=9_000.0))
    (request,) = told.flow.story.snapshot()
    assert [(hop["from"], hop["to"]) for hop in request["hops"]] == [("client", "api"), ("api", "entra")]
    assert (request["path"], request["status"], request["done"]) == ("/api/me", 200, True)
    assert (request["token"], request["person"]) == (fingerprint(token), "alice")


def test_a_token_that_the_emulated_entra_did_not_issue_is_never_decoded(told: Stack, own: Http) -> None:
    foreign = told.sign({}, {"iss": "https://login.microsoftonline.com/another", "name": "somebody real"})
    assert own.get(ME, foreign).status_code == 401
    own.post(TOKEN_URL, obo_form(told, foreign))
    assert told.flow.story.snapshot()[0]["hops"][0]["tokens"] == {"bearer": fingerprint(foreign)}
    assert all("somebody real" not in json.dumps(request) for request in told.flow.story.snapshot())


def test_a_proof_that_was_refused_is_not_decoded(told: Stack, own: Http) -> None:
    wrong = client_assertion(told.client_certificate, audience="https://another.example")
    assert (
        own.post(TOKEN_URL, obo_form(told, told.issue_access_token("alice"), client_assertion=wrong)).status_code == 401
    )
    assert told.flow.story.tokens.get(fingerprint(wrong)) is None


def test_nothing_is_kept_before_somebody_watches(stack: Stack, own: Http) -> None:
    token = stack.issue_access_token("alice")
    own.post(TOKEN_URL, obo_form(stack, token))
    assert stack.flow.story.snapshot() == []
    assert stack.flow.story.tokens.get(fingerprint(token)) is None


def test_text_that_looks_like_a_token_is_left_out(told: Stack) -> None:
    token = told.issue_access_token("alice")
    told.audit.append(entry(told, path=f"/v1.0/{token}", verdict=f"refused: {token}"))
    (request,) = told.flow.story.snapshot()
    assert (request["hops"][0]["path"], request["hops"][0]["verdict"]) == ("/v1.0/[token]", "refused: [token]")
    assert without_tokens(f"{'x' * 495} {token}", 500) == f"{'x' * 495} [tok…"


# Who may use it

OTHERS = ["https://evil.example", "http://localhost:1", "null", "http://127.0.0.1.evil.example"]


@pytest.mark.parametrize("origin", OTHERS)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("flow/switch", {"name": "graph-503", "on": True}),
        ("flow/call", {"person": "alice", "path": "/api/me", "how": "call"}),
        ("faults", {"target": "graph", "status": 503}),
        ("roll-signing-key", {}),
    ],
)
def test_a_page_of_another_origin_switches_nothing(path: str, body: Json, origin: str, stack: Stack) -> None:
    kid = stack.entra.keys.current.x5t
    reply = requests.post(f"{stack.sign_in_url}/_emulators/{path}", json=body, headers={"Origin": origin}, timeout=10)
    assert (reply.status_code, reply.json()) == (403, {"error": "a web page of another origin may not use this"})
    assert (stack.faults.active(), stack.entra.keys.current.x5t) == ((), kid)
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("path", ["flow/events", "audit"])
@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_a_page_of_another_origin_reads_nothing(path: str, headers: Json, shared: Stack) -> None:
    reply = requests.get(f"{shared.sign_in_url}/_emulators/{path}", headers=headers, timeout=10)
    assert (reply.status_code, reply.headers["content-type"]) == (403, "application/json; charset=utf-8")


def test_a_name_that_leads_to_this_machine_reads_nothing(shared: Stack) -> None:
    for path in ("/", "/_emulators/flow/events"):
        reply = requests.get(f"{shared.sign_in_url}{path}", headers={"Host": "evil.example"}, timeout=10)
        assert reply.status_code == 400
    rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
    assert click(shared.sign_in_url, "switch", {"name": "graph-503", "on": True}, **rebound).status_code == 400


def test_a_click_needs_an_origin_and_is_a_post(shared: Stack) -> None:
    url, body = f"{shared.sign_in_url}/_emulators/flow/switch", {"name": "graph-503", "on": True}
    assert requests.post(url, json=body, timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 405
    assert shared.faults.active() == ()


@pytest.mark.parametrize(
    ("what", "body", "wrong"),
    [
        ("switch", {"name": "no such", "on": True}, "there is no such switch"),
        ("switch", {"name": "graph-503", "on": 1}, "the body must have the fields name (str), on (bool)"),
        ("switch", [], "the body must be a JSON object: not a JSON object"),
        ("switch", {"name": "x" * 3_000, "on": True}, "the body must have 2000 bytes at most"),
        ("call", {"person": "bob", "path": "/api/me", "how": "call"}, "person must be one of alice, "),
        (
            "call",
            {"person": "alice", "path": "/api/me", "how": "x"},
            "how must be one of call, consent, fresh, step-up",
        ),
        ("call", {"person": "alice", "path": "/" * 301, "how": "call"}, "path must have 300 characters at most"),
    ],
)
def test_a_wrong_click_is_told_what_is_wrong(what: str, body: Any, wrong: str, shared: Stack) -> None:
    reply = click(shared.sign_in_url, what, body)
    assert (reply.status_code, reply.json()["error"][: len(wrong)]) == (400, wrong)


def test_a_form_is_no_click(shared: Stack) -> None:
    url = shared.sign_in_url
    reply = requests.post(f"{url}/_emulators/flow/switch", data="{}", headers={"Origin": url}, timeout=10)
    assert (reply.status_code, reply.json()) == (400, {"error": "the content type must be application/json"})


def test_without_an_api_a_click_says_what_to_start(shared: Stack) -> None:
    reply = click(shared.sign_in_url, "call", {"person": "alice", "path": "/api/me", "how": "call"})
    assert (reply.status_code, reply.json()) == (409, {"error": "No API runs here. Start it: python3 dev.py run"})


# Switches


def test_a_switch_sets_its_fault_and_takes_it_away(told: Stack, own: Http) -> None:
    with listening(told.sign_in_url) as events:
        assert click(told.sign_in_url, "switch", {"name": "graph-503", "on": True}).status_code == 200
        assert own.get(ME).status_code == 503
        assert [one["name"] for one in events.until("state")["switches"] if one["on"]] == ["graph-503"]
        click(told.sign_in_url, "switch", {"name": "graph-503", "on": True})  # a second page
        assert len(told.faults.active()) == 1
        click(told.sign_in_url, "switch", {"name": "graph-503", "on": False})
    assert (own.get(ME).status_code, told.faults.active()) == (401, ())


def test_a_fault_that_is_used_up_or_deleted_is_off_and_others_are_named(told: Stack, own: Http) -> None:
    flow = told.flow
    flow.switches.set("graph-claims", True)
    assert "claims" in own.get(ME).headers["www-authenticate"]
    flow.switches.set("graph-slow", True)
    told.faults.clear()
    told.faults.add("vault", status=500)
    view = flow.switches.view()
    assert [one["name"] for one in view["switches"] if one["on"]] == []
    assert view["others"] == ["vault: fault: status 500"]


# Bounds


def test_requests_hops_and_texts_are_bounded(told: Stack) -> None:
    story = told.flow.story
    for number in range(MAX_REQUESTS + 5):
        story.host_request(entry(told, "api", "client", path=f"/api/{number}", action="request"))
    assert [one["path"] for one in story.snapshot()] == [f"/api/{number}" for number in range(5, MAX_REQUESTS + 5)]
    for _ in range(MAX_HOPS + 5):
        told.audit.append(entry(told, verdict="x" * 5_000))
    newest = story.snapshot()[-1]
    assert (len(newest["hops"]), newest["more"], len(newest["hops"][0]["verdict"])) == (MAX_HOPS, 5, MAX_TEXT + 1)


def test_decoded_tokens_are_bounded() -> None:
    def made(number: int, padding: str = "") -> str:
        parts = ({"alg": "none"}, {"n": number, "padding": padding})
        return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)

    tokens = DecodedTokens()
    for number in range(MAX_TOKENS + 1):
        tokens.keep(f"{made(number)}.signature")
    assert tokens.get(fingerprint(f"{made(0)}.signature")) is None
    kept = tokens.get(fingerprint(f"{made(1)}.signature"))
    assert kept is not None
    assert "signature" not in json.dumps(kept)
    for odd in ("", "a.b.c", "..", f"{made(1, 'x' * MAX_PART)}.s", "e30.W10.s", "[" * 9_000 + "." + "[" * 9_000 + ".s"):
        tokens.keep(odd)
        assert tokens.get(fingerprint(odd)) is None


def test_too_many_pages_are_refused_and_a_closed_one_makes_room(told: Stack) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(MAX_LISTENERS):
            opened.enter_context(listening(told.sign_in_url))
        refused = requests.get(f"{told.sign_in_url}/_emulators/flow/events", timeout=10)
        assert (refused.status_code, refused.json()) == (503, {"error": "too many pages are open"})
    wait_until(lambda: not told.flow.story.stream.full)
    with listening(told.sign_in_url):
        pass


def test_a_page_that_does_not_read_is_dropped_and_nobody_waits() -> None:
    async def scene() -> None:
        stream = Stream()
        slow, quick = stream.join(), stream.join()
        assert slow is not None
        assert quick is not None
        for number in range(MAX_WAITING + 1):
            slow.put(str(number))
        assert (slow.dropped, slow.queue.qsize(), slow.queue.get_nowait()) == (True, 1, None)
        stream.publish("key", "name", lambda: "one")
        stream.publish("key", "name", lambda: "two")
        assert await quick.queue.get() == 'event: name\ndata: "two"\n\n'
        assert (slow.queue.qsize(), quick.queue.qsize()) == (0, 0)

    asyncio.run(scene())


def test_a_burst_costs_one_event_for_each_thing_and_is_bounded() -> None:
    async def scene() -> None:
        stream = Stream()
        listener = stream.join()
        assert isinstance(listener, Listener)
        for number in range(MAX_CHANGED + 50):
            stream.publish(number, "n", lambda number=number: number)  # type: ignore[misc]
        assert await listener.queue.get() == "event: n\ndata: 50\n\n"
        assert listener.queue.qsize() == MAX_CHANGED - 1

    asyncio.run(scene())


def test_an_open_page_does_not_keep_the_stack_from_stopping(tmp_path: Path) -> None:
    stack = Stack.start(tmp_path)
    with listening(stack.sign_in_url) as events:
        stack.stop()
        with pytest.raises((EOFError, requests.RequestException)):
            events.next()


# With the API: what a click does


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """`dev.py run`."""
    with Project.copy(tmp_path_factory.mktemp("flow") / "copy").serving("run", "--port", "0") as serving:
        yield serving


def call(events: Events, url: str, person: str, how: str = "call", path: str = "/api/me") -> Json:
    """The request that a click makes, when it is over."""
    reply = click(url, "call", {"person": person, "path": path, "how": how})
    assert reply.status_code == 202, reply.text
    return events.request(number=reply.json()["request"], done=True)


def route(request: Json) -> list[tuple[str, str]]:
    """Who called whom."""
    return [(hop["from"], hop["to"]) for hop in request["hops"] if hop["from"] in ("client", "api")]


def test_the_banner_names_the_page(running: Serving) -> None:
    assert f"  Watch it      {running.project.state()['sign_in_url']}   (every hop" in running.text


def test_two_clicks_make_one_exchange(running: Serving) -> None:
    url = running.project.state()["sign_in_url"]
    with listening(url) as events:
        first, second = call(events, url, "alice"), call(events, url, "alice")
    assert (first["status"], second["status"]) == (200, 200)
    assert [hop["action"] for hop in first["hops"]].count("obo") == 1
    assert route(second) == [("client", "api"), ("api", "graph")]
    assert (first["token"], first["source"]) == (second["token"], "page")
    exchanged = next(one for one in second["decoded"] if one.get("from") == first["token"])
    assert exchanged["record"] == first["number"]
    assert json.loads(second["reply"]["body"])["displayName"] == "Alice Ahlberg"
    assert "eyJ" not in events.text


def test_the_request_of_a_click_is_told_once(running: Serving) -> None:
    """The host logs it, too."""
    url = running.project.state()["sign_in_url"]
    with listening(url) as events:
        first, _, last = (call(events, url, "alice") for _ in range(3))
    numbers = range(first["number"], last["number"] + 1)
    assert [(events.seen[number]["source"], events.seen[number]["person"]) for number in numbers] == [
        ("page", "alice")
    ] * 3


def test_a_claims_challenge_is_decoded_and_the_step_up_satisfies_it(running: Serving) -> None:
    url = running.project.state()["sign_in_url"]
    with listening(url) as events:
        refused, good = call(events, url, "maya"), call(events, url, "maya", "step-up")
        assert call(events, url, "maya", "fresh")["status"] == 401
    (challenge,) = refused["reply"]["challenges"]
    assert (refused["status"], refused["reply"]["step_up"], challenge["scheme"]) == (401, True, "Bearer")
    assert challenge["parameters"]["claims"]["access_token"].keys() == {"capolids"}
    assert (good["status"], good["kind"]) == (200, "step-up")
    assert [hop["action"] for hop in good["hops"] if hop["from"] == "browser"] == ["authorize", "sign-in", "mfa"]
    caller = next(one for one in good["decoded"] if one["id"] == good["token"])
    assert "mfa" in caller["claims"]["amr"]


def test_a_missing_consent_is_told_with_its_page_and_given(running: Serving) -> None:
    url = running.project.state()["sign_in_url"]
    with listening(url) as events:
        refused, good = call(events, url, "connor"), call(events, url, "connor", "consent")
    assert (refused["status"], refused["reply"]["consent"]) == (403, True)
    assert all(page.startswith(f"{url}/login.microsoftonline.com/") for page in refused["reply"]["pages"].values())
    assert refused["reply"]["pages"]
    assert (good["status"], good["kind"]) == (200, "consent")


def test_a_call_from_another_terminal_is_told_too(running: Serving) -> None:
    url = running.project.state()["sign_in_url"]
    with listening(url) as events:
        assert running.project.dev("call", "greta", "/api/orders").returncode == 0
        request = events.request(path="/api/orders", done=True)
    assert (request["source"], request["status"], request["person"]) == ("elsewhere", 200, "greta")
    assert ("api", "orders") in route(request)
    assert request["token"] in {one["id"] for one in request["decoded"]}


@pytest.mark.parametrize("path", ["//evil.example/", "https://evil.example/", "/api/../x", "/a b"])
def test_a_click_calls_nothing_but_the_api(path: str, running: Serving) -> None:
    url = running.project.state()["sign_in_url"]
    reply = click(url, "call", {"person": "olga", "path": path, "how": "call"})
    assert (reply.status_code, "is not a path of the API" in reply.json()["error"]) == (400, True)


def test_a_step_up_that_nobody_asked_for_is_refused(running: Serving) -> None:
    url = running.project.state()["sign_in_url"]
    reply = click(url, "call", {"person": "olga", "path": "/api/me", "how": "step-up"})
    assert (reply.status_code, reply.json()) == (409, {"error": "The API has not asked this person for claims"})


def test_a_sign_in_that_fails_is_told(running: Serving) -> None:
    url = running.project.state()["sign_in_url"]
    with listening(url) as events:
        click(url, "switch", {"name": "entra-503", "on": True})
        request = call(events, url, "olga", "fresh")
        click(url, "switch", {"name": "entra-503", "on": False})
    assert (request["status"], request["error"]) == (None, "Entra's token endpoint responded with 503")
