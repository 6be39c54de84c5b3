"""The processes that measure: each failure of one is reported."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from maintainers.benchmarks import child


class Taken:
    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self.said: list[Mapping[str, Any]] = []

    def take(self, key: str, said: Mapping[str, Any]) -> None:
        self.said.append({"key": key, **said})


def test_what_a_child_says_is_taken_down_and_the_person_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    taken = Taken()
    child.measure("pyjwt", "maintainers.benchmarks.failures.child", ["forged"], taken, time.monotonic())

    assert [sorted(said) for said in taken.said] == [["key", "versions"], ["cell", "key", "row"]]
    assert taken.problems == {}
    began, ended = capsys.readouterr().err.splitlines()
    assert began.endswith(" s  measuring pyjwt …")
    assert ended.endswith(" s  pyjwt is done")


def test_a_measurement_that_fails_is_said_by_the_child() -> None:
    taken = Taken()
    child.measure("nonsense", "maintainers.benchmarks.speed.child", [], taken, time.monotonic())

    (said,) = taken.said
    assert "ModuleNotFoundError" in said["error"]
    assert taken.problems == {}  # `take` reports it


def test_a_child_that_ends_before_it_could_say_anything_is_a_problem() -> None:
    taken = Taken()
    child.measure("nobody", "maintainers.benchmarks.failures.child", [], taken, time.monotonic())

    assert taken.said == []
    assert taken.problems["nobody"].startswith("its process ended with 1: ")
    assert "KeyError" in taken.problems["nobody"]
