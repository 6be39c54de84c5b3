"""The clouds of infra/clouds.json are those of shared/, with the same names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.settings.clouds import CLOUDS, Cloud

ROWS = json.loads((Path(__file__).parents[3] / "infra" / "clouds.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "cloud"), list(zip(ROWS, CLOUDS, strict=True)), ids=list(ROWS))
def test_the_app_and_the_deployment_have_the_same_names_of_a_cloud(name: str, cloud: Cloud) -> None:
    row = ROWS[name]
    assert row["loginEndpoint"] == f"https://{cloud.login}/"
    assert row["graphEndpoint"] == f"https://{cloud.graph[0]}"
    assert row["tokenExchangeAudience"] == cloud.token_exchange_url
    assert row["vaultSuffix"] == cloud.vault_suffix
