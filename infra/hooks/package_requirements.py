"""What requirements.txt names, installed in a folder of its own, and Microsoft's worker library in another.

Both are kept in .local/package-check, which is never deployed, by the hash of requirements.txt and the Python.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import azd

WORKER = "azure-functions-runtime==1.3.0"  # the version the tests of this repository run with
OLDEST_FOR_WORKER = (3, 13)
KEPT = 3
TIMEOUT_SECONDS = 900
# What a process needs to run at all; none of it is a setting of the app.
PLAIN = ("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "WINDIR", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL")
# What pip also needs: its index, its caches, and proxies. A package that pip builds runs its own code. So it must not
# see what azd and a pipeline pass to a hook, such as tokens that sign in to Azure.
FOR_PIP = re.compile(
    r"PIP_.*|.*_PROXY|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|NETRC|XDG_(CACHE|CONFIG|DATA)_HOME"
    r"|(LOCAL)?APPDATA|PROGRAMDATA|COMSPEC|PATHEXT|CC|CXX|CFLAGS|LDFLAGS",
    re.IGNORECASE,
)


class InstallationError(Exception):
    """The packages cannot be had; the message is what pip said."""


@dataclass(frozen=True)
class Packages:
    """The two folders; the worker library's is empty where it cannot be had."""

    folder: Path

    @property
    def required(self) -> Path:
        return self.folder / "required"

    @property
    def worker(self) -> Path:
        return self.folder / "worker"

    @property
    def indexer(self) -> str:
        """What will index the app."""
        return "Microsoft's worker library" if any(self.worker.iterdir()) else "the azure-functions package"


def install(unpacked: Path, kept: Path) -> Packages:
    """The packages for the requirements.txt of an unpacked package, installed unless they are kept already.

    Raises InstallationError.
    """
    target = kept / digest(unpacked)
    if not target.exists():
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="new-", dir=kept) as folder:
            new = Path(folder) / "packages"
            fill(Packages(new), unpacked)
            move(new, target)
    os.utime(target)
    forget_old(kept)
    return Packages(target)


def digest(unpacked: Path) -> str:
    """Names one installation: by the files that say what to install, this Python, and the worker library."""
    hashed = hashlib.sha256(f"{sys.version_info[:2]} {sys.platform} {WORKER}".encode())
    waiting, seen = [unpacked / "requirements.txt"], set[Path]()
    while waiting:
        file = waiting.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        hashed.update(file.read_bytes())
        text = file.read_text(encoding="utf-8-sig", errors="replace")
        named = re.findall(r"^\s*(?:-r|-c|--requirement|--constraint)[ =]*(\S+)", text, re.MULTILINE)
        waiting += [file.parent / name for name in named]
    return f"python{sys.version_info[0]}.{sys.version_info[1]}-{hashed.hexdigest()[:16]}"


def fill(packages: Packages, unpacked: Path) -> None:
    """Installs into both folders."""
    packages.required.mkdir(parents=True)
    packages.worker.mkdir()
    with tempfile.TemporaryDirectory() as spare:
        python = sys.executable if has_pip(sys.executable) else make_pip(Path(spare))
        azd.say("  installing requirements.txt (once, until it changes) ...")
        pip(python, packages.required, "-r", "requirements.txt", cwd=unpacked)
        if sys.version_info >= OLDEST_FOR_WORKER:
            try:
                pip(python, packages.worker, WORKER, cwd=unpacked)
            except InstallationError as problem:
                azd.say(f"  {WORKER} cannot be had ({problem}), so azure-functions indexes the functions.")
                shutil.rmtree(packages.worker)
                packages.worker.mkdir()


def has_pip(python: str) -> bool:
    done = subprocess.run([python, "-I", "-m", "pip", "--version"], capture_output=True, check=False)  # noqa: S603 - our own
    return done.returncode == 0


def make_pip(folder: Path) -> str:
    """An interpreter that has pip, where this one has none. Raises InstallationError."""
    command = [sys.executable, "-m", "venv", str(folder)]
    made = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own interpreter
    if made.returncode:
        raise InstallationError("this Python has neither pip nor venv (Debian: sudo apt install python3-venv)")
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def pip(python: str, target: Path, *what: str, cwd: Path) -> None:
    """Installs into a plain folder, as the remote build does. Raises InstallationError."""
    # -I: not the pip.py, or any other module that pip imports, that may lie in the project.
    command = [python, "-I", "-m", "pip", "install", "--target", str(target), "--quiet", "--no-input", "--no-compile"]
    environ = {name: value for name, value in os.environ.items() if name in PLAIN or FOR_PIP.fullmatch(name)}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, arguments of our own making
            [*command, "--retries", "2", "--disable-pip-version-check", *what],
            cwd=cwd,
            env={**environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InstallationError(f"pip did not end within {TIMEOUT_SECONDS} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
        raise InstallationError(lines[-1].removeprefix("ERROR: ")[:300] if lines else "pip gave no reason")


def move(new: Path, target: Path) -> None:
    """Moves an installation to its place, unless another process did so first."""
    try:
        new.rename(target)
    except OSError:
        if not target.exists():
            raise


def forget_old(kept: Path) -> None:
    """Keeps the installations that were used last."""
    installed = sorted((path for path in kept.glob("python*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in installed[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
