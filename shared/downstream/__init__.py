"""Calls of downstream APIs, such as Microsoft Graph, with the user's token or the application's.

`batch`, `pages` and `download` are imported inside functions: few apps use them.
"""

from .api import ApiCalls, CalledApi, DownstreamApi, DownstreamApis
from .claims import BearerToken, token_with_claims
from .request import MAX_DOWNLOAD_BYTES, MAX_PAGES, HttpVerbs, ListOptions, Request

__all__ = [
    "MAX_DOWNLOAD_BYTES",
    "MAX_PAGES",
    "ApiCalls",
    "BearerToken",
    "CalledApi",
    "DownstreamApi",
    "DownstreamApis",
    "HttpVerbs",
    "ListOptions",
    "Request",
    "token_with_claims",
]
