"""The session of each bearer token: validated once, with every token that was exchanged for it."""

from .cache import Sessions
from .request_context import RequestContext
from .session import ExchangedLately, Session

__all__ = [
    "ExchangedLately",
    "RequestContext",
    "Session",
    "Sessions",
]
