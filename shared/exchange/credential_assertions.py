"""Keeps one signed client assertion per token endpoint, and renews it in the background before it ends.

    age of the assertion      what a request gets
    -----------------------   ------------------------------------------------------------------------
    under 300 seconds         the assertion
    300 to 590 seconds        the assertion; a new one is signed in the background
    over 590 seconds          a new assertion, after a wait; or the error of the signature

So a vault that is down for 290 seconds fails no request, if requests came in the five minutes before. Each process asks
the vault for one signature per token endpoint in 300 seconds.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from ..errors import ApiError, ServerMisconfigured, ServiceUnavailable
from ..net import CircuitBreaker, CircuitOpenError, SingleFlight, WaitedTooLongError, within
from ..settings import CredentialSettings
from .credential_failures import as_api_error, describe, seconds_to_wait

ASSERTION_SECONDS = 600  # from `iat` to `exp`; Entra recommends ten minutes at most
RENEW_ASSERTION_AFTER_SECONDS = 300.0
USE_ASSERTION_SECONDS = 590.0  # ten seconds are left for the way to Entra
CLOCK_STEP_SECONDS = 60.0  # our clock may be set back by so much before an assertion counts as not valid yet
SIGN_SECONDS = 20.0  # for managed identity and vault together
SIGN_AGAIN_SECONDS = 2.0  # after a signature that failed
MAX_SIGN_PAUSE_SECONDS = 60.0  # the longest pause that a busy vault can ask for
MAX_ASSERTIONS = 1_000  # token endpoints, one per tenant; the one that was not used for longest is dropped

log = logging.getLogger(__name__)


class _Assertion(NamedTuple):
    text: str
    signed_at: float


class SignedAssertions:
    """The assertions by token endpoint. Thread-safe."""

    def __init__(self, sign: Callable[[str, float], str], source: CredentialSettings, now: Callable[[], float]) -> None:
        """`sign` makes the assertion for a token endpoint, issued at a time in seconds since 1970."""
        self._make, self._source, self._now = sign, source, now
        self._lock = threading.Lock()
        self._assertions: OrderedDict[str, _Assertion] = OrderedDict()
        self._flights: SingleFlight[str, str] = SingleFlight()
        self._circuit = CircuitBreaker("vault key", now)
        self._last_failure: ApiError | None = None
        self._busy_until = self._again_at = float("-inf")
        self.broken_at = float("-inf")  # when a request last failed because there was no assertion

    def get(self, token_endpoint: str) -> str:
        """An assertion that Entra accepts at this token endpoint.

        Raises:
            ServiceUnavailable: none is left, and the vault or the identity signs none at the moment.
            ServerMisconfigured: none is left, and only an operator can fix that.
        """
        with self._lock:
            known = self._assertions.get(token_endpoint)
            if known is not None:
                self._assertions.move_to_end(token_endpoint)
        if known is None or not self._is_younger(known, USE_ASSERTION_SECONDS):
            return self._wait_for(token_endpoint)
        if not self._is_younger(known, RENEW_ASSERTION_AFTER_SECONDS) and not self._has_just_failed():
            self._flights.run_in_background(token_endpoint, lambda: self._renew(token_endpoint))
        return known.text

    def sign(self, token_endpoint: str) -> str:
        """Signs a new assertion at once, and keeps it. Raises the errors of the vault and the identity."""
        issued = self._now()
        text = self._make(token_endpoint, issued)
        self.broken_at = float("-inf")
        with self._lock:
            self._assertions[token_endpoint] = _Assertion(text, issued)
            self._assertions.move_to_end(token_endpoint)
            while len(self._assertions) > MAX_ASSERTIONS:
                self._assertions.popitem(last=False)
        return text

    def _is_younger(self, assertion: _Assertion, seconds: float) -> bool:
        """Whether the assertion is younger. False, too, if the clock was set back so far that it is not valid yet."""
        return -CLOCK_STEP_SECONDS <= self._now() - assertion.signed_at < seconds

    def _has_just_failed(self) -> bool:
        """Whether a signature has just failed. Then a renewal would only start a thread for an error."""
        return 0 < self._again_at - self._now() <= SIGN_AGAIN_SECONDS

    def _wait_for(self, token_endpoint: str) -> str:
        try:
            return self._flights.wait_in_background(token_endpoint, lambda: self._renew(token_endpoint))
        except WaitedTooLongError as error:
            raise ServiceUnavailable(reason=str(error)) from None
        except ApiError:
            self.broken_at = self._now()
            raise

    def _renew(self, token_endpoint: str) -> str:
        """A new assertion, or the one that another thread has just signed."""
        try:
            return self._renewed(token_endpoint)
        except ApiError:
            self._again_at = self._now() + SIGN_AGAIN_SECONDS
            raise

    def _renewed(self, token_endpoint: str) -> str:
        with self._lock:
            known = self._assertions.get(token_endpoint)
        if known is not None and self._is_younger(known, RENEW_ASSERTION_AFTER_SECONDS):
            return known.text
        self._check_pauses()
        try:
            with within(SIGN_SECONDS, self._now):
                text = self.sign(token_endpoint)
        except Exception as error:  # noqa: BLE001 — errors of four libraries; as_api_error tells what they mean
            failure = as_api_error(error, self._source, self._now())
            asked = min(seconds_to_wait(error, self._now()), MAX_SIGN_PAUSE_SECONDS)
            self._busy_until = self._now() + asked if asked else float("-inf")
            self._last_failure = failure
            self._circuit.failed("no signature")
            log.warning("client credential: no new assertion signed (%s)", describe(error, self._source))
            raise failure from None
        self._circuit.succeeded()
        return text

    def _check_pauses(self) -> None:
        """Raises an error while the vault has asked for a pause, or while the circuit breaker is open."""
        wait = self._busy_until - self._now()
        if 0 < wait <= MAX_SIGN_PAUSE_SECONDS:  # a longer wait means that the clock was set back
            raise ServiceUnavailable(retry_after=math.ceil(wait), reason="vault key: the vault asked to wait")
        try:
            self._circuit.check()
        except CircuitOpenError as error:
            if isinstance(self._last_failure, ServerMisconfigured):
                raise ServerMisconfigured(reason="no client assertion could be signed; not tried again yet") from None
            raise ServiceUnavailable(retry_after=math.ceil(error.seconds), reason="vault key: circuit open") from None
