"""Evaluates main.bicep and its modules for given parameters, as a deployment would, without Azure.

What only Azure knows (a client id, a host name) is made up here from the name of its resource, always in the same way.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.infra import kinds
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
    Nested,
    Object,
    Text,
    Unary,
    chain,
    show,
)
from tests.infra.project import Project
from tests.infra.reader import BicepFile, Resource

TENANT = "7d3c2b1a-0f4e-4c5d-9a6b-1e2f3a4b5c6d"
SUBSCRIPTION = "1b2c3d4e-5f60-4718-892a-b3c4d5e6f708"
MINIMAL = {"environmentName": "test", "location": "westeurope"}
_NAMESPACE = uuid.UUID("c6a7e0f2-6f0e-4f0a-8c57-2f1d3b5a7c90")


class EvaluationError(Exception):
    """The Bicep asks for what is not there, or for what this evaluator does not know."""


def made_up_id(*parts: object) -> str:
    """A GUID that is always the same for the same parts."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, parts))))


# What a resource has beyond what is written in it, by its type; each from the resource's name.
FROM_AZURE: dict[str, dict[str, Callable[[str], Any]]] = {
    "Microsoft.ManagedIdentity/userAssignedIdentities": {
        "properties.clientId": lambda name: made_up_id("client", name),
        "properties.principalId": lambda name: made_up_id("principal", name),
    },
    "Microsoft.KeyVault/vaults": {"properties.vaultUri": lambda name: f"https://{name}.vault.azure.net/"},
    "Microsoft.Storage/storageAccounts": {
        "properties.primaryEndpoints.blob": lambda name: f"https://{name}.blob.core.windows.net/"
    },
    "Microsoft.Cache/redisEnterprise": {
        "properties.hostName": lambda name: f"{name}.westeurope.redis.azure.net",
    },
    "Microsoft.Web/sites": {"properties.defaultHostName": lambda name: f"{name}.azurewebsites.net"},
    "Microsoft.Insights/components": {
        "properties.ConnectionString": lambda name: (
            f"InstrumentationKey={made_up_id(name)};IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/"
        )
    },
    "Microsoft.Resources/deploymentScripts": {
        "properties.outputs.certificates": lambda name: [
            {"version": f"{number:032x}", "der": "MIIB"} for number in (2, 1)
        ]
    },
    "Microsoft.Graph/applications": {
        "appId": lambda name: made_up_id("app", name),
        "id": lambda name: made_up_id("object", name),
    },
    "Microsoft.Graph/servicePrincipals": {"id": lambda name: made_up_id("service principal", name)},
}


@dataclass(eq=False)
class Deployed:
    """One resource of a deployment. What is written in it is evaluated when it is first asked for."""

    unit: Unit
    declaration: Resource
    local: Mapping[str, Any]
    parent: Deployed | None = None

    @property
    def type(self) -> str:
        return self.declaration.type

    @property
    def where(self) -> str:
        """For messages: where the resource is declared, and for whom."""
        return f"{self.unit.path}:{self.declaration.line}: {self.unit.label}{self.declaration.name}"

    @property
    def exists(self) -> bool:
        condition = self.declaration.condition
        return condition is None or self.unit.value(condition, self.local) is True

    @cached_property
    def body(self) -> dict[str, Any]:
        return {
            str(self.unit.value(item.key, self.local)): self.unit.value(item.value, self.local)
            for item in self.declaration.body.properties
            if item.name != "dependsOn"
        }

    @cached_property
    def name(self) -> str:
        written = next(
            (found for key in ("name", "uniqueName", "appId") if (found := self.declaration.body.get(key))), None
        )
        return str(self.unit.value(written, self.local)) if written else ""

    @cached_property
    def id(self) -> str:
        if self.parent:
            return f"{self.parent.id}/{self.type.rpartition('/')[2]}/{self.name}"
        if self.type == "Microsoft.Resources/resourceGroups":
            return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{self.name}"
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-test/providers/{self.type}/{self.name}"

    @cached_property
    def children(self) -> list[Deployed]:
        return [Deployed(self.unit, child, self.local, self) for child in self.declaration.children]

    def read(self, path: tuple[str, ...]) -> Any:
        """The value of `resource.a.b`. Raises EvaluationError when there is none."""
        wanted = ".".join(path)
        if not self.exists:
            raise EvaluationError(f"{wanted} is read from {self.where}, which is not deployed")
        made_up = FROM_AZURE.get(self.type, {}).get(wanted)
        if made_up:
            return made_up(self.name)
        if wanted == "id":
            return self.id
        if wanted == "name":
            return self.name
        at: Any = self.body
        for name in path:
            if not isinstance(at, dict) or name not in at:
                raise EvaluationError(
                    f"{self.where} has no {wanted}; if Azure has, add it to FROM_AZURE in evaluator.py"
                )
            at = at[name]
        return at


@dataclass(eq=False)
class Unit:
    """One file, deployed with its own arguments."""

    project: Project
    path: str
    arguments: Mapping[str, Any]
    label: str = ""
    _known: dict[str, Any] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)

    @property
    def file(self) -> BicepFile:
        return self.project.files[self.path]

    @cached_property
    def resources(self) -> dict[str, Deployed | list[Deployed]]:
        return {name: self._deployed(resource) for name, resource in self.file.resources.items()}

    @cached_property
    def modules(self) -> dict[str, Unit | None]:
        """None for a module whose condition does not hold."""
        found: dict[str, Unit | None] = {}
        for name, module in self.file.modules.items():
            other = kinds.module_file(self.project, self.path, module)
            if other is None or module.loop:
                raise EvaluationError(f"{self.path}:{module.line}: cannot evaluate module {name}")
            arguments = _Lazy(self, module.params)
            deployed = module.condition is None or self.value(module.condition, {}) is True
            found[name] = Unit(self.project, f"infra/{module.path}", arguments, f"{name}/") if deployed else None
        return found

    @property
    def all_resources(self) -> Iterator[Deployed]:
        """Every resource that this file and its modules create."""
        for one in self.resources.values():
            waiting = [*one] if isinstance(one, list) else [one]
            while waiting:
                resource = waiting.pop(0)
                if resource.exists and not resource.declaration.existing:
                    yield resource
                    waiting += resource.children
        for module in self.modules.values():
            if module:
                yield from module.all_resources

    @property
    def outputs(self) -> dict[str, Any]:
        return {name: self.value(output.value, {}) for name, output in self.file.outputs.items()}

    def value(self, expression: Expr, local: Mapping[str, Any]) -> Any:
        """The value of an expression; `local` has the loop variables."""
        match expression:
            case Literal(value=value):
                return value
            case Text(parts=parts):
                return "".join(part if isinstance(part, str) else str(self.value(part, local)) for part in parts)
            case Group(inner=inner):
                return self.value(inner, local)
            case Array(items=items):
                return [self.value(item, local) for item in items]
            case Object(properties=properties):
                return {str(self.value(item.key, local)): self.value(item.value, local) for item in properties}
            case Choice(condition=condition, yes=yes, no=no):
                return self.value(yes if self.value(condition, local) else no, local)
            case Unary(operator=operator, operand=operand):
                value = self.value(operand, local)
                return not value if operator == "!" else -value
            case Binary():
                return self._binary(expression, local)
            case For(item=item, index=index, over=over, body=body):
                values = self.value(over, local)
                return [self.value(body, {**local, item: each, index: number}) for number, each in enumerate(values)]
            case Index(target=target, key=key):
                return self.value(target, local)[self.value(key, local)]
            case Call(name=name, arguments=arguments):
                return self._call(name, [self.value(each, local) for each in arguments])
            case Name(name=name):
                return local[name] if name in local else self._named(name)
            case Nested(target=target, name=name):
                return next(child for child in self.value(target, local).children if child.declaration.name == name)
            case Member():
                return self._member(expression, local)
        raise EvaluationError(f"{self.path}:{expression.line}: cannot evaluate {show(expression)}")

    def _deployed(self, resource: Resource) -> Deployed | list[Deployed]:
        loop = resource.loop
        if loop is None:
            return Deployed(self, resource, {})
        each = enumerate(self.value(loop.over, {}))
        return [Deployed(self, resource, {loop.item: value, loop.index: number}) for number, value in each]

    def _named(self, name: str) -> Any:
        file = self.file
        if name in file.resources:
            return self.resources[name]
        if name in file.modules:
            return self.modules[name]
        if name in self._known:
            return self._known[name]
        if name in self._busy:
            raise EvaluationError(f"{self.path}: {name} depends on itself")
        self._busy.add(name)
        if name in file.variables:
            self._known[name] = self.value(file.variables[name].value, {})
        elif name in self.arguments:
            self._known[name] = self.arguments[name]
        elif name in file.params and (default := file.params[name].default):
            self._known[name] = self.value(default, {})
        else:
            raise EvaluationError(f"{self.path}: there is no value for {name}")
        self._busy.discard(name)
        return self._known[name]

    def _member(self, expression: Member, local: Mapping[str, Any]) -> Any:
        base, path = chain(expression)
        if isinstance(base, Name) and base.name in self.file.modules:
            module = self.modules[base.name]
            if module is None:
                raise EvaluationError(f"{self.path}:{expression.line}: {show(expression)}: the module is not deployed")
            if path[0] != "outputs" or path[1] not in module.file.outputs:
                raise EvaluationError(f"{self.path}:{expression.line}: there is no {show(expression)}")
            at, path = module.value(module.file.outputs[path[1]].value, {}), path[2:]
        else:
            at = self.value(base, local)
        if isinstance(at, Deployed):
            return at.read(path)
        for name in path:
            if not isinstance(at, Mapping) or name not in at:
                raise EvaluationError(f"{self.path}:{expression.line}: there is no {show(expression)}")
            at = at[name]
        return at

    def _binary(self, expression: Binary, local: Mapping[str, Any]) -> Any:
        left = self.value(expression.left, local)
        match expression.operator:
            case "&&":
                return bool(left and self.value(expression.right, local))
            case "||":
                return bool(left or self.value(expression.right, local))
            case "??":
                return self.value(expression.right, local) if left is None else left
        right = self.value(expression.right, local)
        operations: dict[str, Callable[[Any, Any], Any]] = {
            "==": lambda a, b: a == b,
            "!=": lambda a, b: a != b,
            "<": lambda a, b: a < b,
            "<=": lambda a, b: a <= b,
            ">": lambda a, b: a > b,
            ">=": lambda a, b: a >= b,
            "+": lambda a, b: a + b,
            "-": lambda a, b: a - b,
            "*": lambda a, b: a * b,
        }
        if expression.operator not in operations:
            raise EvaluationError(f"{self.path}:{expression.line}: cannot evaluate {expression.operator}")
        return operations[expression.operator](left, right)

    def _call(self, name: str, arguments: list[Any]) -> Any:
        if name == "loadTextContent":
            path = f"infra/{arguments[0]}"
            if path not in self.project.texts:
                raise EvaluationError(f"{self.path}: there is no {path}")
            return self.project.texts[path]
        if name not in _FUNCTIONS:
            raise EvaluationError(f"{self.path}: {name}() is new to this evaluator; teach it in evaluator.py")
        return _FUNCTIONS[name](*arguments)


class _Lazy(Mapping[str, Any]):
    """The arguments of a module, each evaluated when it is asked for."""

    def __init__(self, unit: Unit, params: Object) -> None:
        self._unit, self._params = unit, {item.name: item.value for item in params.properties}

    def __getitem__(self, name: str) -> Any:
        return self._unit.value(self._params[name], {})

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)


def _union(*values: Any) -> Any:
    """Objects are merged, also inside one another; arrays lose what they hold twice."""
    if isinstance(values[0], list):
        return list(dict.fromkeys(item for value in values for item in value))
    merged: dict[str, Any] = {}
    for value in values:
        for key, item in value.items():
            both = isinstance(item, dict) and isinstance(merged.get(key), dict)
            merged[key] = _union(merged[key], item) if both else item
    return merged


def _unique_string(*parts: str) -> str:
    """Thirteen letters and digits, as Azure's."""
    number = uuid.UUID(made_up_id(*parts)).int
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[(number >> (5 * at)) & 31] for at in range(13))


_LOGIN = {"loginEndpoint": "https://login.microsoftonline.com/"}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "bool": lambda value: str(value).lower() == "true",
    "concat": lambda *values: (
        "".join(values) if isinstance(values[0], str) else [each for value in values for each in value]
    ),
    "contains": lambda within, wanted: wanted in within,
    "empty": lambda value: not value,
    "environment": lambda: {"name": "AzureCloud", "authentication": _LOGIN},
    "guid": lambda *parts: made_up_id("guid", *parts),
    "int": int,
    "join": lambda values, separator: separator.join(map(str, values)),
    "length": len,
    "replace": lambda text, old, new: text.replace(old, new),
    "resourceGroup": lambda: {
        "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-test",
        "location": "westeurope",
        "name": "rg-test",
    },
    "split": lambda text, separator: text.split(separator),
    "string": str,
    "subscription": lambda: {
        "id": f"/subscriptions/{SUBSCRIPTION}",
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
    },
    "subscriptionResourceId": lambda kind, name: f"/subscriptions/{SUBSCRIPTION}/providers/{kind}/{name}",
    "tenant": lambda: {"tenantId": TENANT},
    "toLower": lambda text: text.lower(),
    "union": _union,
    "uniqueString": _unique_string,
}


@dataclass(frozen=True)
class Deployment:
    """All resources that one set of parameters makes, and the outputs of main.bicep."""

    main: Unit
    resources: list[Deployed]
    outputs: dict[str, Any]

    def of_type(self, kind: str) -> list[Deployed]:
        return [resource for resource in self.resources if resource.type == kind]


def deploy(project: Project, **parameters: Any) -> Deployment:
    """What `azd provision` would make. Raises EvaluationError."""
    main = Unit(project, "infra/main.bicep", {**MINIMAL, **parameters})
    try:
        resources = list(main.all_resources)
        for resource in resources:
            _ = resource.body
        return Deployment(main, resources, main.outputs)
    except (KeyError, IndexError, TypeError, AttributeError, StopIteration) as error:
        raise EvaluationError(f"cannot evaluate the Bicep: {error!r}") from error


# Between them, every branch: both credentials, with every option off and with every option on.
EVERYTHING_ON = {
    "purgeProtection": True,
    "grantAdminConsent": True,
    "developerToolClientIds": ["04b07795-8ddb-461a-bbee-02f9e1bf7b46"],
    "browserOrigins": ["https://app.example.com"],
    "serviceManagementReference": "asset-1",
    "alwaysReadyInstances": 1,
    "sharedTokenCache": True,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "certificate": {"clientCredential": "certificate"},
    "managedIdentity": {"clientCredential": "managedIdentity"},
    "certificate, everything on": {"clientCredential": "certificate", **EVERYTHING_ON},
    "managedIdentity, everything on": {"clientCredential": "managedIdentity", **EVERYTHING_ON},
}
