"""What is declared is used and described, what is passed is wanted, and azd's parameters are those of main.bicep."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from tests.infra import kinds
from tests.infra.expressions import Call, Member, Name, Text, chain, walk
from tests.infra.project import Project
from tests.infra.reader import BicepFile, Declaration

MAIN = "infra/main.bicep"
PARAMETERS = "infra/main.parameters.json"
ASKED_BY_AZD = ("AZURE_ENV_NAME", "AZURE_LOCATION")
# Set for other ends by shells, containers and Azure's libraries; azd takes a variable from the environment, too.
TAKEN = ("PYTHON_VERSION", "PATH", "HOME", "USER", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID")


def problems(project: Project) -> list[str]:
    """Everything wrong within the files, between them, and between main.bicep and main.parameters.json."""
    found: list[str] = []
    for path, file in project.files.items():
        found += [
            f"{path}:{line}: {what}" for line, what in (*_unused(file), *_undescribed(file), *_mistyped(project, path))
        ]
        found += _header(path, project.texts[path])
    return [*found, *_modules(project), *_parameters(project)]


def _mentioned(file: BicepFile) -> Counter[str]:
    return Counter(
        each.name
        for declaration in file.declarations
        for expression in declaration.expressions
        for each in walk(expression)
        if isinstance(each, Name)
    )


def _unused(file: BicepFile) -> Iterator[tuple[int, str]]:
    mentioned = _mentioned(file)
    types = " ".join([each.type for each in file.params.values()] + [each.type for each in file.outputs.values()])
    for kind, declared in (("parameter", file.params), ("variable", file.variables)):
        for name, each in declared.items():
            if not mentioned[name]:
                yield each.line, f"{kind} {name} is not used"
    for name, resource in file.resources.items():
        if resource.existing and not mentioned[name]:
            yield resource.line, f"existing resource {name} is not used"
    named: list[Declaration] = [*file.types.values(), *file.imports.values()]
    for declaration in named:
        if not re.search(rf"\b{declaration.name}\b", types) and "export" not in declaration.decorators:
            yield declaration.line, f"type {declaration.name} is not used"


def _undescribed(file: BicepFile) -> Iterator[tuple[int, str]]:
    for name, each in file.params.items():
        if len(each.description) < len("The region."):
            yield each.line, f"parameter {name} has no @description that says what to give"


def _mistyped(project: Project, path: str) -> Iterator[tuple[int, str]]:
    """Defaults and outputs whose value is of another kind than the declared type; allowed values likewise."""
    file = project.files[path]
    for name, output in file.outputs.items():
        wanted, given = kinds.of_type(output.type, file), kinds.of(output.value, project, path)
        if wanted and given and wanted != given:
            yield output.line, f"output {name} is declared {output.type} and is of kind {given}"
    for name, param in file.params.items():
        values = [*([param.default] if param.default else []), *param.allowed]
        for value in values:
            wanted, given = kinds.of_type(param.type, file), kinds.of(value, project, path)
            if wanted and given and wanted != given:
                yield param.line, f"parameter {name} is declared {param.type} and offers a value of kind {given}"
        if param.default and param.allowed and param.default not in param.allowed:
            yield param.line, f"parameter {name} has a default that is not among the allowed values"


def _header(path: str, text: str) -> Iterator[str]:
    head = text.split("\n\n")[0]
    for word in ("Lifetime", "Role", "Reason"):
        if f"// {word}: " not in head:
            yield f"{path}:1: the first lines do not tell the {word.lower()} (`// {word}: …`)"


def _modules(project: Project) -> Iterator[str]:
    """Parameters that modules are given and want, and outputs that somebody reads."""
    used = {path for path in project.files if path == MAIN}
    read: set[tuple[str, str]] = set()
    for path, file in project.files.items():
        for module in file.modules.values():
            target = f"infra/{module.path}"
            where = f"{path}:{module.line}: module {module.name}"
            other = kinds.module_file(project, path, module)
            if other is None:
                yield f"{where}: there is no {target}"
                continue
            used.add(target)
            yield from (f"{where}: {what}" for what in _arguments(project, path, module.name, other))
            outputs = {
                members[1]
                for declaration in file.declarations
                for expression in declaration.expressions
                for each in walk(expression)
                for base, members in [chain(each)]
                if isinstance(each, Member) and base == Name(module.name) and len(members) > 1
            }
            read |= {(target, name) for name in outputs}
    for path, file in project.files.items():
        if path not in used:
            yield f"{path}:1: no module refers to this file"
        elif path != MAIN:
            for name, output in file.outputs.items():
                if (path, name) not in read:
                    yield f"{path}:{output.line}: output {name} is not consumed by anything"
            yield from (
                f"{path}:{param.line}: parameter {param.name} has a default; those live in main.bicep alone"
                for param in file.params.values()
                if param.default
            )


def _arguments(project: Project, path: str, symbol: str, other: BicepFile) -> Iterator[str]:
    module = project.files[path].modules[symbol]
    given = module.params.names
    for name in sorted(set(given) - set(other.params)):
        yield f"passes {name}, which is no parameter of {module.path}"
    for name in sorted(set(other.params) - set(given)):
        yield f"does not pass {name} to {module.path}"
    for name in given:
        value = module.params.get(name)
        if value is None or name not in other.params:
            continue
        wanted, kind = kinds.of_type(other.params[name].type, other), kinds.of(value, project, path)
        if wanted and kind and wanted != kind:
            yield f"passes a value of kind {kind} as {name}, which is {other.params[name].type}"
        allowed = other.params[name].allowed
        if allowed and isinstance(value, (Text, type(allowed[0]))) and value not in allowed:
            yield f"passes a value as {name} that is not allowed there"
    for name in set(module.body.names) - {"scope", "params", "dependsOn"}:
        yield f"sets {name}: Bicep names modules itself"


def _parameters(project: Project) -> Iterator[str]:
    main = project.files[MAIN]
    given = json.loads(project.texts[PARAMETERS])["parameters"]
    for name in sorted(set(main.params) - set(given)):
        yield f"{PARAMETERS}: the parameter {name} of main.bicep is missing"
    for name in sorted(set(given) - set(main.params)):
        yield f"{PARAMETERS}: main.bicep has no parameter {name}"
    variables: list[str] = []
    for name, each in given.items():
        match = re.fullmatch(r"\$\{([A-Z][A-Z0-9_]*)\}", str(each.get("value")))
        if match is None or set(each) != {"value"}:
            yield f"{PARAMETERS}: {name} must be one variable, ${{NAME}}: defaults live in main.bicep alone"
        else:
            variables.append(match[1])
    for variable, times in Counter(variables).items():
        if times > 1:
            yield f"{PARAMETERS}: {variable} is used {times} times"
        if variable in TAKEN:
            yield f"{PARAMETERS}: {variable} is set for other ends, too, and azd would take that"
        explained = variable in ASKED_BY_AZD or f"`{variable}`" in project.texts.get("docs/deploy.md", f"`{variable}`")
        if not explained:
            yield f"{PARAMETERS}: docs/deploy.md does not explain `{variable}`"
    secure = [name for name, each in main.params.items() if "secure" in each.decorators]
    yield from (f"{MAIN}: parameter {name} is a secret; this template takes none" for name in secure)
    for name, file in project.files.items():
        for declaration in file.declarations:
            for expression in declaration.expressions:
                for call in walk(expression):
                    if isinstance(call, Call) and call.name == "loadTextContent":
                        argument = call.arguments[0]
                        loaded = argument.plain if isinstance(argument, Text) else None
                        if f"infra/{loaded}" not in project.texts:
                            yield f"{name}:{call.line}: there is no infra/{loaded} to load"
