"""The On-Behalf-Of exchange: the caller's access token → an access token for a downstream API, as the same user.

`credential_sources` is imported where it is used: no import of the app waits for cryptography.
"""

from .azure_identity import azure_credential
from .msal_client import MsalHttpClient
from .on_behalf_of import DownstreamToken, OnBehalfOf, Refusal, TokenSource

__all__ = [
    "DownstreamToken",
    "MsalHttpClient",
    "OnBehalfOf",
    "Refusal",
    "TokenSource",
    "azure_credential",
]
