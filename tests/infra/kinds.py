"""Which kind of value an expression yields, as far as that can be told without evaluating it."""

from __future__ import annotations

from posixpath import dirname, join

from tests.infra.expressions import (
    Array,
    Binary,
    Call,
    Choice,
    Expr,
    For,
    Group,
    Literal,
    Member,
    Name,
    Object,
    Text,
    Unary,
)
from tests.infra.project import Project
from tests.infra.reader import BicepFile, Module

_STRINGS = (
    "guid uniqueString join loadTextContent subscriptionResourceId resourceId toLower toUpper replace format string"
)
FUNCTIONS = {
    **dict.fromkeys(_STRINGS.split(), "string"),
    **dict.fromkeys(("empty", "contains", "startsWith", "endsWith", "bool"), "bool"),
    **dict.fromkeys(("length", "int", "min", "max"), "int"),
    **dict.fromkeys(("concat", "map", "filter", "range", "split", "items"), "array"),
    **dict.fromkeys(("subscription", "tenant", "environment", "resourceGroup", "deployment"), "object"),
}


def of_type(text: str, file: BicepFile) -> str | None:
    """The kind that a declared type stands for: string, int, bool, array or object."""
    text = text.strip().removesuffix("?")
    if text in file.types:
        return of_type(file.types[text].text, file)
    if text.endswith("[]") or text == "array":
        return "array"
    if text.startswith("{") or text == "object":
        return "object"
    if text.startswith("'"):
        return "string"
    return text if text in ("string", "int", "bool") else None


def module_file(project: Project, path: str, module: Module) -> BicepFile | None:
    """What a module declared in the file at `path` refers to."""
    return project.files.get(join(dirname(path), module.path))


def of(expression: Expr, project: Project, path: str) -> str | None:
    """The kind of the value; None when that depends on more than what is written."""
    file = project.files[path]
    match expression:
        case Group(inner=inner):
            return of(inner, project, path)
        case Text():
            return "string"
        case Literal(value=value):
            return None if value is None else "bool" if isinstance(value, bool) else "int"
        case Array() | For():
            return "array"
        case Object():
            return "object"
        case Unary(operator=operator):
            return "bool" if operator == "!" else "int"
        case Binary(operator=operator):
            return None if operator == "??" else "int" if operator in "+-*/%" else "bool"
        case Choice(yes=yes, no=no):
            kinds = {of(yes, project, path), of(no, project, path)} - {None}
            return kinds.pop() if len(kinds) == 1 else None
        case Call(name=name):
            return FUNCTIONS.get(name)
        case Name(name=name) if name in file.params:
            return of_type(file.params[name].type, file)
        case Name(name=name) if name in file.variables:
            return of(file.variables[name].value, project, path)
        case Member(target=Member(target=Name(name=symbol), name="outputs"), name=name) if symbol in file.modules:
            other = module_file(project, path, file.modules[symbol])
            return of_type(other.outputs[name].type, other) if other and name in other.outputs else None
        case _:
            return None
