"""What is wrong with a run; an empty list when nothing is."""

from __future__ import annotations

from collections import Counter

from .plant import Result
from .run import Run

JUDGED_FROM_SECONDS = 30.0  # shorter runs say nothing about memory: threads and buffers are still being made
_SLACK_BYTES, _SESSION_BYTES = 3_000_000, 12_000


def expected_exchanges(run: Run) -> tuple[int, int]:
    """The least and the most that may be: one per token and scope set, in the whole fleet or in each process."""
    fleet, each = len({(token, path) for token, path, _ in run.uses}), len(run.uses)
    if not run.ask.redis:
        return each, each
    return (fleet, each) if run.killed or run.observed.redis_outages else (fleet, fleet)


def problems(run: Run) -> list[str]:
    """In words, for a person."""
    return [*_answers(run), *_exchanges(run), *_memory(run), *_log(run)]


def _answers(run: Run) -> list[str]:
    wrong: Counter[str] = Counter()
    for step in run.steps:
        result = run.results.get(step.number, Result(0, "never called", 0.0))
        if result.status != step.expected:
            wrong[f"{step.kind}: {result.status} {result.error}".rstrip()] += 1
        elif step.number not in run.observed.requests:
            wrong["answered, but not in the API's log"] += 1
        elif run.observed.requests[step.number].status != result.status:
            wrong["the API's log has another status"] += 1
    return [f"{count} times {what}" for what, count in wrong.most_common()]


def _exchanges(run: Run) -> list[str]:
    seen, (least, most) = run.observed.exchanges.total(), expected_exchanges(run)
    if seen > most:
        return [f"{seen:,} exchanges where {most:,} would do"]
    return [f"{seen:,} exchanges where {least:,} are needed: somebody got another one's token?"] if seen < least else []


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
    found = [f"{count} times in the log: {line}" for line, count in run.observed.complaints.most_common(5)]
    outages = run.observed.redis_outages
    if run.ask.redis and outages and not run.killed:
        found.append(f"Redis did not answer in time, and nobody had killed it: {outages[0]}")
    return found
