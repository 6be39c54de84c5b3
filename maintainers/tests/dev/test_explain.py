"""`dev.py explain` without a running stack: where token, settings and keys come from, and what it prints."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emulators.local import explain as local
from emulators.local.errors import LocalError
from emulators.local.settings_of import settings_of
from maintainers.tests.dev.project import Project
from tests.shared.test_settings import CLIENT, TENANT
from tests.shared.test_validator import CLAIMS
from tests.support.genuine import public_jwk
from tests.support.tokens import STRANGER, signed

SETTINGS = {"AzureAd__TenantId": TENANT, "AzureAd__ClientId": CLIENT, "AzureAd__Scopes": "access_as_user"}
UNCHECKED = "Every check passes that could be made, but the signature was not checked."
FORMS = {
    "lines": "".join(f'{name}="{value}"\n' for name, value in SETTINGS.items()),
    "local.settings.json": json.dumps({"IsEncrypted": False, "Values": SETTINGS}),
    "an object": json.dumps(SETTINGS),
    "the list of az": json.dumps(
        [{"name": name, "value": value, "slotSetting": 0} for name, value in SETTINGS.items()]
    ),
}


def token(**claims: object) -> str:
    now = int(time.time())
    times = {"iat": now, "nbf": now, "exp": now + 3600}
    return signed({"alg": "RS256", "kid": "key"}, {**CLAIMS, **times, **claims})


def explain(project: Project, *arguments: str, given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs it with this standard input."""
    return subprocess.run(
        [sys.executable, "dev.py", "explain", *arguments],
        cwd=project.root,
        env={**project.environ, **environ},
        input=given,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture
def env_file(tmp_path: Path) -> str:
    (tmp_path / "app.env").write_text(FORMS["lines"], encoding="utf-8")
    return str(tmp_path / "app.env")


@pytest.mark.parametrize("form", FORMS)
def test_settings_are_read_in_each_form(tmp_path: Path, form: str) -> None:
    (tmp_path / "settings").write_text(f"\ufeff{FORMS[form]}", encoding="utf-8")
    assert settings_of(tmp_path / "settings") == SETTINGS


def test_a_token_from_standard_input_and_no_keys(project: Project, env_file: str) -> None:
    result = explain(project, "--env-file", env_file, given=f"Authorization: Bearer {token()}\n")
    assert result.returncode == 0, result.stderr
    assert "  unknown  signature                  seen: not checked: there is no key set\n" in result.stdout
    assert "  ok       audience                   seen: GUID; expected: AzureAd__ClientId, or api://" in result.stdout
    assert f"\n{UNCHECKED} If the API still refuses, the code in the response" in result.stdout
    assert "The token is good." not in result.stdout
    assert result.stderr.startswith("The signature was not checked. --keys FILE takes the keys")
    assert not any(value in result.stdout for value in (TENANT, CLIENT, "alice"))


def test_a_good_token_is_called_good_and_no_more_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], env_file: str
) -> None:
    monkeypatch.setattr(local, "running", lambda: None)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [public_jwk(STRANGER.public_key(), kid="key")]}), encoding="utf-8")
    assert local.explain([token(), "--env-file", env_file, "--keys", str(keys)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        "The token is good. If the API still refuses, the code in the response or its log says why. "
        "`dev.py doctor` checks the settings."
    )


def test_a_wrong_token_as_an_argument_with_keys(project: Project, env_file: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [public_jwk(STRANGER.public_key(), kid="key")]}), encoding="utf-8")
    result = explain(project, token(aud="https://graph.microsoft.com"), "--env-file", env_file, "--keys", str(keys))
    assert (result.returncode, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  FAILED   audience "))
    assert "seen: a token for a Microsoft API, such as Graph; the client must ask for" in lines[at]
    assert [line.strip().partition(":")[0] for line in lines[at + 1 : at + 3]] == ["expected", "to do"]
    assert "  ok       signature                  seen: a valid one;" in result.stdout
    assert lines[-1] == "The API responds with 401 invalid_token, because of this check: audience"
    assert "graph.microsoft.com" not in result.stdout


def test_values_are_shown_if_asked_for(project: Project, env_file: str) -> None:
    result = explain(project, "--env-file", env_file, "--values", given=token(name="Alice"))
    assert result.returncode == 0
    assert 'claims   name: "Alice"\n' in result.stdout
    assert f"({TENANT})" in result.stdout


def test_wrong_settings_are_named_and_no_check_is_made(project: Project, tmp_path: Path) -> None:
    (tmp_path / "app.env").write_text("AzureAd__TenantId=hunter2\n", encoding="utf-8")
    result = explain(project, "--env-file", str(tmp_path / "app.env"), given=token())
    assert result.returncode == 1
    assert "With the settings in app.env, every token gets 500 server_misconfigured:" in result.stdout
    assert "  FAILED   AzureAd__TenantId must be a GUID" in result.stdout
    assert "hunter2" not in result.stdout + result.stderr


MISTAKES = {
    "no settings": ([], "there are no settings. Give --env-file FILE, or start this first: python3 dev.py run"),
    "no file": (["--env-file", "nowhere"], "cannot read nowhere: No such file or directory"),
    "no JSON": (["--env-file", "BAD"], "is not valid JSON, or holds no settings"),
    "a list of words": (["--env-file", "LIST"], "is not valid JSON, or holds no settings"),
    "no lines": (["--env-file", "LINES"], "line 1: expected NAME=value"),
    "no keys": (["--env-file", "GOOD", "--keys", "nowhere"], "cannot read nowhere: No such file or directory"),
    "keys that are no JSON": (["--env-file", "GOOD", "--keys", "BAD"], "is not JSON; --keys takes a JWKS"),
    "a file": (["--env-file", "GOOD", "LIST"], "is the name of a file. To read the token in it: python3 dev.py expl"),
    "JSON": (["--env-file", "GOOD", '{"access_token": "hunter2"}'], "this is JSON and no token: give the value of"),
    "no token": (["--env-file", "GOOD", "Bearer "], "no token was given. For instance: python3 dev.py token alice | "),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr(local, "running", lambda: None)
    monkeypatch.setattr(local, "ROOT", tmp_path)
    files = {"GOOD": FORMS["lines"], "BAD": '{"hunter2": ', "LINES": "hunter2", "LIST": '["hunter2"]'}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    arguments, told = MISTAKES[case]
    with pytest.raises(LocalError) as raised:
        local.explain([str(tmp_path / each) if each in files else each for each in arguments])
    assert told in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert raised.value.exit_code == 2


def test_the_settings_of_a_laptop_are_found(project: Project) -> None:
    file = project.root / "local.settings.json"
    file.write_text(FORMS["local.settings.json"], encoding="utf-8")
    try:
        result = explain(project, "-", given=token())
    finally:
        file.unlink()
    assert result.returncode == 0
    assert "with the settings in local.settings.json:" in result.stdout


@pytest.mark.skipif(os.name != "posix", reason="a terminal is made with a module that Windows lacks")
def test_at_a_terminal_it_asks_and_shows_nothing_of_what_is_typed(project: Project, env_file: str) -> None:
    import pty

    main, terminal = pty.openpty()
    command = [sys.executable, "dev.py", "explain", "--env-file", env_file]
    process = subprocess.Popen(
        command, cwd=project.root, env=project.environ, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal
    )
    os.close(terminal)
    seen = _read(main, b"not shown")
    bearer = token()
    os.write(main, f"{bearer}\n".encode())
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert UNCHECKED in out.decode()
    seen += _read(main, b"not checked")
    os.close(main)
    assert bearer[:20].encode() not in seen


def _read(terminal: int, until: bytes) -> bytes:
    """What the program writes to the terminal, up to these words."""
    seen, end = b"", time.monotonic() + 30
    while until not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 1000)
    assert until in seen
    return seen


def test_its_help_says_where_everything_comes_from(project: Project) -> None:
    result = explain(project, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: python3 dev.py explain ")
    assert "exit code: 0 every check passes that could be made, 1 one fails, 2 wrong arguments" in result.stdout
