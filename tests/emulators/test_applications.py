"""The emulated registrations against those that `azd up` makes: what works here must not lack a permission there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emulators.applications import API

BICEP = Path(__file__).parents[2] / "infra" / "app-registrations.bicep"


@pytest.mark.parametrize(("resource", "variable"), [("graph", "graphScopes"), ("orders", "ordersScopes")])
def test_the_api_may_ask_for_what_the_deployed_one_may(resource: str, variable: str) -> None:
    """Change both: `requires` in emulators/applications.py, and this variable in infra/app-registrations.bicep."""
    declared = re.search(
        rf"^var {variable} = \[\n(.*?)^\]", BICEP.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert declared is not None
    assert sorted(re.findall(r"^    value: '(.+)'$", declared[1], re.MULTILINE)) == sorted(API.requires[resource])
