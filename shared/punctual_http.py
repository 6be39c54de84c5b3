"""A session of `requests` that keeps to the deadline, follows no redirect and remembers no cookie.

A socket's time-out holds for one read. Against an answer that drips in byte by byte it is no bound at all, so here each
read, of headers and of the body, gets no more than what is left of the deadline.
"""

from __future__ import annotations

import io
import socket
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests import RequestException
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ReadTimeoutError

from .deadline import seconds_left

__all__ = ["BearerAuth", "RequestException", "is_timeout", "no_auth", "punctual_session"]

_CONNECTIONS = 32  # kept open per host; more are made and dropped
_IDLE_SECONDS = 60  # before a probe: Azure forgets a silent connection after four minutes without telling either end


def punctual_session() -> requests.Session:
    """A session that keeps to the deadline, follows no redirect and remembers no cookie."""
    session = _NoRedirects()
    for scheme in ("https://", "http://"):
        session.mount(scheme, PunctualAdapter())
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
    cause = error.args[0] if error.args else None  # a time-out in mid-body comes wrapped
    return isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError)


class PunctualAdapter(HTTPAdapter):
    """Sends once and waits no longer than the deadline allows. Raises what `requests` raises for a time-out."""

    def __init__(self) -> None:
        super().__init__(pool_maxsize=_CONNECTIONS, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=_socket_options(), **kwargs)
        _make_punctual(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, socket_options=_socket_options(), **kwargs)
        if not proxy.lower().startswith("socks"):  # that has connections of its own kind
            _make_punctual(manager)
        return manager


class _PunctualReader(io.RawIOBase):
    def __init__(self, connection: socket.socket, reader: io.RawIOBase) -> None:
        self._socket, self._reader = connection, reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        patience = self._socket.gettimeout()
        if patience is not None:
            left = seconds_left(patience)
            if left <= 0:
                raise TimeoutError("the deadline is over")
            self._socket.settimeout(left)
        return self._reader.readinto(buffer)

    def close(self) -> None:
        self._reader.close()
        super().close()


class _PunctualResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_PunctualReader(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _PunctualResponse


class _SecureConnection(HTTPSConnection):
    response_class = _PunctualResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _make_punctual(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def _socket_options() -> list[tuple[int, int, int]]:
    """Probes on idle connections, as far as this system has the switches."""
    wanted = {"TCP_KEEPIDLE": _IDLE_SECONDS, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
    probes = [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)
    ]
    return [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *probes]
