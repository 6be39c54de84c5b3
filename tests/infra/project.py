"""The files that the rules look at, what the compiler makes of them, and copies in which a test makes a mistake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.infra.bicep import BicepError, Compiler, Diagnostic
from tests.infra.open_values import filled

ROOT = Path(__file__).parents[2]
MAIN = "infra/main.bicep"
REGISTRATIONS = "infra/registrations.bicep"
ENTRIES = (MAIN, REGISTRATIONS)
"""The files that somebody deploys; all others are their modules."""
PARAMETERS = "tests/infra/parameters"
PATTERNS = (
    "azure.yaml",
    "local-stack.toml",
    "host.json",
    "requirements.txt",
    "pyproject.toml",
    "*_app.py",
    "infra/*.bicep",
    "infra/*.json",
    "infra/*.sh",
    "infra/queries/*.kql",
    "infra/hooks/*.py",
    "docs/*.md",
    f"{PARAMETERS}/*.bicepparam",
    f"{PARAMETERS}/registrations/*.bicepparam",
)

Resource = dict[str, Any]


@dataclass(frozen=True)
class Deployment:
    """What main.bicep would make with one set of parameters, as plain dictionaries.

    `resources` and `outputs` are the snapshot's, with the values of open_values.py in place of open expressions.
    """

    name: str
    """The name of the parameter set."""
    parameters: Mapping[str, Any]
    """The values that the set gives, and the defaults of the others."""
    given: frozenset[str]
    """The names of the parameters that the set gives."""
    resources: list[Resource]
    outputs: Mapping[str, Any]
    texts: Mapping[str, str]
    """The files of the project, by path."""

    def of_type(self, kind: str) -> list[Resource]:
        """The resources of one type, such as `Microsoft.Web/sites`; of Microsoft Graph without the version."""
        return [resource for resource in self.resources if resource["type"].partition("@")[0] == kind]


def at(found: Any, path: str) -> Any:
    """`a.b.c` of nested objects; None when there is none."""
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value within nested objects and lists that is neither, with its path: `.properties.tags.a`, `.list[0]`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{path}[{number}]")
    else:
        yield path, value


def label(resource: Resource) -> str:
    """How messages name a resource: its type and its name, or its unique name for one of Microsoft Graph."""
    name = resource.get("name") or resource["properties"].get("uniqueName") or ""
    return f"{resource['type'].partition('@')[0]} {name}".strip()


@dataclass(frozen=True)
class Project:
    """A folder with infra/ and its related files, and the compiler that reads it.

    `committed`: a folder of snapshots that its deployments come from, in place of new ones.
    """

    root: Path
    compiler: Compiler
    committed: Path | None = None

    @cached_property
    def texts(self) -> dict[str, str]:
        """Text by path, relative to the root, with forward slashes."""
        paths = (path for pattern in PATTERNS for path in sorted(self.root.glob(pattern)))
        return {path.relative_to(self.root).as_posix(): path.read_text(encoding="utf-8") for path in paths}

    @property
    def diagnostics(self) -> Iterator[str]:
        """Everything the compiler and its linter say about any .bicep or .bicepparam file, one line each.

        A parameter set repeats what is wrong with main.bicep, so it is looked at only when nothing is.
        """
        said: set[str] = set()
        paths = [MAIN, *(path for path in self.texts if path.endswith((".bicep", ".bicepparam")) and path != MAIN)]
        for path in paths:
            repeats = path in self.modules or (said and path.endswith(".bicepparam"))
            if not repeats:
                lines = [line for line in self._said_about(path) if line not in said]
                yield from lines
                said.update(lines)

    @cached_property
    def modules(self) -> set[str]:
        """The files that main.bicep is compiled from, but not itself. Empty when the compiler cannot tell."""
        try:
            found = [Path(path) for path in self.compiler.references(self.root / MAIN)]
        except BicepError:  # 0.49.2 fails on a name that is declared twice; then each file is checked by itself
            found = []
        return {path.relative_to(self.root).as_posix() for path in found if path.is_relative_to(self.root)} - {MAIN}

    @cached_property
    def template(self) -> dict[str, Any]:
        """main.bicep compiled. Raises BicepError with the compiler's words when there are errors."""
        return self.compiler.template(self.root / MAIN)

    @property
    def sets(self) -> list[str]:
        """The names of the parameter sets of main.bicep."""
        return [name for name in self.all_sets if "/" not in name]

    @property
    def all_sets(self) -> list[str]:
        """The names of all parameter sets; those of registrations.bicep begin with `registrations/`."""
        paths = (path for path in self.texts if path.endswith(".bicepparam"))
        return [path.removeprefix(f"{PARAMETERS}/").removesuffix(".bicepparam") for path in paths]

    @property
    def deployments(self) -> Iterator[Deployment]:
        """One for each parameter set; a snapshot is taken when it is first asked for. Raises BicepError."""
        yield from (self.deployment(name) for name in self.sets)

    def deployment(self, name: str) -> Deployment:
        """The deployment with one parameter set. Raises BicepError."""
        if name not in self._taken:
            snapshot = _read(self.committed / f"{name}.json") if self.committed else self.snapshot(name)
            given, defaults = self.compiler.parameters(self._set(name))
            self._taken[name] = Deployment(
                name,
                {**defaults, **given},
                frozenset(given),
                [filled(resource) for resource in snapshot["predictedResources"]],
                filled(snapshot["outputs"]),
                self.texts,
            )
        return self._taken[name]

    def snapshot(self, name: str) -> dict[str, Any]:
        """The compiler's own snapshot for one parameter set, new. Raises BicepError."""
        return self.compiler.snapshot(self._set(name))

    def copy(self, folder: Path) -> Project:
        """The same files in an empty folder."""
        for path in self.texts:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / path, target)
        return Project(folder, self.compiler)

    def changed(self, path: str, old: str, new: str) -> Project:
        """This project with the first `old` in one file replaced, on the disk: for copies.

        Raises ValueError when the file does not hold it.
        """
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        if old not in text:
            raise ValueError(f"{path} does not hold {old!r}")
        file.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")
        return Project(self.root, self.compiler)

    @cached_property
    def _taken(self) -> dict[str, Deployment]:
        return {}

    def _set(self, name: str) -> Path:
        return self.root / PARAMETERS / f"{name}.bicepparam"

    def _said_about(self, path: str) -> list[str]:
        try:
            found = {self._relative(each) for each in self.compiler.diagnostics(self.root / path)}
            return [str(each) for each in sorted(found)]
        except BicepError as error:
            return [f"{path}: {error}"]

    def _relative(self, found: Diagnostic) -> Diagnostic:
        inside = Path(found.path)
        path = inside.relative_to(self.root).as_posix() if inside.is_relative_to(self.root) else found.path
        return Diagnostic(path, found.line, found.column, found.level, found.code, found.message)


def _read(snapshot: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(snapshot.read_text(encoding="utf-8"))
    return found
