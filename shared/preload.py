"""Imports large libraries in the background: the app starts fast, and the first request finds them loaded."""

from __future__ import annotations

import importlib
import threading
import time
from contextlib import suppress

from .settings import Settings

_IMPORT_FIRST_SECONDS = 0.05  # lets the import of the app itself finish first
_AZURE_IDENTITY = {"KeyVault", "SignedAssertionFromVault", "SignedAssertionFromManagedIdentity"}


def preload_in_background(settings: Settings) -> threading.Thread:
    """Starts a thread that imports the libraries that the first request needs. It opens no connection."""
    thread = threading.Thread(target=load, args=(settings,), name="libraries")
    thread.start()
    return thread


def load(settings: Settings) -> None:
    """Imports the libraries that these settings need, in the order of their first use."""
    time.sleep(_IMPORT_FIRST_SECONDS)
    with suppress(ImportError):  # the code that needs the library raises the same error again
        for name in _modules(settings):
            importlib.import_module(name, __package__)


def _modules(settings: Settings) -> list[str]:
    names = [".net.deadline_http", ".downstream", ".validation.jws"]  # these import all packages below them, too
    sources = {source.source_type for source in settings.client.credentials}
    if settings.downstream_apis:
        names += [".exchange.credential_sources", "msal"]
        names += [".application.app_api"] if any(api.for_app for api in settings.downstream_apis.values()) else []
        identity_of_redis = settings.redis.managed_identity_client_id if settings.redis else ""
        names += ["azure.identity"] if sources & _AZURE_IDENTITY or identity_of_redis else []
        names += ["azure.keyvault.secrets"] if "KeyVault" in sources else []
        names += [".exchange.credential_vault_key"] if "SignedAssertionFromVault" in sources else []
        names += [".redis"] if settings.redis else []
    return names
