"""Calls of downstream APIs, such as Microsoft Graph, with the user's token."""

from .api import DownstreamApi, DownstreamApis
from .claims import token_with_claims
from .request import HttpVerbs, Request

__all__ = [
    "DownstreamApi",
    "DownstreamApis",
    "HttpVerbs",
    "Request",
    "token_with_claims",
]
