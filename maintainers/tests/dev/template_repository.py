"""A small template in a git repository on disk, with versions of it as tags, and a copy that a person has made theirs.

The real dev.py is replaced by one that writes down its commands: the checks of the real project take minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ("emulators/__init__.py", "emulators/upgrade.py", "emulators/remove_orders.py")
DEV = """import sys, pathlib
with open("commands.txt", "a", encoding="utf-8") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
sys.exit(sys.argv[1] in pathlib.Path("fails.txt").read_text(encoding="utf-8").split())
"""
APP = """from shared import ApiError, User, requires_user


def me(req: object, user: User) -> object:
    return user.api("Graph").get("/me").json()


def list_orders(req: object, user: User) -> object:
    return user.api("Orders").get("/orders").json()
"""
MAIN = """param one string = 'one'
param two string = 'two'
param three string = 'three'
param four string = 'four'

// <orders>
param orders string = 'first'
// </orders>
output one string = one
"""
AZURE = """# What azd reads.
name: the-template
metadata:
  template: the-template@2.0.0
  # address: (none)

hooks: {}
"""
FILES = {
    "dev.py": DEV,
    "fails.txt": "",
    ".gitignore": "commands.txt\n__pycache__/\n*.local\n",
    "azure.yaml": AZURE,
    "shared/__init__.py": '"""What a function needs."""\n\n__version__ = "2.0.0"\n',
    "shared/transport.py": "TIMEOUT = 15\n\n\ndef one() -> int:\n    return 1\n\n\ndef two() -> int:\n    return 2\n",
    "function_app.py": APP,
    "downstream_app.py": "def orders() -> None: ...\n",
    "local-stack.toml": 'scopes = ["access_as_user"]\n# <orders>\n[apis.Orders]\n# </orders>\n',
    "infra/main.bicep": MAIN,
    "infra/main.parameters.json": '{\n  "one": 1,\n  "existingOrdersScopes": 2\n}\n',
    "infra/refusals.json": '{\n  "one": 1,\n  "ordersPrivate": 2\n}\n',
    "local.settings.json.example": '{\n  "one": 1,\n  "Orders": 2\n}\n',
    "maintainers/tests/test_one.py": "def test_one() -> None: ...\n",
    "docs/old-name.md": "# A page\n\n" + "".join(f"Line {number}.\n" for number in range(20)),
    "requirements.txt": "msal==1.0.0\n",
    "README.md": "# The template\n",
    "CHANGELOG.md": "# Changelog\n\n## [2.0.0] - 2026-01-01\n\n### Added\n\n- All of it.\n",
}
NEWER_LOG = """# Changelog

## [Unreleased]

### Added

- Not yet.

## [2.1.0] - 2026-02-01

### Added

- A thing, told
  on two lines.

## [2.0.1] - 2026-01-15

### Security

- A hole is closed.\x1b[2J

### Fixed

- An error.

## [2.0.0] - 2026-01-01

### Added

- All of it.
"""


def git(folder: Path, *arguments: str) -> str:
    """Runs git, without the settings of this machine."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", *who, *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(folder: Path, files: Mapping[str, str | None]) -> None:
    """Writes files; None deletes one."""
    for name, text in files.items():
        file = folder / name
        if text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")


def commit(folder: Path, files: Mapping[str, str | None], message: str = "a change") -> None:
    write(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def of_version(number: str) -> dict[str, str]:
    """The two files that name a version."""
    return {name: FILES[name].replace("2.0.0", number) for name in ("azure.yaml", "shared/__init__.py")}


def make_template(folder: Path) -> Path:
    """The repository of the template, with the tag v2.0.0."""
    folder.mkdir()
    git(folder, "init", "-q")
    scripts = {name: (ROOT / name).read_text(encoding="utf-8") for name in SCRIPTS}
    commit(folder, {**FILES, **scripts})
    git(folder, "tag", "v2.0.0")
    return folder


def release(template: Path, number: str, files: Mapping[str, str | None]) -> None:
    """One more version."""
    commit(template, {**of_version(number), **files})
    git(template, "tag", f"v{number}")


def make_copy(template: Path, folder: Path) -> Path:
    """What `azd init -t` makes: the files, in a new repository. The person has committed them."""
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns(".git"))
    git(folder, "init", "-q")
    commit(folder, {})
    return folder


def upgrade(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as dev.py does."""
    return subprocess.run(
        [sys.executable, "-m", "emulators.upgrade", *arguments],
        cwd=folder,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "PYTHONDONTWRITEBYTECODE": "1", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
