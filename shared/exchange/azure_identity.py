"""The credential with which this app signs in to Key Vault and Redis: its managed identity, or the developer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CONNECT_SECONDS, READ_SECONDS, RETRIES = 3, 10, 1  # azure-core's defaults: 300 seconds and ten retries


def azure_credential(managed_identity_client_id: str, retries: int = RETRIES) -> Any:
    """An azure-identity credential. The setting decides which one, never the place where the code runs.

    Args:
        managed_identity_client_id: the client id of the managed identity. Empty for the developer who is signed in.
        retries: how often azure-core repeats a request that got no response.
    """
    if managed_identity_client_id:
        return managed_identity(managed_identity_client_id, retries)
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(**azure_options(retries))


def managed_identity(client_id: str, retries: int = RETRIES) -> Any:
    """The azure-identity credential of a managed identity: the one with this client id, or the app's own if empty."""
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client_id or None, **azure_options(retries))


class LateCredential:
    """A credential that is made when a token is asked for. So azure-identity is imported only then.

    The vault's clients send their first request without a token. While the vault responds, libraries are imported.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        """The methods of the credential, such as `get_token`."""
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)

    def __enter__(self) -> LateCredential:
        return self

    def __exit__(self, *_: object) -> None:
        if self._made is not None:
            self._made.close()


def azure_options(retries: int = RETRIES, transport: Any = None) -> dict[str, Any]:
    """Options of every Azure SDK client: our HTTP session, no redirects and no retry by status.

    azure-core would sleep for a whole Retry-After. Every request that waits for the client would wait, too.

    Args:
        retries: how often azure-core repeats a request that got no response.
        transport: None for a new one, which the client owns and closes.
    """
    from azure.core.pipeline.transport import RequestsTransport

    return {
        "transport": transport
        or RequestsTransport(session=http_session(), connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS),
        "permit_redirects": False,
        "retry_total": retries,
        "retry_status": 0,
    }


def http_session() -> Any:
    """The `requests.Session` that Azure SDK clients send with. It keeps to the deadline, and reads no ~/.netrc."""
    from ..net import deadline_http

    session = deadline_http.deadline_session()
    session.auth = deadline_http.no_auth
    return session
