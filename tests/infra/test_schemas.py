"""The vendored schemas: what is used, all of it and no more, each with its source."""

from __future__ import annotations

import json

from tests.infra.project import Project
from tests.infra.resource_types import FOLDER, file_name, resource_type

README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_there_is_a_schema_for_each_type_in_use_and_for_no_other(project: Project) -> None:
    used = {f"{resource.type}@{resource.version}" for file in project.files.values() for resource in file.all_resources}
    assert {path.name for path in FOLDER.glob("Microsoft.*.json")} == {file_name(each) for each in used}


def test_each_names_its_type_source_and_licence() -> None:
    for path in FOLDER.glob("Microsoft.*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        identifier = f"{found['type']}@{found['apiVersion']}"
        assert path.name == file_name(identifier)
        assert found["licence"] == "MIT"
        assert found["source"]
        schema = resource_type(identifier)
        assert schema is not None
        assert schema.body.properties or schema.body.cases
        assert path.stat().st_size < 40_000


def test_the_readme_names_every_source_and_the_command() -> None:
    sources = ("@azure/mcp-linux-x64", "msgraph-bicep-types", "azure-mgmt-monitor", "azure-mgmt-resource", "azure-dev")
    for words in (*sources, "azure-mgmt-redisenterprise", "MIT", "python -m tests.infra.vendor"):
        assert words in README
