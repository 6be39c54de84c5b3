"""`--redis URL`: for the API only, on this machine only, and unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from emulators.local.errors import LocalError
from emulators.local.settings_file import NAME
from emulators.local.shared_cache import address, cache_settings
from maintainers.tests.dev.project import Project
from maintainers.tests.redis.server import WHY_NOT, RedisServer, dump, program
from shared.settings.environ import is_redis_url

SETTING = "TokenCache__Redis__Url"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Redis, empty."""
    if program() is None:
        pytest.skip(WHY_NOT)
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def test_the_api_shares_what_it_exchanges_and_exec_has_its_environment(project: Project, server: RedisServer) -> None:
    with project.serving("run", "--port", "0", "--redis", server.url) as serving, server.client() as client:
        assert f"Redis         127.0.0.1:{server.port} " in serving.text
        assert dump(client) == {}
        assert project.dev("call", "alice", "/api/me").returncode == 0
        assert len(dump(client)) == 1
        environs = project.state()["environ"]
        show = project.dev("exec", "--", "python", "-c", f"import os; print(os.environ['{SETTING}'])")

    assert show.stdout.strip() == server.url
    assert {name for name, environ in environs.items() if SETTING in environ} == {"api", "doctor"}  # it judges them


def test_func_start_beside_the_emulators_gets_it_too(project: Project, server: RedisServer) -> None:
    with project.serving("emulators", "--port", "0", "--redis", server.url):
        settings = json.loads((project.root / NAME).read_text(encoding="utf-8"))

    assert settings["Values"][SETTING] == server.url


def test_both_rounds_of_once_are_as_they_should_be(project: Project, server: RedisServer) -> None:
    result = project.dev("run", "--once", "--redis", server.url)

    assert (result.returncode, "Not as it should be" in result.stdout) == (0, False), result.stdout + result.stderr


@pytest.mark.parametrize("form", ["redis://localhost:{}", "redis://127.0.0.1:{}/2", "redis://:pass@127.0.0.1:{}/"])
def test_an_address_on_this_machine_is_taken_as_it_stands(form: str, server: RedisServer) -> None:
    url = form.format(server.port)

    assert cache_settings(url) == {SETTING: url}
    assert is_redis_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "rediss://127.0.0.1:6379",  # nobody here would vouch for it
        "redis://cache.example:6379",
        "redis://127.0.0.1.example",
        "redis://127.0.0.1:0",
        "redis://127.0.0.1:port",
        "redis://127.0.0.1:99999",
        "redis://127.0.0.1/name",
        "redis://127.0.0.1?db=1",
        "redis://127.0.0.1#1",
        "redis://127.0.0.1 ",
        "redis://[::1",
        "127.0.0.1:6379",
        "",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(LocalError, match=r"such as redis://127\.0\.0\.1:6379"):
        cache_settings(url)


def test_without_the_option_there_is_no_such_setting() -> None:
    assert cache_settings(None) == {}
    assert address(None) == ""


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://someone:secret@localhost:7000/2", "localhost:7000"),
        ("redis://127.0.0.1", "127.0.0.1:6379"),
        ("redis://:secret@[::1]:7000", "[::1]:7000"),
    ],
)
def test_a_person_is_told_the_address_and_no_secret(url: str, told: str) -> None:
    assert address(url) == told


def test_no_key_for_a_redis_that_nobody_starts(project: Project) -> None:
    with project.serving("run", "--port", "0"):
        written = {path.name for path in (project.root / ".local").glob("*.pem")}

    assert "ca.pem" in written
    assert "redis.pem" not in written
