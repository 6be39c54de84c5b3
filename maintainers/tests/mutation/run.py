"""Tries every mutant of the chosen modules, several at once, and judges what survives by the list of reasons."""

from __future__ import annotations

import ast
import itertools
import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from .copies import TIMED_OUT, Copy
from .mutants import Mutant, mutants_of
from .results import KILLED, SURVIVED, Results

_LEAST_SECONDS = 20  # for the tests of one mutant
_TIMES_AS_LONG = 4  # as the tests take without a change


@dataclass(frozen=True)
class Project:
    """What is changed, and what tests it."""

    root: Path
    package: str  # folder of the modules, relative to the root
    tests: Mapping[str, Sequence[str]]  # module → files
    reasons: Path
    results: Path
    preload: Sequence[str] = ()

    def path(self, module: str) -> str:
        return f"{self.package}/{module}.py"

    def source(self, module: str) -> str:
        return (self.root / self.path(module)).read_text(encoding="utf-8")


class BrokenTestsError(Exception):
    """The tests of a module fail without any change; the text is what they wrote."""


@dataclass
class Report:
    """The outcome for one module."""

    module: str
    mutants: int
    survivors: list[Mutant] = field(default_factory=list)
    reasons: Mapping[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    @property
    def unexplained(self) -> list[Mutant]:
        """Survivors without a reason."""
        return [mutant for mutant in self.survivors if mutant.key not in self.reasons]

    @property
    def outdated(self) -> Iterator[tuple[str, str]]:
        """Reasons without a survivor, and what became of it."""
        surviving = {mutant.key for mutant in self.survivors}
        for key in self.reasons:
            if key not in surviving:
                yield key, "a test kills it now" if key in self.names else "there is no such change any more"

    @property
    def is_good(self) -> bool:
        return not self.unexplained and not list(self.outdated)


def run(project: Project, modules: Sequence[str], *, at_once: int = 1, afresh: bool = False) -> Iterator[Report]:
    """A report per module. Raises BrokenTestsError."""
    reasons = json.loads(project.reasons.read_text(encoding="utf-8"))
    with ExitStack() as stack:
        copies = [stack.enter_context(Copy(project.root, project.preload)) for _ in range(at_once)]
        for module in modules:
            yield _judged(project, module, copies, reasons.get(module, {}), afresh)


def _judged(project: Project, module: str, copies: Sequence[Copy], reasons: Mapping[str, str], afresh: bool) -> Report:
    source, tests = project.source(module), project.tests[module]
    texts = {test: (project.root / test).read_text(encoding="utf-8") for test in tests}
    plain = ast.unparse(ast.parse(source))
    mutants = mutants_of(source)
    file = project.results / f"{module}.jsonl"
    if afresh:
        file.unlink(missing_ok=True)
    results = Results(file, plain, texts.values())
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        if results.get(mutant.key) is None:
            waiting.put(mutant)
    if not waiting.empty():
        path = project.path(module)
        for copy, (test, text) in itertools.product(copies, texts.items()):
            copy.write(test, text)  # as it is now: the copy may be an hour old
        seconds = _seconds_without_change(copies[0], path, plain, tests)
        _try_all(waiting, copies, path, tests, seconds, results)
        for copy in copies:
            copy.write(path, source)
    survivors = [mutant for mutant in mutants if results.get(mutant.key) == SURVIVED]
    return Report(module, len(mutants), survivors, reasons, frozenset(mutant.key for mutant in mutants))


def _seconds_without_change(copy: Copy, path: str, plain: str, tests: Sequence[str]) -> int:
    """How long one mutant may take. Raises BrokenTestsError."""
    copy.write(path, plain)
    start = time.monotonic()
    if copy.run(tests, 600) != 0:
        raise BrokenTestsError(copy.output())
    return max(_LEAST_SECONDS, int(_TIMES_AS_LONG * (time.monotonic() - start)))


def _try_all(
    waiting: queue.SimpleQueue[Mutant],
    copies: Sequence[Copy],
    path: str,
    tests: Sequence[str],
    seconds: int,
    results: Results,
) -> None:
    """Tries what waits, one thread per copy."""
    problems: list[Exception] = []
    writing = threading.Lock()

    def work(copy: Copy) -> None:
        try:
            while not problems:
                mutant = waiting.get_nowait()
                copy.write(path, mutant.source)
                verdict = SURVIVED if copy.run(tests, seconds) == 0 else KILLED
                with writing:
                    results.put(mutant.key, verdict)
        except queue.Empty:
            return
        except Exception as problem:  # noqa: BLE001 — raised below, in the thread that waits
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(copy,), daemon=True) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


__all__ = ["TIMED_OUT", "BrokenTestsError", "Project", "Report", "run"]
