"""docs/extend.md, applications as callers: its functions let in the callers that it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORTS = """
import logging

import azure.functions as func
import pytest

from shared import AsyncUser, CallingApp, app_api, async_app_api, requires_app, requires_caller
from tests.support.tenant import Tenant

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""
TESTS = """

def test_run_job(tenant: Tenant) -> None:
    response = tenant.call(run_job, as_app="daemon", roles=["Jobs.Run"])
    daemon = tenant.stack.directory.applications["daemon daemon"]
    assert (response.status, response.json()) == (202, {"started_by": daemon.client_id})


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ({"as_app": "daemon"}, "insufficient_role"),
        ({"as_": "alice"}, "app_token_required"),
        ({"as_": "alice", "roles": ["Jobs.Run"]}, "app_token_required"),
        ({"as_": None}, "missing_token"),
    ],
)
def test_run_job_is_for_applications_with_the_role(tenant: Tenant, who, code) -> None:
    assert tenant.call(run_job, **who).json()["code"] == code


def test_job_state(tenant: Tenant) -> None:
    assert tenant.call(job_state, as_="alice").json() == {"asked_by": "Alice Ahlberg"}
    assert tenant.call(job_state, as_app="daemon", roles=["Jobs.Watch"]).json() == {"asked_by": "an application"}
    assert tenant.call(job_state, as_app="daemon").status == 403


def test_who_calls_is_said(tenant: Tenant) -> None:
    for wrong in ({}, {"as_": "alice", "as_app": "daemon"}):
        with pytest.raises(TypeError, match="who calls"):
            tenant.call(run_job, **wrong)
    with pytest.raises(ValueError, match="there is no application 'nobody'; there are daemon"):
        tenant.call(run_job, as_app="nobody")
    with pytest.raises(TypeError, match="roles are a list"):
        tenant.call(run_job, as_app="daemon", roles="Jobs.Run")
"""


JOBS = """

def test_a_timer_in_a_test(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    at = "DownstreamApis__Directory__"
    graph = {"BaseUrl": "https://graph.microsoft.com/v1.0", "Scopes": "https://graph.microsoft.com/.default"}
    tenant.settings(**{f"{at}{name}": value for name, value in {**graph, "RequestAppToken": "true"}.items()})
    known = tenant.stack.directory.applications
    tenant.stack.directory.assign_app_role(known["api"], known["graph"], "User.Read.All")
    tenant.responds("Graph", "GET /users", {"value": [{"id": "1"}, {"id": "2"}]})
    caplog.set_level(logging.INFO)

    count_users.build().get_user_function()(timer=func.TimerRequest())

    assert "2 users" in caplog.text
    assert [(one.path, one.user) for one in tenant.requests("Graph")] == [("/users", "")]
"""


def section(title: str) -> list[str]:
    """The Python code of a section."""
    page = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
    text = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_code_of_the_page_lets_in_whom_it_says(tmp_path: Path) -> None:
    callers, jobs = section("An application as the caller"), section("An API called as the application")
    assert (len(callers), len(jobs)) == (2, 1)
    (tmp_path / "test_page.py").write_text("\n\n".join([IMPORTS, *callers, *jobs, TESTS, JOBS]), encoding="utf-8")
    plugin = ("-c", "pytest.ini", "-p", "tests.support.tenant", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *plugin, str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=120)
    assert (result.returncode, "8 passed" in result.stdout) == (0, True), result.stdout
