"""Keys and certificates are renewed while 32 threads call: no call fails, and no more is read than needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from emulators.applications import API
from emulators.audit import Entry
from emulators.stack import Stack
from shared.exchange.credential import (
    RELOAD_AFTER_SECONDS,
    RELOAD_COOLDOWN_SECONDS,
    RETURN_AFTER_SECONDS,
    ConfidentialClients,
)
from shared.exchange.credential_loads import CredentialLoads
from shared.exchange.credential_sources import load_client_credential
from shared.exchange.msal_client import MsalHttpClient
from shared.net.transport import Transport
from shared.settings.settings import Settings
from shared.validation import signing_keys
from shared.validation.signing_keys import COOLDOWN_SECONDS
from tests.support.clock import RunningClock, date_client_assertions
from tests.support.lab import Lab, finish_background_work

from .api import Api, Reply
from .short_timeouts import ShortTimeouts

THREADS = 32
ALL_EXCHANGE = 3 * THREADS  # calls: one under way and one with a known token are the most that anybody makes without
_DAYS = 10 * 86_400.0  # longer than any test: the callers' own tokens are not what is renewed here
_LINE = "client credential: Entra does not know the newest certificate yet; using the one before"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A tenant of the test's own: what is rotated here is no other test's business."""
    clock = RunningClock()
    with Stack.start(tmp_path, now=clock) as stack:
        stack.entra.lifetime = _DAYS
        for name, value in stack.environ("api").items():
            if name.isupper() or name.endswith("_proxy"):
                monkeypatch.setenv(name, value)
        monkeypatch.setattr(signing_keys, "UNKNOWN_KEY_WAIT_SECONDS", 30.0)  # 32 busy threads make a fetch slow
        date_client_assertions(monkeypatch, clock)
        yield Lab(stack, clock)
        finish_background_work()


class Crowd:
    """32 threads that call without a pause, every other time with a token never seen before.

    `replies` are those since they were last counted.
    """

    def __init__(self, lab: Lab, api: Api) -> None:
        self._lab, self._api = lab, api
        self._changed = threading.Condition()
        self._calling, self._may_call, self._leaves = 0, True, False
        self.replies: list[Reply] = []

    def call(self, number: int) -> None:
        """What one of them does until all leave."""
        token, person = "", ("alice", "olga", "greta")[number % 3]
        for turn in range(10_000):
            with self._changed:
                self._changed.wait_for(lambda: self._may_call or self._leaves, 60)
                if self._leaves:
                    return
                self._calling += 1
            token = token if turn % 2 else self._lab.stack.issue_access_token(person, lifetime=_DAYS)
            reply = self._api.call("me", token)
            with self._changed:
                self.replies.append(reply)
                self._calling -= 1
                self._changed.notify_all()

    def has_called(self, times: int) -> None:
        """Waits until so many more calls have ended, and asserts that all went well."""
        with self._changed:
            start = len(self.replies)
            assert self._changed.wait_for(lambda: len(self.replies) >= start + times, 60)
            assert {reply.status for reply in self.replies} == {200}

    def is_asleep_for(self, seconds: float) -> None:
        """Time passes between two calls of everybody; then all call at once.

        No call that began before goes on afterwards: what it began with, such as a certificate, is out of use.
        """
        with self._changed:
            self._may_call = False
            assert self._changed.wait_for(lambda: not self._calling, 60)
            self._lab.clock.forward(seconds)
            self._may_call = True
            self._changed.notify_all()

    def leave(self) -> None:
        with self._changed:
            self._leaves = True
            self._changed.notify_all()


@contextmanager
def calling(lab: Lab, api: Api) -> Iterator[Crowd]:
    crowd = Crowd(lab, api)
    with ThreadPoolExecutor(THREADS) as pool:
        ends = [pool.submit(crowd.call, number) for number in range(THREADS)]
        try:
            yield crowd
        finally:
            crowd.leave()
        for end in ends:
            end.result(60)
    assert {reply.status for reply in crowd.replies} == {200}
    finish_background_work()


def reads(lab: Lab, mark: int, action: str) -> int:
    """How often something was given away: the vault's secret, Entra's keys, a token."""
    return sum(entry.status == 200 for entry in lab.seen(mark, action))


def refusals(lab: Lab, mark: int) -> int:
    """Exchanges that Entra refused because of our client credential."""
    return sum(entry.status == 401 for entry in lab.exchanges(mark))


def test_certificate_signing_keys_and_registration_change_under_load(lab: Lab) -> None:
    api, stack = Api(lab, ShortTimeouts(lab.clock)), lab.stack
    start = stack.audit.mark()
    with calling(lab, api) as crowd:
        crowd.has_called(ALL_EXCHANGE)
        assert (reads(lab, start, "secret"), reads(lab, start, "keys")) == (1, 1)

        first, mark = stack.client_certificate, stack.audit.mark()
        stack.rotate_client_certificate()  # in the vault, and registered; nothing else happens yet
        crowd.has_called(THREADS)
        assert (reads(lab, mark, "secret"), reads(lab, mark, "keys"), refusals(lab, mark)) == (0, 0, 0)

        crowd.is_asleep_for(
            RELOAD_AFTER_SECONDS + 1
        )  # the certificate is read during the requests, the keys before them
        crowd.has_called(ALL_EXCHANGE)
        finish_background_work()
        assert (reads(lab, mark, "secret"), reads(lab, mark, "keys")) == (1, 1)

        crowd.is_asleep_for(1)
        mark = stack.audit.mark()
        stack.directory.unregister_certificate(API, first)  # by now nobody uses it
        crowd.has_called(THREADS)
        assert (reads(lab, mark, "secret"), refusals(lab, mark)) == (0, 0)

        crowd.is_asleep_for(COOLDOWN_SECONDS)
        mark = stack.audit.mark()
        stack.roll_signing_key()  # every new token is signed by a key that nobody here knows
        crowd.has_called(ALL_EXCHANGE)
        assert (reads(lab, mark, "keys"), reads(lab, mark, "secret"), refusals(lab, mark)) == (1, 0, 0)

        mark = stack.audit.mark()
        stack.rotate_client_certificate(unregister_old=True)  # the old one is refused from one moment to the next
        crowd.has_called(ALL_EXCHANGE)
        assert (reads(lab, mark, "secret"), reads(lab, mark, "keys")) == (1, 0)
        assert 1 <= refusals(lab, mark) <= THREADS
    served = [entry.details["assertion"] for entry in lab.exchanges(start) if entry.status == 200]
    assert len(served) == len(set(served))  # nobody's token was exchanged twice
    assert len(lab.exchanges(start)) == len(served) + refusals(lab, start)


def test_the_managed_identitys_token_expires_under_load(lab: Lab) -> None:
    """Workload identity federation: Entra refuses the expired token once to everybody; one new one serves them all."""
    identity = lab.environ()["AzureAd__ClientCredentials__0__ManagedIdentityClientId"]
    source = lab.credential("SignedAssertionFromManagedIdentity", ManagedIdentityClientId=identity)
    api = Api(lab, ShortTimeouts(lab.clock), **source)
    start = lab.stack.audit.mark()
    with calling(lab, api) as crowd:
        crowd.has_called(ALL_EXCHANGE)
        assert identity_tokens(lab, start) == 1
        crowd.is_asleep_for(lab.stack.identity.lifetime + 1)
        mark = lab.stack.audit.mark()
        crowd.has_called(ALL_EXCHANGE)
        finish_background_work()
        assert identity_tokens(lab, mark) == 1
        assert 1 <= refusals(lab, mark) <= THREADS


def identity_tokens(lab: Lab, mark: int) -> int:
    return sum(entry.service == "identity" for entry in lab.stack.audit.entries(mark))


def test_an_instance_that_starts_before_entra_knows_the_newest_certificate(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """It uses the version before and says so, looks again after five minutes, and ends up with the newest."""
    caplog.set_level(logging.WARNING, "shared")
    stack, before = lab.stack, lab.stack.client_certificate
    lab.clock.forward(3600)
    newest = stack.rotate_client_certificate(register=False)
    api, start = Api(lab, ShortTimeouts(lab.clock)), stack.audit.mark()
    with calling(lab, api) as crowd:
        crowd.has_called(ALL_EXCHANGE)
        assert reads(lab, start, "secret") == 3  # the newest, the newest once more, the one before
        assert said(caplog) == 1

        crowd.is_asleep_for(1)
        mark = stack.audit.mark()
        crowd.has_called(ALL_EXCHANGE)
        assert (reads(lab, mark, "secret"), refusals(lab, mark)) == (0, 0)

        crowd.is_asleep_for(RETURN_AFTER_SECONDS + 1)  # still not registered: there, and back again
        crowd.has_called(ALL_EXCHANGE)
        finish_background_work()
        crowd.has_called(ALL_EXCHANGE)
        assert reads(lab, mark, "secret") == 2
        assert said(caplog) == 2

        stack.directory.register_certificate(API, newest)
        crowd.is_asleep_for(RETURN_AFTER_SECONDS + 1)
        mark = stack.audit.mark()
        crowd.has_called(THREADS)
        finish_background_work()
        crowd.is_asleep_for(1)
        stack.directory.unregister_certificate(API, before)  # nobody uses it any more
        crowd.has_called(THREADS)
        assert (reads(lab, mark, "secret"), refusals(lab, mark)) == (1, 0)
        assert said(caplog) == 2


@pytest.mark.parametrize("network", [None, "reset-before"])
def test_the_vault_fails_just_when_the_version_before_is_needed(lab: Lab, network: str | None) -> None:
    """That is an outage, and told as one: nobody has configured anything wrong."""
    lab.clock.forward(3600)
    lab.stack.rotate_client_certificate(register=False)
    api, token, start = (
        Api(lab, ShortTimeouts(lab.clock)),
        lab.stack.issue_access_token("alice"),
        lab.stack.audit.mark(),
    )

    def fail_from_now_on(_: Entry) -> None:
        if reads(lab, start, "secret") == 2:
            lab.stack.faults.add("vault", status=None if network else 503, network=network)

    unsubscribe = lab.stack.audit.subscribe(fail_from_now_on)
    reply = api.call("me", token)
    unsubscribe()
    assert (reply.status, reply.problem["code"]) == (503, "temporarily_unavailable")
    lab.stack.faults.clear()
    lab.clock.forward(reply.retry_after or 0)
    assert api.call("me", token).status == 200


def test_who_asks_for_the_certificate_before_is_not_given_the_newest_because_another_asked_for_that(lab: Lab) -> None:
    """Both questions may be under way at the same time: of the same refused certificate, in two threads."""
    lab.clock.forward(3600)
    lab.stack.rotate_client_certificate(register=False)
    held, look_at_the_clock, go_on = threading.Event(), threading.Event(), threading.Event()

    def now() -> float:
        """The first to look at the clock while it is held has to wait."""
        if held.is_set():
            held.clear()
            look_at_the_clock.set()
            go_on.wait(30)
        return lab.clock()

    settings = Settings.from_environ(lab.environ())
    clients = ConfidentialClients(
        settings.authority,
        settings.client,
        MsalHttpClient(settings.authority, Transport(), lab.clock),
        now,
        CredentialLoads(
            settings.client.credentials, now, partial(load_client_credential, authority=settings.authority)
        ),
    )
    clients.get()
    refused = clients.newest(clients.get())
    held.set()
    with ThreadPoolExecutor(2) as pool:
        newest = pool.submit(clients.newest, refused)
        assert look_at_the_clock.wait(30)
        before = pool.submit(clients.previous_certificate, refused)
        wait([before], 0.5)  # it may need the other to end, and may not
        go_on.set()
        assert newest.result(30) is not None
        assert before.result(30) is not refused


def said(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.getMessage() == _LINE for record in caplog.records)


def test_the_cooldowns_are_shorter_than_the_pauses_between_the_steps() -> None:
    assert max(COOLDOWN_SECONDS, RELOAD_COOLDOWN_SECONDS) < RETURN_AFTER_SECONDS
