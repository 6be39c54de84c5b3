"""HTTP to other services: one transport, a deadline for every wait, retries and a circuit breaker.

`deadline_http` is imported inside functions: `requests` takes longer to import than all other modules together.
"""

from .circuit_breaker import CircuitBreaker, CircuitOpenError
from .claims_challenge import auth_context_claims, bearer_challenges, claims_of, requested_claims
from .deadline import seconds_left, within
from .retries import MAX_PAUSE_SECONDS, AttemptFailedError, Retries
from .single_flight import WAIT_SECONDS, SingleFlight, WaitedTooLongError, result_of
from .strict_json import compact, parse_body, parse_object
from .transport import OpenResponse, Response, Transport, TransportError, TransportTimeout

__all__ = [
    "MAX_PAUSE_SECONDS",
    "WAIT_SECONDS",
    "AttemptFailedError",
    "CircuitBreaker",
    "CircuitOpenError",
    "OpenResponse",
    "Response",
    "Retries",
    "SingleFlight",
    "Transport",
    "TransportError",
    "TransportTimeout",
    "WaitedTooLongError",
    "auth_context_claims",
    "bearer_challenges",
    "claims_of",
    "compact",
    "parse_body",
    "parse_object",
    "requested_claims",
    "result_of",
    "seconds_left",
    "within",
]
