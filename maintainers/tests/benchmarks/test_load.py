"""`dev.py bench load`: its plan, its verdicts, and a run of some seconds. No time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulators.audit import Entry
from maintainers.benchmarks.document import marks, part, tables_in
from maintainers.benchmarks.load import table, verdict
from maintainers.benchmarks.load.callers import trace_id
from maintainers.benchmarks.load.command import COMMAND, main, update_docs
from maintainers.benchmarks.load.mix import BAD, KNOWN, NEW, Step, plan, warm_up
from maintainers.benchmarks.load.observed import Observed, Timed, exchange
from maintainers.benchmarks.load.plant import Result
from maintainers.benchmarks.load.recovery import rounds
from maintainers.benchmarks.load.run import Ask, Run, new_sessions
from maintainers.benchmarks.machine import machine
from maintainers.tests.redis.server import WHY_NOT, program
from shared.net.circuit_breaker import MAX_OPEN_SECONDS, CircuitBreaker
from tests.support.clock import Clock

ROOT = Path(__file__).parents[3]
ASK = Ask(seconds=60, processes=2, per_second=10, threads=4)


def test_the_mix_is_what_it_is_said_to_be() -> None:
    steps = plan(20_000, 40, 3, seed=1, first=500)
    kinds = Counter(step.kind for step in steps)

    assert kinds[NEW] / len(steps) == pytest.approx(0.04, rel=0.1)
    assert kinds[BAD] / len(steps) == pytest.approx(0.01, rel=0.15)
    assert [step.process for step in steps[:6]] == [0, 1, 2, 0, 1, 2]
    assert [step.number for step in steps] == list(range(500, 20_500))
    assert steps == plan(20_000, 40, 3, seed=1, first=500)
    assert steps != plan(20_000, 40, 3, seed=2, first=500)


def test_a_token_is_new_once_then_new_elsewhere_then_known() -> None:
    seen: set[tuple[int, str, int]] = {(step.token, step.path, step.process) for step in warm_up(40, 2)}
    tokens = set(range(40))
    for step in plan(5_000, 40, 2, seed=1, first=0):
        use = (step.token, step.path, step.process)
        assert step.kind == BAD or (step.kind == NEW) == (step.token not in tokens)
        assert step.kind in (BAD, NEW) or (step.kind == KNOWN) == (use in seen)
        if step.kind != BAD:
            seen.add(use)
            tokens.add(step.token)


def line(number: int, status: int = 200, rest: str = "tokens=Graph:hit calls=Graph:200:34ms", ms: int = 40) -> str:
    guid = trace_id(number)
    guid = f"{guid[:8]}-{guid[8:12]}-{guid[12:16]}-{guid[16:20]}-{guid[20:]}"
    about = f"function=me method=GET status={status} ms={ms} user=x correlation_id={guid} {rest}"
    return f"INFO Function.me.User: request {about}"


def test_what_tokens_and_calls_took_is_told_from_the_rest() -> None:
    observed = Observed()
    observed.line("api-0", line(7))
    observed.line(
        "api-0", line(8, rest="tokens=Graph:miss:82ms,Orders:hit calls=Graph:200:34ms,Orders:timeout:5ms", ms=131)
    )
    observed.line("api-0", line(9, 401, "tokens= calls= code=invalid_token", ms=1))

    assert observed.requests == {7: Timed(200, 40, 6), 8: Timed(200, 131, 10), 9: Timed(401, 1, 1)}
    assert not observed.complaints


def test_what_ails_redis_is_told_from_where_it_is() -> None:
    observed = Observed()
    observed.line("api-0", "INFO Function.me.User: token cache: shared through Redis at 127.0.0.1:6379")
    assert observed.redis_outages == []
    observed.line("api-0", "WARNING Function.me.User: Redis: 2 failures in a row (TimeoutError), circuit open")
    assert len(observed.redis_outages) == 1
    assert not observed.complaints


def test_a_process_leaves_redis_alone_until_the_circuits_own_words_say_otherwise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    observed, reading, writing = (
        Observed(),
        CircuitBreaker("Redis", Clock(0.0), 2),
        CircuitBreaker("Redis, writing", Clock(0.0), 2),
    )

    def told() -> set[tuple[str, str]]:
        for record in caplog.records:
            observed.line("api-0", f"{record.levelname} Function.me.User: {record.getMessage()}")
        caplog.clear()
        return set(observed.open_circuits)

    for circuit in (reading, reading, writing, writing):
        circuit.failed("ConnectionError")
    assert told() == {("api-0", "Redis"), ("api-0", "Redis, writing")}
    reading.succeeded()
    assert told() == {("api-0", "Redis, writing")}
    writing.succeeded()
    assert told() == set()
    assert not observed.complaints


def exchanged(token: str, scopes: str = "read") -> Entry:
    details = {"assertion": token, "resource": "graph", "scopes": scopes}
    return Entry(0.0, "api", "entra", "POST", "/", "obo", 200, "ok", 1.0, details=details)


def a_run(ask: Ask = ASK, **changes: Any) -> Run:
    """Two processes, two tokens, each at each for one path, then a forged one: all as it should be."""
    uses = [(token, process) for token in (0, 1) for process in (0, 1)]
    steps = [Step(at, KNOWN if at > 1 else NEW, token, process, "/api/me") for at, (token, process) in enumerate(uses)]
    steps.append(Step(4, BAD, 0, 0, "/api/me"))
    uncounted = [Step(5, NEW, 0, 0, "/api/me")]
    observed = Observed()
    for step in (*steps, *uncounted):
        observed.line(f"api-{step.process}", line(step.number, step.expected))
    for token in "01":
        for _ in range(1 if ask.redis else 2):
            observed.entry(exchanged(token))
    run = Run(
        ask=ask,
        steps=steps,
        uncounted=uncounted,
        results={step.number: Result(step.expected, "", 50.0) for step in (*steps, *uncounted)},
        observed=observed,
        took=60.0,
        memory=[(50_000_000, 60_000_000, 61_000_000), (None, None, None)],
        sessions_since_middle=2,
        uses={(f"{step.token}", "graph: read", step.process) for step in steps if step.kind != BAD},
        killed=False,
    )
    return replace(run, **changes)


WITH_REDIS = replace(ASK, redis=True)
KILLED = replace(WITH_REDIS, kill_redis=True)
OUTAGE = "WARNING Function.me.User: Redis: 2 failures in a row (no response), circuit open"
OVER = "WARNING Function.me.User: Redis: circuit closed, it responds again"
TOKEN_0, TOKEN_1 = exchange(exchanged("0")), exchange(exchanged("1"))


def test_a_run_in_which_all_is_well_has_no_problems() -> None:
    assert verdict.problems(a_run()) == []
    assert verdict.problems(a_run(WITH_REDIS)) == []
    assert "All is well." in table.as_text(a_run())


@pytest.mark.parametrize("ask", [ASK, WITH_REDIS], ids=["alone", "with Redis"])
def test_one_exchange_too_many_or_too_few_is_a_problem(ask: Ask) -> None:
    more, fewer = a_run(ask), a_run(ask)
    more.observed.exchanges[TOKEN_0] += 1
    fewer.observed.exchanges[TOKEN_0] -= 1

    needed = 1 if ask.redis else 2
    what = "exchanges of token 0 for graph: read, where"
    assert verdict.problems(more) == [f"{needed + 1} {what} {needed} would do"]
    assert verdict.problems(fewer) == [f"{needed - 1} {what} {needed} are needed: somebody got another one's token?"]


@pytest.mark.parametrize("ask", [ASK, WITH_REDIS, KILLED], ids=["alone", "with Redis", "killed"])
def test_one_exchange_too_many_does_not_make_up_for_one_too_few(ask: Ask) -> None:
    run = a_run(ask, killed=ask.kill_redis)
    run.observed.exchanges[TOKEN_0] += run.observed.exchanges.pop(TOKEN_1)

    said = [problem.partition(",")[0] for problem in verdict.problems(run)]
    too_many = [] if ask.kill_redis else [f"{4 if ask is ASK else 2} exchanges of token 0 for graph: read"]
    assert said == [*too_many, "0 exchanges of token 1 for graph: read"]


@pytest.mark.parametrize("entry", [exchanged("0", "write"), exchanged("9")], ids=["other scopes", "another token"])
def test_an_exchange_that_nobody_needed_is_a_problem(entry: Entry) -> None:
    run = a_run()
    run.observed.entry(entry)

    token, scopes = exchange(entry)
    assert verdict.problems(run) == [f"1 exchanges of token {token} for {scopes}, where 0 would do"]


def test_of_many_wrong_exchanges_some_are_shown_and_the_others_counted() -> None:
    run = a_run()
    for token in range(100, 110):
        run.observed.entry(exchanged(f"{token}"))

    assert len(verdict.problems(run)) == 6
    assert verdict.problems(run)[-1] == "… and 5 more like that"


def test_a_redis_that_was_killed_excuses_exchanges_but_one_that_was_not_excuses_nothing() -> None:
    killed, not_killed = a_run(KILLED, killed=True), a_run(WITH_REDIS)
    for run in (killed, not_killed):
        run.observed.exchanges[TOKEN_0] += 1
        run.observed.line("api-0", OUTAGE)
        run.observed.line("api-0", OVER)

    assert verdict.problems(killed) == []
    assert verdict.problems(not_killed) == [f"Redis did not respond in time, and nobody had killed it: {OUTAGE}"]
    killed.observed.exchanges[TOKEN_0] += 1
    assert verdict.problems(killed) == ["3 exchanges of token 0 for graph: read, where 2 would do"]


@pytest.mark.parametrize("service", ["Redis", "Redis, writing"])
def test_a_redis_that_came_back_and_is_not_used_again_is_a_problem(service: str) -> None:
    run = a_run(KILLED, killed=True)
    for app in ("api-0", "api-1"):
        run.observed.line(app, OUTAGE)
        run.observed.line(app, OUTAGE.replace("Redis:", f"{service}:"))
    run.observed.line("api-0", OVER)
    run.observed.line("api-0", OVER.replace("Redis:", f"{service}:"))
    run.observed.line("api-1", OVER.replace("Redis:", "Redis, writing:" if service == "Redis" else "Redis:"))

    assert verdict.problems(run) == [
        f"api-1 still leaves Redis alone after it came back: no line says that the circuit {service!r} is closed"
    ]


def test_after_redis_came_back_every_process_is_called_with_new_tokens_until_it_is_used_again() -> None:
    observed, slept, before = (
        Observed(),
        list[float](),
        [Step(7, KNOWN, 41, 1, "/api/me"), Step(8, BAD, 3, 0, "/api/me")],
    )
    assert list(rounds(observed, before, 2, slept.append)) == []

    observed.line("api-1", OUTAGE)
    made = list[Step]()
    for turn in rounds(observed, before, 2, slept.append):
        made += turn
        if len(made) == 6:
            observed.line("api-1", OVER)
    assert made == [Step(9 + at, NEW, 42 + at, at % 2, "/api/me") for at in range(6)]
    assert slept == [1.0] * 3


def test_a_redis_that_is_never_used_again_is_waited_for_longer_than_a_circuit_is_open_but_not_forever() -> None:
    observed, slept = Observed(), list[float]()
    observed.line("api-0", OUTAGE)

    assert list(rounds(observed, [Step(0, KNOWN, 0, 0, "/api/me")], 1, slept.append))
    assert MAX_OPEN_SECONDS < sum(slept) < 60


@pytest.mark.parametrize(
    ("number", "result", "said"),
    [
        (2, Result(503, "temporarily_unavailable", 1.0), "1 times known: 503 temporarily_unavailable"),
        (2, Result(0, "RemoteDisconnected", 1.0), "1 times known: 0 RemoteDisconnected"),
        (4, Result(200, "", 1.0), "1 times bad: 200"),
        (5, Result(503, "", 1.0), "1 times not counted, new: 503"),
    ],
    ids=["an error", "no answer", "a forged token let in", "an error before the counting"],
)
def test_every_wrong_answer_is_a_problem(number: int, result: Result, said: str) -> None:
    run = a_run()
    assert verdict.problems(replace(run, results={**run.results, number: result})) == [said]


def test_a_call_that_was_never_made_or_never_logged_is_a_problem() -> None:
    run, silent = a_run(), a_run()
    for number in (3, 5):
        del silent.observed.requests[number]

    uncalled = {number: result for number, result in run.results.items() if number != 3}
    assert verdict.problems(replace(run, results=uncalled)) == ["1 times known: 0 never called"]
    assert verdict.problems(silent) == [
        "1 times answered, but not in the API's log",
        "1 times not counted, answered, but not in the API's log",
    ]


def test_memory_that_grows_is_a_problem_in_a_run_that_is_long_enough_to_tell() -> None:
    grown: list[tuple[int | None, int | None, int | None]] = [(50_000_000, 60_000_000, 63_100_000)]

    assert verdict.problems(a_run(memory=grown))[0].startswith("API process 0 grew by 3.1 MB")
    assert verdict.problems(a_run(memory=grown, sessions_since_middle=20)) == []
    assert verdict.problems(a_run(replace(ASK, seconds=5), memory=grown)) == []


def test_new_sessions_are_counted_where_most_of_them_are_made() -> None:
    known = [Step(0, KNOWN, 0, 0, "/api/me"), Step(1, KNOWN, 0, 1, "/api/me")]
    later = [Step(2, NEW, 1, 0, "/api/me"), Step(3, KNOWN, 0, 0, "/api/orders")]
    last = [Step(4, NEW, 2, 1, "/api/me"), Step(5, KNOWN, 1, 1, "/api/me"), Step(6, BAD, 3, 1, "/api/me")]

    assert new_sessions(known, later) == 1  # token 0 is known at process 0 for another path
    assert new_sessions([*known, *later], last) == 2
    assert new_sessions([*known, *later, *last], last) == 0


def test_what_the_log_complains_about_is_a_problem() -> None:
    run = a_run()
    run.observed.line("api-1", "ERROR asyncio: Task exception was never retrieved")
    run.observed.line("api-1", "INFO Host.Requests: GET /api/me 200 40.0 ms")

    assert verdict.problems(run) == ["1 times in the log: ERROR asyncio: Task exception was never retrieved"]


def document(folder: Path) -> Path:
    path = folder / "load.md"
    path.write_text("before\n{}\nold\n{}\nafter\n".format(*marks(COMMAND)), encoding="utf-8")
    return path


def test_the_document_gets_its_three_runs_and_the_shape_of_the_machine(tmp_path: Path) -> None:
    path, asked = document(tmp_path), list[Ask]()

    def measure(ask: Ask) -> Run:
        asked.append(ask)
        return a_run(ask)

    assert update_docs(path, measure) == 0
    assert asked == [Ask(), Ask(redis=True), Ask(redis=True, kill_redis=True)]
    assert all(ask.seconds == 120 for ask in asked)  # as the document says
    assert len(tables_in(path, COMMAND)) == 2 * len(asked)
    assert part(path, COMMAND).count("All is well.") == len(asked)
    assert part(path, COMMAND).endswith(f"Measured on {machine()}.")


def test_a_run_in_which_something_is_wrong_leaves_the_document_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, good = document(tmp_path), a_run()
    before = path.read_text(encoding="utf-8")

    assert update_docs(path, lambda ask: replace(good, results={}) if ask.redis else good) == 1
    assert path.read_text(encoding="utf-8") == before
    assert "never called" in capsys.readouterr().out


def test_the_document_is_not_updated_with_a_run_of_another_kind(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--update-docs", "--seconds", "1"])
    assert "--update-docs goes alone" in capsys.readouterr().err


def test_without_a_redis_server_what_needs_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    for option in ("--redis", "--kill-redis", "--update-docs"):
        with pytest.raises(SystemExit):
            main([option])
        assert WHY_NOT in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (ASK, "8 in the warm-up"),  # two tokens, two APIs, two processes
        (WITH_REDIS, "4 in the warm-up"),
        (KILLED, "4 in the warm-up and 1 after Redis came back"),
    ],
    ids=["alone", "with Redis", "killed"],
)
def test_needed_exchanges_of_calls_that_are_in_no_row_are_said_to_be(ask: Ask, said: str) -> None:
    run = a_run(ask)
    first = warm_up(2, 2)
    steps = [replace(step, number=step.number + len(first)) for step in run.steps]
    last = [Step(50, NEW, 9, 1, "/api/me")] if ask.kill_redis else []

    shown = table.as_text(replace(run, steps=steps, uncounted=[*first, *last]))
    assert f", of which {said}, whose requests are in no row above\n" in shown


def test_percentiles_are_values_that_were_measured() -> None:
    assert table.percentiles(list(range(1, 101))) == [51, 96, 100]
    assert table.percentiles([7]) == [7, 7, 7]
    assert table.percentiles([]) == []


SHORT = ("--seconds", "4", "--rate", "25", "--processes", "2")


def load(*options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "maintainers.benchmarks", "load", "--json", *SHORT, *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=240)
    said: dict[str, Any] = json.loads(result.stdout or "{}")
    assert (result.returncode, said.get("problems")) == (0, []), result.stderr
    return said


def test_a_short_run_loses_nothing_and_exchanges_once_per_token_scope_set_and_process() -> None:
    said = load()

    assert sum(kind["requests"] for kind in said["by_kind"].values()) == 100
    assert said["by_kind"][KNOWN]["requests"] > 50
    assert said["not_counted"] == 160  # but judged
    exchanges = said["exchanges"]
    assert (
        exchanges["least"] == exchanges["seen"] == exchanges["most"] >= 160
    )  # the warm-up: 40 tokens, 2 APIs, 2 processes


@pytest.mark.skipif(program() is None, reason=WHY_NOT)
def test_redis_killed_under_load_loses_no_request() -> None:
    said = load("--kill-redis", "--seconds", "2", "--rate", "100")  # so short that Redis is still left alone at the end

    assert said["redis_killed"]
    assert said["redis_outages_logged"] >= 2  # that it begins, and, or there were a problem, that it ends
    assert sum(kind["errors"] for kind in said["by_kind"].values()) == 0
    exchanges = said["exchanges"]
    assert 80 <= exchanges["least"] <= exchanges["seen"] <= exchanges["most"]
