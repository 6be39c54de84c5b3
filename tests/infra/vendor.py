"""Makes the files in schemas/ anew: one for each resource type and version that infra/ uses. See schemas/README.md.

    python -m tests.infra.vendor --azmcp AZMCP --sdk FOLDER --graph TYPES_JSON

Run by whoever changes a resource type or its version; the tests read only what it has written.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.infra.project import Project
from tests.infra.resource_types import FOLDER, file_name

Schema = dict[str, Any]

AZMCP = "azmcp bicepschema get --resource-type {type} (npm @azure/mcp-linux-x64 2.0.5)"
GRAPH = "github.com/microsoftgraph/msgraph-bicep-types, microsoft.graph/v1.0/1.0.0/types.json"
# azmcp prints the newest version it knows and no other. These come from Microsoft's Python SDK of that very version.
SDK: dict[str, tuple[str, ...]] = {
    "Microsoft.Insights/diagnosticSettings@2021-05-01-preview": (
        "azure-mgmt-monitor 6.0.2 (PyPI)",
        "azure/mgmt/monitor/v2021_05_01_preview/models/_models_py3.py",
        "DiagnosticSettingsResource",
    ),
    "Microsoft.Resources/resourceGroups@2024-11-01": (
        "azure-mgmt-resource 24.0.0 (PyPI)",
        "azure/mgmt/resource/resources/v2024_11_01/models/_models_py3.py",
        "ResourceGroup",
    ),
    **{
        f"Microsoft.Cache/redisEnterprise{child}@2025-07-01": (
            "azure-mgmt-redisenterprise 3.1.0 (PyPI)",
            "azure/mgmt/redisenterprise/models/_models_py3.py",
            model,
            "_redis_enterprise_management_client_enums.py",
        )
        for child, model in {
            "": "Cluster",
            "/databases": "Database",
            "/databases/accessPolicyAssignments": "AccessPolicyAssignment",
        }.items()
    },
}
# azmcp leaves out what the properties common to all variants of a type refer to.
LEFT_OUT = {
    "Microsoft.Resources/deploymentScripts@2023-08-01": (
        "azure-mgmt-resource-deploymentscripts 1.0.0b1 (PyPI)",
        "azure/mgmt/resource/deploymentscripts/models/_models_py3.py",
        "DeploymentScript",
        ("identity", "systemData", "tags"),
    ),
}
PRIMITIVES = ("string", "int", "bool", "any", "object")
PYTHON_TYPES = {
    "str": "string",
    "duration": "string",
    "iso-8601": "string",
    "bool": "bool",
    "int": "int",
    "object": "any",
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.infra.vendor", description=__doc__)
    parser.add_argument("--azmcp", type=Path, required=True, help="the program azmcp")
    parser.add_argument("--sdk", type=Path, required=True, help="where pip installed the two SDK packages (--target)")
    parser.add_argument("--graph", type=Path, required=True, help="types.json of the Graph types v1.0 1.0.0")
    options = parser.parse_args(arguments)
    graph = json.loads(options.graph.read_text(encoding="utf-8"))
    wanted = {
        f"{resource.type}@{resource.version}": resource.body
        for _, file in sorted(Project.read().files.items())
        for resource in file.all_resources
    }
    for old in FOLDER.glob("Microsoft.*.json"):
        old.unlink()
    for identifier in sorted(wanted):
        print(identifier, flush=True)  # noqa: T201
        if identifier in SDK:
            schema = from_sdk(options.sdk, *SDK[identifier])
        elif identifier.startswith("Microsoft.Graph/"):
            schema = from_graph(graph, identifier)
        else:
            schema = from_azmcp(options.azmcp, identifier)
        if identifier in LEFT_OUT:
            complete(schema, options.sdk, *LEFT_OUT[identifier])
        (FOLDER / file_name(identifier)).write_text(written(identifier, schema), encoding="utf-8", newline="\n")
    return 0


def from_azmcp(program: Path, identifier: str) -> Schema:
    """What `azmcp bicepschema get` knows of the type. Raises SystemExit when that is another version."""
    kind = identifier.partition("@")[0]
    result = subprocess.run(
        [str(program), "bicepschema", "get", "--resource-type", kind], capture_output=True, check=False, timeout=120
    )
    answer = json.loads(result.stdout)["results"]
    if "BicepSchemaResult" not in answer:
        raise SystemExit(f"azmcp: {answer['message']}; take {identifier} from an SDK instead (SDK in vendor.py)")
    definitions = {each["name"]: each for each in answer["BicepSchemaResult"]}
    if identifier not in definitions:
        known = [name for name in definitions if name.startswith(f"{kind}@")]
        raise SystemExit(f"azmcp knows {known}, not {identifier}; take it from an SDK instead (SDK in vendor.py)")
    names = {name for name, each in definitions.items() if each["$type"] == "Object"}
    objects: dict[str, Schema] = {}
    for name in names:
        _azmcp_object(definitions[name], name, names, objects)
    _azmcp_object(definitions[identifier]["bodyType"], kind, names, objects)
    return {"source": AZMCP.format(type=kind), "body": kind, "objects": objects}


def complete(schema: Schema, folder: Path, source: str, path: str, model: str, names: tuple[str, ...]) -> None:
    """Takes the types of some properties of the body from a model of the SDK."""
    models = SdkModels(folder / path)
    models.add(model)
    for name in names:
        schema["objects"][schema["body"]]["properties"][name]["type"] = models.objects[model]["properties"][name][
            "type"
        ]
    schema["objects"] = {**models.objects, **schema["objects"]}
    schema["source"] += f"; {', '.join(names)}: {source}"


def _azmcp_object(found: Schema, name: str, names: set[str], objects: dict[str, Schema]) -> None:
    """Adds the definition, and those of its cases when it is one of several by a discriminator."""
    listed: list[Mapping[str, str]] = found["properties"] if "properties" in found else found["baseProperties"]
    made: Schema = {"properties": {each["name"]: _azmcp_property(each, names) for each in listed}}
    if "additionalPropertiesType" in found:
        made["additional"] = _azmcp_type(found["additionalPropertiesType"], names)
    if "discriminator" in found:
        made["discriminator"], made["cases"] = found["discriminator"], {}
        for case in found["elements"]:
            value = next(each["type"] for each in case["properties"] if each["name"] == found["discriminator"])
            made["cases"][value] = f"{name}: {value}"
            _azmcp_object(case, f"{name}: {value}", names, objects)
    objects[name] = made


def _azmcp_property(found: Mapping[str, str], names: set[str]) -> Schema:
    flags = found.get("flags", "").split(", ")
    made: Schema = {"type": _azmcp_type(found["type"], names)}
    made.update({name: True for name in ("Required", "ReadOnly") if name in flags})
    for limit in (found.get("modifiers") or "").split(", "):
        name, _, value = limit.partition(": ")
        if name in ("minValue", "maxValue", "minLength", "maxLength"):
            made[name] = int(value)
    pattern = (found.get("modifiers") or "").partition("pattern: ")[2]
    return made | ({"pattern": pattern} if pattern else {})


def _azmcp_type(text: str, names: set[str]) -> Any:
    if text in PRIMITIVES:
        return text
    if text in names:
        return {"object": text}
    if text.endswith("[]"):  # `a | b[]` is an array of either
        return {"array": _azmcp_type(text.removesuffix("[]"), names)}
    *values, last = text.split(" | ")
    closed = last != "string"
    return {"enum": [*values, last] if closed else values, "open": not closed}


def from_graph(types: list[Schema], identifier: str) -> Schema:
    """The definition in Microsoft's Graph types for Bicep."""
    resource = next(each for each in types if each["$type"] == "ResourceType" and each["name"] == identifier)

    def at(reference: Mapping[str, str]) -> Schema:
        return types[int(reference["$ref"].removeprefix("#/"))]

    objects: dict[str, Schema] = {}

    def type_of(reference: Mapping[str, str]) -> Any:
        found = at(reference)
        match found["$type"]:
            case "StringType":
                return "string"
            case "BooleanType":
                return "bool"
            case "IntegerType":
                return "int"
            case "AnyType":
                return "any"
            case "StringLiteralType":
                return {"enum": [found["value"]], "open": False}
            case "ArrayType":
                return {"array": type_of(found["itemType"])}
            case "UnionType":
                each = [at(element) for element in found["elements"]]
                values = [element["value"] for element in each if element["$type"] == "StringLiteralType"]
                return {"enum": values, "open": len(values) < len(each)}
            case "ObjectType":
                add(found)
                return {"object": found["name"]}
            case other:
                raise SystemExit(f"the Graph types have a {other}, which vendor.py does not know")

    def add(found: Schema) -> None:
        if found["name"] in objects:
            return
        made: Schema = {"properties": {}}
        objects[found["name"]] = made
        for name, each in found["properties"].items():
            flags = {"Required": each["flags"] & 1, "ReadOnly": each["flags"] & 2}
            made["properties"][name] = {"type": type_of(each["type"]), **{key: True for key in flags if flags[key]}}
        if "additionalProperties" in found:
            made["additional"] = type_of(found["additionalProperties"])

    body = at(resource["body"])
    add(body)
    return {"source": GRAPH, "body": body["name"], "objects": objects}


class SdkModels:
    """The models of a package of Microsoft's Python SDK, read without importing it."""

    def __init__(self, file: Path, enums: str = "") -> None:
        self.classes = _classes(file)
        self.enums = _classes(file.with_name(enums)) if enums else {}
        self.objects: dict[str, Schema] = {}

    def add(self, name: str) -> None:
        """Makes an object of the model, and of those it mentions."""
        if name in self.objects:
            return
        properties: dict[str, Any] = {}
        self.objects[name] = {"properties": properties}
        rules = self._table(name, "_validation")
        for attribute, each in self._table(name, "_attribute_map").items():
            rule = rules.get(attribute, {})
            flags = {"Required": rule.get("required"), "ReadOnly": rule.get("readonly")}
            kind = self._enum(name, attribute) or self._type(each["type"])
            made = {"type": kind, **{key: True for key in flags if flags[key]}}
            outer, _, inner = each["key"].partition(".")
            if inner:
                flattened = f"{name}.{outer}"
                self.objects.setdefault(flattened, {"properties": {}})["properties"][inner] = made
                made = {"type": {"object": flattened}}
            properties.setdefault(outer, made)

    def _type(self, text: str) -> Any:
        if text in PYTHON_TYPES:
            return PYTHON_TYPES[text]
        if text.startswith("["):
            return {"array": self._type(text[1:-1])}
        if text.startswith("{"):
            self.objects[text] = {"properties": {}, "additional": self._type(text[1:-1])}
            return {"object": text}
        self.add(text)
        return {"object": text}

    def _enum(self, name: str, attribute: str) -> Any:
        """The values that the constructor's annotation leads to; None when the attribute takes any text."""
        for each in ast.walk(self.classes[name]):
            if isinstance(each, ast.arg) and each.arg == attribute and each.annotation is not None:
                for enum in re.findall(r"_models\.(\w+)", ast.unparse(each.annotation)):
                    if enum in self.enums:
                        assigned = [item.value for item in self.enums[enum].body if isinstance(item, ast.Assign)]
                        return {"enum": [ast.literal_eval(value) for value in assigned], "open": True}
        return None

    def _table(self, name: str, attribute: str) -> dict[str, Any]:
        """The dictionary that a class assigns to the attribute."""
        for each in self.classes[name].body:
            if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == attribute:
                value: dict[str, Any] = ast.literal_eval(each.value)
                return value
        return {}


def _classes(file: Path) -> dict[str, ast.ClassDef]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}


def from_sdk(folder: Path, source: str, path: str, model: str, enums: str = "") -> Schema:
    """The definition in a model of Microsoft's Python SDK; with `enums`, what lies beside it, the values it takes."""
    models = SdkModels(folder / path, enums)
    models.add(model)
    # In an SDK the name is part of the address, not of the body.
    models.objects[model]["properties"]["name"] = {"type": "string", "Required": True}
    return {"source": source, "body": model, "objects": models.objects}


def written(identifier: str, schema: Schema) -> str:
    """The file: what can be reached from the body, one property on a line."""
    kind, _, version = identifier.partition("@")
    reached = sorted(_reachable(schema["objects"], schema["body"]))
    head = {"type": kind, "apiVersion": version, "source": schema["source"], "licence": "MIT", "body": schema["body"]}
    lines = ["{", *(f" {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()), ' "objects": {']
    for name in reached:
        each = dict(schema["objects"][name])
        properties = each.pop("properties")
        rest = "".join(f", {json.dumps(key)}: {json.dumps(each[key])}" for key in sorted(each))
        lines.append(f'  {json.dumps(name)}: {{"properties": {{')
        lines += [f"   {json.dumps(key)}: {json.dumps(properties[key])}," for key in sorted(properties)]
        lines[-1] = lines[-1].rstrip(",")
        lines.append(f"  }}{rest}}}{'' if name == reached[-1] else ','}")
    return "\n".join([*lines, " }", "}", ""])


def _reachable(objects: Mapping[str, Schema], name: str) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [*_mentioned(objects[name]), *objects[name].get("cases", {}).values()]
    return reached


def _mentioned(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if isinstance(found.get("object"), str):
            yield found["object"]
        for each in found.values():
            yield from _mentioned(each)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
