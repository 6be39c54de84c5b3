"""Calls of downstream APIs, such as Microsoft Graph, with the user's token.

`batch`, `pages` and `download` are imported inside functions: few apps use them.
"""

from .api import DownstreamApi
from .calls import DownstreamApis
from .claims import token_with_claims
from .request import MAX_DOWNLOAD_BYTES, MAX_PAGES, HttpVerbs, ListOptions, Request

__all__ = [
    "MAX_DOWNLOAD_BYTES",
    "MAX_PAGES",
    "DownstreamApi",
    "DownstreamApis",
    "HttpVerbs",
    "ListOptions",
    "Request",
    "token_with_claims",
]
