"""The start of an app, as the host sees it: its functions, and wrong settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from emulators.functions_host import FunctionsHost
from tests.support.leaks import LeakWatch
from tests.support.live import Live, start_app

ROOT = Path(__file__).parents[2]
ENGINES = ["worker", "sdk"]


def available(engine: str) -> str:
    if engine == "worker":
        pytest.importorskip("azure_functions_runtime", reason="Microsoft's worker library needs Python 3.13")
    return engine


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("function_app.py", {"protected_resource_metadata", "me", "list_orders", "add_order", "mcp", "check_health"}),
        ("downstream_app.py", {"list_orders", "get_order", "add_order"}),
    ],
)
def test_both_apps_are_indexed(engine: str, script: str, names: set[str]) -> None:
    with FunctionsHost(ROOT, engine=available(engine), script=script) as host:
        assert host.indexing_error is None
        assert {function.name for function in host.functions} == names


def test_wrong_settings_are_all_named_and_every_route_still_responds(
    live: Live, tmp_path: Path, leak_watch: LeakWatch
) -> None:
    environ = {**live.stack.environ("api"), "AzureAd__TenantId": "<id of your tenant>", "AzureAd__Scope": "x"}
    del environ["DownstreamApis__Graph__Scopes"]
    lines: list[str] = []
    app = start_app("api", environ, tmp_path, leak_watch, lines)
    try:
        wrong = ["AzureAd__Scope", "AzureAd__TenantId", "DownstreamApis__Graph__Scopes"]
        health = requests.get(f"{app.url}/api/health", timeout=30)
        assert (health.status_code, health.json()) == (503, {"status": "unhealthy", "settings": wrong})
        reply = requests.get(f"{app.url}/api/me", headers={"Authorization": "Bearer x"}, timeout=30)
        assert (reply.status_code, reply.json()["code"]) == (500, "server_misconfigured")
        assert "AzureAd" not in reply.text
    finally:
        app.stop()
    named = {line.split("User: setting ")[1].split()[0] for line in lines if "User: setting " in line}
    assert named == set(wrong)
    assert any("did you mean AzureAd__Scopes?" in line for line in lines)


def test_the_example_of_local_settings_is_refused_by_name_until_it_is_filled_in() -> None:
    import json

    from shared.errors import SettingsError
    from shared.settings.settings import Settings

    example = json.loads((ROOT / "local.settings.json.example").read_text(encoding="utf-8"))["Values"]
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(example)
    placeholders = {name for name, value in example.items() if "<" in value}
    assert set(raised.value.problems) == placeholders
    assert placeholders >= {"AzureAd__TenantId", "AzureAd__ClientId", "DownstreamApis__Orders__Scopes"}
