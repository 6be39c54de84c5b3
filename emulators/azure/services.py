"""The emulators of the services in the table."""

from __future__ import annotations

from ..entra.service import Entra
from .declared import AzureService
from .search import Search
from .secrets import Secrets
from .storage import Storage

Emulated = Storage | Search | Secrets


def emulated(entra: Entra, service: AzureService) -> Emulated:
    """The emulator of one service."""
    if service.service == "storage":
        return Storage(entra, service)
    return Search(entra, service) if service.service == "search" else Secrets(entra, service)
