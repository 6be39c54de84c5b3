"""The one line per request, and the id that leads to it."""

from __future__ import annotations

import logging
import random
import re
import uuid

import pytest

from shared.errors import AccessDenied, BadGateway, ServerMisconfigured
from shared.telemetry.request_record import MAX_ENTRIES, RequestRecord

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def line(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """The fields of the one line that was logged; operator notes of earlier tests may come after it."""
    [record] = [record for record in caplog.records if record.name == "shared.telemetry.request_record"]
    assert record.getMessage().startswith("request ")
    return dict(re.findall(r'(\w+)=("[^"]*"|\S+)', record.getMessage()))


def test_the_correlation_id_is_the_trace_id_as_a_guid() -> None:
    record = RequestRecord("me", "GET", PARENT)
    assert record.correlation_id == "0af76519-16cd-43dd-8448-eb211c80319c"
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", record.traceparent())


def test_every_call_onwards_is_a_span_of_its_own() -> None:
    record = RequestRecord("me", "GET", PARENT)
    spans = {record.traceparent() for _ in range(100)}
    assert len(spans) == 100
    assert PARENT not in spans


@pytest.mark.parametrize("flags", ["00", "01"])
def test_the_decision_to_sample_is_passed_on(flags: str) -> None:
    assert RequestRecord("me", "GET", f"00-{TRACE}-b7ad6b7169203331-{flags}").traceparent().endswith(f"-{flags}")


@pytest.mark.parametrize(
    "given",
    [
        "",
        "junk",
        PARENT.upper(),
        PARENT + "\r\nX: y",
        PARENT.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        PARENT.replace("0af", "\uff10af"),
        f"00-{TRACE[:-1]}-b7ad6b7169203331-01",
    ],
)
def test_what_is_no_traceparent_starts_a_new_trace(given: str) -> None:
    record = RequestRecord("me", "GET", given)
    assert uuid.UUID(record.correlation_id).int not in (0, uuid.UUID(TRACE).int)
    assert record.correlation_id != RequestRecord("me", "GET", given).correlation_id
    assert record.traceparent().split("-")[1] == record.correlation_id.replace("-", "")


def test_a_seed_of_the_authors_does_not_make_ids_alike() -> None:
    ids = set()
    for _ in range(2):
        random.seed(42)
        ids.add(RequestRecord().correlation_id)
    assert len(ids) == 2


def test_a_later_version_of_the_header_is_understood() -> None:
    assert RequestRecord("me", "GET", f"01-{TRACE}-b7ad6b7169203331-01-more").correlation_id.startswith("0af76519")


def test_a_success_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    record = RequestRecord("me", "GET", PARENT)
    record.user = "5d0c1f"
    record.token_took("Graph", "miss", 0.0)
    record.token_was_known("Orders")
    record.call_ended("Graph", 200, 0.0)
    with caplog.at_level(logging.INFO):
        record.close(200)
    fields = line(caplog)
    assert re.fullmatch(r"Graph:miss:\d+ms,Orders:hit", fields["tokens"])
    assert re.fullmatch(r"Graph:200:\d+ms", fields["calls"])
    assert (fields["function"], fields["method"], fields["status"], fields["user"]) == ("me", "GET", "200", "5d0c1f")
    assert fields["correlation_id"] == record.correlation_id
    assert re.fullmatch(r"\d+", fields["ms"])
    assert "code" not in fields


def test_a_failure_names_its_code_and_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        RequestRecord("me").close(403, AccessDenied(reason='Entra: "x", AADSTS53003'))
    assert 'code=access_denied reason="Entra: \\"x\\", AADSTS53003"' in caplog.records[0].getMessage()


@pytest.mark.parametrize(
    ("status", "error", "level"),
    [
        (200, None, logging.INFO),
        (403, AccessDenied(), logging.INFO),
        (500, ServerMisconfigured(), logging.ERROR),
        (502, BadGateway(), logging.WARNING),
    ],
)
def test_the_level_tells_whose_fault_it_is(
    caplog: pytest.LogCaptureFixture, status: int, error: Exception | None, level: int
) -> None:
    with caplog.at_level(logging.INFO):
        RequestRecord("me").close(status, error)
    assert caplog.records[0].levelno == level


def test_a_bug_brings_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise KeyError("of the author's own")
    except KeyError as error:
        RequestRecord("me").close(500, error)
    assert line(caplog)["code"] == "internal_error"
    assert caplog.records[0].exc_info


def test_a_thousand_calls_do_not_make_a_line_of_a_thousand_entries(caplog: pytest.LogCaptureFixture) -> None:
    record = RequestRecord("me")
    for _ in range(1000):
        record.call_ended("Graph", 200, 0.0)
    with caplog.at_level(logging.INFO):
        record.close(200)
    calls = line(caplog)["calls"].split(",")
    assert (len(calls), calls[-1]) == (MAX_ENTRIES + 1, f"+{1000 - MAX_ENTRIES}")
