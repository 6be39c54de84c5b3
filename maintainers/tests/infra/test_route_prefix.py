"""The route prefix of host.json is part of every address that infra/ gives to the apps and to a person."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.infra.project import Project
from tests.infra.rules import problems
from tests.infra.rules.settings import settings_by_service

PREFIXES = {"api": "/api", "v1": "/v1", "": ""}
HTTP = {
    **{f"{prefix!r}": ({"http": {"routePrefix": prefix}}, path) for prefix, path in PREFIXES.items()},
    "none, so Azure's own": ({}, "/api"),
    "none next to other settings": ({"http": {"hsts": {"isEnabled": True}}, "queues": {"batchSize": 4}}, "/api"),
}


@pytest.mark.parametrize(("extensions", "path"), HTTP.values(), ids=HTTP)
def test_the_outputs_and_the_settings_have_it(
    extensions: dict[str, object], path: str, project: Project, tmp_path: Path
) -> None:
    copy = project.copy(tmp_path)
    host_json = {**json.loads(copy.texts["host.json"]), "extensions": extensions}
    (tmp_path / "host.json").write_text(json.dumps(host_json), encoding="utf-8")
    copy = Project(tmp_path, project.compiler)

    deployment = copy.deployment("certificate")
    api = dict(settings_by_service(deployment)["api"])

    assert [each for each in copy.diagnostics if "function-app.bicep" in each] == []
    assert deployment.outputs["API_BASE_URL"].endswith(f".azurewebsites.net{path}")
    assert deployment.outputs["ORDERS_BASE_URL"].endswith(f".azurewebsites.net{path}/api")
    assert api["DownstreamApis__Orders__BaseUrl"] == deployment.outputs["ORDERS_BASE_URL"]
    assert [problem for problem in problems(copy, "hardening") if "API_BASE_URL" in problem] == []
