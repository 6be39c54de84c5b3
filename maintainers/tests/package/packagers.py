"""Which files azd and Core Tools put into the package of a folder, by the rules of each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

IGNORE_FILE = ".funcignore"


def azd_takes(root: Path) -> set[str]:
    """As azd 1.31 does for `host: function` (createDeployableZip in cli/azd/pkg/project/project_utils.go).

    The ignore file means what it would mean to git; a folder it names is not entered. Links are followed.
    """
    ignored = GitIgnoreSpec.from_lines((root / IGNORE_FILE).read_text(encoding="utf-8").splitlines())

    def walk(folder: Path, prefix: str) -> Iterator[str]:
        for entry in folder.iterdir():
            name = f"{prefix}{entry.name}"
            if entry.is_dir():
                if entry.name != ".azure" and not ignored.match_file(f"{name}/"):
                    yield from walk(entry, f"{name}/")
            elif entry.name not in (IGNORE_FILE, "local.settings.json") and not ignored.match_file(name):
                yield name

    return set(walk(root, ""))


def core_tools_takes(root: Path) -> set[str]:
    """As Core Tools 4 does (GetLocalFiles in src/Cli/func/Common/FileSystemHelpers.cs, and GitIgnoreParser.cs there).

    Each line is the beginning of a path from the root. `*` stops at a slash, `**` does not. The next character must not
    continue a word. A line with `!` wins over all others.
    """
    lines = [line.strip() for line in (root / IGNORE_FILE).read_text(encoding="utf-8").split("\n")]
    patterns = [line for line in lines if line and not line.startswith("#")]
    denied = _beginnings(pattern for pattern in patterns if not pattern.startswith("!"))
    kept = _beginnings(pattern[1:] for pattern in patterns if pattern.startswith("!"))
    never = {IGNORE_FILE, ".gitignore", "local.settings.json", "project.lock.json"}
    return {
        name
        for name in _files(root, {".git", ".vscode"})
        if name.rpartition("/")[2].lower() not in never and (kept.match(name) or not denied.match(name))
    }


def _beginnings(patterns: Iterable[str]) -> re.Pattern[str]:
    def expression(pattern: str) -> str:
        escaped = re.sub(r"[-\[\]/{}()+?.\\^$|]", r"\\\g<0>", pattern.removeprefix("/"))
        return escaped.replace("**", "(.+)").replace("*", r"([^\/]+)")

    alternatives = ")|(".join(sorted(map(expression, patterns)))
    return re.compile(rf"^(({alternatives}))\b" if alternatives else "$^", re.ASCII)  # no line fits nothing


def _files(root: Path, skipped: set[str]) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name.lower() not in skipped]
        for file in files:
            yield (Path(folder) / file).relative_to(root).as_posix()


def write_zip(root: Path, names: Iterable[str], target: Path) -> Path:
    """The package: these files of the folder."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name in sorted(names):
            package.write(root / name, name)
    return target


def azd_package(azd: str, root: Path, folder: Path) -> dict[str, set[str]]:
    """What `azd package` itself puts into the zip of each service; needs no network and no sign-in."""
    environ = {
        **os.environ,
        "AZD_CONFIG_DIR": str(folder / "azd"),
        "AZURE_DEV_COLLECT_TELEMETRY": "no",
        "AZD_SKIP_UPDATE_CHECK": "true",
        "TMPDIR": str(folder),
        "TEMP": str(folder),
    }
    done = subprocess.run(
        [azd, "package", "--all", "--output", "json", "--no-prompt", "--environment", "packaging"],
        cwd=root,
        env=environ,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    services = next(part for part in _json_values(done.stdout) if "services" in part)["services"]
    found = {}
    for service, result in services.items():
        (archive,) = (part["location"] for part in result["artifacts"] if part["kind"] == "archive")
        with zipfile.ZipFile(archive) as package:
            found[service] = set(package.namelist())
    return found


def _json_values(text: str) -> Iterator[dict[str, dict[str, dict[str, list[dict[str, str]]]]]]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        yield value
        at += len(text[at:]) - len(text[at:].lstrip())
