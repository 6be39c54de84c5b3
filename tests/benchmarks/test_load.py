"""`dev.py bench load`: its plan, its eye for what is wrong, and a run of some seconds. No time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.document import marks, part, tables_in
from benchmarks.load import table, verdict
from benchmarks.load.callers import trace_id
from benchmarks.load.command import COMMAND, main, update_docs
from benchmarks.load.mix import BAD, KNOWN, NEW, Step, plan, warm_up
from benchmarks.load.observed import Observed, Timed
from benchmarks.load.plant import Result
from benchmarks.load.run import Ask, Run, new_sessions
from benchmarks.machine import machine
from emulators.audit import Entry
from tests.redis.server import WHY_NOT, program

ROOT = Path(__file__).parents[2]
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
    return f"INFO shared.request_record: request {about}"


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
    observed.line("api-0", "INFO shared.services: token cache: shared through Redis at 127.0.0.1:6379")
    assert observed.redis_outages == []
    observed.line("api-0", "WARNING shared.circuit: Redis: 2 failures in a row (TimeoutError), circuit open")
    assert len(observed.redis_outages) == 1
    assert not observed.complaints


def a_run(ask: Ask = ASK, **changes: Any) -> Run:
    """Two processes, two tokens, each at each for one path, then a forged one: all as it should be."""
    uses = [(token, process) for token in (0, 1) for process in (0, 1)]
    steps = [Step(at, KNOWN if at > 1 else NEW, token, process, "/api/me") for at, (token, process) in enumerate(uses)]
    steps.append(Step(4, BAD, 0, 0, "/api/me"))
    observed = Observed()
    for step in steps:
        observed.line(f"api-{step.process}", line(step.number, step.expected))
    for token in range(2):
        for _ in range(1 if ask.redis else 2):
            details = {"assertion": f"{token}", "resource": "graph"}
            observed.entry(Entry(0.0, "api", "entra", "POST", "/", "obo", 200, "ok", 1.0, details=details))
    run = Run(
        ask=ask,
        steps=steps,
        results={step.number: Result(step.expected, "", 50.0) for step in steps},
        observed=observed,
        took=60.0,
        memory=[(50_000_000, 60_000_000, 61_000_000), (None, None, None)],
        sessions_since_middle=2,
        uses={(step.token, step.path, step.process) for step in steps if step.kind != BAD},
        killed=False,
    )
    return replace(run, **changes)


WITH_REDIS = replace(ASK, redis=True)
OUTAGE = "WARNING shared.circuit: Redis: 2 failures in a row (no answer), circuit open"


def test_a_run_in_which_all_is_well_has_no_problems() -> None:
    assert verdict.problems(a_run()) == []
    assert verdict.problems(a_run(WITH_REDIS)) == []
    assert "All is well." in table.as_text(a_run())


@pytest.mark.parametrize("ask", [ASK, WITH_REDIS], ids=["alone", "with Redis"])
def test_one_exchange_too_many_or_too_few_is_a_problem(ask: Ask) -> None:
    more, fewer = a_run(ask), a_run(ask)
    more.observed.exchanges["0", "graph"] += 1
    fewer.observed.exchanges["0", "graph"] -= 1

    needed = 2 if ask.redis else 4
    assert verdict.problems(more) == [f"{needed + 1} exchanges where {needed} would do"]
    assert f"{needed - 1} exchanges where {needed} are needed" in verdict.problems(fewer)[0]


def test_a_redis_that_was_killed_excuses_exchanges_but_one_that_was_not_excuses_nothing() -> None:
    killed, not_killed = a_run(replace(WITH_REDIS, kill_redis=True), killed=True), a_run(WITH_REDIS)
    for run in (killed, not_killed):
        run.observed.exchanges["0", "graph"] += 2
        run.observed.line("api-0", OUTAGE)

    assert verdict.problems(killed) == []
    assert verdict.problems(not_killed) == [f"Redis did not answer in time, and nobody had killed it: {OUTAGE}"]
    killed.observed.exchanges["0", "graph"] += 1
    assert verdict.problems(killed) == ["5 exchanges where 4 would do"]


@pytest.mark.parametrize(
    ("number", "result", "said"),
    [
        (2, Result(503, "temporarily_unavailable", 1.0), "1 times known: 503 temporarily_unavailable"),
        (2, Result(0, "RemoteDisconnected", 1.0), "1 times known: 0 RemoteDisconnected"),
        (4, Result(200, "", 1.0), "1 times bad: 200"),
    ],
    ids=["an error", "no answer", "a forged token let in"],
)
def test_every_wrong_answer_is_a_problem(number: int, result: Result, said: str) -> None:
    run = a_run()
    assert verdict.problems(replace(run, results={**run.results, number: result})) == [said]


def test_a_call_that_was_never_made_or_never_logged_is_a_problem() -> None:
    run, silent = a_run(), a_run()
    del silent.observed.requests[3]

    uncalled = {number: result for number, result in run.results.items() if number != 3}
    assert verdict.problems(replace(run, results=uncalled)) == ["1 times known: 0 never called"]
    assert verdict.problems(silent) == ["1 times answered, but not in the API's log"]


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
    path = folder / "scale.md"
    path.write_text("before\n{}\nold\n{}\nafter\n".format(*marks(COMMAND)), encoding="utf-8")
    return path


def test_the_document_gets_its_three_runs_and_the_shape_of_the_machine(tmp_path: Path) -> None:
    path, asked = document(tmp_path), list[Ask]()

    def measure(ask: Ask) -> Run:
        asked.append(ask)
        return a_run(ask)

    assert update_docs(path, measure) == 0
    assert asked == [Ask(), Ask(redis=True), Ask(redis=True, kill_redis=True)]
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


def test_percentiles_are_values_that_were_measured() -> None:
    assert table.percentiles(list(range(1, 101))) == [51, 96, 100]
    assert table.percentiles([7]) == [7, 7, 7]
    assert table.percentiles([]) == []


SHORT = ("--seconds", "4", "--rate", "25", "--processes", "2")


def load(*options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", "load", "--json", *SHORT, *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=240)
    said: dict[str, Any] = json.loads(result.stdout or "{}")
    assert (result.returncode, said.get("problems")) == (0, []), result.stderr
    return said


def test_a_short_run_loses_nothing_and_exchanges_once_per_token_scope_set_and_process() -> None:
    said = load()

    assert sum(kind["requests"] for kind in said["by_kind"].values()) == 100
    assert said["by_kind"][KNOWN]["requests"] > 50
    exchanges = said["exchanges"]
    assert (
        exchanges["least"] == exchanges["seen"] == exchanges["most"] >= 160
    )  # the warm-up: 40 tokens, 2 APIs, 2 processes


@pytest.mark.skipif(program() is None, reason=WHY_NOT)
def test_redis_killed_under_load_loses_no_request() -> None:
    said = load("--kill-redis")

    assert said["redis_killed"]
    assert sum(kind["errors"] for kind in said["by_kind"].values()) == 0
    exchanges = said["exchanges"]
    assert 80 <= exchanges["least"] <= exchanges["seen"] <= exchanges["most"]
