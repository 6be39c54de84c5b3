"""One module per peer. A peer's packages are imported only in its own process."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import Peer

_CLASSES = {
    "template": "template:Template",
    "pyjwt": "pyjwk_client:PyJwt",
    "fastapi": "fastapi_azure_auth:FastApi",
    "msal": "msal_alone:Msal",
    "msal-silent": "msal_alone:MsalCacheFirst",
    "azure": "azure_identity:AzureIdentity",
    "azure-kept": "azure_identity:AzureIdentityKept",
}


def load(key: str) -> Callable[..., Peer]:
    """The class of a peer. Raises ImportError when its packages are not installed."""
    module, _, name = _CLASSES[key].partition(":")
    found: Callable[..., Peer] = getattr(import_module(f".{module}", __package__), name)
    return found
