"""Every name stands for something, and every property that is read exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.infra.expressions import Call, Expr, For, Index, Member, Name, Nested, chain, children, show
from tests.infra.kinds import FUNCTIONS, module_file
from tests.infra.project import Project
from tests.infra.reader import BicepFile, Resource
from tests.infra.resource_types import ObjectType, resource_type

KNOWN_BEFORE = ("id", "name", "type", "apiVersion")


def problems(project: Project) -> list[str]:
    """Syntax errors, unknown names and functions, and properties or outputs that do not exist."""
    found = [f"{path}:{problem}" for path, file in project.files.items() for problem in file.problems]
    for path, file in project.files.items():
        scope = _Scope(project, path, file)
        for declaration in file.declarations:
            nested = frozenset(each.name for each in file.all_resources) if isinstance(declaration, Resource) else None
            for expression in declaration.expressions:
                for line, problem in scope.problems(expression, nested or frozenset()):
                    found.append(f"{path}:{line or declaration.line}: {declaration.name}: {problem}")
        for each in file.imports.values():
            other = project.files.get(f"infra/{each.path}")
            declared = other.types.get(each.name) if other else None
            if declared is None or "export" not in declared.decorators:
                found.append(f"{path}:{each.line}: {each.path} exports no {each.name}")
    return found


def _first(expression: Member) -> Member:
    """`a.b` of `a.b.c`."""
    while isinstance(expression.target, Member):
        expression = expression.target
    return expression


@dataclass(frozen=True)
class _Scope:
    project: Project
    path: str
    file: BicepFile

    def problems(self, expression: Expr, local: frozenset[str]) -> Iterator[tuple[int, str]]:
        """`local` holds names known in this place alone: loop variables, resources nested beside."""
        match expression:
            case For(item=item, index=index, over=over, body=body):
                if self.is_runtime(over):
                    yield over.line, "a loop over what is known only during the deployment (BCP178)"
                yield from self.problems(over, local)
                yield from self.problems(body, local | {item, index})
                return
            case Name(name=name, line=line) if not self.knows(name, local):
                yield line, f"nothing is called {name}"
            case Call(name=name, line=line) if name not in FUNCTIONS and name not in ("union", "json", "any"):
                yield line, f"{name}() is no function this reader knows; teach it in kinds.py and evaluator.py"
            case Member(line=line):
                problem = self.misread(expression)
                if problem:
                    yield line, problem
                base, _ = chain(expression)
                yield from self.problems(base, local)
                return
            case Nested(line=line) if self.resource(expression) is None:
                yield line, f"there is no resource {show(expression)}"
                return
            case Nested():
                return
        for child in children(expression):
            yield from self.problems(child, local)

    def knows(self, name: str, local: frozenset[str]) -> bool:
        file = self.file
        return name in local or any(
            name in kind for kind in (file.params, file.variables, file.resources, file.modules, file.types)
        )

    def resource(self, expression: Expr) -> Resource | None:
        """The resource that a name, `a::b` or `a[0]` stands for."""
        match expression:
            case Name(name=name):
                return self.file.resources.get(name)
            case Nested(target=target, name=name):
                parent = self.resource(target)
                return next((each for each in parent.children if each.name == name), None) if parent else None
            case Index(target=target):
                return self.resource(target)
        return None

    def misread(self, expression: Member) -> str:
        """What is wrong with `a.b.c`: the resource has no such property, or the module no such output."""
        base, path = chain(expression)
        resource = self.resource(base)
        module = self.file.modules.get(base.name) if isinstance(base, Name) else None
        declared = resource or module
        if declared and declared.condition and not _first(expression).forced:
            return f"{show(expression)}: {show(base)} is conditional; write {show(base)}!.{path[0]} (BCP318)"
        if resource is not None:
            return self._misread_resource(expression, resource, path)
        if module is not None:
            other = module_file(self.project, self.path, module)
            if other and (path[0] != "outputs" or len(path) < 2 or path[1] not in other.outputs):
                return f"{show(expression)}: the module has no such output"
        return ""

    def is_runtime(self, expression: Expr) -> bool:
        """Whether it takes a deployment to know the value."""
        match expression:
            case Member():
                base, path = chain(expression)
                of_module = isinstance(base, Name) and base.name in self.file.modules
                return of_module or (self.resource(base) is not None and path[0] not in KNOWN_BEFORE)
            case Name(name=name) if name in self.file.variables:
                return self.is_runtime(self.file.variables[name].value)
        return any(self.is_runtime(child) for child in children(expression))

    def _misread_resource(self, expression: Expr, resource: Resource, path: tuple[str, ...]) -> str:
        schema = resource_type(f"{resource.type}@{resource.version}")
        at: Any = {"object": schema.body_name} if schema else "any"
        for name in path:
            if not isinstance(at, dict) or "object" not in at or schema is None:
                return "" if at == "any" or schema is None else f"{show(expression)}: there is no {name} in a {at}"
            kind = ObjectType(schema, at["object"])
            properties = dict(kind.properties)
            for case in kind.cases:
                properties |= case.properties
            if name not in properties and kind.additional is None:
                return f"{show(expression)}: {schema.identifier} has no property {name} there"
            at = properties[name]["type"] if name in properties else kind.additional
        return ""
