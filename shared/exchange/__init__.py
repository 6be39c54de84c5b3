"""The On-Behalf-Of exchange: the caller's access token → an access token for a downstream API, as the same user.

`credential_sources` is imported where it is used: no import of the app waits for cryptography.
"""

from .azure_identity import CONNECT_SECONDS, READ_SECONDS, azure_credential, azure_options, http_session
from .downstream_token import DownstreamToken, Origin, Refusal, TokenSource
from .msal_client import MsalHttpClient
from .on_behalf_of import OnBehalfOf

__all__ = [
    "CONNECT_SECONDS",
    "READ_SECONDS",
    "DownstreamToken",
    "MsalHttpClient",
    "OnBehalfOf",
    "Origin",
    "Refusal",
    "TokenSource",
    "azure_credential",
    "azure_options",
    "http_session",
]
