"""Reads a Bicep file: its declarations, and their expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from tests.infra import syntax
from tests.infra.expressions import Array, Call, Expr, For, If, Object, Text
from tests.infra.syntax import UnknownSyntaxError, line_of, parts_of, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

Decorators = Mapping[str, tuple[Expr, ...]]


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What every declaration has."""

    name: str
    line: int
    decorators: Decorators = field(default_factory=dict)

    @property
    def description(self) -> str:
        arguments = self.decorators.get("description", ())
        return (arguments[0].plain or "") if arguments and isinstance(arguments[0], Text) else ""

    @property
    def expressions(self) -> Iterator[Expr]:
        """All that is written in it, decorators aside."""
        yield from ()


@dataclass(frozen=True, kw_only=True)
class Param(Declaration):
    """`param name type = default`."""

    type: str
    default: Expr | None = None

    @property
    def allowed(self) -> tuple[Expr, ...]:
        arguments = self.decorators.get("allowed", ())
        return arguments[0].items if arguments and isinstance(arguments[0], Array) else ()

    @property
    def expressions(self) -> Iterator[Expr]:
        if self.default:
            yield self.default


@dataclass(frozen=True, kw_only=True)
class Var(Declaration):
    """`var name = value`."""

    value: Expr

    @property
    def expressions(self) -> Iterator[Expr]:
        yield self.value


@dataclass(frozen=True, kw_only=True)
class Output(Var):
    """`output name type = value`."""

    type: str


@dataclass(frozen=True, kw_only=True)
class TypeOf(Declaration):
    """`type name = text`."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Import(Declaration):
    """One name of `import { name } from 'path'`."""

    path: str


@dataclass(frozen=True, kw_only=True)
class Deployable(Declaration):
    """A resource or a module: perhaps conditional, perhaps in a loop."""

    body: Object
    condition: Expr | None = None
    loop: For | None = None

    @property
    def expressions(self) -> Iterator[Expr]:
        yield self.body if self.loop is None else self.loop
        if self.condition:
            yield self.condition


@dataclass(frozen=True, kw_only=True)
class Resource(Deployable):
    """`resource name 'type@version' = …`; the type of a nested one begins with its parent's."""

    type: str
    version: str
    existing: bool = False
    children: tuple[Resource, ...] = ()

    @property
    def family(self) -> Iterator[Resource]:
        """The resource and all that are nested in it."""
        yield self
        for child in self.children:
            yield from child.family


@dataclass(frozen=True, kw_only=True)
class Module(Deployable):
    """`module name 'path' = { params: … }`."""

    path: str

    @property
    def params(self) -> Object:
        given = self.body.get("params")
        return given if isinstance(given, Object) else Object(())


@dataclass
class BicepFile:
    """All declarations of one file. `problems` holds syntax errors; what they touch is missing."""

    scope: str = "resourceGroup"
    extensions: tuple[str, ...] = ()
    params: dict[str, Param] = field(default_factory=dict)
    variables: dict[str, Var] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    types: dict[str, TypeOf] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def all_resources(self) -> Iterator[Resource]:
        """Nested ones too."""
        for resource in self.resources.values():
            yield from resource.family

    @property
    def declarations(self) -> Iterator[Declaration]:
        """Everything that has expressions."""
        yield from (*self.params.values(), *self.variables.values(), *self.outputs.values())
        yield from (*self.all_resources, *self.modules.values())


@lru_cache(maxsize=512)
def read(text: str) -> BicepFile:
    """The declarations of a Bicep file, from its text. Not to be changed: it is remembered."""
    file = BicepFile(extensions=tuple(match["name"] for match in syntax.EXTENSION.finditer(text)))
    root = syntax.parse(text)
    file.problems += syntax.errors(root)
    decorators: Decorators = {}
    for node in parts_of(root):
        try:
            if node.type == "decorators":
                decorators = _decorators(node)
            else:
                _declare(file, node, decorators)
                decorators = {}
        except UnknownSyntaxError as problem:
            file.problems.append(str(problem))
        except (IndexError, ValueError):  # what is left of a declaration around a syntax error
            file.problems.append(f"{line_of(node)}: cannot make sense of {text_of(node)[:60]!r}")
    return file


_D = TypeVar("_D", bound=Declaration)


def _declare(file: BicepFile, node: Node, decorators: Decorators) -> None:
    def add(kind: dict[str, _D], declared: _D) -> None:
        symbols = (file.params, file.variables, file.types, file.imports, file.resources, file.modules)
        taken: tuple[Mapping[str, Declaration], ...] = (file.outputs,) if isinstance(declared, Output) else symbols
        if any(declared.name in names for names in taken):
            file.problems.append(f"{declared.line}: {declared.name} is declared twice")
        kind[declared.name] = declared

    name, line = text_of(parts_of(node)[0]) if parts_of(node) else "", line_of(node)
    match node.type:
        case "parameter_declaration":
            default = syntax.expression(parts_of(node)[-1]) if _has_value(node) else None
            add(
                file.params,
                Param(name=name, line=line, decorators=decorators, type=text_of(parts_of(node)[1]), default=default),
            )
        case "variable_declaration":
            value = syntax.expression(parts_of(node)[-1])
            add(file.variables, Var(name=name, line=line, decorators=decorators, value=value))
        case "output_declaration":
            _, kind, written = parts_of(node)
            value = syntax.expression(written)
            add(file.outputs, Output(name=name, line=line, decorators=decorators, type=text_of(kind), value=value))
        case "type_declaration":
            text = text_of(parts_of(node)[-1])
            add(file.types, TypeOf(name=name, line=line, decorators=decorators, text=text))
        case "resource_declaration":
            add(file.resources, _resource(node, decorators))
        case "module_declaration":
            add(file.modules, _module(node, decorators))
        case "import_functionality":
            *names, path = parts_of(node)
            for each in names:
                add(file.imports, Import(name=text_of(each), line=line, path=syntax.string(path).plain or ""))
        case "target_scope_assignment":
            file.scope = syntax.string(parts_of(node)[-1]).plain or ""
        case "metadata_declaration" | "ERROR":
            pass
        case other:
            raise UnknownSyntaxError(f"{line}: this reader does not know a {other}; teach it in reader.py")


def _decorators(node: Node) -> Decorators:
    calls = [syntax.expression(parts_of(each)[0]) for each in parts_of(node)]
    return {call.name: call.arguments for call in calls if isinstance(call, Call)}


def _has_value(node: Node) -> bool:
    return any(child.type == "=" for child in node.children)


def _body(node: Node) -> tuple[Node, Object, Expr | None, For | None]:
    """The node of the body, the body, the condition and the loop around it."""
    written = syntax.expression(node)
    loop = written if isinstance(written, For) else None
    inner = loop.body if loop else written
    condition = inner.condition if isinstance(inner, If) else None
    body = inner.body if isinstance(inner, If) else inner
    while node.type in ("for_statement", "if_statement"):
        node = parts_of(node)[-1]
    if not isinstance(body, Object):
        raise UnknownSyntaxError(f"{line_of(node)}: a resource or module whose body is no object")
    return node, body, condition, loop


def _resource(node: Node, decorators: Decorators, parent: str = "") -> Resource:
    symbol, written, value = parts_of(node)
    inner, body, condition, loop = _body(value)
    kind, _, version = (syntax.string(written).plain or "").partition("@")
    parent_type, _, parent_version = parent.partition("@")
    full = f"{parent_type}/{kind}" if parent else kind
    version = version or parent_version
    return Resource(
        name=text_of(symbol),
        line=line_of(node),
        decorators=decorators,
        body=body,
        condition=condition,
        loop=loop,
        type=full,
        version=version,
        existing=any(child.type == "existing" for child in node.children),
        children=tuple(_resource(child, {}, f"{full}@{version}") for child in syntax.nested_resources(inner)),
    )


def _module(node: Node, decorators: Decorators) -> Module:
    symbol, path, value = parts_of(node)
    _, body, condition, loop = _body(value)
    return Module(
        name=text_of(symbol),
        line=line_of(node),
        decorators=decorators,
        body=body,
        condition=condition,
        loop=loop,
        path=syntax.string(path).plain or "",
    )
