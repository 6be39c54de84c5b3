"""Calls of downstream APIs, such as Microsoft Graph, with the user's token."""

from .api import DownstreamApi, DownstreamApis
from .request import HttpVerbs, Request

__all__ = [
    "DownstreamApi",
    "DownstreamApis",
    "HttpVerbs",
    "Request",
]
