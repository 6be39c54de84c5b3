"""One soak, from start to end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from emulators.applications import API, GRAPH
from emulators.local.processes import AppProcess
from emulators.people import NOT_CONSENTED, Person
from emulators.stack import Stack
from maintainers.tests.orders import ORDERS
from tests.support.live import start_app

from .callers import Callers, new_session
from .crowd import crowd
from .figures import Figures
from .history import History
from .judge import Judge
from .memory import megabytes
from .plan import SLOTS, changes, faults, steps
from .report import Options, Report
from .sieve import Sieve
from .troubles import Troubles
from .wallet import Wallet

_WARM_SECONDS = 3.0  # without faults: tokens known by then no longer depend on Entra
_FAULT_THREADS = 2
_CALM_SECONDS = 60.0  # by then every circuit is closed and every cooldown over
_PROGRESS_SECONDS = 2.0

Show = Callable[[str], None]


def soak(options: Options, show: Show) -> Report:
    """Runs it; `show` is told how it goes. Ctrl-C ends it early, with the report of what was done."""
    options.logs.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=options.logs / "emulators.log", filemode="w", level=logging.WARNING)
    sieve = Sieve()
    with crowd(options.people) as people, ExitStack() as exits:
        stack = exits.enter_context(Stack.start(options.logs))
        api = exits.enter_context(_apps(stack, options.logs, sieve))
        return _Run(options, show, stack, api, people, sieve).report()


class _Run:
    """Everything of one run, once the tenant and the apps are up."""

    def __init__(
        self, options: Options, show: Show, stack: Stack, api: AppProcess, people: Sequence[Person], sieve: Sieve
    ) -> None:
        self._options, self._show, self._stack, self._people, self._sieve = options, show, stack, people, sieve
        self._process = api._process.pid
        self._figures, history = Figures(), History()
        self._wallet, self._judge = Wallet(stack), Judge(_without_consent(stack, people))
        self._callers = Callers(api.url, people, self._wallet, self._judge, history, self._figures, sieve)
        self._troubles = Troubles(stack, people, history, self._figures)

    def report(self) -> Report:
        """Runs to the end."""
        exchanges, before, started = _counted(self._stack, "obo"), megabytes(self._process), time.monotonic()
        try:
            self._start(started)
            self._wait(started)
        except KeyboardInterrupt:
            self._show("Stopping. When all is calm everybody is asked once more; then the report follows.")
        self._troubles.stop()
        self._callers.stop()
        seconds = time.monotonic() - started
        unwell = self._unwell()
        return Report(
            self._options,
            seconds,
            self._figures,
            self._sieve,
            tokens=self._wallet.issued,
            exchanges=exchanges(),
            unwell=unwell,
            memory=(before, megabytes(self._process)),
        )

    def _start(self, started: float) -> None:
        seed, people = self._options.seed, self._options.people
        for thread in range(self._options.threads):
            self._callers.start(steps(seed, thread, people))
        time.sleep(min(_WARM_SECONDS, self._options.seconds / 4))
        for thread in range(_FAULT_THREADS):
            self._troubles.start(faults(seed, thread, people))
        self._troubles.start(changes(seed, people))

    def _wait(self, started: float) -> None:
        end = started + self._options.seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _PROGRESS_SECONDS))
            troubles, passed = sum(self._figures.troubles.values()), time.monotonic() - started
            told = f"{self._figures.calls:>9,} calls {troubles:>6,} troubles {self._figures.wrong:>6,} wrong"
            self._show(f"{passed:7.1f} s{told}")

    def _unwell(self) -> list[str]:
        """Who is not served as they should be, with a new token, although all troubles have ended."""
        consented = {person for person in self._people if self._stack.directory.granted(person, API, GRAPH)}
        waiting = [(person, slot) for person in self._people for slot in SLOTS]
        everybody, deadline = len(waiting), time.monotonic() + _CALM_SECONDS
        with new_session() as session:
            while True:
                last = {
                    who: self._callers.call(session, who[0], self._wallet.token(*who, renew=True), "GET", "/api/me")
                    for who in waiting
                }
                waiting = [
                    who for who, call in last.items() if not self._judge.is_due(call, consented=who[0] in consented)
                ]
                if not waiting or time.monotonic() > deadline:
                    return [f"{who[0].name}, {last[who].status} {last[who].code}" for who in waiting]
                self._show(f"           all troubles are over; {len(waiting)} of {everybody} are not served yet")
                time.sleep(1)


@contextmanager
def _apps(stack: Stack, logs: Path, sieve: Sieve) -> Iterator[AppProcess]:
    """Both apps; gives the API's process."""
    with ExitStack() as exits:
        apps = []
        for name in ("orders", "api"):
            app = start_app(name, stack.environ(name), logs, sieve)
            exits.callback(app.stop)
            apps.append(app)
        stack.route("orders", apps[0].url)
        yield apps[1]


def _without_consent(stack: Stack, people: Sequence[Person]) -> list[str]:
    """The APIs that may be called also for those who have not consented."""
    someone = next(person for person in people if NOT_CONSENTED in person.traits)
    return [app.key for app in (GRAPH, ORDERS) if stack.directory.granted(someone, API, app)]


def _counted(stack: Stack, action: str) -> Callable[[], int]:
    """Counts one kind of request from now on."""
    seen = [0]

    def count(entry: object) -> None:
        if getattr(entry, "action", "") == action:
            seen[0] += 1

    stack.audit.subscribe(count)
    return lambda: seen[0]
