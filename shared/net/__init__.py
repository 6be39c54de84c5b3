"""Talking to other services over HTTP: one transport, a deadline for every wait, retries and a circuit breaker.

`deadline_http` is imported where it is used: `requests` takes longer to import than all other modules together.
"""

from .circuit_breaker import CircuitBreaker, CircuitOpenError
from .claims_challenge import auth_context_claims, claims_of, requested_claims
from .deadline import seconds_left, within
from .retries import AttemptFailedError, Retries
from .single_flight import WAIT_SECONDS, SingleFlight, WaitedTooLongError, landed
from .strict_json import compact, parse_body, parse_object
from .transport import Response, Transport, TransportError, TransportTimeout

__all__ = [
    "WAIT_SECONDS",
    "AttemptFailedError",
    "CircuitBreaker",
    "CircuitOpenError",
    "Response",
    "Retries",
    "SingleFlight",
    "Transport",
    "TransportError",
    "TransportTimeout",
    "WaitedTooLongError",
    "auth_context_claims",
    "claims_of",
    "compact",
    "landed",
    "parse_body",
    "parse_object",
    "requested_claims",
    "seconds_left",
    "within",
]
