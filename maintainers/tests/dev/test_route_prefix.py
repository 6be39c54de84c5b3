"""A route prefix in host.json is honored by everything that dev.py starts, prints and calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from emulators.functions_host.layout import HostJson
from maintainers.tests.dev.project import Project, Serving

PREFIXES = {"api": "/api", "v1": "/v1", "": ""}


def with_prefix(folder: Path, prefix: str) -> Project:
    """A copy of the project with that prefix; its functions are as they are."""
    project = Project.copy(folder)
    content = json.loads((project.root / "host.json").read_text(encoding="utf-8"))
    content["extensions"] = {"http": {"routePrefix": prefix}}
    (project.root / "host.json").write_text(json.dumps(content), encoding="utf-8")
    return project


@pytest.fixture(scope="module", params=PREFIXES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, str]]:
    """`dev.py run` with one prefix, and what every path then begins with."""
    project = with_prefix(tmp_path_factory.mktemp("prefix") / "copy", request.param)
    with project.serving("run", "--port", "0") as serving:
        yield serving, PREFIXES[request.param]


def test_the_addresses_and_the_banner_have_it(served: tuple[Serving, str]) -> None:
    serving, path = served
    state = serving.project.state()

    assert state["api_url"].partition("127.0.0.1:")[2].lstrip("0123456789") == path
    assert f"API           {state['api_url']}/api/me " in serving.text
    orders = state["environ"]["api"]["DownstreamApis__Orders__BaseUrl"]
    assert orders == f"https://orders-local.azurewebsites.net{path}/api"


def test_a_route_is_called_by_what_the_decorator_says(served: tuple[Serving, str]) -> None:
    serving, path = served
    me = serving.project.dev("call", "alice", "/api/me")
    orders = serving.project.dev("call", "alice", "/api/orders")
    health = requests.get(f"{serving.project.state()['api_url']}/api/health", timeout=30)

    assert (me.returncode, me.stdout.splitlines()[0], "Alice Ahlberg" in me.stdout) == (0, "200 OK", True)
    assert (orders.returncode, orders.stdout.splitlines()[0]) == (0, "200 OK")
    assert (health.status_code, health.json()) == (200, {"status": "healthy"})
    assert f"client → api         GET  {path}/api/me" in serving.text


@pytest.mark.parametrize("prefix", ["api", "v1"])  # without one: test_once.py
def test_run_once_works(prefix: str, tmp_path: Path) -> None:
    result = with_prefix(tmp_path / "copy", prefix).dev("run", "--once")

    assert (result.returncode, result.stderr) == (0, "")
    assert "first round: 2 On-Behalf-Of exchanges" in result.stdout


def test_func_start_finds_orders_there_too(tmp_path: Path) -> None:
    project = with_prefix(tmp_path / "copy", "v1")
    with project.serving("emulators", "--port", "0"):
        values = json.loads((project.root / "local.settings.json").read_text(encoding="utf-8"))["Values"]
        state = project.state()

    assert values["DownstreamApis__Orders__BaseUrl"] == "https://orders-local.azurewebsites.net/v1/api"
    assert state["api_url"] == "http://127.0.0.1:7071/v1"


@pytest.mark.parametrize(
    ("http", "path"),
    [
        ({"routePrefix": "api"}, "/api"),
        ({"routePrefix": "/v1/"}, "/v1"),
        ({"routePrefix": ""}, ""),
        ({}, "/api"),
    ],
)
def test_what_every_path_begins_with(http: dict[str, str], path: str, tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    file.write_text(json.dumps({"version": "2.0", "extensions": {"http": http}}), encoding="utf-8")

    assert HostJson.read(file).base_path == path
