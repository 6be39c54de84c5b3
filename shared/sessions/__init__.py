"""Sessions: for each bearer token, the validated token and every downstream token that was exchanged for it."""

from .cache import Sessions
from .session import ExchangedLately, RequestContext, Session

__all__ = [
    "ExchangedLately",
    "RequestContext",
    "Session",
    "Sessions",
]
