"""The client application against the emulated tenant: real MSAL, real TLS, a browser that plays the person."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from emulators.applications import API
from emulators.browser import play
from emulators.local.sign_in import client_environ
from emulators.people import PEOPLE
from emulators.stack import Stack
from maintainers.tests.client.http_server import Response, serving
from maintainers.tests.client.test_api import CHALLENGE, CLAIMS, DONE, REFUSED
from maintainers.tests.orders import APPLICATIONS

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack.start(tmp_path_factory.mktemp("stack")) as running:
        running.entra.device_code_interval = 1
        yield running


def environ(stack: Stack, api_url: str = "http://127.0.0.1:9", person: str = "alice") -> dict[str, str]:
    return client_environ(stack.environ("client"), api_url, stack.sign_in_url, person)


def client(env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "client", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", timeout=60, check=False)


def payload(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def test_a_token_alone_on_stdout(stack: Stack) -> None:
    result = client(environ(stack), "--token")

    assert (result.returncode, result.stderr) == (0, "")
    token = result.stdout.removesuffix("\n")
    assert payload(token)["preferred_username"] == "alice@contoso.example"
    assert payload(token)["scp"] == "access_as_user"


def test_with_a_secret_it_is_an_application_and_nobody_signs_in(stack: Stack) -> None:
    own = client_environ(stack.daemon_environ("daemon"), "http://127.0.0.1:9", stack.sign_in_url, None)
    result = client(own, "--token")
    claims = payload(result.stdout)
    assert (result.returncode, claims["idtyp"], "scp" in claims) == (0, "app", False)
    assert claims["azp"] == own["CLIENT_APP_ID"]

    wrong = client({**own, "CLIENT_SECRET": "wrong"}, "--token")
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert "AADSTS7000215" in wrong.stderr
    assert own["CLIENT_SECRET"] not in result.stderr + wrong.stderr


def test_a_call_shows_status_headers_and_body_and_no_token(stack: Stack) -> None:
    with serving((200, {"Content-Type": "application/json", "X-Secret": "x"}, b'{"a":{"b":1}}')) as api:
        result = client(environ(stack, api.url), "/api/me")

    assert result.returncode == 0
    assert result.stdout == '200 OK\nContent-Type: application/json\n\n{\n  "a": {\n    "b": 1\n  }\n}\n'
    assert api.requests[0][2]["Authorization"].startswith("Bearer eyJ")
    assert "eyJ" not in result.stdout + result.stderr


def test_a_challenge_is_answered_with_a_token_for_those_claims(stack: Stack) -> None:
    mark = stack.audit.mark()
    with serving((401, {"WWW-Authenticate": CHALLENGE}, b""), (200, {}, b"done")) as api:
        result = client(environ(stack, api.url, "maya"), "-d", "{}", "/api/orders")

    assert (result.returncode, result.stdout) == (0, "200 OK\n\ndone\n")
    assert f"The API asks for more: {CLAIMS}" in result.stderr
    first, second = (request[2]["Authorization"] for request in api.requests)
    assert first != second
    assert sum(entry.action == "authorization_code" for entry in stack.audit.entries(since=mark)) == 2


def test_a_challenge_can_be_shown_instead(stack: Stack) -> None:
    with serving((401, {"WWW-Authenticate": CHALLENGE}, b"no")) as api:
        result = client(environ(stack, api.url), "--no-step-up", "/api/me")

    assert (result.returncode, len(api.requests)) == (1, 1)
    assert result.stdout == f"401 Unauthorized\nWWW-Authenticate: {CHALLENGE}\n\nno\n"
    assert result.stderr == (
        f"The claims it asks for: {CLAIMS}\nSign in again with them: the same command with --step-up.\n"
    )


def test_what_was_tried_is_not_advised_again(stack: Stack) -> None:
    challenged = (401, {"WWW-Authenticate": CHALLENGE}, b"")
    with serving(challenged, challenged) as api:
        stepped_up = client(environ(stack, api.url), "/api/me")
    with serving(REFUSED, REFUSED) as api:
        consented = client(environ(stack, api.url), "--consent", "/api/me")

    assert stepped_up.stderr.endswith(f"\nThe claims it asks for: {CLAIMS}\n")
    assert "the same command" not in stepped_up.stderr + consented.stderr
    assert "An administrator consents for everybody at https://x" in consented.stderr


def test_a_missing_consent_says_what_to_do_about_it(stack: Stack) -> None:
    with serving(REFUSED) as api:
        result = client(environ(stack, api.url, "connor"), "/api/me")

    assert (result.returncode, result.stdout.splitlines()[0]) == (1, "403 Forbidden")
    assert result.stderr == (
        "Nobody has consented to: a b\n"
        "Consent for yourself: the same command with --consent.\n"
        "An administrator consents for everybody at https://x\n"
    )


@pytest.mark.parametrize(
    ("below", "response", "told"),
    [
        ("/api", (404, {}, b""), "The running API has no route GET /api/me."),
        ("", (404, {}, b""), "The running API has no route GET /me. "),
        ("/api", (404, {"Content-Type": "application/problem+json"}, b"{}"), ""),
        ("/api", (204, {}, b""), ""),
    ],
)
def test_only_a_404_of_no_function_is_called_a_missing_route(
    stack: Stack, below: str, response: Response, told: str
) -> None:
    with serving(response) as api:
        result = client(environ(stack, api.url + below), "/me")

    assert (result.stdout[:3], result.stderr[: len(told) or None]) == (str(response[0]), told)


def test_a_consent_covers_what_the_api_needs_too(stack: Stack) -> None:
    connor, graph = PEOPLE["connor"], APPLICATIONS["graph"]
    assert not stack.directory.granted(connor, API, graph)
    with serving(REFUSED, DONE) as api:
        result = client(environ(stack, api.url, "connor"), "--consent", "/api/me")

    assert (result.returncode, result.stdout) == (0, "200 OK\n\ndone\n")
    assert "Asking for your consent" in result.stderr
    assert stack.directory.granted(connor, API, graph) >= {"User.Read"}
    first, second = (request[2]["Authorization"] for request in api.requests)
    assert first != second
    assert payload(second)["scp"] == "access_as_user"


def test_device_code(stack: Stack) -> None:
    env = environ(stack)
    del env["BROWSER"]
    command = [sys.executable, "-m", "client", "--device-code", "--token"]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            message = process.stderr.readline() if process.stderr else ""
            page, code = re.search(r"(http://localhost:\d+/\S+)", message), re.search(r"code (\w+)", message)
            assert page is not None, message
            assert code is not None, message
            play(f"{page[1]}?otc={code[1]}", "olga", stack.sign_in_url)
            token, _ = process.communicate(timeout=60)
        finally:
            process.kill()

    assert process.returncode == 0
    assert payload(token)["preferred_username"] == "olga@contoso.example"


def test_an_unknown_tenant_is_one_line(stack: Stack) -> None:
    result = client(environ(stack) | {"TENANT_ID": "11111111-2222-4333-8444-555555555555"}, "--token")

    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith("client: ")
    assert "Traceback" not in result.stderr


def test_an_unknown_application_is_entras_first_sentence(stack: Stack) -> None:
    env = environ(stack) | {"CLIENT_APP_ID": "11111111-2222-4333-8444-555555555555"}
    del env["BROWSER"]

    result = client(env, "--device-code", "--token")

    assert result.returncode == 3
    assert "AADSTS700016" in result.stderr
    assert "Trace ID" not in result.stderr


def test_entra_out_of_reach_is_one_line(stack: Stack) -> None:
    env = environ(stack) | {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}

    result = client(env, "--token")

    assert result.returncode == 3
    assert "https://login.microsoftonline.com cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("target", "fault", "told"),
    [
        ("entra.token", {"status": 503}, "responded 503 (fault 503): try again later"),
        ("entra.token", {"status": 500, "body": "<html>"}, "responded 500 (Internal Server Error): try again later"),
        (
            "entra.token",
            {"status": 429, "headers": {"Retry-After": "9"}, "body": {"error": "x", "error_description": "y\nz"}},
            "responded 429 (x: y): try again in 9 seconds",
        ),
        (
            "entra.token",
            {"status": 400, "body": "<html>"},
            "responded 400, which is not a response of Entra ID: is a proxy in between?",
        ),
        ("entra.token", {"status": 400, "body": {"error": "x", "error_description": ["y"]}}, "client: x\n"),
        (
            "entra.token",
            {"status": 200, "body": "[]"},
            "responded 200, which is not a response of Entra ID: is a proxy in between?",
        ),
        (
            "entra.token",
            {"status": 307, "headers": {"Location": "https://graph.microsoft.com/"}},
            "responded 307, which",
        ),
        ("entra.token", {"network": "reset"}, "cannot be reached: ChunkedEncodingError"),
        ("entra.discovery", {"status": 503}, "responded 503 (fault 503): try again later"),
        ("entra.discovery", {"status": 200, "body": {}}, "Entra ID's response cannot be used: KeyError"),
    ],
)
def test_whatever_entra_responds_the_client_says_so_in_one_line(
    target: str, fault: dict[str, Any], told: str, stack: Stack
) -> None:
    switched = stack.faults.add(target, **fault)
    try:
        result = client(environ(stack), "--token")
    finally:
        stack.faults.remove(switched)

    assert (result.returncode, result.stdout) == (3, "")
    assert told in result.stderr
    assert re.fullmatch(r"client: .+\n", result.stderr)


def test_a_terminal_without_the_characters_is_no_reason_to_stop(stack: Stack) -> None:
    with serving((200, {"Content-Type": "application/json"}, '"\u010daj"'.encode())) as api:
        result = client(environ(stack, api.url) | {"PYTHONIOENCODING": "ascii"}, "/api/me")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith('\n"?aj"\n')


def test_a_response_that_asks_for_a_pause_is_shown_with_its_length_and_where_the_cause_is(stack: Stack) -> None:
    with serving((503, {"Retry-After": "10"}, b'{"code": "temporarily_unavailable"}')) as api:
        result = client(environ(stack, api.url) | {"EMULATORS_API_LOG": ".local/api.log"}, "/api/me")

    assert (result.returncode, result.stdout.splitlines()[:2]) == (1, ["503 Service Unavailable", "Retry-After: 10"])
    assert result.stderr == "Try again in 10 s.\nThe cause is in the last lines of .local/api.log\n"


def test_an_api_out_of_reach_is_one_line(stack: Stack) -> None:
    with serving() as api:
        gone = api.url

    result = client(environ(stack, gone), "/api/me")

    assert (result.returncode, result.stdout) == (4, "")
    assert result.stderr == f"client: {gone} did not respond: ConnectionError\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/api/me"], "TENANT_ID is missing"),
        (["/api/me"], "or start `python3 dev.py run` first"),
        ([], "which path? For instance: python3 dev.py client /api/me"),
        (["--env-file", "no-such-file", "/api/me"], "cannot read --env-file"),
    ],
)
def test_wrong_settings_and_arguments_end_before_anything_is_sent(arguments: list[str], message: str) -> None:
    bare = {
        name: value for name, value in os.environ.items() if name not in ("TENANT_ID", "CLIENT_APP_ID", "API_SCOPE")
    }

    result = client(bare, *arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_path_to_another_host_is_refused_before_anybody_signs_in(stack: Stack) -> None:
    result = client(environ(stack), "//evil.example/x")

    assert result.returncode == 2
    assert "not a path of the API" in result.stderr


def test_an_env_file_wins_over_the_environment(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "azd.env"
    right = environ(stack)
    file.write_text(f'TENANT_ID="{right["TENANT_ID"]}"\n', encoding="utf-8")

    result = client(right | {"TENANT_ID": "<tenant>"}, "--env-file", str(file), "--token")

    assert (result.returncode, result.stdout[:3]) == (0, "eyJ")
