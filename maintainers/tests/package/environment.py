"""An environment with requirements.txt and nothing else. The packages of the local host are in another folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import venv
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_HOST_NEEDS = ["uvicorn", "starlette", "azure-functions-runtime"]
# The interpreter sees its own packages first and those of the host last; the folder it starts in counts for nothing.
_LAUNCHER = (
    "import runpy, sys; sys.path[:] = [p for p in sys.path if p] + [{tools!r}]; "
    "runpy.run_module('emulators.functions_host', run_name='__main__')"
)


class CleanEnvironment:
    """A virtual environment made for this test run."""

    def __init__(self, folder: Path, requirements: Path) -> None:
        """Installs; fails with what to do when the packages cannot be had."""
        self._folder = folder
        venv.create(folder / "venv", with_pip=True)
        found = [folder / "venv" / place for place in ("bin/python", "Scripts/python.exe")]
        self.python = next(python for python in found if python.exists())
        command = [str(self.python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "-r", str(requirements)], capture_output=True, encoding="utf-8", timeout=600, check=False
        )
        if done.returncode:
            raise AssertionError(
                "pip could not install requirements.txt into a clean environment. It needs a package index, or a cache "
                f"that holds these packages (PIP_FIND_LINKS, PIP_NO_INDEX); without either, leave "
                f"maintainers/tests/package out.\n"
                f"{done.stderr[-2000:]}"
            )

    def packages(self) -> set[str]:
        """The names of what is installed, pip left out."""
        code = "from importlib import metadata as m; print(*(d.metadata['Name'] for d in m.distributions()))"
        return {_normal(name) for name in self.run(code).split()} - {"pip", "setuptools"}

    def run(self, code: str, cwd: Path | None = None) -> str:
        """What this code prints; it is given no variable of this process but PATH and the like."""
        done = subprocess.run(
            [self.python, "-c", code],
            cwd=cwd or self._folder,
            env=bare(),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def host_command(self) -> list[str]:
        """`python -m emulators.functions_host` in this environment, its own packages borrowed from this one."""
        tools = self._folder / "tools"
        if not tools.exists():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "emulators", tools / "emulators", ignore=ignore)
            copy_distributions(_HOST_NEEDS, tools)
        return [str(self.python), "-c", _LAUNCHER.format(tools=str(tools))]


def bare() -> dict[str, str]:
    """The environment of a process that must find nothing of this one's."""
    kept = ("PATH", "HOME", "SYSTEMROOT", "TEMP", "TMP", "LANG", "LC_ALL")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "PYTHONDONTWRITEBYTECODE": "1"}


def closure(names: list[str]) -> set[str]:
    """These distributions and all they require, as far as they are installed here (not all are for every Python)."""
    waiting, found = list(names), set[str]()
    while waiting:
        name = _normal(waiting.pop())
        try:
            requires = metadata.distribution(name).requires or ()
        except metadata.PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            plain = (line for line in requires if "extra ==" not in line)
            waiting += [match[0] for line in plain if (match := re.match(r"[\w.-]+", line))]
    return found


def copy_distributions(names: list[str], target: Path) -> None:
    """Copies installed distributions with all they require."""
    for name in closure(names):
        distribution = metadata.distribution(name)
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and source.suffix != ".pyc" and source.is_file():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / file)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
