"""The On-Behalf-Of exchange: the caller's access token → an access token for a downstream API, as the same user.

`credential_sources`, MSAL, azure-identity and the Key Vault client are imported inside functions. So the app starts
without them, and most requests never need them. The import of MSAL alone takes a quarter of a second.
"""

from .azure_identity import CONNECT_SECONDS, READ_SECONDS, azure_credential, azure_options, http_session
from .downstream_token import DownstreamToken, Origin, Refusal, TokenSource
from .msal_client import MsalHttpClient
from .on_behalf_of import OnBehalfOf, TenantExchanges, credential_loads

__all__ = [
    "CONNECT_SECONDS",
    "READ_SECONDS",
    "DownstreamToken",
    "MsalHttpClient",
    "OnBehalfOf",
    "Origin",
    "Refusal",
    "TenantExchanges",
    "TokenSource",
    "azure_credential",
    "azure_options",
    "credential_loads",
    "http_session",
]
