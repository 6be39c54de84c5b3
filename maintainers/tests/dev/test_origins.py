"""`dev.py run --origin` and `emulators --origin`: a browser app that calls the API."""

from __future__ import annotations

import json
from pathlib import Path

import requests

from maintainers.tests.dev.project import ROOT, Project

PAGE, OTHER = "https://localhost:5173", "http://localhost:3000"
ASKS = {"Origin": PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


def test_a_page_of_that_origin_may_call_the_api_and_not_orders(project: Project) -> None:
    with project.serving("run", "--port", "0", "--origin", PAGE):
        state = project.state()
        preflight = requests.options(f"{state['api_url']}/api/me", headers=ASKS, timeout=30)
        refused = requests.get(f"{state['api_url']}/api/me", headers={"Origin": PAGE}, timeout=30)
        stranger = requests.options(f"{state['api_url']}/api/me", headers={**ASKS, "Origin": OTHER}, timeout=30)
        orders = requests.options(f"{state['apis']['orders']}/api/orders", headers=ASKS, timeout=30)

    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert preflight.headers["Access-Control-Allow-Headers"] == "authorization"
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, PAGE)
    assert "Access-Control-Allow-Origin" not in stranger.headers
    assert (orders.status_code, "Access-Control-Allow-Origin" in orders.headers) == (404, False)


def test_func_start_is_told_the_origins(project: Project) -> None:
    with project.serving("emulators", "--port", "0", "--origin", PAGE, "--origin", OTHER):
        settings = json.loads((project.root / "local.settings.json").read_text(encoding="utf-8"))

    assert settings["Host"]["CORS"] == f"{PAGE},{OTHER}"


def test_what_is_no_origin_is_refused_in_words(project: Project) -> None:
    result = project.dev("run", "--origin", "*")

    assert (result.returncode, result.stdout) == (2, "")
    assert "'*' is no origin of a web page, such as https://localhost:5173" in result.stderr


def test_the_example_of_local_settings_names_an_origin() -> None:
    example = json.loads(Path(ROOT / "local.settings.json.example").read_text(encoding="utf-8"))

    assert example["Host"]["CORS"].startswith("http")
