"""A fixed sample of each class, the same at every run; `python3 dev.py fuzz` goes on from there."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from shared.settings import Settings
from tests.forgery.door import Door
from tests.lab import Lab
from tests.leaks import LeakWatch
from tests.live import Live

from . import answers, inputs, over_http, tokens, whole_answers
from .case import Case, Figures

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
    try_all([tokens.cases(Door(lab))[number]])


@pytest.mark.parametrize("number", range(5))
def test_what_other_services_say(lab: Lab, number: int) -> None:
    try_all([answers.cases(Settings.from_environ(lab.environ()))[number]])


@pytest.mark.parametrize("number", range(2))
def test_whole_answers(lab: Lab, number: int) -> None:
    try_all([whole_answers.cases(lab)[number]])


def test_http_that_no_library_would_send(live: Live, leak_watch: LeakWatch) -> None:
    (case,) = over_http.cases(live, leak_watch)
    case.run(Figures(), case.examples)
