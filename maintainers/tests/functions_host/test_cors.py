"""CORS: only pages of the given origins may read a reply, and never with cookies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from emulators.functions_host import FunctionsHost
from emulators.functions_host.cors import Cors, checked_origin

APP = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("things", methods=["GET", "OPTIONS"])
def things(req):
    return func.HttpResponse("seen", status_code=401, headers={"WWW-Authenticate": "Bearer"})
"""
PAGE, OTHER, STRANGER = "https://localhost:5173", "https://app.example.com", "https://evil.example"
ASKS = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,x-more"}


def served(folder: Path, *origins: str) -> FunctionsHost:
    (folder / "function_app.py").write_text(APP, encoding="utf-8")
    return FunctionsHost(folder, engine="sdk", cors=Cors(origins)).start()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FunctionsHost]:
    with served(tmp_path, PAGE) as host:
        yield host


def ask(host: FunctionsHost, method: str, headers: dict[str, str]) -> requests.Response:
    return requests.request(method, f"{host.url}/api/things", headers=headers, timeout=30)


def about_cors(reply: requests.Response) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name.startswith("Access-Control") or name == "Vary"}


def test_a_preflight_is_answered_by_the_host(host: FunctionsHost) -> None:
    reply = ask(host, "OPTIONS", {"Origin": PAGE, **ASKS})

    assert (reply.status_code, reply.content) == (204, b"")
    assert about_cors(reply) == {
        "Access-Control-Allow-Origin": PAGE,
        "Access-Control-Allow-Methods": "PATCH",
        "Access-Control-Allow-Headers": "authorization,x-more",
    }


@pytest.mark.parametrize("origin", [STRANGER, "null", "*", PAGE + ".evil.example", PAGE.replace("https", "http"), ""])
def test_another_origin_gets_no_header(host: FunctionsHost, origin: str) -> None:
    preflight, call = ask(host, "OPTIONS", {"Origin": origin, **ASKS}), ask(host, "GET", {"Origin": origin})

    assert preflight.status_code == (204 if origin else 401)
    assert (about_cors(preflight), about_cors(call)) == ({}, {})
    assert (call.status_code, call.text) == (401, "seen")


def test_a_call_reaches_the_function_and_its_reply_is_shown_to_the_page(host: FunctionsHost) -> None:
    reply = ask(host, "GET", {"Origin": PAGE})

    assert (reply.status_code, reply.text, reply.headers["WWW-Authenticate"]) == (401, "seen", "Bearer")
    assert about_cors(reply) == {"Access-Control-Allow-Origin": PAGE}


def test_options_without_the_question_of_a_preflight_reaches_the_function(host: FunctionsHost) -> None:
    reply = ask(host, "OPTIONS", {"Origin": PAGE})

    assert (reply.status_code, reply.text) == (401, "seen")


def test_caches_tell_several_origins_apart(tmp_path: Path) -> None:
    with served(tmp_path, PAGE, OTHER) as host:
        first, second = ask(host, "GET", {"Origin": PAGE}), ask(host, "OPTIONS", {"Origin": OTHER, **ASKS})

    assert about_cors(first) == {"Access-Control-Allow-Origin": PAGE, "Vary": "Origin"}
    assert (second.headers["Access-Control-Allow-Origin"], second.headers["Vary"]) == (OTHER, "Origin")


def test_without_origins_cors_is_off(tmp_path: Path) -> None:
    with served(tmp_path) as host:
        preflight = ask(host, "OPTIONS", {"Origin": PAGE, **ASKS})

    assert (preflight.status_code, preflight.text, about_cors(preflight)) == (401, "seen", {})


@pytest.mark.parametrize(
    ("text", "origin"), [(PAGE, PAGE), ("HTTP://LocalHost:3000", "http://localhost:3000"), (OTHER, OTHER)]
)
def test_what_is_an_origin(text: str, origin: str) -> None:
    assert checked_origin(text) == origin


@pytest.mark.parametrize(
    "text", ["*", "localhost:5173", "https://*.example.com", PAGE + "/", PAGE + "/x", "ftp://x", "https://u@x", ""]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        checked_origin(text)
