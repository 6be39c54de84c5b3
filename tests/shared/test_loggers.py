"""Which loggers of libraries are kept quiet: those whose lines quote addresses, responses and tokens, and no others."""

from __future__ import annotations

import logging

import pytest

import shared


@pytest.mark.parametrize(
    "name", ["azure.core.pipeline", "azure.identity._credentials.chained", "azure.keyvault", "msal"]
)
def test_a_library_that_quotes_addresses_and_responses_logs_errors_alone(name: str) -> None:
    assert shared.requires_user
    assert logging.getLogger(name).getEffectiveLevel() == logging.ERROR


@pytest.mark.parametrize("name", ["azure", "azure.functions", "azure.storage.blob", "azure_functions_runtime"])
def test_the_worker_and_the_sdks_of_the_author_log_as_they_are_told(name: str) -> None:
    """Microsoft's worker logs as `azure.functions` on Python 3.13."""
    assert logging.getLogger(name).getEffectiveLevel() == logging.getLogger().getEffectiveLevel()


def test_msal_cannot_log_a_token_response_whatever_the_levels_are(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("msal", "msal.oauth2cli", "msal.oauth2cli.oauth2"):
        caplog.set_level(logging.DEBUG, name)
    logging.getLogger("msal.oauth2cli.oauth2").error("Token response is not in json format: %s", "the whole response")
    assert caplog.records == []
