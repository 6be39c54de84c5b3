"""The conformance suite of the Model Context Protocol: its scenarios for servers with tools alone."""

from __future__ import annotations

import re
import subprocess

import pytest

from .conftest import Served
from .environments import node_program

NO_SUCH_TOOL = 4  # checks of tools that sample, elicit, stream or log: this server has none of these
NO_SUCH_LIST = 3  # checks of lists of prompts, resources and templates

# These do not apply: resources, prompts, completion, logging, elicitation, sampling, progress and subscriptions. Nor do
# tasks, sessions, images, audio, `x-mcp-header`, and json-schema-2020-12, whose schema no Python type has.
SCENARIOS = [
    ("2025-11-25", "server-initialize", 0),
    ("2025-11-25", "ping", 0),
    ("2025-11-25", "tools-list", 0),
    ("2025-11-25", "tools-call-simple-text", 0),
    ("2025-11-25", "tools-call-error", 0),
    ("2025-11-25", "dns-rebinding-protection", 0),
    ("2026-07-28", "server-stateless", NO_SUCH_TOOL),
    ("2026-07-28", "tools-list", 0),
    ("2026-07-28", "tools-call-simple-text", 0),
    ("2026-07-28", "tools-call-error", 0),
    ("2026-07-28", "dns-rebinding-protection", 0),
    ("2026-07-28", "caching", NO_SUCH_LIST),
    ("2026-07-28", "http-header-validation", 0),
    ("2026-07-28", "input-required-result-unsupported-methods", 0),
]


@pytest.mark.parametrize(("version", "scenario", "not_for_us"), SCENARIOS)
def test_the_scenario_passes(served: Served, version: str, scenario: str, not_for_us: int) -> None:
    program, environ = node_program("conformance")
    served.default_token = served.token("alice")
    options = ["--url", served.url, "--scenario", scenario, "--spec-version", version]
    done = subprocess.run(
        [program, "server", *options], capture_output=True, encoding="utf-8", check=False, timeout=60, env=environ
    )
    said = done.stdout + done.stderr
    found = re.search(r"Passed: (\d+)/(\d+), (\d+) failed, (\d+) warnings", said)
    assert found is not None, said
    passed, _, failed, warnings = map(int, found.groups())
    assert (failed, warnings) == (not_for_us, 0), said
    assert passed > 0
