"""The queries of alerts, workbook and docs find the lines that the code really logs, whatever the order of the fields.

Each line here is logged by the code: by a request against the emulated Entra and Graph, a certificate, a circuit.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest

from emulators.certificates import issue_certificate
from maintainers.tests.infra.kql import KqlError, Row, Table, run
from shared import ApiError, User
from shared.net.circuit_breaker import FAILURES, CircuitBreaker
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.infra.project import ROOT
from tests.support.clock import Clock
from tests.support.lab import Lab

FOLDER = ROOT / "infra" / "queries"
NAMES = sorted(path.stem for path in FOLDER.glob("*.kql"))
LINES = "request-lines"
NO_CHANGES: Mapping[str, str | None] = {}
LEVELS = {logging.INFO: 1, logging.WARNING: 2, logging.ERROR: 3}


def query(name: str) -> str:
    """A query as alerts and workbook have it."""
    text = (FOLDER / f"{name}.kql").read_text(encoding="utf-8")
    return (
        text
        if name == LINES or "request_lines" not in text
        else (FOLDER / f"{LINES}.kql").read_text(encoding="utf-8") + text
    )


def trace(message: str, level: int = logging.INFO, count: int = 1, at: int = 0) -> Row:
    """A row of `traces`. `count`: of how many lines it is the one that sampling has kept."""
    when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=at)
    names = {"cloud_RoleName": "func-api", "operation_Id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    return {"message": message, "severityLevel": LEVELS[level], "itemCount": count, "timestamp": when, **names}


def rows(name: str, *traces: Row, requests: Table | None = None) -> Table:
    return run(query(name), traces=list(traces), requests=requests or [])


Logged = Callable[[], Table]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    """Yields what has been logged so far, as rows of `traces`."""
    caplog.set_level(logging.INFO, "shared")
    return lambda: [trace(each.getMessage(), each.levelno) for each in caplog.records if each.name.startswith("shared")]


def call(
    lab: Lab, person: str, environ: Mapping[str, str | None] = NO_CHANGES, times: int = 1, error: ApiError | None = None
) -> int:
    """Calls a function that reads the profile twice, as the host does; returns the last status."""
    provider = LazyServices(lab.environ(**environ), now=lab.clock, sleep=lab.clock.forward)

    @RequiresUser(provider)()
    def me(req: func.HttpRequest, user: User) -> object:
        user.api("Graph").get("/me")
        if error:
            raise error
        return user.api("Graph").get("/me")

    status = 0
    for _ in range(times):
        headers = {"Authorization": f"Bearer {lab.stack.issue_access_token(person)}"}
        status = me(req=func.HttpRequest("GET", "http://localhost/api/me", headers=headers, body=b"")).status_code
    return status


def test_a_request_is_one_row_with_a_column_for_each_field(lab: Lab, logged: Logged) -> None:
    assert call(lab, "alice") == 200

    [row] = run(query(LINES) + "\nrequest_lines", traces=logged())

    assert (row["function_name"], row["method"], row["status"], row["code"], row["reason"]) == (
        "me",
        "GET",
        200,
        "",
        "",
    )
    assert re.fullmatch("[0-9a-f]{16}", row["user"])
    assert re.fullmatch(r"Graph:miss:\d+ms,Graph:hit", row["tokens"])
    assert re.fullmatch(r"Graph:200:\d+ms,Graph:200:\d+ms", row["calls"])
    assert row["ms"] >= 0
    assert row["queued_ms"] is None


def test_the_fields_may_be_in_any_order_and_more_may_come(lab: Lab, logged: Logged) -> None:
    call(lab, "maya")
    [line] = [row["message"] for row in logged() if row["message"].startswith("request ")]
    pairs = re.findall(r'\w+=(?:"(?:[^"\\]|\\.)*"|\S+)', line)
    assert len(pairs) >= 9

    [before] = run(query(LINES) + "\nrequest_lines", traces=[trace(line)])
    [after] = run(query(LINES) + "\nrequest_lines", traces=[trace(" ".join(["request", *reversed(pairs), "new=1"]))])

    fields = ("function_name", "method", "status", "ms", "user", "tokens", "calls", "code", "reason")
    assert {name: before[name] for name in fields} == {name: after[name] for name in fields}
    assert "AADSTS50076" in before["reason"]


def test_the_text_of_a_reason_is_never_a_field(lab: Lab, logged: Logged) -> None:
    error = ApiError(reason='a "quoted" status=200 code=none tokens=X:miss:1ms \\')
    assert call(lab, "alice", error=error) == 500

    [line] = [row["message"] for row in logged() if row["message"].startswith("request ")]
    head, _, reason = line.partition(" reason=")

    [row] = run(query(LINES) + "\nrequest_lines", traces=[trace(f"request reason={reason} {head[8:]}")])

    assert (row["status"], row["code"]) == (500, "internal_error")
    assert row["tokens"].startswith("Graph:")
    assert json.loads(row["reason"]) == error.reason


def test_requests_by_function(lab: Lab, logged: Logged) -> None:
    call(lab, "alice", times=2)
    call(lab, "maya")
    call(lab, "alice", error=ApiError())

    [row] = rows("requests-by-function", *logged())

    assert {name: row[name] for name in ("function_name", "requests", "refused", "failed")} == {
        "function_name": "me",
        "requests": 4,
        "refused": 1,
        "failed": 1,
    }


def test_exchanges_against_hits(lab: Lab, logged: Logged) -> None:
    call(lab, "alice", times=2)

    [row] = rows("exchanges-and-hits", *logged())

    assert row == {"api": "Graph", "hits": 2, "from_redis": 0, "exchanges": 2}


def test_failures_by_code(lab: Lab, logged: Logged) -> None:
    call(lab, "maya", times=2)
    call(lab, "alice")

    [row] = rows("failures-by-code", *logged())

    assert row == {"code": "insufficient_claims", "status": 401, "function_name": "me", "failures": 2, "users": 1}


def test_slowest_apis(lab: Lab, logged: Logged) -> None:
    call(lab, "alice")
    lab.stack.faults.add("graph", status=503)
    call(lab, "alice")

    [row] = rows("slowest-apis", *logged())

    assert row["api"] == "Graph"
    assert row["failed"] > 0
    assert row["calls"] == row["failed"] + 2
    assert 0 <= row["p50_ms"] <= row["p95_ms"]


def test_refused_users(lab: Lab, logged: Logged) -> None:
    call(lab, "maya")
    call(lab, "alice")

    [row] = rows("refused-users", *logged())

    assert (row["status"], row["code"], row["operation_Id"]) == (401, "insufficient_claims", trace("")["operation_Id"])


@pytest.mark.parametrize(
    ("environ", "down", "code"),
    [
        ({"AzureAd__TenantId": ""}, False, "server_misconfigured"),
        ({"AzureAd__ClientCredentials__0__KeyVaultCertificateName": "other"}, False, "server_misconfigured"),
        ({}, True, "temporarily_unavailable"),
    ],
    ids=["a setting", "the credential", "Entra"],
)
def test_failed_exchanges_raise_the_alarm(
    lab: Lab, logged: Logged, environ: dict[str, str], down: bool, code: str
) -> None:
    call(lab, "alice")
    if down:
        lab.stack.faults.add("entra.token", status=503)
    for _ in range(6):
        assert call(lab, "alice", environ) >= 500

    [row] = rows("alert-exchanges", *logged())

    assert row == {"cloud_RoleName": "func-api", "code": code, "failed": 6}


def test_failures_of_users_and_of_other_apis_are_no_failed_exchanges(lab: Lab, logged: Logged) -> None:
    call(lab, "maya", times=10)
    lab.stack.faults.add("graph", status=429, headers={"Retry-After": "60"})
    assert call(lab, "alice", times=10) == 503

    assert rows("alert-exchanges", *logged()) == []


def test_a_few_failed_exchanges_raise_no_alarm(lab: Lab, logged: Logged) -> None:
    call(lab, "alice", {"AzureAd__TenantId": ""}, times=5)

    assert rows("alert-exchanges", *logged()) == []


@pytest.mark.parametrize(("days", "found"), [(400, False), (31, False), (29, True), (0, True), (-1, True)])
def test_a_certificate_near_its_end_raises_the_alarm(lab: Lab, logged: Logged, days: int, found: bool) -> None:
    made = lab.clock() - (400 - days) * 86_400
    value = base64.b64encode(issue_certificate("api", made, 400).pfx()).decode()
    call(lab, "alice", lab.credential("Base64Encoded", Base64EncodedValue=value))

    messages = [row["message"] for row in logged() if "certificate from" in row["message"]]
    assert messages
    assert [row["cloud_RoleName"] for row in rows("alert-credential", *logged())] == ["func-api"] * found
    noted = [trace(f"{message} (noted 12 s ago)") for message in messages]
    assert len(rows("alert-credential", *noted)) == found


@pytest.mark.parametrize("service", ["Entra", "Redis"])
def test_an_open_circuit_raises_the_alarm(logged: Logged, service: str) -> None:
    circuit = CircuitBreaker(service, Clock())
    for _ in range(FAILURES - 1):
        circuit.failed()
    assert rows("alert-circuit", *logged()) == []
    circuit.failed("ConnectionError")

    assert rows("alert-circuit", *logged()) == [{"cloud_RoleName": "func-api", "opened": 1}]


def test_a_circuit_that_closes_raises_no_alarm(logged: Logged) -> None:
    clock = Clock()
    circuit = CircuitBreaker("Entra", clock)
    for _ in range(FAILURES):
        circuit.failed()
    before = len(logged())
    circuit.succeeded()

    assert [row["message"] for row in logged()[before:]] == ["Entra: circuit closed, it responds again"]
    assert rows("alert-circuit", *logged()[before:]) == []


@pytest.mark.parametrize(
    ("total", "failed", "found"), [(100, 6, True), (100, 5, False), (19, 19, False), (20, 2, True), (1000, 50, False)]
)
def test_a_rate_of_5xx_raises_the_alarm(total: int, failed: int, found: bool) -> None:
    codes = ["500"] * failed + ["404"] * (total - failed)
    requests = [{"resultCode": code, "itemCount": 1, "cloud_RoleName": "func-api"} for code in codes]

    assert len(rows("alert-errors", requests=requests)) == found


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (LINES, "refused-users")])
def test_a_line_that_stands_for_ten_counts_as_ten(name: str) -> None:
    """Application Insights keeps one line of ten when it samples, and says so in itemCount."""
    text = query(name)

    assert "count()" not in text
    assert re.search(r"(sum|sumif)\(itemCount", text)
    assert "percentile(" not in text


def test_ten_lines_for_one(lab: Lab, logged: Logged) -> None:
    call(lab, "alice")
    [line] = [row["message"] for row in logged() if row["message"].startswith("request ")]

    [row] = rows("requests-by-function", trace(line, count=10))

    assert row["requests"] == 10


def test_the_host_samples_neither_requests_nor_lines() -> None:
    """An alert on one line, such as an open circuit, would miss a line that was sampled away."""
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    sampling: dict[str, Any] = host["logging"]["applicationInsights"]["samplingSettings"]

    assert {"Request", "Trace"} <= {*sampling["excludedTypes"].split(";")}


def test_what_is_deployed_has_these_queries() -> None:
    """By the committed snapshot, which is what the compiler makes of operations.bicep."""
    snapshot = ROOT / "maintainers" / "tests" / "infra" / "snapshots" / "managed-identity-everything-on.json"
    made = json.loads(snapshot.read_text(encoding="utf-8"))["predictedResources"]
    rules = [each["properties"] for each in made if each["type"] == "Microsoft.Insights/scheduledQueryRules"]
    [workbook] = [each["properties"] for each in made if each["type"] == "Microsoft.Insights/workbooks"]
    items = json.loads(workbook["serializedData"])["items"]
    alerts = [each["query"] for rule in rules for each in rule["criteria"]["allOf"]]
    tables = {item["name"]: item["content"]["query"] for item in items if item["type"] == 3}

    assert sorted(alerts) == sorted(query(name) for name in NAMES if name.startswith("alert-"))
    assert tables == {name: query(name) for name in tables}
    assert {*tables} == {name for name in NAMES if not name.startswith("alert-")} - {LINES, "refused-users"}


def test_the_page_shows_the_files() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```kusto\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    files = {name: (FOLDER / f"{name}.kql").read_text(encoding="utf-8") for name in NAMES}

    assert sorted(blocks) == sorted(text for name, text in files.items() if not name.startswith("alert-"))
    assert all(f"`{name}.kql`" in page for name in NAMES if name.startswith("alert-"))


@pytest.mark.parametrize("name", NAMES)
def test_no_other_file_in_the_project_has_a_query_of_its_own(name: str) -> None:
    for path in [*(ROOT / "docs").glob("*.md"), *(ROOT / "infra").glob("*.bicep")]:
        text = path.read_text(encoding="utf-8")
        has_query = re.search(r"^(traces|requests|request_lines)$", text, re.MULTILINE)
        assert path.name == "operations.md" or not has_query, path.name
    assert (
        f"queries/{name}.kql" in (ROOT / "infra" / "operations.bicep").read_text(encoding="utf-8")
        or name == "refused-users"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("traces\n| take 5", "no operator take"),
        ("traces\n| extend a = tolower(message)", "no function tolower"),
        ("traces\n| where message matches @'a'", "matches without regex"),
        ("traces\n| where message == 'a'", "cannot read"),
        ('traces\n| where (message == "a"', "\\) is missing"),
    ],
)
def test_what_the_evaluator_does_not_know_is_an_error(text: str, words: str) -> None:
    with pytest.raises(KqlError, match=words):
        run(text, traces=[trace("a")])


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ('message startswith "REQUEST "', True),
        ('message contains "ME"', True),
        ('message == "Request me"', False),
        ('message != "x" and (1 > 2 or itemCount * 2 == 2)', True),
        ("toint(message) >= 0 or toint(message) < 0", False),
        ('message matches regex @"^request \\w+$"', True),
    ],
)
def test_the_evaluator_compares_as_kusto_does(condition: str, found: bool) -> None:
    assert len(run(f"traces\n| where {condition}", traces=[trace("request me")])) == found
