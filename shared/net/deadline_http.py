"""A session of `requests` that keeps to the deadline, follows no redirect and remembers no cookie.

A socket's timeout holds for one read. Against a response that drips in byte by byte it is no bound at all. So each
read, of headers and of the body, gets no more than what is left of the deadline. All that it takes to connect shares
one timeout. Only resolving a name is the platform's own.

What is extended here is in urllib3 and http.client, so requirements.txt pins urllib3 exactly.
"""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests import RequestException
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError, ReadTimeoutError

from .deadline import seconds_left

__all__ = ["BearerAuth", "RequestException", "deadline_session", "is_timeout", "no_auth"]

_CONNECTIONS = 32  # kept open per host; more are made and dropped


def deadline_session() -> requests.Session:
    """A session that keeps to the deadline, follows no redirect and remembers no cookie."""
    session = _NoRedirects()
    for scheme in ("https://", "http://"):
        session.mount(scheme, DeadlineAdapter())
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one user's cookie is not the next's
    return session


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given explicitly, it keeps requests from looking into ~/.netrc."""
    return request


class BearerAuth(requests.auth.AuthBase):
    """Sets the token through `auth=`: a header set by hand would be overwritten by an entry in ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _NoRedirects(requests.Session):
    """Without it, requests reads the whole body of a 3xx and parses its Location even when told not to follow."""

    def get_redirect_target(self, _: requests.Response) -> None:
        return None


def is_timeout(error: Exception) -> bool:
    """Whether the other side, or the deadline, ended a request for lack of time."""
    cause = error.args[0] if error.args else None  # a timeout in mid-body comes wrapped, one while sending twice
    sending = isinstance(cause, ProtocolError) and isinstance(cause.args[-1], TimeoutError)
    return sending or isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError)


class DeadlineAdapter(HTTPAdapter):
    """Sends once and waits no longer than the deadline allows. Raises what `requests` raises for a timeout."""

    def __init__(self) -> None:
        super().__init__(pool_maxsize=_CONNECTIONS, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=socket_options(), **kwargs)
        _use_deadline_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, socket_options=socket_options(), **kwargs)
        if not proxy.lower().startswith("socks"):  # that has connections of its own kind
            _use_deadline_pools(manager)
        return manager


def _use_deadline_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}


_IDLE_SECONDS = 60  # before a probe: Azure forgets a silent connection after four minutes without telling either end
_LEAST_SECONDS = 0.001  # a socket's timeout of 0 would mean not to wait at all


class _DeadlineReader(io.RawIOBase):
    def __init__(self, connection: socket.socket, reader: io.RawIOBase) -> None:
        self._socket, self._reader = connection, reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        timeout = self._socket.gettimeout()
        if timeout is not None:
            left = seconds_left(timeout)
            if left <= 0:
                raise TimeoutError("the deadline is over")
            self._socket.settimeout(left)
        return self._reader.readinto(buffer)

    def close(self) -> None:
        self._reader.close()
        super().close()


class _WholeLines(io.BufferedReader):
    """Reads lines of HTTP: status, headers, sizes of chunks. One without a line feed at its end was cut off.

    http.client takes the end of the connection for the end of the headers. Then a response that was cut inside them
    would be complete and empty.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise ConnectionResetError("the connection ended inside the head of a response")
        return line


class _DeadlineResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = _WholeLines(_DeadlineReader(sock, self.fp.detach()))


class _OneTimeout:
    """urllib3 gives the timeout to each address of a name, and to the TLS handshake once more. Here they share it."""

    _dns_host: str
    timeout: Any

    def _new_conn(self) -> socket.socket:
        host, timeout = self._dns_host, self.timeout
        end, addresses = time.monotonic() + seconds_left(timeout), self._addresses()
        try:
            while True:
                self._dns_host = addresses.pop(0)
                self.timeout = _until(end) / (1 + len(addresses))
                try:
                    connected: socket.socket = super()._new_conn()  # type: ignore[misc]  # HTTPConnection's
                except (NewConnectionError, ConnectTimeoutError):
                    if not addresses:
                        raise
                else:
                    connected.settimeout(_until(end))
                    return connected
        finally:
            self._dns_host, self.timeout = host, timeout

    def _addresses(self) -> list[str]:
        """Those that the name has; the name itself when it has none, which is then an error in urllib3's own words."""
        try:
            found = socket.getaddrinfo(self._dns_host.strip("[]"), None, type=socket.SOCK_STREAM)
        except OSError:
            return [self._dns_host]
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Connection(_OneTimeout, HTTPConnection):
    response_class = _DeadlineResponse


class _SecureConnection(_OneTimeout, HTTPSConnection):
    response_class = _DeadlineResponse


class Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _until(end: float) -> float:
    return max(end - time.monotonic(), _LEAST_SECONDS)


def socket_options() -> list[tuple[int, int, int]]:
    """Probes on idle connections, as far as this system has the switches."""
    wanted = {"TCP_KEEPIDLE": _IDLE_SECONDS, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
    probes = [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)
    ]
    return [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *probes]
