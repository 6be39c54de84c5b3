"""`python3 dev.py upgrade`: a copy that a person has edited gets a newer version of the template."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emulators.upgrade import UpgradeError, checked_address, version, what_changed
from maintainers.tests.dev.template_repository import (
    APP,
    FILES,
    MAIN,
    NEWER_LOG,
    commit,
    git,
    make_copy,
    make_template,
    release,
    upgrade,
    write,
)

NEWER = {
    "CHANGELOG.md": NEWER_LOG,
    "requirements.txt": "msal==1.0.1\n",
    "shared/transport.py": FILES["shared/transport.py"].replace("TIMEOUT = 15", "TIMEOUT = 20"),
    "shared/added.py": "ADDED = True\n",
    "infra/main.bicep": MAIN.replace("'one'", "'ONE'").replace("'first'", "'second'"),
    "infra/refusals.json": '{\n  "one": 3,\n  "ordersPrivate": 4\n}\n',
    "function_app.py": APP.replace("/me", "/me?$select=id"),
    "downstream_app.py": "def orders() -> None: ...  # newer\n",
    "local-stack.toml": FILES["local-stack.toml"] + "# newer\n",
    "maintainers/tests/test_one.py": "def test_one() -> None: ...  # newer\n",
    "maintainers/tests/test_two.py": "def test_two() -> None: ...\n",
}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return make_template(tmp_path / "template")


@pytest.fixture
def copy(template: Path, tmp_path: Path) -> Path:
    return make_copy(template, tmp_path / "a copy")


def text(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def commands(folder: Path) -> list[str]:
    file = folder / "commands.txt"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def state(folder: Path) -> str:
    """Everything of the work tree, the index and the names in the repository that an upgrade could change."""
    return git(folder, "status", "--porcelain", "--ignored") + git(folder, "for-each-ref") + git(folder, "diff", "HEAD")


def test_a_copy_that_nobody_edited_becomes_the_newer_version(template: Path, copy: Path) -> None:
    release(template, "2.1.0", NEWER)
    before = git(copy, "rev-parse", "HEAD"), git(copy, "for-each-ref")

    done = upgrade(copy, "--from", str(template))

    assert done.returncode == 0, done.stderr
    assert "Upgraded from 2.0.0 to 2.1.0. Everything is staged, and nothing is committed." in done.stderr
    assert git(copy, "write-tree") == git(template, "rev-parse", "v2.1.0^{tree}")
    assert git(copy, "status", "--porcelain", "--untracked-files=no").count("\n") == len(NEWER) + 2
    assert git(copy, "diff") == ""
    assert (git(copy, "rev-parse", "HEAD"), git(copy, "for-each-ref")) == before
    assert not (copy / ".git" / "CHERRY_PICK_HEAD").exists()
    assert commands(copy) == ["check", "test"]


@pytest.fixture
def edited(copy: Path) -> Path:
    """Own routes, own Bicep, own module, own names; no maintainers/ and no Orders."""
    subprocess.run([sys.executable, "emulators/remove_orders.py"], cwd=copy, capture_output=True, check=True)
    shutil.rmtree(copy / "maintainers")
    commit(
        copy,
        {
            "function_app.py": text(copy, "function_app.py") + "\n\ndef mine() -> None: ...\n",
            "azure.yaml": FILES["azure.yaml"].replace("the-template", "my-app"),
            "shared/transport.py": FILES["shared/transport.py"].replace("return 2", "return 22"),
            "infra/main.bicep": text(copy, "infra/main.bicep").replace("'four'", "'FOUR'"),
            "infra/mine.bicep": "param mine string\n",
            "stock.py": "STOCK = 1\n",
            "local-stack.toml": 'scopes = ["mine"]\n',
        },
    )
    return copy


def test_an_edited_copy_keeps_its_edits_and_what_it_removed_stays_removed(template: Path, edited: Path) -> None:
    release(template, "2.1.0", NEWER)
    own = {name: text(edited, name) for name in ("function_app.py", "stock.py", "local-stack.toml", "infra/mine.bicep")}

    done = upgrade(edited, "--from", str(template))

    assert done.returncode == 0, done.stderr
    assert {name: text(edited, name) for name in own} == own
    transport = text(edited, "shared/transport.py")
    assert ("TIMEOUT = 20" in transport, "return 22" in transport) == (True, True)
    bicep = text(edited, "infra/main.bicep")
    assert ("'ONE'" in bicep, "'FOUR'" in bicep, "orders" in bicep) == (True, True, False)
    assert text(edited, "infra/refusals.json") == '{\n  "one": 3\n}\n'
    assert text(edited, "shared/added.py") == "ADDED = True\n"
    assert not (edited / "maintainers").exists()
    assert not (edited / "downstream_app.py").exists()
    assert "name: my-app\nmetadata:\n  template: my-app@2.1.0\n" in text(edited, "azure.yaml")
    assert '__version__ = "2.1.0"' in text(edited, "shared/__init__.py")
    left = [line for line in done.stderr.splitlines() if line.startswith("Yours, and left alone: ")]
    assert [line.split()[4].rstrip(".") for line in left] == ["function_app.py", "local-stack.toml"]
    assert "$select=id" in git(edited, *left[0].rpartition("git ")[2].split())
    git(edited, "commit", "-q", "-m", "upgraded")
    assert "there is no newer one" in upgrade(edited, "--from", str(template)).stderr


def test_a_conflict_is_marked_in_the_file_and_listed(template: Path, copy: Path) -> None:
    release(template, "2.1.0", {**NEWER, "docs/old-name.md": None})
    mine = FILES["shared/transport.py"].replace("TIMEOUT = 15", "TIMEOUT = 5")
    commit(copy, {"shared/transport.py": mine, "docs/old-name.md": FILES["docs/old-name.md"] + "Mine.\n"})

    done = upgrade(copy, "--from", str(template))

    assert done.returncode == 1
    assert "  docs/old-name.md: the template deleted it; git rm it, or keep it\n" in done.stderr
    assert "  shared/transport.py: choose between <<<<<<< (yours) and >>>>>>> (the template)\n" in done.stderr
    assert "Edit each, then `git add` it" in done.stderr
    assert "<<<<<<< HEAD\nTIMEOUT = 5\n=======\nTIMEOUT = 20\n>>>>>>> " in text(copy, "shared/transport.py")
    assert text(copy, "docs/old-name.md").endswith("Mine.\n")
    assert text(copy, "requirements.txt") == "msal==1.0.1\n"
    assert commands(copy) == []  # they would only find the marks
    git(copy, "reset", "-q", "--hard")
    assert (text(copy, "shared/transport.py"), (copy / "shared" / "added.py").exists()) == (mine, False)


@pytest.mark.parametrize("failing", ["check", "test"])
def test_a_failed_check_is_shown(template: Path, copy: Path, failing: str) -> None:
    release(template, "2.1.0", NEWER)
    commit(copy, {"fails.txt": failing})

    done = upgrade(copy, "--from", str(template))

    assert done.returncode == 1
    assert f"Failed: {failing}. Fix it before you commit." in done.stderr
    assert commands(copy) == ["check", "test"]


def test_a_file_that_the_template_moves_takes_the_edits_along(template: Path, copy: Path) -> None:
    release(template, "2.1.0", {"docs/old-name.md": None, "docs/new-name.md": FILES["docs/old-name.md"]})
    commit(copy, {"docs/old-name.md": FILES["docs/old-name.md"] + "Mine.\n"})

    assert upgrade(copy, "--from", str(template)).returncode == 0
    assert text(copy, "docs/new-name.md").endswith("Line 19.\nMine.\n")
    assert not (copy / "docs" / "old-name.md").exists()


def test_a_deleted_file_that_the_template_moves_stays_deleted(template: Path, copy: Path) -> None:
    release(template, "2.1.0", {"docs/old-name.md": None, "docs/new-name.md": FILES["docs/old-name.md"]})
    commit(copy, {"docs/old-name.md": None, "docs/mine.md": "# Mine\n"})

    assert upgrade(copy, "--from", str(template)).returncode == 0
    assert sorted(path.name for path in (copy / "docs").iterdir()) == ["mine.md"]


def test_a_project_in_a_folder_of_a_larger_repository(template: Path, tmp_path: Path) -> None:
    release(template, "2.1.0", NEWER)
    outer = tmp_path / "outer"
    shutil.copytree(template, outer / "apps" / "ours", ignore=shutil.ignore_patterns(".git"))
    write(outer / "apps" / "ours", {**FILES})
    (outer / "apps" / "ours" / "shared" / "added.py").unlink()
    (outer / "apps" / "ours" / "maintainers" / "tests" / "test_two.py").unlink()
    git(outer, "init", "-q")
    commit(outer, {"requirements.txt": "theirs\n"})

    done = upgrade(outer / "apps" / "ours", "--from", str(template))

    assert done.returncode == 0, done.stderr
    assert text(outer / "apps" / "ours", "requirements.txt") == "msal==1.0.1\n"
    assert text(outer, "requirements.txt") == "theirs\n"
    assert {line[3:10] for line in git(outer, "status", "--porcelain", "-uno").splitlines()} == {"apps/ou"}


def test_a_named_version_without_or_with_its_v(template: Path, copy: Path) -> None:
    release(template, "2.0.1", {"requirements.txt": "msal==1.0.1\n"})
    release(template, "2.1.0", NEWER)

    assert upgrade(copy, "2.0.1", "--from", str(template)).returncode == 0
    commit(copy, {})
    assert '"2.0.1"' in text(copy, "shared/__init__.py")
    assert upgrade(copy, "v2.1.0", "--from", str(template)).returncode == 0
    assert '"2.1.0"' in text(copy, "shared/__init__.py")


def test_the_newest_is_found_by_number_and_other_tags_are_no_versions(template: Path, copy: Path) -> None:
    release(template, "2.9.0", {"requirements.txt": "msal==1.0.1\n"})
    release(template, "2.10.0", {"requirements.txt": "msal==1.0.2\n"})
    for name in ("v3.0.0-rc.1", "v9", "latest", "9.0.0", "old/v9.0.0"):
        git(template, "tag", name)

    assert "Upgraded from 2.0.0 to 2.10.0." in upgrade(copy, "--from", str(template)).stderr


def test_an_annotated_tag(template: Path, copy: Path) -> None:
    commit(template, {**NEWER, "shared/__init__.py": '__version__ = "2.1.0"\n'})
    git(template, "tag", "-a", "-m", "a release", "v2.1.0")

    assert upgrade(copy, "--from", str(template)).returncode == 0


def test_what_prints_the_changes_security_first_and_changes_nothing(template: Path, copy: Path) -> None:
    release(template, "2.0.1", {})
    release(template, "2.1.0", NEWER)
    write(copy, {"requirements.txt": "not committed\n"})
    before = state(copy)

    done = upgrade(copy, "--what", "--from", str(template))

    assert (done.returncode, done.stderr) == (0, "From 2.0.0 to 2.1.0:\n")
    assert done.stdout.split("\n\n") == [
        "\nSecurity:\n- 2.0.1: A hole is closed.?[2J",
        "Fixed:\n- 2.0.1: An error.",
        "Added:\n- 2.1.0: A thing, told on two lines.\n",
    ]
    assert state(copy) == before


def test_what_needs_no_repository(template: Path, copy: Path) -> None:
    release(template, "2.1.0", NEWER)
    shutil.rmtree(copy / ".git")

    assert "A hole is closed." in upgrade(copy, "v2.1.0", "--what", "--from", str(template)).stdout


def test_the_address_in_azure_yaml_is_used(template: Path, copy: Path) -> None:
    release(template, "2.1.0", NEWER)
    commit(copy, {"azure.yaml": text(copy, "azure.yaml").replace("# address: (none)", f"# address: {template}")})

    assert upgrade(copy).returncode == 0
    assert f"  template: the-template@2.1.0\n  # address: {template}\n" in text(copy, "azure.yaml")


def refused(folder: Path, *arguments: str, **environ: str) -> str:
    """The message of a refusal, which changed nothing."""
    before = state(folder) if (folder / ".git").exists() else ""
    done = upgrade(folder, *arguments, **environ)
    assert (done.returncode, done.stdout) in ((1, ""), (2, "")), done
    assert commands(folder) == []
    assert (state(folder) if before else "") == before
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["main"], "'main' is no version of the template: give one such as v2.1.0"),
        (["v2"], "'v2' is no version"),
        (["v2.1.0\n"], "is no version"),
        (["v2.1.0^{tree}"], "is no version"),
        (["refs/heads/main"], "is no version"),
        (["--", "--upload-pack=touch x"], "'--upload-pack=touch x' is no version"),
        (["--upload-pack=x"], "unrecognized arguments: --upload-pack=x"),
        (["v2.1.0", "v2.1.1"], "unrecognized arguments: v2.1.1"),
        (["--wat"], "unrecognized arguments: --wat"),
    ],
)
def test_arguments_that_are_no_version(template: Path, copy: Path, arguments: list[str], message: str) -> None:
    assert message in refused(copy, "--from", str(template), *arguments)


@pytest.mark.parametrize(
    "address",
    [
        "ext::sh -c touch% pwned",
        "fd::17",
        "file::/tmp",
        "file:///tmp",
        "git://example.com/a.git",
        "http://example.com/a.git",
        "ftp://example.com/a.git",
        "https://user:secret@example.com/a.git",
        "https://-oProxyCommand=x/a.git",
        "ssh://-oProxyCommand=x/a.git",
        "git@-oProxyCommand=x:a.git",
        "-oProxyCommand=x:a.git",
        "--upload-pack=x",
        "transport::https://example.com",
        "no-such-folder",
        "",
    ],
)
def test_an_address_that_git_must_not_get(copy: Path, address: str) -> None:
    message = refused(copy, f"--from={address}")

    assert "--from" in message
    assert "secret" not in message
    assert not list(copy.glob("pwned*"))


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/o/r",
        "https://host:8443/o/r.git",
        "ssh://git@host/o/r",
        "ssh://host:22/r",
        "git@host:o/r.git",
    ],
)
def test_an_address_that_git_may_get(address: str) -> None:
    assert checked_address(address) == address


def test_git_itself_refuses_other_protocols(copy: Path, template: Path, tmp_path: Path) -> None:
    """Such as one that the settings of git put in the place of an address."""
    config = tmp_path / "config"
    instead = '[url "ext::sh -c touch% pwned "]\n  insteadOf = https://example.com/\n'
    config.write_text(f'{instead}[protocol "ext"]\n  allow = always\n', encoding="utf-8")

    message = refused(copy, "--from", "https://example.com/a", GIT_CONFIG_GLOBAL=str(config))

    assert "transport 'ext' not allowed" in message
    assert not list(copy.glob("pwned*"))


def test_without_an_address(copy: Path) -> None:
    assert "give it, --from https://github.com/OWNER/REPOSITORY" in refused(copy)


def test_changes_that_are_not_committed(template: Path, copy: Path) -> None:
    release(template, "2.1.0", NEWER)
    write(copy, {"shared/transport.py": "MINE = 1\n"})

    assert "commit them, or put them away with git stash. Nothing was changed." in refused(
        copy, "--from", str(template)
    )
    git(copy, "add", "-A")
    assert "commit them" in refused(copy, "--from", str(template))


def test_a_new_file_of_the_template_never_replaces_one_that_git_does_not_know(template: Path, copy: Path) -> None:
    release(template, "2.1.0", {**NEWER, "secrets.local": "theirs\n"} | {".gitignore": "commands.txt\n__pycache__/\n"})
    write(copy, {"secrets.local": "mine\n"})  # .gitignore names it, so git would write over it

    assert "a new file secrets.local, and yours is not committed" in refused(copy, "--from", str(template))
    assert text(copy, "secrets.local") == "mine\n"


def test_no_git(template: Path, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    message = refused(copy, "--from", str(template), PATH=str(tmp_path / "empty"))

    assert "git is not installed: install it from https://git-scm.com, and type this again" in message


def test_no_repository(template: Path, copy: Path) -> None:
    shutil.rmtree(copy / ".git")

    message = refused(copy, "--from", str(template), GIT_CEILING_DIRECTORIES=str(copy.parent))

    assert "this folder is in no git repository: type git init, git add -A and git commit first" in message


def test_a_fresh_repository_without_a_commit(template: Path, copy: Path) -> None:
    shutil.rmtree(copy / ".git")
    git(copy, "init", "-q")

    assert "not committed yet: type git add -A and git commit first" in upgrade(copy, "--from", str(template)).stderr


def test_nothing_newer(template: Path, copy: Path) -> None:
    for arguments in ([], ["v2.0.0"], ["--what"]):
        done = upgrade(copy, *arguments, "--from", str(template))
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == "This project has version 2.0.0, and there is no newer one.\n"


def test_an_older_version(template: Path, copy: Path) -> None:
    git(template, "tag", "v1.9.0")

    assert "v1.9.0 is older than v2.0.0, which this project has" in refused(copy, "v1.9.0", "--from", str(template))


def test_a_version_that_is_not_there(template: Path, copy: Path) -> None:
    assert "has no tag v2.7.0; its newest is v2.0.0" in refused(copy, "v2.7.0", "--from", str(template))


def test_a_repository_without_the_version_of_the_copy(template: Path, copy: Path) -> None:
    release(template, "2.1.0", NEWER)
    git(template, "tag", "-d", "v2.0.0")

    assert "has no tag v2.0.0; its newest is v2.1.0" in refused(copy, "--from", str(template))


def test_a_repository_without_any_version(template: Path, copy: Path) -> None:
    git(template, "tag", "-d", "v2.0.0")

    assert "has no version of the template: check the address" in refused(copy, "--from", str(template))


def test_a_folder_that_is_no_repository(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert "does not appear to be a git repository" in refused(copy, "--from", str(tmp_path / "empty"))


def test_a_newer_tag_that_does_not_descend_from_the_older(template: Path, copy: Path) -> None:
    git(template, "checkout", "-q", "--orphan", "other")
    release(template, "2.1.0", NEWER)

    assert "v2.1.0 does not come after v2.0.0 in the history there" in refused(copy, "--from", str(template))


def test_a_newer_tag_on_another_branch(template: Path, copy: Path) -> None:
    git(template, "checkout", "-q", "-b", "other")
    release(template, "2.1.0", NEWER)
    git(template, "checkout", "-q", "main")
    commit(template, {"requirements.txt": "msal==1.0.0.post1\n"})
    git(template, "tag", "-f", "v2.0.0")

    assert "v2.1.0 does not come after v2.0.0 in the history there" in refused(copy, "--from", str(template))


def test_a_tag_that_holds_another_version(template: Path, copy: Path) -> None:
    commit(template, NEWER)
    git(template, "tag", "v2.1.0")

    assert "the tag v2.1.0 holds another version" in refused(copy, "--from", str(template))


def test_a_repository_named_in_the_environment_is_not_used(template: Path, copy: Path) -> None:
    release(template, "2.1.0", NEWER)

    done = upgrade(copy, "--from", str(template), GIT_DIR=str(template / ".git"), GIT_WORK_TREE=str(template))

    assert done.returncode == 0, done.stderr
    assert git(template, "status", "--porcelain") == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows makes symbolic links for administrators only")
def test_a_link_in_the_template_does_not_lead_out_of_the_project(template: Path, copy: Path, tmp_path: Path) -> None:
    (template / "out").symlink_to(tmp_path, target_is_directory=True)
    commit(template, {})
    git(template, "rm", "-q", "out")
    release(template, "2.1.0", {**NEWER, "out/file.txt": "x\n"})
    (copy / "out").symlink_to(tmp_path, target_is_directory=True)
    commit(copy, {})

    upgrade(copy, "--from", str(template))

    assert not (tmp_path / "file.txt").exists()


@pytest.mark.parametrize("number", ["2.1.0", "v2.1.0", "0.0.0", "10.20.30"])
def test_a_version(number: str) -> None:
    assert version(number) == tuple(map(int, number.removeprefix("v").split(".")))


@pytest.mark.parametrize(
    "number", ["", "v", "2.1", "02.1.0", "2.1.0-rc.1", "vv2.1.0", "٢.1.0", "2.1.0 ", "2.1.9999999"]
)
def test_no_version(number: str) -> None:
    with pytest.raises(UpgradeError):
        version(number)


def test_the_changelog_of_this_project_can_be_read() -> None:
    changelog = (Path(__file__).resolve().parents[3] / "CHANGELOG.md").read_text(encoding="utf-8")

    lines = list(what_changed(changelog, (1, 0, 0), (2, 0, 0)))

    assert lines[:2] == ["", "Security:"]
    assert len([line for line in lines if line.startswith("- 2.0.0: ")]) == changelog.partition("## [2.0.0]")[2].count(
        "\n- "
    )
    assert all(line in ("",) or line.endswith(":") or line.startswith("- 2.0.0: ") for line in lines)
