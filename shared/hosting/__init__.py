"""How Azure Functions sees a guarded function: its declaration, its request, its response."""

from .declaration import check_declaration
from .function_adapter import as_azure_function, find_request, is_being_cancelled, kind_of
from .request import json_body
from .response import prompts_for_consent, reply_to, reply_to_error

__all__ = [
    "as_azure_function",
    "check_declaration",
    "find_request",
    "is_being_cancelled",
    "json_body",
    "kind_of",
    "prompts_for_consent",
    "reply_to",
    "reply_to_error",
]
