"""The files that the checks look at, as text, so that a test can break a copy of them in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.infra.reader import BicepFile, read

ROOT = Path(__file__).parents[2]
PATTERNS = (
    "azure.yaml",
    "host.json",
    "infra/*.bicep",
    "infra/*.json",
    "infra/*.sh",
    "infra/hooks/*.py",
    "docs/*.md",
    "*_app.py",
)


@dataclass(frozen=True)
class Project:
    """Text by path, relative to the root of the repository, with forward slashes."""

    texts: Mapping[str, str]

    @classmethod
    def read(cls, root: Path = ROOT) -> Project:
        """The project as it lies on the disk."""
        paths = (path for pattern in PATTERNS for path in sorted(root.glob(pattern)))
        return cls({path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths})

    @property
    def files(self) -> dict[str, BicepFile]:
        """The Bicep files by path."""
        return {path: read(text) for path, text in self.texts.items() if path.endswith(".bicep")}

    def bicep(self, name: str) -> BicepFile:
        """A Bicep file of infra/ by its name there."""
        return read(self.texts[f"infra/{name}"])

    def changed(self, path: str, old: str, new: str) -> Project:
        """A copy with the first `old` in one file replaced. Raises ValueError when there is none."""
        if old not in self.texts[path]:
            raise ValueError(f"{path} does not hold {old!r}")
        return Project({**self.texts, path: self.texts[path].replace(old, new, 1)})
