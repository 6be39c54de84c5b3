"""Bicep expressions as plain values to walk over and to compare.

https://learn.microsoft.com/azure/azure-resource-manager/bicep/file#bicep-format
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Expr:
    """What all expressions have: where they stand. Two are equal when they say the same, wherever they stand."""

    line: int = field(default=0, compare=False, kw_only=True)


@dataclass(frozen=True)
class Literal(Expr):
    """A number, a boolean or null."""

    value: int | bool | None


@dataclass(frozen=True)
class Text(Expr):
    """A string; what stands in `${…}` is an expression."""

    parts: tuple[str | Expr, ...]

    @property
    def plain(self) -> str | None:
        """The string, when nothing has to be evaluated for it."""
        return "".join(part for part in self.parts if isinstance(part, str)) if self.is_plain else None

    @property
    def is_plain(self) -> bool:
        return all(isinstance(part, str) for part in self.parts)


@dataclass(frozen=True)
class Name(Expr):
    """A parameter, variable, resource, module, loop variable or namespace."""

    name: str


@dataclass(frozen=True)
class Member(Expr):
    """`target.name`; `forced` with `!` or `?` before the dot: there may be no target."""

    target: Expr
    name: str
    forced: bool = field(default=False, compare=False, kw_only=True)


@dataclass(frozen=True)
class Nested(Expr):
    """`target::name`, a resource declared inside another."""

    target: Expr
    name: str


@dataclass(frozen=True)
class Index(Expr):
    """`target[key]`."""

    target: Expr
    key: Expr


@dataclass(frozen=True)
class Call(Expr):
    """`name(arguments)`."""

    name: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True)
class Property(Expr):
    """`key: value` of an object."""

    key: Text
    value: Expr

    @property
    def name(self) -> str:
        """The key; `*` for one that has to be evaluated."""
        return self.key.plain if self.key.plain is not None else "*"


@dataclass(frozen=True)
class Object(Expr):
    """`{ … }`. Resources declared inside are not among its properties."""

    properties: tuple[Property, ...]

    def get(self, name: str) -> Expr | None:
        return next((item.value for item in self.properties if item.name == name), None)

    @property
    def names(self) -> list[str]:
        return [item.name for item in self.properties]


@dataclass(frozen=True)
class Array(Expr):
    """`[ … ]`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True)
class Choice(Expr):
    """`condition ? yes : no`."""

    condition: Expr
    yes: Expr
    no: Expr


@dataclass(frozen=True)
class Binary(Expr):
    """`left operator right`."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Unary(Expr):
    """`!operand` or `-operand`."""

    operator: str
    operand: Expr


@dataclass(frozen=True)
class For(Expr):
    """`[for item in over: body]`, or with `(item, index)`."""

    item: str
    index: str
    over: Expr
    body: Expr


@dataclass(frozen=True)
class If(Expr):
    """`if (condition) body` before the body of a resource or module."""

    condition: Expr
    body: Expr


@dataclass(frozen=True)
class Group(Expr):
    """An expression in parentheses."""

    inner: Expr


def children(expression: Expr) -> Iterator[Expr]:
    """The expressions directly inside one."""
    for each in fields(expression):
        value = getattr(expression, each.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Expr):
                yield item


def walk(expression: Expr) -> Iterator[Expr]:
    """The expression and all inside it."""
    yield expression
    for child in children(expression):
        yield from walk(child)


def chain(expression: Expr) -> tuple[Expr, tuple[str, ...]]:
    """`a.b.c` as `a` and (`b`, `c`): what a property is read from, and which."""
    path: list[str] = []
    while isinstance(expression, Member):
        path.insert(0, expression.name)
        expression = expression.target
    return expression, tuple(path)


def show(expression: Expr) -> str:
    """The expression as a person would write it, shortened where it is long."""
    match expression:
        case Name(name=name):
            return name
        case Member(target=target, name=name):
            return f"{show(target)}.{name}"
        case Nested(target=target, name=name):
            return f"{show(target)}::{name}"
        case Text(parts=parts):
            inside = "".join(part if isinstance(part, str) else "${" + show(part) + "}" for part in parts)
            return f"'{inside}'"
        case Literal(value=value):
            return "null" if value is None else str(value).lower()
        case Call(name=name, arguments=arguments):
            return f"{name}({', '.join(map(show, arguments))})"
        case _:
            return type(expression).__name__.lower()
