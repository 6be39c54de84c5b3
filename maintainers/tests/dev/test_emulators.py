"""`dev.py emulators`: everything but the API, and local.settings.json for `func start`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emulators.local.processes import AppProcess
from emulators.local.settings_file import NAME, local_settings, recover
from emulators.loopback import free_port
from maintainers.tests.dev.project import Project

MINE = '{"IsEncrypted": false, "Values": {"MINE": "1"}}  '


def test_an_app_started_with_that_file_works_beside_them(project: Project, tmp_path: Path) -> None:
    file = project.root / NAME
    file.write_text(MINE, encoding="utf-8")

    with project.serving("emulators", "--port", "0") as serving:
        settings = json.loads(file.read_text(encoding="utf-8"))
        assert f"kept as {NAME}.bak and comes back" in serving.text
        assert (project.root / f"{NAME}.bak").read_text(encoding="utf-8") == MINE
        url = _serve_as_core_tools_would(project, settings["Values"], tmp_path)
        serving.stop()

    assert url
    assert settings["IsEncrypted"] is False
    assert settings["Values"]["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert settings["Host"] == {"LocalHttpPort": 7071}
    assert len({name.upper() for name in settings["Values"]}) == len(settings["Values"])
    assert file.read_text(encoding="utf-8") == MINE
    assert not (project.root / f"{NAME}.bak").exists()
    file.unlink()


def _serve_as_core_tools_would(project: Project, values: dict[str, str], folder: Path) -> str:
    """Serves the API with the file's values and nothing else, and calls it; what it listened on."""
    environ = {"PATH": project.environ["PATH"], **values}
    app = AppProcess("api", 0, environ, folder / "api.log", lambda _app, _line: None, "sdk")
    try:
        state = project.state()
        moved = json.dumps({**state, "api_url": app.ready().url})
        (project.root / ".local" / "stack.json").write_text(moved, encoding="utf-8")
        for path in ("/api/me", "/api/orders"):
            assert project.dev("call", "alice", path).returncode == 0
    finally:
        app.stop()
    return app.url


def test_without_a_file_of_ones_own_none_is_left(project: Project) -> None:
    with project.serving("emulators", "--port", "0") as serving:
        assert (project.root / NAME).exists()
        _the_doctor_stays_at_the_stack(project)
        state = {**project.state(), "api_url": f"http://127.0.0.1:{free_port()}"}  # its own may be a developer's
        (project.root / ".local" / "stack.json").write_text(json.dumps(state), encoding="utf-8")
        called = project.dev("call", "alice", "/api/me")
        assert (called.returncode, called.stdout) == (4, "")
        assert called.stderr.startswith("dev.py: the API does not run: `dev.py emulators` leaves it to you. Start it")
        assert serving.stop() == 0

    assert not (project.root / NAME).exists()


def _the_doctor_stays_at_the_stack(project: Project) -> None:
    """Its own file leads to the emulated tenant, and what a person has changed in it counts."""
    file = project.root / NAME
    written = file.read_text(encoding="utf-8")
    changed = json.loads(written)
    changed["Values"]["AzureAd__Scopes"] = "acces_as_user"
    file.write_text(json.dumps(changed), encoding="utf-8")
    found = json.loads(project.dev("doctor", "--json", "--env-file", NAME).stdout)
    file.write_text(written, encoding="utf-8")

    by_name = {one["check"]: one for one in found["checks"]}
    assert found["you"] == "alice@contoso.example"
    assert by_name["registration"]["status"] == "ok"
    assert by_name["scopes"]["correct"][0].startswith("correct the setting AzureAd__Scopes, perhaps to access_as_user")


def test_a_crash_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_text(MINE, encoding="utf-8")
    crashed = local_settings(tmp_path, {"A": "1"}, 7071)
    assert crashed.__enter__() == f"{NAME}.bak"
    written = file.read_text(encoding="utf-8")

    with local_settings(tmp_path, {"A": "2"}, 7071) as kept:  # the next start puts the file back before it begins
        assert (kept, file.read_text(encoding="utf-8") != written) == (f"{NAME}.bak", True)

    assert file.read_text(encoding="utf-8") == MINE
    assert [path.name for path in tmp_path.glob(f"{NAME}*")] == [NAME]


def test_nobodys_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(MINE, encoding="utf-8")
    (tmp_path / f"{NAME}.bak").write_text("an older one", encoding="utf-8")

    with local_settings(tmp_path, {}, 7071) as kept:
        assert kept == f"{NAME}.bak2"

    assert (tmp_path / NAME).read_text(encoding="utf-8") == MINE
    assert (tmp_path / f"{NAME}.bak").read_text(encoding="utf-8") == "an older one"


@pytest.mark.parametrize("content", [MINE, "not json", "[]", ""])
def test_recovering_leaves_a_persons_file_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content, encoding="utf-8")

    recover(tmp_path)

    assert (tmp_path / NAME).read_text(encoding="utf-8") == content


def test_what_a_person_wrote_over_ours_is_theirs(tmp_path: Path) -> None:
    with local_settings(tmp_path, {}, 7071):
        (tmp_path / NAME).write_text(MINE, encoding="utf-8")

    assert (tmp_path / NAME).read_text(encoding="utf-8") == MINE
