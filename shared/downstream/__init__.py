"""Calls of downstream APIs, such as Microsoft Graph, with the user's token."""

from .api import DownstreamApi
from .batch import BatchCall, BatchResponse
from .calls import DownstreamApis
from .claims import token_with_claims
from .download import MAX_DOWNLOAD_BYTES, ByteStream
from .pages import MAX_PAGES, ListOptions, PageReader
from .request import HttpVerbs, Request

__all__ = [
    "MAX_DOWNLOAD_BYTES",
    "MAX_PAGES",
    "BatchCall",
    "BatchResponse",
    "ByteStream",
    "DownstreamApi",
    "DownstreamApis",
    "HttpVerbs",
    "ListOptions",
    "PageReader",
    "Request",
    "token_with_claims",
]
