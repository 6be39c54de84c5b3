"""A tenant with Azure services, an API behind Foundry's address, and the resource of Azure SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulators.azure.declared import AzureService
from emulators.canned import StandIn
from emulators.stack import Stack
from emulators.table import DownstreamApi, Table
from tests.support.clock import RunningClock

READERS = ("alice", "olga")
TABLE = Table(
    apis=(
        DownstreamApi(
            "Foundry",
            ("user_impersonation",),
            given_base_url="https://foundry-local.services.ai.azure.com/api/projects/local",
            given_audience="https://ai.azure.com",
            pre_authorized=False,
        ),
        DownstreamApi(
            "Sql",
            ("user_impersonation",),
            given_base_url="https://sql-local.database.windows.net",
            given_audience="https://database.windows.net",
            pre_authorized=False,
        ),
    ),
    azure=(
        AzureService("Storage", "storage", {"Storage Blob Data Reader": READERS}),
        AzureService("Search", "search", {"Search Index Data Reader": READERS}),
        AzureService("Secrets", "vault", {"Key Vault Secrets User": READERS}),
    ),
)
NETWORK = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")


@contextmanager
def started(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The tenant, reached from this process as a deployed API reaches Azure."""
    with Stack.start(folder, now=RunningClock(), table=TABLE) as stack:
        for proxy in stack.apis.values():
            key = proxy.api.key
            proxy.stand_in = StandIn(stack.directory.applications[key], proxy.canned, stack.entra)
        environ = stack.environ("api")
        for name in (*NETWORK, *IDENTITY):
            patch.setenv(name, environ[name])
        for name in ("ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE"):
            patch.delenv(name, raising=False)
        yield stack
