"""Calls of downstream APIs, such as Microsoft Graph, with the user's token."""

from .api import DownstreamApi, DownstreamApis, UserCalls, as_api_response
from .batch import BatchCall, BatchResponse, send_batch
from .claims import token_with_claims
from .download import MAX_DOWNLOAD_BYTES, ByteStream, save
from .pages import MAX_PAGES, ListOptions, PageReader
from .request import HttpVerbs, Request, checked_request

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
    "UserCalls",
    "as_api_response",
    "checked_request",
    "save",
    "send_batch",
    "token_with_claims",
]
