"""What is wrong with a run; an empty list when nothing is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .mix import Step
from .observed import Exchange
from .plant import Result
from .run import Run

JUDGED_FROM_SECONDS = 30.0  # shorter runs say nothing about memory: threads and buffers are still being made
_SLACK_BYTES, _SESSION_BYTES = 3_000_000, 12_000
_SHOWN = 5  # of many problems of one kind


def expected_exchanges(run: Run) -> tuple[int, int]:
    """The least and the most that may be, all together."""
    each = _bounds(run).values()
    return sum(least for least, _ in each), sum(most for _, most in each)


def needed_outside(run: Run) -> tuple[int, int]:
    """How many exchanges the calls need that are in no row: those of the warm-up, and those after Redis came back."""
    first = run.steps[0].number
    warm_up = [step for step in run.uncounted if step.number < first]
    last = [step for step in run.uncounted if step.number > first]
    return _needed(run, warm_up), _needed(run, last)


def _needed(run: Run, steps: Iterable[Step]) -> int:
    """By steps with tokens that were new to every process before them; forged ones are not among them."""
    return len({(step.token, step.path, None if run.ask.redis else step.process) for step in steps})


def _bounds(run: Run) -> dict[Exchange, tuple[int, int]]:
    """The least and the most of each: one per token and scope set, in the whole fleet or in each process."""
    processes = Counter((token, scopes) for token, scopes, _ in run.uses)
    if not run.ask.redis:
        return {key: (count, count) for key, count in processes.items()}
    excused = run.killed or run.observed.redis_outages
    return {key: (1, count if excused else 1) for key, count in processes.items()}


def problems(run: Run) -> list[str]:
    """In words, for a person."""
    return [*_answers(run), *_exchanges(run), *_memory(run), *_log(run), *_recovery(run)]


def _answers(run: Run) -> list[str]:
    wrong: Counter[str] = Counter()
    for name, steps in (("", run.steps), ("not counted, ", run.uncounted)):
        wrong.update(f"{name}{what}" for step in steps if (what := _answer(run, step)))
    return [f"{count} times {what}" for what, count in wrong.most_common()]


def _answer(run: Run, step: Step) -> str:
    """What is wrong with it; "" when nothing is."""
    result = run.results.get(step.number, Result(0, "never called", 0.0))
    if result.status != step.expected:
        return f"{step.kind}: {result.status} {result.error}".rstrip()
    if step.number not in run.observed.requests:
        return "answered, but not in the API's log"
    return "" if run.observed.requests[step.number].status == result.status else "the API's log has another status"


def _exchanges(run: Run) -> list[str]:
    """Each by itself: one too many of this and one too few of that are two problems, and not none."""
    seen, bounds = run.observed.exchanges, _bounds(run)
    many, few = [], []
    for key in sorted({*seen, *bounds}):
        (least, most), what = bounds.get(key, (0, 0)), f"of token {key[0]} for {key[1]}"
        if seen[key] > most:
            many.append(f"{seen[key]} exchanges {what}, where {most} would do")
        elif seen[key] < least:
            few.append(f"{seen[key]} exchanges {what}, where {least} are needed: somebody got another one's token?")
    return [*_some(many), *_some(few)]


def _some(found: list[str]) -> list[str]:
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], f"… and {more:,} more like that"] if more > 0 else found


def _memory(run: Run) -> list[str]:
    if run.ask.seconds < JUDGED_FROM_SECONDS:
        return []
    allowed = _SLACK_BYTES + run.sessions_since_middle * _SESSION_BYTES
    return [
        f"API process {number} grew by {(end - middle) / 1e6:.1f} MB in the second half; {allowed / 1e6:.1f} would do"
        for number, (_, middle, end) in enumerate(run.memory)
        if middle is not None and end is not None and end - middle > allowed
    ]


def _log(run: Run) -> list[str]:
    found = [f"{count} times in the log: {line}" for line, count in run.observed.complaints.most_common(_SHOWN)]
    outages = run.observed.redis_outages
    if run.ask.redis and outages and not run.killed:
        found.append(f"Redis did not respond in time, and nobody had killed it: {outages[0]}")
    return found


def _recovery(run: Run) -> list[str]:
    """Redis came back: each process that stopped using it has to use it again."""
    return [
        f"{app} still leaves Redis alone after it came back: no line says that the circuit {service!r} is closed"
        for app, service in sorted(run.observed.open_circuits if run.killed else ())
    ]
