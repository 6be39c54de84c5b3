"""The model of the fleet, against known results and against the same fleet simulated event by event."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from maintainers.benchmarks.fleet.costs import Costs
from maintainers.benchmarks.fleet.fleet import EQUAL, HOUR, Fleet
from maintainers.benchmarks.fleet.model import answer, turnover_seconds
from maintainers.benchmarks.fleet.plot import svg
from maintainers.benchmarks.fleet.scenarios import parts
from maintainers.benchmarks.fleet.simulation import requests, simulate
from maintainers.benchmarks.fleet.table import as_json, as_markdown, as_text

COSTS = Costs(5e-6, 100e-6, 2e-3, 100e-6, 400e-6, 2_000, 2_000, 3_000, "made up", "made of paper")
ROOMY = Fleet(sessions=math.inf, megabytes=math.inf, requests_per_second=50_000)  # nobody misses an instance for long


def tokens_per_hour(fleet: Fleet) -> float:
    return sum(fleet.new_tokens_per_second(group) for group in fleet.groups) * HOUR


@pytest.mark.parametrize("callers", [1, 100, 10_000])
def test_one_instance_with_room_for_all_needs_no_redis(callers: int) -> None:
    one = answer(replace(ROOMY, instances=1, callers=callers, requests_per_second=callers / 20), COSTS)

    assert one.alone.exchanges_per_hour == pytest.approx(one.shared.exchanges_per_hour)
    assert one.alone.exchanges_per_hour == pytest.approx(tokens_per_hour(one.fleet))
    assert one.alone.waiting == pytest.approx(one.shared.waiting)


@pytest.mark.parametrize("instances", [1, 2, 7, 40])
@pytest.mark.parametrize("scope_sets", [1, 3])
def test_with_room_for_all_exchanges_are_distinct_tokens_times_instances_or_with_redis_distinct_tokens(
    instances: int, scope_sets: int
) -> None:
    fleet = replace(ROOMY, instances=instances, scope_sets=scope_sets)
    tokens, given = tokens_per_hour(fleet) * scope_sets, answer(fleet, COSTS)

    assert given.alone.exchanges_per_hour == pytest.approx(tokens * instances, rel=1e-6)
    assert given.shared.exchanges_per_hour == pytest.approx(tokens)
    assert given.alone.exchanges_per_token == pytest.approx(instances, rel=1e-6)
    assert given.shared.exchanges_per_token == pytest.approx(1)
    assert given.redis_commands_per_second == pytest.approx((tokens * 3 + tokens * (instances - 1)) / HOUR, rel=1e-6)


def test_without_a_first_level_every_request_is_an_exchange_and_with_redis_every_token() -> None:
    fleet = Fleet(sessions=0)
    given = answer(fleet, COSTS)

    assert given.alone.exchanges_per_hour == pytest.approx(fleet.requests_per_second * HOUR)
    assert given.alone.waiting == pytest.approx(1)
    assert given.shared.exchanges_per_hour == pytest.approx(tokens_per_hour(fleet))
    assert given.sessions_held == 0


def test_where_every_request_is_the_only_one_of_its_token_nobody_saves_anything() -> None:
    fleet = Fleet(callers=1_000_000, requests_per_second=0.01, token_seconds=60, sessions=math.inf)
    given = answer(fleet, COSTS)

    assert given.alone.exchanges_per_hour == pytest.approx(fleet.requests_per_second * HOUR, rel=1e-3)
    assert given.shared.exchanges_per_hour == pytest.approx(given.alone.exchanges_per_hour, rel=1e-3)


def test_the_bound_in_bytes_holds_as_the_one_in_numbers_does() -> None:
    by_number = answer(Fleet(sessions=1_000, megabytes=math.inf), COSTS)
    by_bytes = answer(Fleet(sessions=math.inf, megabytes=4), COSTS)  # 1,000 sessions of 2 + 2 KB

    assert by_bytes.alone == by_number.alone
    assert by_bytes.session_bytes == pytest.approx(4e6)


def test_a_full_cache_holds_exactly_what_it_may_and_a_roomy_one_keeps_all_to_their_end() -> None:
    assert answer(Fleet(sessions=1_000), COSTS).sessions_held == pytest.approx(1_000, rel=1e-6)
    assert turnover_seconds(Fleet(sessions=1_000)) < 600
    assert turnover_seconds(ROOMY) == ROOMY.token_seconds


def test_cpu_is_the_sum_of_what_was_done() -> None:
    fleet = replace(ROOMY, instances=4, callers=100, groups=EQUAL)
    given, tokens = answer(fleet, COSTS), tokens_per_hour(fleet) / HOUR
    known = fleet.requests_per_second * COSTS.known_seconds

    alone = known + 4 * tokens * (COSTS.validation_seconds + COSTS.exchange_seconds)
    shared = known + 4 * tokens * COSTS.validation_seconds + tokens * COSTS.exchange_seconds
    shared += tokens * COSTS.shared_new_seconds + 3 * tokens * COSTS.shared_hit_seconds
    assert given.alone.cpu == pytest.approx(alone / 4, rel=1e-6)
    assert given.shared.cpu == pytest.approx(shared / 4, rel=1e-6)


@pytest.mark.parametrize(
    "fleet",
    [
        Fleet(callers=300, requests_per_second=6, sessions=1_000),
        Fleet(callers=300, requests_per_second=6, sessions=60),
        Fleet(callers=300, requests_per_second=6, sessions=20, groups=EQUAL),
        Fleet(callers=300, requests_per_second=0.5, sessions=1_000),
        Fleet(callers=300, requests_per_second=6, instances=1, sessions=100),
        Fleet(callers=300, requests_per_second=6, instances=50, sessions=40),
    ],
    ids=["roomy", "tight", "very tight", "quiet", "one instance", "many instances"],
)
def test_the_closed_form_says_what_happens_when_the_fleet_is_played(fleet: Fleet) -> None:
    played, given = simulate(fleet, lives=4, seed=7), answer(fleet, COSTS)
    hours = 4 * fleet.token_seconds / HOUR

    assert given.alone.exchanges_per_hour * hours == pytest.approx(played.alone, rel=0.03)
    assert given.shared.exchanges_per_hour * hours == pytest.approx(played.shared, rel=0.03)
    assert played.alone == played.shared + played.found


def test_the_same_seed_plays_the_same_fleet_and_another_seed_another_one() -> None:
    fleet = Fleet(callers=50, requests_per_second=2)

    assert list(requests(fleet, 600, 3)) == list(requests(fleet, 600, 3))
    assert list(requests(fleet, 600, 3)) != list(requests(fleet, 600, 4))
    assert simulate(fleet, lives=1, seed=3) == simulate(fleet, lives=1, seed=3)


def test_the_same_costs_give_the_same_table_and_picture() -> None:
    usual = Fleet()
    for render in (as_markdown, as_text, as_json):
        assert render(parts(usual), usual, COSTS, 5.0) == render(parts(usual), usual, COSTS, 5.0)
    assert svg(usual, COSTS) == svg(usual, COSTS)


def test_the_usual_fleet_stands_in_every_part_and_the_limit_marks_what_exceeds_it() -> None:
    usual = Fleet()
    table = parts(usual)
    assert [part.title for part in table if usual not in [row.fleet for row in part.rows]] == []
    assert " !" not in as_text(table, usual, COSTS, None)
    own = next(line for line in as_text(table, usual, COSTS, 10.0).splitlines() if line.startswith("  10 *"))
    assert own.count(" !") == 2  # without Redis: on average, and after a restart


def test_the_json_holds_every_row_with_assumptions_and_sources() -> None:
    usual = Fleet(instances=3)
    said = json.loads(as_json(parts(usual), usual, COSTS, None))

    assert [len(part["rows"]) for part in said["parts"]] == [len(part.rows) for part in parts(usual)]
    assert "3" in [row["title"] for row in said["parts"][0]["rows"]]
    assert said["costs"]["exchange_seconds"] == COSTS.exchange_seconds
    assert said["assumptions"]
    assert any("https://learn.microsoft.com/" in line for line in said["throttling"])


@pytest.mark.parametrize("usual", [Fleet(), Fleet(callers=1), Fleet(instances=100, callers=10**6, sessions=10)])
def test_the_picture_is_well_formed_stays_inside_itself_and_has_colors_for_light_and_dark(usual: Fleet) -> None:
    root = ElementTree.fromstring(svg(usual, COSTS))  # noqa: S314 — our own
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    lines = [element.attrib["points"] for element in root if element.tag.endswith("polyline")]

    assert len(lines) == 4
    for x, y in (map(float, point.split(",")) for line in lines for point in line.split()):
        assert 0 <= x <= width
        assert 0 <= y <= height
    style = next(element.text or "" for element in root if element.tag.endswith("style"))
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for name in (".ground", ".text", ".grid", ".alone", ".shared"):
        assert name in light
        assert name in dark
