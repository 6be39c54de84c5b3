"""How long one API may take: `DownstreamApis__NAME__TimeoutSeconds`, never longer than the request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.errors import GatewayTimeout, SettingsError
from shared.net.deadline import within
from shared.settings.settings import Settings
from tests.support.lab import Lab

SETTING = "DownstreamApis__Graph__TimeoutSeconds"


@pytest.fixture
def slow(lab: Lab) -> Iterator[None]:
    """Graph takes 30 seconds for the body: the clock moves by them after the first byte."""
    seconds = iter([0.0, 30.0])
    lab.stack.faults.on_drip = lambda: lab.clock.forward(next(seconds, 0.0))
    lab.stack.faults.add("graph", network="drip-body", delay=0.001)
    yield
    lab.stack.faults.on_drip = None


def called(lab: Lab, seconds: str | None, of_the_request: float) -> int:
    services, token = lab.services(**{SETTING: seconds}), lab.stack.issue_access_token("alice")
    lab.user(services, token).token("Graph")
    with within(of_the_request, lab.clock):
        return lab.user(services, token).api("Graph").get("/me?$select=id").status_code


@pytest.mark.usefixtures("slow")
def test_an_api_that_takes_30_seconds_answers_where_it_may_take_40(lab: Lab) -> None:
    assert called(lab, "40", 60) == 200


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("seconds", "of_the_request"), [(None, 60), ("20", 60), ("40", 25)])
def test_it_gets_no_more_than_the_setting_and_the_request_allow(
    lab: Lab, seconds: str | None, of_the_request: float
) -> None:
    with pytest.raises(GatewayTimeout):
        called(lab, seconds, of_the_request)


@pytest.mark.parametrize("value", ["0", "201", "-1", "1.5", "ten", "1e2"])
def test_it_is_a_whole_number_from_1_to_200(lab: Lab, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(lab.environ(**{SETTING: value}))
    assert raised.value.problems == {SETTING: "must be a whole number from 1 to 200"}


@pytest.mark.parametrize(("value", "seconds"), [("1", 1), ("200", 200), (None, None), ("", None)])
def test_without_it_an_api_has_as_long_as_any_other_service(lab: Lab, value: str | None, seconds: float | None) -> None:
    assert lab.services(**{SETTING: value}).settings.downstream_apis["graph"].timeout == seconds
