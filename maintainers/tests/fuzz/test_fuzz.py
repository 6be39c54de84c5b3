"""A fixed sample of each class, the same at every run; `python3 dev.py fuzz` goes on from there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

import pytest
from hypothesis import strategies as st

from maintainers.tests.forgery.target import Target
from shared.settings.settings import Settings
from tests.support.lab import Lab
from tests.support.leaks import LeakWatch
from tests.support.live import Live

from . import inputs, over_http, responses, tokens, whole_responses
from .__main__ import fuzz
from .case import Case, Figures
from .rounds import FIRST, Turn, turns

PLAIN = inputs.cases()


def try_all(cases: Iterable[Case]) -> None:
    for case in cases:
        figures = Figures()
        case.run(figures, case.examples)
        assert figures.tried >= case.examples // 2, case.name
        assert not figures.statuses.get(200) or "answers" in case.name


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_what_callers_and_authors_hand_in(case: Case) -> None:
    try_all([case])


@pytest.mark.parametrize("number", range(3))
def test_tokens(lab: Lab, number: int) -> None:
    try_all([tokens.cases(Target(lab))[number]])


@pytest.mark.parametrize("number", range(5))
def test_what_other_services_say(lab: Lab, number: int) -> None:
    try_all([responses.cases(Settings.from_environ(lab.environ()))[number]])


@pytest.mark.parametrize("number", range(2))
def test_whole_responses(lab: Lab, number: int) -> None:
    try_all([whole_responses.cases(lab)[number]])


def test_http_that_no_library_would_send(live: Live, leak_watch: LeakWatch) -> None:
    (case,) = over_http.cases(live, leak_watch)
    case.run(Figures(), case.examples)


def idle(name: str) -> Case:
    return Case(name, st.integers(), lambda _, figures: figures.of(lambda: None))


def test_each_class_has_its_turn_however_short_the_time() -> None:
    names = ["forged tokens", "settings", "HTTP"]
    cases = [idle(name) for name in names]
    in_no_time = list(turns(cases, 7, 0.0, lambda: 0.0))
    assert [(turn.case.name, turn.seed, turn.inputs) for turn in in_no_time] == [(name, 7, FIRST) for name in names]


def test_rounds_grow_to_the_full_number_and_every_fourth_weighs_memory() -> None:
    cases, seconds = [idle("forged tokens"), idle("HTTP")], itertools.count()
    longer = list(turns(cases, 7, 16.0, lambda: next(seconds)))
    assert [turn.inputs for turn in longer[::2]] == [20, 40, 80, 100, 320, 500, 500, 100, 500]
    assert [turn.inputs for turn in longer[1::2]] == [20, 40, 80, 40, 200, 200, 200, 40]
    assert [turn.weigh for turn in longer[::2]] == [False, False, False, True] * 2 + [False]
    assert [turn.seed for turn in longer[::2]] == [*range(7, 16)]
    assert len(longer) == 17  # the time was over in the middle of a round


def test_what_is_found_is_shown_with_the_command_that_finds_it_again(
    capsys: pytest.CaptureFixture[str], leak_watch: LeakWatch
) -> None:
    def fail(value: int, _: Figures) -> None:
        assert value < 1_000, "too large"

    cases = [idle("paths"), Case("settings", st.integers(), fail), idle("traces")]
    code = fuzz(cases, turns(cases, 7, 60.0, lambda: 0.0), 1.0, leak_watch)
    shown = capsys.readouterr()
    assert code == 1
    assert "found in settings: AssertionError: too large" in shown.err
    command = re.search(r"again: python3 dev.py fuzz --only 'settings' --seed (\d+) --inputs (\d+)\n", shown.err)
    assert command is not None
    again = Turn(cases[1], int(command[1]), int(command[2]), weigh=False)
    assert fuzz(cases, [again], 1.0, leak_watch) == 1
    assert re.search(r"^traces +0 ", capsys.readouterr().out, re.MULTILINE)
