"""Every resource against the real schema of its type and version, in every branch and as deep as it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.infra import kinds
from tests.infra.expressions import Array, Call, Choice, Expr, For, Group, If, Literal, Name, Object, Text
from tests.infra.project import Project
from tests.infra.reader import Resource
from tests.infra.resource_types import ObjectType, resource_type

OF_BICEP_ITSELF = ("scope", "parent", "dependsOn")
# An open list may be incomplete, as Bicep says; every value that is not on it has to be vouched for here.
VOUCHED_FOR: dict[str, tuple[str, ...]] = {}


def problems(project: Project) -> list[str]:
    """Unknown types and properties, wrong kinds and values, read-only properties set, required ones missing."""
    found: list[str] = []
    for path, file in project.files.items():
        for resource in file.all_resources:
            identifier = f"{resource.type}@{resource.version}"
            schema = resource_type(identifier)
            if schema is None:
                found.append(f"{path}:{resource.line}: {identifier} is not in tests/infra/schemas (see its README)")
                continue
            judge = _Judge(project, path, resource)
            found += [f"{path}:{line}: {resource.name}{where} {what}" for line, where, what in judge.body(schema.body)]
        if any(each.type.startswith("Microsoft.Graph/") for each in file.all_resources) != bool(file.extensions):
            found.append(
                f"{path}:1: `extension microsoftGraphV1` goes with Microsoft.Graph resources, and only with them"
            )
    return found


Problem = tuple[int, str, str]


@dataclass(frozen=True)
class _Judge:
    project: Project
    path: str
    resource: Resource

    def body(self, kind: ObjectType) -> Iterator[Problem]:
        return self._object(self.resource.body, kind, "", partial=self.resource.existing)

    def _object(self, value: Object, kind: ObjectType, where: str, *, partial: bool) -> Iterator[Problem]:
        properties = dict(kind.properties)
        if kind.discriminator:
            written = value.get(kind.discriminator)
            chosen = written.plain if isinstance(written, Text) and written.plain is not None else ""
            case = kind.case({kind.discriminator: chosen})
            if case is None:
                yield value.line, where, f"has no variant with {kind.discriminator} {chosen!r}"
                return
            properties |= case.properties
        top = not where
        for item in value.properties:
            at = f"{where}.{item.name}"
            if top and item.name in OF_BICEP_ITSELF:
                continue
            found = properties.get(item.name)
            if found is None and kind.additional is not None:
                yield from self._value(item.value, {"type": kind.additional}, at)
            elif found is None:
                yield item.line, at, f"is no property of {kind.schema.identifier}; there are {', '.join(properties)}"
            elif found.get("ReadOnly"):
                yield item.line, at, "is read-only"
            else:
                yield from self._value(item.value, found, at)
        if not partial:
            required = {name for name, each in properties.items() if each.get("Required") and not each.get("ReadOnly")}
            for name in sorted(required - set(value.names)):
                yield value.line, f"{where}.{name}", "is required"

    def _value(self, value: Expr, wanted: dict[str, Any], where: str) -> Iterator[Problem]:
        kind = wanted["type"]
        match value:
            case Group(inner=inner) | If(body=inner):
                yield from self._value(inner, wanted, where)
            case Choice(yes=yes, no=no):
                yield from self._value(yes, wanted, where)
                yield from self._value(no, wanted, where)
            case Name(name=name) if name in self.file.variables:
                yield from self._value(self.file.variables[name].value, wanted, where)
            case Name(name=name) if name in self.file.params and self.file.params[name].allowed:
                for allowed in self.file.params[name].allowed:
                    yield from self._value(allowed, wanted, where)
            case Call(name="union", arguments=parts) if isinstance(kind, dict) and "object" in kind:
                yield from self._union(parts, wanted, where)
            case Call(name="concat", arguments=parts) if isinstance(kind, dict) and "array" in kind:
                for part in parts:
                    yield from self._value(part, wanted, where)
            case Literal(value=None):
                return
            case _:
                yield from self._plain(value, wanted, where)

    @property
    def file(self) -> Any:
        return self.project.files[self.path]

    def _union(self, parts: tuple[Expr, ...], wanted: dict[str, Any], where: str) -> Iterator[Problem]:
        """Each part for itself; what is required may stand in any of them."""
        for part in parts:
            for line, at, what in self._value(part, wanted, where):
                if what != "is required":
                    yield line, at, what

    def _plain(self, value: Expr, wanted: dict[str, Any], where: str) -> Iterator[Problem]:
        kind = wanted["type"]
        expected = _kind_of(kind)
        actual = kinds.of(value, self.project, self.path)
        if expected and actual and expected != actual:
            yield value.line, where, f"takes a value of kind {expected}, not {actual}"
        elif isinstance(kind, dict) and "array" in kind:
            items = value.items if isinstance(value, Array) else (value.body,) if isinstance(value, For) else ()
            for item in items:
                yield from self._value(item, {"type": kind["array"]}, f"{where}[]")
        elif isinstance(kind, dict) and "object" in kind and isinstance(value, Object):
            yield from self._object(value, ObjectType(_schema(self.resource), kind["object"]), where, partial=False)
        elif isinstance(value, Text) and value.plain is not None:
            yield from ((value.line, where, what) for what in wrong_with(value.plain, wanted, where))
        elif isinstance(value, Literal):
            yield from ((value.line, where, what) for what in wrong_with(value.value, wanted, where))


def wrong_with(value: object, wanted: dict[str, Any], where: str = "") -> Iterator[str]:
    """What the schema has against one plain value: not on the list, too long, too small and so on."""
    kind = wanted["type"]
    if isinstance(kind, dict) and "enum" in kind:
        known = (*kind["enum"], *VOUCHED_FOR.get(where, ()))
        if value not in known:
            yield f"takes one of {', '.join(known)}, not {value!r}"
    limits: list[tuple[str, Callable[[Any, Any], bool]]] = [
        ("minValue", lambda value, limit: value < limit),
        ("maxValue", lambda value, limit: value > limit),
        ("minLength", lambda value, limit: len(value) < limit),
        ("maxLength", lambda value, limit: len(value) > limit),
        ("pattern", lambda value, limit: not re.search(limit, value)),
    ]
    for name, broken in limits:
        if name in wanted and broken(value, wanted[name]):
            yield f"breaks {name} {wanted[name]}: {value!r}"


def _schema(resource: Resource) -> Any:
    return resource_type(f"{resource.type}@{resource.version}")


def _kind_of(kind: Any) -> str | None:
    if isinstance(kind, dict):
        return "string" if "enum" in kind else "array" if "array" in kind else "object"
    return None if kind == "any" else str(kind)
