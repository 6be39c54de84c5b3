"""Which files of the project azd, or Core Tools, puts into the package: .funcignore, read as each of them reads it.

azd (createDeployableZip in cli/azd/pkg/project/project_utils.go) reads it as git reads .gitignore.
Core Tools 4 (GitIgnoreParser.cs) takes every line for the beginning of a path, and a line with ! wins over all others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

IGNORE_FILE = ".funcignore"


@dataclass(frozen=True)
class Line:
    """One line of .funcignore: what it leaves out or, with !, lets in again."""

    number: int
    text: str
    pattern: re.Pattern[str]
    lets_in: bool
    folders_only: bool = False


class Rules(Protocol):
    """How one of the two programs decides. Paths are relative to the project, with slashes."""

    name: str
    skipped_folders: frozenset[str]
    skipped_files: frozenset[str]

    def left_out_by(self, path: str) -> Line | None:
        """The line that keeps the file out of the package, or None."""

    def skips(self, folder: str) -> bool:
        """Whether nothing below the folder can be in the package."""


class AzdRules:
    """The last line that fits decides; a folder that is left out is not entered."""

    name = "azd"
    skipped_folders = frozenset({".azure"})
    skipped_files = frozenset({IGNORE_FILE, "local.settings.json"})

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = [_git_line(number, text) for number, text in _numbered(lines)]

    def left_out_by(self, path: str) -> Line | None:
        parts = path.split("/")
        folders = ("/".join(parts[:length]) for length in range(1, len(parts)))
        return next(filter(None, (self._decider(one, is_folder=True) for one in folders)), None) or self._decider(
            path, is_folder=False
        )

    def skips(self, folder: str) -> bool:
        return self._decider(folder, is_folder=True) is not None

    def _decider(self, path: str, *, is_folder: bool) -> Line | None:
        for line in reversed(self._lines):
            if line.pattern.match(path) and (is_folder or not line.folders_only):
                return None if line.lets_in else line
        return None


class CoreToolsRules:
    """A line with ! that fits decides, otherwise any line that fits."""

    name = "Core Tools"
    skipped_folders = frozenset({".git", ".vscode"})
    skipped_files = frozenset({IGNORE_FILE, ".gitignore", "local.settings.json", "project.lock.json"})

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = [_beginning(number, text.strip()) for number, text in _numbered(lines)]

    def left_out_by(self, path: str) -> Line | None:
        fitting = [line for line in self._lines if line.pattern.match(path)]
        return None if not fitting or any(line.lets_in for line in fitting) else fitting[0]

    def skips(self, folder: str) -> bool:
        return not any(line.lets_in for line in self._lines) and self.left_out_by(folder) is not None


def read_rules(root: Path) -> tuple[Rules, Rules]:
    """The rules of azd and of Core Tools for the project. Without a .funcignore they leave nothing out."""
    file = root / IGNORE_FILE
    lines = file.read_text(encoding="utf-8-sig").split("\n") if file.exists() else []
    return AzdRules(lines), CoreToolsRules(lines)


def packaged(root: Path, rules: Rules) -> list[str]:
    """The files of the package, sorted."""
    found = (name for name in files_near(root, rules) if rules.left_out_by(name) is None)
    return sorted(name for name in found if name.rpartition("/")[2].lower() not in rules.skipped_files)


def files_near(root: Path, rules: Rules) -> Iterator[str]:
    """Every file of a folder that the program enters: those it takes, and what lies next to them. Follows links."""
    for folder, folders, files in os.walk(root, followlinks=True):
        if leads_back(root, folder):
            folders.clear()
            continue
        above = Path(folder).relative_to(root)
        folders[:] = [
            name
            for name in sorted(folders)
            if name.lower() not in rules.skipped_folders and not rules.skips((above / name).as_posix())
        ]
        yield from ((above / name).as_posix() for name in files)


def leads_back(root: Path, folder: str) -> bool:
    """Whether the folder is, through a link, one of those that it is in. What is there twice is packaged twice."""
    above = (parent for parent in Path(folder).parents if parent.is_relative_to(root))
    return os.path.realpath(folder) in map(os.path.realpath, above)


def _numbered(lines: Iterable[str]) -> list[tuple[int, str]]:
    stripped = ((number, text.rstrip("\r")) for number, text in enumerate(lines, 1))
    return [(number, text) for number, text in stripped if text.strip() and not text.strip().startswith("#")]


def _beginning(number: int, text: str) -> Line:
    """A line as Core Tools reads it: `*` stops at a slash, `**` does not, and what follows must not continue a word."""
    pattern = text.removeprefix("!").removeprefix("/")
    escaped = re.sub(r"[-\[\]/{}()+?.\\^$|]", r"\\\g<0>", pattern)
    expression = escaped.replace("**", "(.+)").replace("*", r"([^\/]+)")
    return Line(number, text, re.compile(rf"({expression})\b", re.ASCII), text.startswith("!"))


def _git_line(number: int, text: str) -> Line:
    """A line as git reads it (gitignore(5)): one with a slash before its end is meant from the top."""
    pattern = re.sub(r"(?<!\\) +$", "", text)
    lets_in = pattern.startswith("!")
    pattern = pattern[1:] if lets_in else pattern
    folders_only = pattern.endswith("/")
    pattern = pattern.rstrip("/") if folders_only else pattern
    anchored = "/" in pattern
    pattern = pattern.removeprefix("/")
    expression = ("" if anchored else "(?:.*/)?") + _glob(pattern) + r"\Z"
    return Line(number, text, re.compile(expression, re.DOTALL), lets_in, folders_only)


_GLOB = re.compile(
    r"(?P<front>^\*\*/)|(?P<middle>/\*\*/)|(?P<end>/\*\*$)|(?P<stars>\*+)|(?P<any>\?)"
    r"|\[(?P<not>[!^]?)(?P<set>\]?[^\]]*)\]|\\(?P<literal>.)|(?P<plain>.)"
)


def _glob(pattern: str) -> str:
    def part(found: re.Match[str]) -> str:
        kind = found.lastgroup
        fixed = {"front": "(?:.*/)?", "middle": "/(?:.*/)?", "end": "/.+", "stars": "[^/]*", "any": "[^/]"}
        if kind in fixed:
            return fixed[kind]
        if kind == "set":
            members = found["set"].replace("\\", "\\\\").replace("[", "\\[")
            return f"(?!/)[{'^' if found['not'] else ''}{members}]"
        return re.escape(found["literal"] or found["plain"])

    return _GLOB.sub(part, pattern)
