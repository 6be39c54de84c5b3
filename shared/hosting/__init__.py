"""How Azure Functions sees a guarded function: its declaration, its request, its response."""

from .declaration import check
from .function_adapter import as_azure_function, is_being_cancelled, kind_of, request_among
from .request import json_body
from .response import reply_to, reply_to_error

__all__ = [
    "as_azure_function",
    "check",
    "is_being_cancelled",
    "json_body",
    "kind_of",
    "reply_to",
    "reply_to_error",
    "request_among",
]
