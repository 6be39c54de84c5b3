"""The session of each bearer token: validated once, with every token that was exchanged for it."""

from .cache import Sessions
from .session import ExchangedLately, RequestContext, Session

__all__ = [
    "ExchangedLately",
    "RequestContext",
    "Session",
    "Sessions",
]
