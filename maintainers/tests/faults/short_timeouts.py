"""Short timeouts for tests: a test waits half a second, and its clock moves by the timeout of a deployed API."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlsplit

import requests

from shared.net.deadline import seconds_left
from shared.net.deadline_http import deadline_session
from shared.net.transport import Response, Transport, TransportTimeout
from tests.support.clock import Clock

REAL_SECONDS = 0.5  # enough for a request to be sent, received and written into the audit trail

_HOSTS = {
    "obo-local.vault.azure.net": "vault",
    "graph.microsoft.com": "graph",
    "orders-local.azurewebsites.net": "orders",
}
_PATHS = {"openid-configuration": "discovery", "keys": "keys", "token": "token"}


class ShortTimeouts:
    """Counts requests to each service, and times out at once for a service that is known not to respond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hopeless = ""
        self.connects = True
        self._hosts = dict(_HOSTS)
        self._sent: list[str] = []
        self._pauses: dict[int, float] = {}

    def expect_nothing_of(self, service: str, *, connects: bool = True) -> None:
        """From now on this service does not respond, or accepts no connections. An empty name: all respond."""
        self._hopeless, self.connects = service, connects

    def belongs(self, host: str, service: str) -> None:
        """All that is sent to this host, too, is for that service."""
        self._hosts[host] = service

    def sent_to(self, service: str) -> int:
        """How many requests were tried, whether or not they got anywhere."""
        return sum(self._service_of(url) == service for url in list(self._sent))

    def sleep(self, seconds: float) -> None:
        """A pause before another attempt: the clock moves instead."""
        self._pauses[threading.get_ident()] = self.paused_here() + seconds
        self._clock.forward(seconds)

    def paused_here(self) -> float:
        """How long this very thread has paused."""
        return self._pauses.get(threading.get_ident(), 0.0)

    def forget(self) -> None:
        self._sent.clear()
        self._pauses.clear()

    def notes(self, url: str) -> bool:
        """Counts a request. True when it will get no response."""
        self._sent.append(url)
        return self._service_of(url) == self._hopeless

    def _service_of(self, url: str) -> str:
        """The service that an address belongs to, in the words of the matrix."""
        parts = urlsplit(url)
        if "/msi/" in parts.path:
            return "identity"
        return self._hosts.get(parts.netloc) or _PATHS.get(parts.path.rpartition("/")[2], "elsewhere")

    def passes(self, nominal: float, since: float) -> None:
        """A timeout is over: the clock shows what it would be, had all of it been waited for."""
        self._clock.forward(max(0.0, min(since + nominal, self._clock() + seconds_left(nominal)) - self._clock()))

    def transport(self, **options: Any) -> Transport:
        """What shared.services makes its transports with."""
        return _ImpatientTransport(self, **options)

    def session(self) -> requests.Session:
        """What Azure SDK clients ask vault and identity with."""
        session: Any = deadline_session()
        patiently = session.request

        def request(method: str, url: str, *, timeout: tuple[float, float], **more: Any) -> requests.Response:
            hopeless, started, (connect, read) = self.notes(url), self._clock(), timeout
            short = (min(connect, REAL_SECONDS), min(read, REAL_SECONDS)) if hopeless else timeout
            try:
                reply: requests.Response = patiently(method, url, timeout=short, **more)
            except requests.Timeout:
                self.passes(read if self.connects else connect, started)
                raise
            return reply

        session.request = request
        made: requests.Session = session
        return made


class _ImpatientTransport(Transport):
    def __init__(self, timeouts: ShortTimeouts, **options: Any) -> None:
        super().__init__(**options)
        self._timeouts = timeouts
        self._this_thread = threading.local()

    def send(self, method: str, url: str, **request: Any) -> Response:
        (connect, read), started = super().timeouts(request.get("read")), self._now()
        self._this_thread.hopeless = self._timeouts.notes(url)
        try:
            return super().send(method, url, **request)
        except TransportTimeout:
            self._timeouts.passes(read if self._timeouts.connects else connect, started)
            raise

    def timeouts(self, read: float | None = None) -> tuple[float, float]:
        connect, read = super().timeouts(read)
        hopeless = getattr(self._this_thread, "hopeless", False)
        return (min(connect, REAL_SECONDS), min(read, REAL_SECONDS)) if hopeless else (connect, read)
