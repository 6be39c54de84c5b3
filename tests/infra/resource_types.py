"""The real schemas of the resource types that infra/ uses, from the files in schemas/."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "schemas"


def file_name(identifier: str) -> str:
    """The file for `type@version`."""
    return identifier.replace("/", ".") + ".json"


@dataclass(frozen=True)
class ObjectType:
    """The properties of an object: what each may hold, whether it must be given or must not."""

    schema: ResourceType
    name: str

    @property
    def _found(self) -> dict[str, Any]:
        found: dict[str, Any] = self.schema.objects[self.name]
        return found

    @property
    def properties(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self._found["properties"]
        return found

    @property
    def additional(self) -> Any:
        """The type of properties with other names; None when there may be none."""
        return self._found.get("additional")

    def case(self, chosen: dict[str, str]) -> ObjectType | None:
        """For a type with a discriminator, the variant chosen by its value; None when there is no such variant."""
        discriminator = self._found.get("discriminator")
        if discriminator is None:
            return None
        name = self._found["cases"].get(chosen.get(discriminator, ""))
        return ObjectType(self.schema, name) if name else None

    @property
    def cases(self) -> list[ObjectType]:
        """All variants of a type with a discriminator."""
        return [ObjectType(self.schema, name) for name in self._found.get("cases", {}).values()]

    @property
    def discriminator(self) -> str:
        found: str = self._found.get("discriminator", "")
        return found


@dataclass(frozen=True)
class ResourceType:
    """One resource type of one version."""

    identifier: str
    body_name: str
    objects: dict[str, Any]

    @property
    def body(self) -> ObjectType:
        return ObjectType(self, self.body_name)

    def __hash__(self) -> int:
        return hash(self.identifier)


@lru_cache(maxsize=64)
def resource_type(identifier: str) -> ResourceType | None:
    """The schema of `type@version`; None when it is not in schemas/."""
    path = FOLDER / file_name(identifier)
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return ResourceType(identifier, found["body"], found["objects"])
