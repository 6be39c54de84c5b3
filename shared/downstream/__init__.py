"""Calls of downstream APIs, such as Microsoft Graph, with the user's token."""

from .api import BatchResponse, DownstreamApi
from .calls import DownstreamApis
from .claims import token_with_claims
from .request import MAX_DOWNLOAD_BYTES, MAX_PAGES, BatchCall, HttpVerbs, ListOptions, Request

__all__ = [
    "MAX_DOWNLOAD_BYTES",
    "MAX_PAGES",
    "BatchCall",
    "BatchResponse",
    "DownstreamApi",
    "DownstreamApis",
    "HttpVerbs",
    "ListOptions",
    "Request",
    "token_with_claims",
]
