"""Starting and stopping, ports, environments, and what the stack issues."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest

from emulators.applications import API_ID
from emulators.audit import Audit, Entry
from emulators.people import CONTOSO, PEOPLE
from emulators.stack import Ports, PortTaken, Stack
from maintainers.tests.orders import ORDERS_ID

from .support import AUTHORITY, TOKEN_URL, Clock, Http, decode, obo_form


def test_stops_with_connections_open_and_leaves_no_thread(tmp_path: Path) -> None:
    threads = threading.active_count()
    stack = Stack.start(tmp_path / "new" / "folder")
    with Http(stack).session as session:
        session.get(f"{AUTHORITY}/discovery/v2.0/keys", timeout=10)
        stack.stop()  # the kept-alive connection is still open
    stack.stop()

    assert threading.active_count() == threads
    with pytest.raises(RuntimeError, match="not running"):
        _ = stack.ports


def test_a_hanging_service_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with Stack.start(tmp_path) as stack, ThreadPoolExecutor(2) as pool:
        stack.faults.add("graph", delay=600)
        http = Http(stack)
        hanging = pool.submit(http.get, "https://graph.microsoft.com/v1.0/me")
        while not stack.audit.entries():
            time.sleep(0.01)
        time.sleep(0.05)
        pool.submit(stack.stop).result(60)
        assert hanging.exception(10) is not None
        http.session.close()


def test_ports_can_be_chosen_and_a_taken_one_is_named(tmp_path: Path) -> None:
    with Stack.start(tmp_path) as first:
        taken = first.ports
        for ports, what in (
            (Ports(sign_in=taken.gateway), "sign-in"),
            (Ports(gateway=taken.sign_in), "gateway"),
            (Ports(identity=taken.sign_in), "identity"),
        ):
            with pytest.raises(PortTaken, match=what) as caught:
                Stack.start(tmp_path / "second", ports)
            assert caught.value.port in (taken.gateway, taken.sign_in)
    with Stack.start(tmp_path, taken) as again:
        assert again.ports == taken


def test_two_stacks_do_not_know_each_other(stack: Stack, shared: Stack, own: Http) -> None:
    foreign = shared.issue_access_token("alice")
    assert own.post(TOKEN_URL, obo_form(stack, foreign)).json()["error_codes"] == [50013]


def test_the_environments(shared: Stack) -> None:
    transport = {"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}
    for process in ("api", "orders", "client"):
        environ = shared.environ(process)
        assert transport <= environ.keys()
        assert environ["HTTPS_PROXY"] == environ["https_proxy"]
        assert environ["HTTPS_PROXY"] == f"http://{process}:local@127.0.0.1:{shared.ports.gateway}"
        assert Path(environ["REQUESTS_CA_BUNDLE"]).is_file()
    api = shared.environ("api")
    assert (api["AzureAd__TenantId"], api["AzureAd__ClientId"]) == (CONTOSO, API_ID)
    assert api["DownstreamApis__Orders__Scopes"].split()[0] == f"api://{CONTOSO}/obo-orders/Orders.Read"
    assert shared.environ("orders")["AzureAd__ClientId"] == ORDERS_ID
    assert shared.environ("client")["API_SCOPE"] == f"api://{CONTOSO}/obo-api/access_as_user"
    assert not {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"} & (
        shared.environ("orders").keys() | shared.environ("client").keys()
    )
    with pytest.raises(KeyError):
        shared.environ("browser")


def test_issues_tokens_with_any_defect(shared: Stack) -> None:
    token = decode(shared.issue_access_token("olga", app="orders", scopes=["Orders.Read"], name=None, extra=1))
    assert (token["aud"], token["scp"], token["roles"]) == (ORDERS_ID, "Orders.Read", ["Orders.Manager"])
    assert "name" not in token
    assert token["extra"] == 1
    old = decode(shared.issue_access_token("alice", version=1))
    assert (old["ver"], old["aud"], old["iss"]) == ("1.0", f"api://{API_ID}", f"https://sts.windows.net/{CONTOSO}/")
    assert decode(shared.issue_access_token("alice", lifetime=-5))["exp"] < time.time()
    assert decode(shared.issue_app_token(roles=()))["idtyp"] == "app"
    assert decode(shared.issue_id_token("alice", audience="api"))["aud"] == API_ID


def test_signs_what_a_forger_would(shared: Stack) -> None:
    assert jwt.get_unverified_header(shared.sign({"alg": "PS256", "jku": "https://x"}, {}))["jku"] == "https://x"
    assert "kid" not in jwt.get_unverified_header(shared.sign({"kid": None}, {}))
    assert shared.sign({"alg": "none"}, {}).endswith(".")
    assert jwt.get_unverified_header(shared.sign({"alg": "HS512"}, {}))["alg"] == "HS512"


def test_follows_the_injected_clock(stack: Stack, own: Http, clock: Clock) -> None:
    clock.ahead = 100_000
    token = stack.issue_access_token("alice")
    assert abs(decode(token)["exp"] - time.time() - 103_600) < 5
    assert stack.audit.mark() == 0
    own.get(f"{AUTHORITY}/discovery/v2.0/keys")
    assert abs(stack.audit.entries()[0].at - time.time() - 100_000) < 5


def test_many_callers_at_once(stack: Stack) -> None:
    def exchange(number: int) -> tuple[str, str]:
        person = ("alice", "greta", "olga")[number % 3]
        http = Http(stack)
        with http.session:
            reply = http.post(TOKEN_URL, obo_form(stack, stack.issue_access_token(person)))
        return person, str(decode(reply.json()["access_token"])["oid"])

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(exchange, range(60)))
    assert all(oid == PEOPLE[person].oid for person, oid in results)
    assert sum(entry.action == "obo" for entry in stack.audit.entries()) == 60


def entry(number: int) -> Entry:
    """An entry that can be told from others."""
    return Entry(float(number), "api", "graph", "GET", "/", "me", 200, "ok", 1.0)


def test_the_audit_trail_is_bounded_and_marks_stay_right() -> None:
    audit = Audit(capacity=3)
    for number in range(5):
        audit.append(entry(number))
    mark = audit.mark()
    assert mark == 5
    assert [kept.at for kept in audit.entries()] == [2, 3, 4]
    assert [kept.at for kept in audit.entries(since=4)] == [4]
    audit.append(entry(5))
    assert [kept.at for kept in audit.entries(mark)] == [5]
    assert audit.entries(since=99) == []


def test_subscribers_hear_every_entry_and_cannot_break_it(caplog: pytest.LogCaptureFixture) -> None:
    audit, heard = Audit(), list[float]()

    def broken(_: Entry) -> None:
        raise RuntimeError("a broken listener")

    audit.subscribe(broken)
    unsubscribe = audit.subscribe(lambda it: heard.append(it.at))
    audit.append(entry(1))
    unsubscribe()
    audit.append(entry(2))
    assert heard == [1]
    assert audit.mark() == 2
    assert "An audit subscriber failed" in caplog.text
