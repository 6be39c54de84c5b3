"""The threads that call the API."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import requests

from emulators.people import Person

from .figures import Figures
from .history import History
from .judge import REFUSED, Call, Judge
from .plan import Step
from .sieve import Sieve
from .wallet import Token, Wallet

TIMEOUT = 120.0  # seconds for one response; the API's own bound is half of it


class Callers:
    """Carries out a plan's steps, one after the other in each thread. Every response is checked."""

    def __init__(
        self,
        url: str,
        crowd: Sequence[Person],
        wallet: Wallet,
        judge: Judge,
        history: History,
        figures: Figures,
        sieve: Sieve,
    ) -> None:
        self._url, self._crowd, self._wallet, self.judge = url, crowd, wallet, judge
        self._history, self._figures, self._sieve = history, figures, sieve
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.crashes: list[str] = []

    def start(self, plan: Iterator[Step]) -> None:
        """Begins with a plan in a thread of its own."""
        thread = threading.Thread(target=self._carry_out, args=(plan,), name="caller", daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Lets every thread finish its call."""
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT)

    def call(self, session: requests.Session, person: Person, token: Token, method: str, path: str) -> Call:
        """One call with its reply; an error body is looked through."""
        own = {"Authorization": f"Bearer {token.text}"} if token.text else {}
        body = json.dumps({"item": uuid.uuid4().hex, "quantity": 1}) if method == "POST" else None
        start = time.monotonic()
        try:
            reply = session.request(method, self._url + path, headers=own, data=body, timeout=TIMEOUT)
        except requests.RequestException as error:
            return Call(person, token, path, start, time.monotonic(), 0, type(error).__name__)
        end = time.monotonic()
        if reply.status_code >= 400:
            self._sieve.scan(f"{reply.headers} {reply.text}", f"{reply.status_code} of {path}")
        headers = frozenset(name.lower() for name in reply.headers)
        return Call(person, token, path, start, end, reply.status_code, headers=headers, **_read(reply))

    def judged(self, call: Call) -> str:
        """The verdict on a call, counted."""
        disturbances = self._history.during(call.start, call.end, call.person.name)
        verdict = self.judge.verdict(call, disturbances)
        what = f"{call.status} {call.code}".strip()
        kinds = ", ".join(sorted({disturbance.kind for disturbance in disturbances})) or "nothing"
        who = f"{call.person.name} ({', '.join(call.person.traits) or 'no trait'}), token {call.token.number}"
        self._figures.count_call(
            verdict, what, call.end - call.start, f"{what} on {call.path} to {who}; in its way: {kinds}"
        )
        return verdict

    def _carry_out(self, plan: Iterator[Step]) -> None:
        with self._figures.of_thread(), new_session() as session:
            for step in plan:
                if self._stop.is_set():
                    return
                person = self._crowd[step.person]
                if step.bad:
                    token = self._wallet.spoilt(person, step.bad)
                else:
                    token = self._wallet.token(person, step.slot, renew=step.renew)
                call = self.call(session, person, token, step.method, step.path)
                if self.judged(call) == REFUSED and call.code == "invalid_token":
                    self._wallet.discard(token)  # as a client does: the next call brings a new one


def new_session() -> requests.Session:
    """One that goes straight to the API."""
    session = requests.Session()
    session.trust_env = False
    return session


def _read(reply: requests.Response) -> dict[str, Any]:
    """The code of an error, or the owners that a response names and the items of its orders."""
    try:
        body = reply.json()
    except ValueError:
        return {}
    if reply.status_code >= 400:
        return {"code": str(body.get("code", "")) if isinstance(body, dict) else ""}
    entries = body if isinstance(body, list) else [body]
    owners = frozenset(str(entry.get("owner", entry.get("id"))) for entry in entries)
    return {"owners": owners, "items": [entry["item"] for entry in entries if "item" in entry]}
