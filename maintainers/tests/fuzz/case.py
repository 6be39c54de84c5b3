"""One class of inputs: how they are made, and what must hold for each of them."""

from __future__ import annotations

import gc
import logging
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from time import thread_time
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisWarning
from hypothesis.strategies import SearchStrategy

MARK = "Zq7!Mark"
"""Stands in every made-up text: where it turns up in an error or a log line, something of the sender's was repeated."""

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


@dataclass
class Figures:
    """What a run came to; `slowest` in seconds of processor time, `largest` in bytes (while memory is traced)."""

    tried: int = 0
    slowest: float = 0.0
    largest: int = 0
    statuses: dict[int, int] = field(default_factory=dict)

    def of(self, call: Callable[[], T]) -> T:
        """The result of the one call that an input is about."""
        self.tried += 1
        if tracemalloc.is_tracing():  # which takes time of its own
            return self._weighed(call)
        gc.disable()  # what others have left lying about is not this call's to clear
        started = thread_time()
        try:
            return call()
        finally:
            self.slowest = max(self.slowest, thread_time() - started)
            gc.enable()

    def outcome(self, call: Callable[[], T], *kinds: type[E]) -> T | E:
        """The same, or an error of one of these kinds. Any other error is raised."""
        try:
            return self.of(call)
        except kinds as error:
            return error

    def _weighed(self, call: Callable[[], T]) -> T:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        try:
            return call()
        finally:
            self.largest = max(self.largest, tracemalloc.get_traced_memory()[1] - before)

    def answered(self, status: int) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1


@dataclass(frozen=True)
class Case:
    """`check` calls what is tested through `figures.of`, and raises AssertionError when it did not behave."""

    name: str
    inputs: SearchStrategy[Any]
    check: Callable[[Any, Figures], None]
    examples: int = 150

    def run(self, figures: Figures, examples: int, number: int | None = None) -> None:
        """Tries so many inputs: the same each time, or those that belong to `number`. Raises what a failing one raises.

        The failing input is made as simple as it gets, and shown.
        """
        phases = (Phase.explicit, Phase.generate, Phase.shrink)

        @settings(
            max_examples=examples,
            derandomize=number is None,
            database=None,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @given(self.inputs)
        def inner(value: Any) -> None:
            with Overheard() as log:
                self.check(value, figures)
            assert MARK not in log.text, "what was sent is in the log"

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HypothesisWarning)  # long inputs are meant to be long
            (inner if number is None else seed(number)(inner))()


class Overheard(logging.Handler):
    """All that `shared` logs while it is entered, as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def __enter__(self) -> Overheard:
        logging.getLogger("shared").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("shared").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        assert "\n" not in message, "one event, two lines"
        self.text += f"{message}\n{self.formatException(record.exc_info) if record.exc_info else ''}"

    def formatException(self, info: Any) -> str:  # noqa: N802 — logging's own name
        return logging.Formatter().formatException(info)
