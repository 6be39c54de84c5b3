"""registrations.bicep, which an identity team deploys: the registrations of main.bicep and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.infra.open_values import filled
from tests.infra.project import ROOT, Project

FIRST, WITH_CREDENTIAL = "registrations/first", "registrations/with-credential"
APP, FEDERATED = "Microsoft.Graph/applications", "Microsoft.Graph/applications/federatedIdentityCredentials"


def resources(project: Project, name: str) -> list[dict[str, Any]]:
    """What a set of parameters makes, with made-up values for what only Azure knows."""
    return [filled(each) for each in project.snapshot(name)["predictedResources"]]


def kind(resource: dict[str, Any]) -> str:
    """The type without its version."""
    return str(resource["type"]).partition("@")[0]


@pytest.mark.parametrize("name", [FIRST, WITH_CREDENTIAL])
def test_nothing_in_azure_is_made(name: str, project: Project) -> None:
    assert {kind(each).partition("/")[0] for each in resources(project, name)} == {"Microsoft.Graph"}


def test_they_are_those_of_a_deployment_of_everything(project: Project) -> None:
    """But for the names, which neither subscription nor region is part of, and for the credential."""

    def plain(found: list[dict[str, Any]]) -> list[str]:
        text = json.dumps([each for each in found if kind(each).startswith("Microsoft.Graph/")], sort_keys=True)
        (token,) = {each["properties"]["uniqueName"].partition("-")[2] for each in found if kind(each) == APP}
        return sorted(json.dumps(each, sort_keys=True) for each in json.loads(text.replace(token, "TOKEN")))

    def without_ids(found: list[str]) -> list[str]:
        drop = [json.loads(each) for each in found]
        for each in drop:
            for scope in each["properties"].get("api", {}).get("oauth2PermissionScopes", []):
                scope.pop("id")
            uris = each["properties"].get("identifierUris", [])  # the team gives the addresses, if there are any
            each["properties"]["identifierUris"] = [uri for uri in uris if uri.startswith("api://")]
            for key in ("appRoles", "requiredResourceAccess", "keyCredentials"):
                each["properties"].pop(key, None)
            for caller in each["properties"].get("api", {}).get("preAuthorizedApplications", []):
                caller.pop("delegatedPermissionIds")
        return sorted(json.dumps(each, sort_keys=True) for each in drop if kind(each) != FEDERATED)

    ours = plain(project.deployment("managed-identity").resources)
    theirs = plain(resources(project, FIRST))
    assert without_ids(theirs) == without_ids(ours)


def test_the_credential_is_all_that_the_third_step_adds(project: Project) -> None:
    first, then = resources(project, FIRST), resources(project, WITH_CREDENTIAL)
    added = [each for each in then if each not in first]
    (federated,) = [each["properties"] for each in added if kind(each) == FEDERATED]
    (app,) = [each["properties"] for each in added if kind(each) == APP]
    assert federated["subject"] == "b2716051-4f3e-4d2c-9aa9-988776655443"
    assert federated["audiences"] == ["api://AzureADTokenExchange"]
    assert [each["key"] for each in app["keyCredentials"]] == ["MIIBnew0"]
    assert {**app, "keyCredentials": []} in [each["properties"] for each in first]


def test_the_outputs_are_named_as_the_variables_they_are_set_to(project: Project) -> None:
    parameters = json.loads((ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    variables = {each["value"].strip("${}") for name, each in parameters.items() if name.startswith("existing")}
    wanted = {name for name in variables if "VAULT" not in name and "CERTIFICATE" not in name}
    outputs = filled(project.snapshot(FIRST)["outputs"])
    assert set(outputs) == wanted
    assert all(outputs.values())
