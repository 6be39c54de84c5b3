"""The threads that cause faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from emulators.people import NOT_CONSENTED, Person
from emulators.stack import Stack

from .figures import Figures
from .history import History
from .plan import Trouble

_KIND_OF_TARGET = {
    "entra.token": "entra",
    "entra.keys": "keys",
    "entra.discovery": "keys",
    "identity": "credential",
    "vault": "credential",
    "graph": "graph",
    "orders": "orders",
}
_WHOLE_HOST = ("refused", "tls")


class Troubles:
    """Carries out a plan's troubles, one after the other in each thread."""

    def __init__(self, stack: Stack, crowd: Sequence[Person], history: History, figures: Figures) -> None:
        self._stack, self._crowd, self._history, self._figures = stack, crowd, history, figures
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, plan: Iterator[Trouble]) -> None:
        """Begins with a plan in a thread of its own."""
        thread = threading.Thread(target=self._carry_out, args=(plan,), name="troubles", daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Ends all troubles that can be ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        self._stack.faults.clear()

    def _carry_out(self, plan: Iterator[Trouble]) -> None:
        with self._figures.of_thread():
            for trouble in plan:
                if self._stop.wait(trouble.pause):
                    return
                person = None if trouble.person is None else self._crowd[trouble.person]
                with self._begun(trouble, person):
                    self._stop.wait(trouble.hold)

    @contextmanager
    def _begun(self, trouble: Trouble, person: Person | None) -> Iterator[None]:
        self._figures.count_trouble(trouble.target or trouble.kind)
        if trouble.kind == "fault":
            with self._fault(trouble, person):
                yield
        elif trouble.kind == "rotate in the dark":  # the vault has a new certificate, and is down
            with self._fault(Trouble("fault", 0.0, target="vault", options={"status": 503}), None):
                self._change("rotate", None)
                yield
        elif trouble.kind == "challenge" and person is not None:
            with self._disturbed("challenge", person.name):
                fault = self._stack.graph.challenge(person=person.name)
                try:
                    yield
                finally:
                    self._stack.faults.remove(fault)
        else:
            self._change(trouble.kind, person)
            yield

    @contextmanager
    def _fault(self, trouble: Trouble, person: Person | None) -> Iterator[None]:
        name = person.name if person else None
        whole_entra = trouble.target.startswith("entra.") and trouble.options.get("network") in _WHOLE_HOST
        kind = _KIND_OF_TARGET[trouble.target]
        # The circuit before Entra is everybody's, so what one person meets there can be felt by others.
        felt_by = None if kind == "entra" else name
        other = {"entra": "keys", "keys": "entra"}.get(kind, "") if whole_entra else ""
        with self._disturbed(kind, felt_by), self._disturbed(other) if other else nullcontext():
            fault = self._stack.faults.add(trouble.target, person=name, **trouble.options)
            try:
                yield
            finally:
                self._stack.faults.remove(fault)

    def _change(self, kind: str, person: Person | None) -> None:
        stack, directory = self._stack, self._stack.directory
        changes: dict[str, Callable[[], object]] = {
            "roll": lambda: self._at_once("roll", stack.roll_signing_key),
            "withdraw": self._withdraw,
            "rotate": lambda: self._at_once("credential", lambda: stack.rotate_client_certificate(unregister_old=True)),
        }
        if person is not None and NOT_CONSENTED in person.traits:
            name = person.name
            changes["consent"] = lambda: self._at_once("consent", lambda: directory.consent(name), name)
            changes["withdraw consent"] = lambda: directory.withdraw_consent(name)
        if person is not None and kind == "revoke":
            at, name = int(time.time()) + 1, person.name  # tokens know whole seconds: this one's are void, all of them
            self._at_once("revocation", lambda: directory.revoke_sessions(name, at), name, fact=at)
        changes.get(kind, lambda: None)()

    def _withdraw(self) -> None:
        """A new signing key; all that came before are good no longer."""
        published: Any = self._stack.entra.keys.document("")["keys"]
        gone = frozenset(str(key["kid"]) for key in published)
        self._at_once("withdrawal", lambda: self._stack.roll_signing_key(withdraw_old=True), fact=gone)

    def _at_once(self, kind: str, change: Callable[[], object], person: str | None = None, fact: object = None) -> None:
        with self._disturbed(kind, person, fact):
            change()

    @contextmanager
    def _disturbed(self, kind: str, person: str | None = None, fact: object = None) -> Iterator[None]:
        disturbance = self._history.begin(kind, person, fact)
        try:
            yield
        finally:
            self._history.end(disturbance)
