"""Calls of downstream APIs, such as Microsoft Graph, with the user's token or the application's."""

from .api import CalledApi, DownstreamApi
from .batch import BatchCall, BatchResponse
from .calls import ApiCalls, DownstreamApis
from .claims import BearerToken, token_with_claims
from .download import MAX_DOWNLOAD_BYTES, ByteStream
from .pages import MAX_PAGES, ListOptions, PageReader
from .request import HttpVerbs, Request

__all__ = [
    "MAX_DOWNLOAD_BYTES",
    "MAX_PAGES",
    "ApiCalls",
    "BatchCall",
    "BatchResponse",
    "BearerToken",
    "ByteStream",
    "CalledApi",
    "DownstreamApi",
    "DownstreamApis",
    "HttpVerbs",
    "ListOptions",
    "PageReader",
    "Request",
    "token_with_claims",
]
