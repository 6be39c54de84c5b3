"""azure-identity's OnBehalfOfCredential in the pipeline that Azure's own clients use."""

from __future__ import annotations

import threading
from typing import Any

from azure.core import PipelineClient
from azure.core.pipeline import policies
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest
from azure.identity import OnBehalfOfCredential

from emulators.applications import API_ID
from emulators.people import CONTOSO

from ..outcome import Outcome, raised
from ..tenant import Tenant
from .base import Exchanger

_SCOPE = "https://graph.microsoft.com/.default"
_ME = "https://graph.microsoft.com/v1.0/me"


class _NotingTransport(RequestsTransport):  # type: ignore[misc]  # azure-core gives it no type
    """The default transport, which notes a pause between two attempts instead of sleeping."""

    def __init__(self, peer: Exchanger, **options: Any) -> None:
        super().__init__(**options)
        self._peer = peer

    def sleep(self, duration: float) -> None:
        self._peer.paused += duration


class AzureIdentity(Exchanger):
    """A credential per request, with the certificate as it is at that moment."""

    def call(self, bearer: str) -> Outcome:
        try:
            with self._client(self._credential(bearer)) as client:
                answer = client.send_request(HttpRequest("GET", _ME))
                answer.raise_for_status()
                return Outcome("answered", person=str(answer.json().get("id", "")))
        except Exception as error:  # noqa: BLE001 — whatever it raises is what is measured
            return raised(error)

    def downstream_token(self, bearer: str) -> str:
        return self._credential(bearer).get_token(_SCOPE).token

    def _credential(self, bearer: str) -> OnBehalfOfCredential:
        return OnBehalfOfCredential(
            CONTOSO,
            API_ID,
            client_certificate=self.tenant.pfx.read_bytes(),
            user_assertion=bearer,
            transport=self._transport(),
        )

    def _transport(self) -> _NotingTransport:
        waits = {} if self.time_out is None else {"connection_timeout": self.time_out, "read_timeout": self.time_out}
        return _NotingTransport(self, **waits)

    def _client(self, credential: OnBehalfOfCredential) -> Any:
        """The policies of a generated client, in their order."""
        return PipelineClient(
            "https://graph.microsoft.com",
            transport=self._transport(),
            policies=[
                policies.RequestIdPolicy(),
                policies.HeadersPolicy(),
                policies.UserAgentPolicy("benchmark"),
                policies.ProxyPolicy(),
                policies.ContentDecodePolicy(),
                policies.RedirectPolicy(),
                policies.RetryPolicy(),
                policies.BearerTokenCredentialPolicy(credential, _SCOPE, enable_cae=True),
                policies.CustomHookPolicy(),
                policies.NetworkTraceLoggingPolicy(),
                policies.DistributedTracingPolicy(),
                policies.SensitiveHeaderCleanupPolicy(),
                policies.HttpLoggingPolicy(),
            ],
        )


class AzureIdentityKept(AzureIdentity):
    """A credential per bearer token, kept: it then caches in its own way."""

    def __init__(self, tenant: Tenant, time_out: float | None = None) -> None:
        super().__init__(tenant, time_out)
        self._kept: dict[str, OnBehalfOfCredential] = {}
        self._lock = threading.Lock()

    def _credential(self, bearer: str) -> OnBehalfOfCredential:
        with self._lock:
            if bearer not in self._kept:
                self._kept[bearer] = super()._credential(bearer)
            return self._kept[bearer]
