"""Where the client's settings come from, and the messages when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.env_file import read_env_file
from client.errors import SettingsError
from client.settings import Settings, may_receive_tokens

GOOD = {
    "TENANT_ID": "8f1d2c3b-0000-4000-8000-000000000001",
    "CLIENT_APP_ID": "8f1d2c3b-0000-4000-8000-000000000002",
    "API_SCOPE": "api://obo-api/access_as_user",
    "API_BASE_URL": "https://obo.azurewebsites.net/",
}


def test_good_settings() -> None:
    settings = Settings.from_environ(GOOD)

    assert settings.authority == f"https://login.microsoftonline.com/{GOOD['TENANT_ID']}"
    assert settings.api_base_url == "https://obo.azurewebsites.net"


def test_a_sovereign_cloud_is_named_by_authority_host() -> None:
    settings = Settings.from_environ(GOOD | {"AUTHORITY_HOST": "login.microsoftonline.us/"})

    assert settings.authority == f"https://login.microsoftonline.us/{GOOD['TENANT_ID']}"


def test_everything_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({"API_SCOPE": "  "})

    assert all(f"{name} is missing" in str(caught.value) for name in GOOD)


def test_a_token_alone_needs_no_api_address() -> None:
    assert Settings.from_environ({**GOOD, "API_BASE_URL": ""}, calling=False).api_base_url == ""


@pytest.mark.parametrize(
    "value", ["<tenant id>", "your-tenant-id", "{tenant}", "00000000-0000-0000-0000-000000000000", "…", "change_me"]
)
def test_a_placeholder_is_refused_by_name(value: str) -> None:
    with pytest.raises(SettingsError, match="TENANT_ID still holds a placeholder"):
        Settings.from_environ(GOOD | {"TENANT_ID": value})


def test_the_authority_is_https() -> None:
    with pytest.raises(SettingsError, match="AUTHORITY_HOST must begin with https"):
        Settings.from_environ(GOOD | {"AUTHORITY_HOST": "http://login.microsoftonline.com"})


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://api.example", True),
        ("http://localhost:7071", True),
        ("http://127.0.0.1:7071", True),
        ("http://[::1]:7071", True),
        ("http://api.example", False),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("ftp://localhost", False),
        ("https://", False),
        ("https://someone@api.example", False),
        ("https://api.example?x=1", False),
        ("https://api.example#x", False),
        ("https://api.example:port", False),
        ("https://api.example\\@evil.example", False),
        ("api.example", False),
    ],
)
def test_where_a_token_may_go(url: str, allowed: bool) -> None:
    assert may_receive_tokens(url) is allowed
    if not allowed:
        with pytest.raises(SettingsError, match="API_BASE_URL must be"):
            Settings.from_environ(GOOD | {"API_BASE_URL": url})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_env_file(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "azd.env"
    lines = ['A="a b \\"c\\""', "# comment", "", "export B='b'  # why", " C = c#c  # why", "D=", 'E=""# empty', "F=#"]
    file.write_text("\n".join(lines), encoding=encoding)

    assert read_env_file(file) == {"A": 'a b "c"', "B": "b", "C": "c#c", "D": "", "E": "", "F": ""}


@pytest.mark.parametrize("line", ["no equals sign", 'A="unfinished', "1A=x"])
def test_a_line_that_is_not_one_is_named_by_number_and_not_shown(tmp_path: Path, line: str) -> None:
    file = tmp_path / "azd.env"
    file.write_text(f"A=1\n{line}\n", encoding="utf-8")

    with pytest.raises(SettingsError, match="line 2") as caught:
        read_env_file(file)

    assert line not in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read --env-file"):
        read_env_file(tmp_path / "none")
