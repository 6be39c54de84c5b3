"""`dev.py run --once`: the whole chain in one command, and a correct verdict."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from maintainers.tests.dev.project import Project, with_wrong_prefetch


@pytest.fixture(scope="module")
def result(project: Project) -> subprocess.CompletedProcess[str]:
    """One run for the tests that only look at it."""
    (project.root / ".local" / "stack.json").unlink(missing_ok=True)  # another test's, whose stack was killed
    return project.dev("run", "--once")


def test_two_exchanges_then_none(result: subprocess.CompletedProcess[str]) -> None:
    assert (result.returncode, result.stderr) == (0, "")
    first, second = result.stdout.rstrip().splitlines()[-2:]
    assert first.startswith("first round: 2 On-Behalf-Of exchanges")
    assert second.startswith("second round: 0 On-Behalf-Of exchanges")
    assert "eyJ" not in result.stdout


@pytest.mark.parametrize(
    "way",
    [
        [r"  api → entra +GET  /contoso/discovery/v2\.0/keys +200"],
        [r"    orders → entra +GET  /contoso/discovery/v2\.0/keys +200"],
        [r"  api → identity +GET  /msi/token +200", r"  api → vault +GET  /secrets/api-client/ +200"],
    ],
    ids=["signing keys", "of Orders", "certificate"],
)
def test_the_hops_are_in_order(result: subprocess.CompletedProcess[str], way: list[str]) -> None:
    """Each of the ways that go side by side while the apps are loaded."""
    chain = [
        r"The apps are loaded",
        *way,
        r"Alice Ahlberg signs in",
        r"browser → entra +POST /contoso/login",
        r"client → entra +POST /contoso/oauth2/v2\.0/token +200",
        r"First round",
        r"client → api +GET  /api/me +200 .*Alice Ahlberg",
        r"  api → entra +POST /contoso/oauth2/v2\.0/token +200 .*Microsoft Graph token for alice",
        r"  api → graph +GET  /v1\.0/me +200",
        r"client → api +GET  /api/orders +200",
        r"  api → entra +POST /contoso/oauth2/v2\.0/token +200 .*Orders API token for alice",
        r"  api → orders +GET  /api/orders +200",
        r"Second round",
        r"  api → graph +GET  /v1\.0/me +200",
        r"  api → orders +GET  /api/orders +200",
    ]

    assert re.search(".*".join(chain), result.stdout, re.DOTALL), result.stdout


@pytest.mark.usefixtures("result")
def test_nothing_is_left_of_it(project: Project) -> None:
    assert not (project.root / ".local" / "stack.json").exists()
    assert not list((project.root / ".local").glob("once-*"))


def test_what_is_off_is_said_and_ends_with_1(tmp_path: Path) -> None:
    broken = Project.copy(tmp_path / "copy")
    app = broken.root / "function_app.py"
    source = app.read_text(encoding="utf-8")
    assert '.get("/orders")' in source
    app.write_text(source.replace('.get("/orders")', '.get("/nowhere")'), encoding="utf-8")

    result = broken.dev("run", "--once")

    assert result.returncode == 1
    assert "Not as it should be: first round: orders was not called with success" in result.stdout
    assert "Not as it should be: GET /api/orders responded 404" in result.stdout
    assert result.stdout.rstrip().splitlines()[-2:] == [
        "first round: 2 On-Behalf-Of exchanges",
        "second round: 0 On-Behalf-Of exchanges",
    ]


def test_an_app_that_cannot_be_loaded_is_not_as_it_should_be(tmp_path: Path) -> None:
    project = Project.copy(tmp_path / "copy")
    (project.root / "broken_app.py").write_text("import nothere\n", encoding="utf-8")
    with (project.root / "local-stack.toml").open("a", encoding="utf-8") as table:
        table.write('\n[apis.Broken]\napp = "broken_app.py"\nscopes = ["Broken.Read"]\n')
    result = project.dev("run", "--once")
    assert result.returncode == 1
    assert "Not as it should be: broken: the app could not be loaded" in result.stdout
    assert "No module named 'nothere'" in result.stdout


def test_a_setting_that_only_a_function_names_is_said_when_it_is_wrong(tmp_path: Path) -> None:
    result = with_wrong_prefetch(tmp_path / "copy").dev("run", "--once")
    told = "Every function responds with 500, because this setting is wrong: DownstreamApis__Grpah__Scopes."
    assert (result.returncode, result.stdout.count(f"Not as it should be: {told}")) == (1, 1)
    assert "setting DownstreamApis__Grpah__Scopes is missing, and me prefetches it" in result.stdout
