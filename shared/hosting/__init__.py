"""How Azure Functions sees a guarded function: its declaration, its request, its response."""

from .declaration import check, is_async
from .function_adapter import as_azure_function, request_among
from .invocation import awaited, called, finished, is_being_cancelled, opened, opened_async
from .request import bearer_token, json_body
from .response import reply_to, reply_to_error

__all__ = [
    "as_azure_function",
    "awaited",
    "bearer_token",
    "called",
    "check",
    "finished",
    "is_async",
    "is_being_cancelled",
    "json_body",
    "opened",
    "opened_async",
    "reply_to",
    "reply_to_error",
    "request_among",
]
