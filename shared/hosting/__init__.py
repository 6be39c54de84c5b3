"""How Azure Functions sees a guarded function: its declaration, its request, its response."""

from .declaration import check_declaration, is_async, place_of
from .function_adapter import as_azure_function, find_request, is_being_cancelled, kind_of, run_to_end
from .request import json_body
from .response import problem, reply_to, reply_to_error, turn_into_consent_prompt

__all__ = [
    "as_azure_function",
    "check_declaration",
    "find_request",
    "is_async",
    "is_being_cancelled",
    "json_body",
    "kind_of",
    "place_of",
    "problem",
    "reply_to",
    "reply_to_error",
    "run_to_end",
    "turn_into_consent_prompt",
]
