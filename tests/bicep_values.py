"""Works out what an expression of the template comes to, given Azure's answers. What it does not know it refuses."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.infra.expressions import (
    Array,
    Binary,
    Call,
    Choice,
    Expr,
    For,
    Group,
    Index,
    Literal,
    Member,
    Name,
    Object,
    Text,
    Unary,
    show,
)
from tests.infra.project import Project
from tests.infra.reader import BicepFile

Leaves = Mapping[str, Any]
"""What only Azure knows, by the expression as it is written: `tenant().tenantId`."""


class UnknownExpressionError(Exception):
    """The template says something that this reader, or the test's list of answers, does not know."""


@dataclass
class Instance:
    """One use of one Bicep file: the parameters it is given, and Azure's answers there."""

    project: Project
    name: str
    file: BicepFile
    leaves: Mapping[str, Leaves]
    given: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    modules: dict[str, Instance] = field(default_factory=dict)

    def output(self, name: str) -> Any:
        """The value of an output."""
        return self.value(self.file.outputs[name].value)

    def module(self, name: str) -> Instance:
        """The instance a module declaration of this file makes."""
        if name not in self.modules:
            declared = self.file.modules[name]
            params = {item.name: self._later(item.value) for item in declared.params.properties}
            self.modules[name] = Instance(self.project, name, self.project.bicep(declared.path), self.leaves, params)
        return self.modules[name]

    def _later(self, expression: Expr) -> Callable[[], Any]:
        return lambda: self.value(expression)

    def value(self, expression: Expr, local: Mapping[str, Any] | None = None) -> Any:
        """What the expression comes to. `local` holds loop variables. Raises UnknownExpressionError."""
        local = local or {}
        known = {**self.leaves.get("*", {}), **self.leaves.get(self.name, {})}
        if not isinstance(expression, (Literal, Text, Object, Array)) and show(expression) in known:
            return known[show(expression)]
        match expression:
            case Literal(value=value):
                return value
            case Text(parts=parts):
                return "".join(part if isinstance(part, str) else str(self.value(part, local)) for part in parts)
            case Group(inner=inner):
                return self.value(inner, local)
            case Object(properties=properties):
                return {self.value(item.key, local): self.value(item.value, local) for item in properties}
            case Array(items=items):
                return [self.value(item, local) for item in items]
            case Choice(condition=condition, yes=yes, no=no):
                return self.value(yes if self.value(condition, local) else no, local)
            case Binary(operator="==", left=left, right=right):
                return self.value(left, local) == self.value(right, local)
            case Unary(operator="!", operand=operand):
                return not self.value(operand, local)
            case For(item=item, over=over, body=body):
                return [self.value(body, {**local, item: each}) for each in self.value(over, local)]
            case Index(target=target, key=key):
                return self.value(target, local)[self.value(key, local)]
            case Call(name=name, arguments=arguments) if name in _FUNCTIONS:
                return _FUNCTIONS[name](*(self.value(argument, local) for argument in arguments))
            case Name(name=name):
                return self._named(name, local, expression)
            case Member(target=Member(target=Name(name=name), name="outputs"), name=output) if (
                name in self.file.modules
            ):
                return self.module(name).output(output)
            case Member(target=target, name=name):
                found = self.value(target, local)
                if isinstance(found, dict) and name in found:
                    return found[name]
        raise self._unknown(expression)

    def _named(self, name: str, local: Mapping[str, Any], expression: Expr) -> Any:
        if name in local:
            return local[name]
        if name in self.given:
            return self.given[name]()
        parameter = self.file.params.get(name)
        if parameter is not None and parameter.default is not None:
            return self.value(parameter.default)
        if name in self.file.variables:
            return self.value(self.file.variables[name].value)
        raise self._unknown(expression)

    def _unknown(self, expression: Expr) -> UnknownExpressionError:
        return UnknownExpressionError(f"{self.name}, line {expression.line}: {show(expression)}")


def _union(*objects: dict[str, Any]) -> dict[str, Any]:
    return {name: value for each in objects for name, value in each.items()}


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "concat": lambda *arrays: [item for array in arrays for item in array],
    "empty": lambda value: not value,
    "guid": lambda *parts: str(uuid.uuid5(uuid.NAMESPACE_OID, "-".join(parts))),  # as stable as Azure's, not the same
    "join": lambda items, by: by.join(items),
    "union": _union,
}
