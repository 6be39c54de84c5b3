"""Imports large libraries in the background while the app is loaded: the first request finds them."""

from __future__ import annotations

import gc
import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from .settings import Settings

_AZURE_IDENTITY = {"KeyVault", "SignedAssertionFromVault", "SignedAssertionFromManagedIdentity"}


def start_in_background(work: Callable[[], None]) -> None:
    """Starts a thread that does the work. The process waits for it at its end, so it must be short."""
    with suppress(RuntimeError):  # "can't start new thread"
        threading.Thread(target=work, name="background preload").start()


def module_being_imported() -> str:
    """The name of the outermost module that this thread imports now: that of the app. "" if there is none."""
    name = ""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        its_module = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "<module>" and is_being_imported(its_module):
            name = its_module
        frame = frame.f_back
    return name


def is_being_imported(name: str) -> bool:
    """Whether some thread imports this module now."""
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))


def wait_for_import(name: str) -> None:
    """Waits until the module is imported. Two threads that import one package at once can make both imports fail."""
    while is_being_imported(name):
        time.sleep(0.002)


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: what is imported stays, and to look through it takes an eighth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def import_libraries(settings: Settings) -> None:
    """Imports the libraries that these settings need, in the order of their first use."""
    with suppress(ImportError):  # the code that needs the library raises the same error again
        for name in _modules(settings):
            importlib.import_module(name, __package__)


def _modules(settings: Settings) -> list[str]:
    names = [".net.deadline_http"]  # this imports all packages below it, too
    sources = {source.source_type for source in settings.client.credentials}
    if settings.downstream_apis:
        identity_of_redis = settings.redis.managed_identity_client_id if settings.redis else ""
        names += ["azure.keyvault.secrets"] if "KeyVault" in sources else []
        names += [".exchange.credential_vault_key"] if "SignedAssertionFromVault" in sources else []
        names += ["azure.identity"] if sources & _AZURE_IDENTITY or identity_of_redis else []
        names += [".exchange.credential_sources", "msal"]
    names += [".validation.jws", ".downstream"]
    if settings.downstream_apis:
        names += [".application.app_api"] if any(api.for_app for api in settings.downstream_apis.values()) else []
        names += [".redis"] if settings.redis else []
    return names
