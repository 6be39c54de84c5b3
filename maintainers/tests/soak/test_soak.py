"""The soak itself: the plan of a seed, the correctness of the report, and a real run of a few seconds."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import pytest

from emulators import people

from .callers import Callers
from .crowd import crowd, member
from .figures import Figures
from .judge import ANSWERED, BROKEN, WRONG
from .plan import BAD_TOKENS, SLOTS, changes, faults, steps
from .report import Options, Report
from .sieve import Sieve

ROOT = Path(__file__).parents[3]


def good_report(figures: Figures | None = None, sieve: Sieve | None = None, unwell: list[str] | None = None) -> Report:
    if figures is None:
        figures = Figures()
    figures.count_call(ANSWERED, "200", 0.1, "")
    return Report(Options(1, 2, 40, 4), 1.0, figures, sieve or Sieve(), unwell=unwell)


def test_the_same_seed_plans_the_same_and_another_does_not() -> None:
    def plan(seed: int, thread: int = 0) -> list[object]:
        return [
            *islice(steps(seed, thread, 50), 300),
            *islice(faults(seed, thread, 50), 100),
            *islice(changes(seed, 50), 100),
        ]

    assert plan(1) == plan(1)
    assert plan(1) != plan(2)
    assert plan(1)[:400] != plan(1, thread=1)[:400]


def test_a_plan_has_something_of_everything() -> None:
    calls, troubles = list(islice(steps(1, 0, 50), 3000)), list(islice(changes(1, 50), 1000))

    assert {call.slot for call in calls} == set(SLOTS)
    assert {call.bad for call in calls} == {"", *BAD_TOKENS}
    assert {(call.method, call.path) for call in calls} == {
        ("GET", "/api/me"),
        ("GET", "/api/orders"),
        ("POST", "/api/orders"),
    }
    assert Counter(call.person for call in calls)[0] > 5 * Counter(call.person for call in calls)[5]
    kinds = {trouble.kind for trouble in troubles}
    assert kinds >= {"challenge", "consent", "withdraw consent", "revoke", "rotate", "roll", "withdraw", "fault"}
    targets = {trouble.target for trouble in [*troubles, *islice(faults(1, 0, 50), 100)]}
    assert targets >= {"entra.token", "entra.keys", "entra.discovery", "identity", "vault", "graph", "orders"}


def test_new_signing_keys_come_far_enough_apart_to_be_fetched() -> None:
    """The API looks for an unknown key at most every half a minute."""
    now, at = 0.0, list[float]()
    for trouble in islice(changes(3, 50), 2000):
        now += trouble.pause
        if trouble.kind in ("roll", "withdraw"):
            at.append(now)
        now += trouble.hold

    assert len(at) > 10
    assert min(later - earlier for earlier, later in pairwise(at)) > 30


@pytest.mark.parametrize("verdict", WRONG)
def test_one_wrong_response_spoils_the_report(verdict: str) -> None:
    figures = Figures()
    figures.count_call(verdict, "200", 0.1, "to soak0001")
    report = good_report(figures)

    assert not report.is_good
    assert re.search(rf"^  {verdict} +1$", report.text(), re.MULTILINE)
    assert f"{verdict}: to soak0001" in report.text()
    assert "NOT GOOD" in report.text()


def test_a_leak_somebody_left_unserved_and_no_response_at_all_spoil_it_too() -> None:
    sieve = Sieve()
    sieve.scan(f"user={member(7).oid}", "log of the api app")

    assert good_report().is_good
    assert "all good" in good_report().text()
    assert not good_report(sieve=sieve).is_good
    assert not good_report(unwell=["soak0001, 503"]).is_good
    assert not Report(Options(1, 2, 40, 4), 1.0, Figures(), Sieve()).is_good


def test_a_thread_that_breaks_is_found_wrong() -> None:
    figures = Figures()

    callers = Callers("http://127.0.0.1:9", [], None, None, None, figures, Sieve())  # type: ignore[arg-type]
    callers.start(steps(1, 0, 50))
    callers.stop()

    assert figures.verdicts[BROKEN] == 1
    assert "IndexError" in figures.examples[BROKEN][0]


@pytest.mark.parametrize(
    "text",
    [
        f"user={member(3).oid}",
        member(17).mail,
        member(4).display_name,
        "alice@contoso.example",
        "Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln",
    ],
)
def test_the_sieve_finds_people_and_tokens(text: str) -> None:
    sieve = Sieve()
    sieve.scan("request function=me status=200 user=0123456789abcdef", "log of the api app")
    assert sieve.found() == []

    sieve.scan(f"something {text} something", "503 of /api/me")

    assert sieve.found() != []
    assert (sieve.lines, sieve.bodies) == (1, 1)


def test_the_crowd_leaves_as_it_came() -> None:
    before, everybody = dict(people.PEOPLE), people._EVERYBODY
    with crowd(40) as members:
        assert people.person_by_oid(members[5].oid) is members[5]
        assert people.PEOPLE["soak0005"] is members[5]
        assert len({person.oid for person in members} | {person.home_oid for person in members}) == 42

    after = (people.PEOPLE, people._EVERYBODY)
    assert after == (before, everybody)
    assert people.person_by_oid(members[5].oid) is None


def test_a_few_seconds_of_it(tmp_path: Path) -> None:
    options = f"--seconds=3 --seed=1 --people=40 --threads=8 --logs={tmp_path}".split(" ", 4)
    command = [sys.executable, "-m", "maintainers.tests.soak", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=150)

    assert result.returncode == 0, result.stdout + result.stderr
    figures = dict(re.findall(r"^  (\S.*?\S) {2,}([\d,]+)(?: |$)", result.stdout, re.MULTILINE))
    assert all(int(figures[what].replace(",", "")) > 0 for what in ("calls", "answered", "refused", "troubles"))
    assert all(figures[what] == "0" for what in (*WRONG, "leaks", "not served at the end"))
    assert "--seed 1 --seconds 3" in result.stdout


def test_a_mistake_is_told() -> None:
    command = [sys.executable, "-m", "maintainers.tests.soak", "--people", "3"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=60)

    assert result.returncode == 2
    assert "at least 20" in result.stderr
