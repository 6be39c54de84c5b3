"""Connections that keep to the deadline: for our own requests, and as a session of `requests` for Azure SDKs.

The timeout of a socket is for one read. A server that sends byte by byte could hold a request without limit. So each
read, of headers and of the body, gets at most the time that is left of the deadline. All steps of connecting share
one timeout. Only name resolution has no limit of ours: the platform decides.

This module extends classes of urllib3 and http.client, so requirements.txt pins urllib3 exactly.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from http.client import BadStatusLine, HTTPException, HTTPResponse, parse_headers
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from ssl import SSLContext
from typing import Any, cast
from urllib.parse import SplitResult, urlencode, urlsplit

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError, ProxyError
from urllib3.exceptions import TimeoutError as AnyTimeoutError
from urllib3.util import parse_url
from urllib3.util.request import ACCEPT_ENCODING
from urllib3.util.ssl_ import create_urllib3_context

from .deadline import seconds_left

__all__ = ["Connections", "HTTPError", "deadline_session", "is_timeout", "no_auth"]

# Kept open for each host; more are made and dropped. A new one takes 1.5 ms of processor time. So this is more than the
# threads that call at once.
_CONNECTIONS = 128
_MAX_HOSTS = 64
_ONCE = Retry(False, redirect=False)  # errors are raised as they are, and a redirect is a response


class Connections:
    """Sends requests over kept connections, 128 for each host. Thread-safe.

    The proxy and the trusted authorities are those of the environment. It is read as `requests` reads it, but once for
    each host instead of at each request. No cookie, no ~/.netrc and no session of `requests` is part of a request.
    """

    def __init__(self) -> None:
        self._session, self._adapter = requests.Session(), DeadlineAdapter()
        self._lock = threading.Lock()
        self._pools: dict[str, HTTPConnectionPool] = {}  # by host and port

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None,
        body: Any,
        timeout: tuple[float, float],
    ) -> BaseHTTPResponse:
        """Sends one request to an https address. The body of the response is not read yet.

        Args:
            params: are added to the query of the address. One without a value (None) is left out.
            body: None, bytes, or an object with `read`. If it has no `len`, it is sent in chunks (RFC 9112 §7.1).
            timeout: the seconds to connect, and for each read.

        Raises:
            HTTPError, OSError: no response came.
            ValueError: the address, a header or the method is not valid. The text may quote it.
        """
        address = urlsplit(url)
        if address.scheme != "https":
            raise ValueError("only https:// addresses are called")
        sent = _usual_headers(headers)
        if hasattr(body, "len"):
            sent["Content-Length"] = str(body.len)
        return self._pool(address.netloc).urlopen(
            method,
            _target(address, params),
            body=body,
            headers=sent,
            retries=_ONCE,
            redirect=False,
            assert_same_host=False,  # the pool is that of the address
            timeout=Timeout(connect=timeout[0], read=timeout[1]),
            preload_content=False,
            chunked=hasattr(body, "read") and not hasattr(body, "len"),
        )

    def close(self) -> None:
        """Closes the idle connections. A later request makes new ones."""
        self._pools.clear()
        self._adapter.close()

    def _pool(self, netloc: str) -> HTTPConnectionPool:
        pool = self._pools.get(netloc)
        if pool is None:
            with self._lock:  # two first requests must not make two pools
                pool = self._pools.get(netloc) or self._new_pool(netloc)
                if len(self._pools) >= _MAX_HOSTS:
                    self._pools.clear()
                self._pools[netloc] = pool
        return pool

    def _new_pool(self, netloc: str) -> HTTPConnectionPool:
        origin = f"https://{netloc}"
        address = parse_url(origin)
        if not address.host:
            raise ValueError("an address without a host")
        environment = self._session.merge_environment_settings(origin, {}, None, None, None)
        proxy, authorities = select_proxy(origin, environment["proxies"]), environment["verify"]
        context = _tls_context(certifi.where() if authorities is True else str(authorities))
        pool: HTTPConnectionPool = self._adapter.manager(proxy).connection_from_host(
            address.host, address.port, "https", {"ssl_context": context}
        )
        return pool


@lru_cache(maxsize=4)
def _tls_context(authorities: str) -> SSLContext:
    """A context that trusts these authorities: a file or a folder. All connections share it: it takes 10 ms to make."""
    context = create_urllib3_context()
    if Path(authorities).is_dir():
        context.load_verify_locations(capath=authorities)
    else:
        context.load_verify_locations(authorities)
    return context


def _usual_headers(own: Mapping[str, str]) -> dict[str, str]:
    """The headers `own`, and the usual headers of every request that `own` lacks."""
    names = {name.lower() for name in own}
    usual = {} if "accept" in names else {"Accept": "*/*"}
    if "accept-encoding" not in names:
        usual["Accept-Encoding"] = ACCEPT_ENCODING
    return {**usual, **own}


def _target(address: SplitResult, params: Mapping[str, Any] | None) -> str:
    """Path and query. urllib3 quotes the characters that cannot be sent."""
    target = f"{address.path or '/'}?{address.query}" if address.query else address.path or "/"
    given = {name: value for name, value in params.items() if value is not None} if params else None
    return f"{target}{'&' if address.query else '?'}{urlencode(given, doseq=True)}" if given else target


def deadline_session() -> requests.Session:
    """A session that keeps to the deadline, follows no redirect and remembers no cookie."""
    session = _NoRedirects()
    for scheme in ("https://", "http://"):
        session.mount(scheme, DeadlineAdapter())
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one user's cookie is not the next's
    return session


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Adds nothing. With an explicit `auth`, requests does not read ~/.netrc."""
    return request


class _NoRedirects(requests.Session):
    """A session without redirects. `requests` would read the body of a 3xx and parse its Location in any case."""

    def get_redirect_target(self, _: requests.Response) -> None:
        return None


def is_timeout(error: Exception) -> bool:
    """Whether the error is a timeout, of the other side or of the deadline."""
    if isinstance(error, NewConnectionError):  # a timeout to urllib3, though nobody waited
        return False
    if isinstance(error, AnyTimeoutError | TimeoutError):
        return True
    cause = error.args[-1] if error.args else None
    return isinstance(error, ProtocolError | ProxyError) and isinstance(cause, Exception) and is_timeout(cause)


class DeadlineAdapter(HTTPAdapter):
    """Sends once and waits no longer than the deadline allows. Raises what `requests` raises for a timeout."""

    def __init__(self) -> None:
        super().__init__(pool_connections=_MAX_HOSTS, pool_maxsize=_CONNECTIONS, max_retries=0)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """As HTTPAdapter.send. Plain http uses no proxy: it is for the managed identity's endpoint on this machine.

        A proxy would get the secret of that endpoint, and the token, in the clear.
        """
        if urlsplit(request.url).scheme == "http":
            kwargs["proxies"] = {}
        return super().send(request, *args, **kwargs)

    def manager(self, proxy: str | None) -> PoolManager:
        """The manager of the pools, which connect through the proxy if there is one."""
        if proxy:
            return cast(PoolManager, self.proxy_manager_for(proxy if "://" in proxy else f"http://{proxy}"))
        return cast(PoolManager, self.poolmanager)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=socket_options(), **kwargs)
        _use_deadline_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, socket_options=socket_options(), **kwargs)
        if not proxy.lower().startswith("socks"):  # SOCKS has its own connections
            _use_deadline_pools(manager)
        return manager


def _use_deadline_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}


_IDLE_SECONDS = 60  # before a probe: Azure drops a silent connection after four minutes and tells neither end
_ONE_WRITE_BYTES = 12 * 1024  # with the head it fits into one TLS record of 16 KB
_LEAST_SECONDS = 0.001  # a timeout of 0 would make the socket non-blocking


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
            if left < timeout:  # each `settimeout` is a system call
                self._socket.settimeout(left)
        return self._reader.readinto(buffer)

    def close(self) -> None:
        self._reader.close()
        super().close()


class _WholeLines(io.BufferedReader):
    """Reads lines of HTTP: status, headers, sizes of chunks. A line without a line feed at its end was cut off.

    http.client takes the end of the connection for the end of the headers. So a response that was cut off there would
    look complete and empty.
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

    def _read_status(self) -> tuple[str, int, str]:
        """The status line of the final response (RFC 9110 §15.2). Of interim ones, http.client knows 100 alone.

        It would take a 103 for the response. Then the real one, of this user, would be read for the next request.
        """
        while True:
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # http.client's
            if not 100 <= line[1] < 200:
                return line
            if line[1] == 101:  # nothing asks for another protocol
                raise BadStatusLine("101")
            parse_headers(self.fp)

    def begin(self) -> None:
        """Reads the head. A 204 has no body (RFC 9112 §6.3). One that comes late would be the next user's response.

        So after a 204 with a length the connection ends, and a 204 in chunks is an error.
        """
        super().begin()
        if self.status == 204 and self.headers.get("Transfer-Encoding"):
            raise HTTPException("a 204 in chunks")
        if self.status == 204 and self.headers.get("Content-Length", "0") != "0":
            self.will_close = True

    def _safe_read(self, amt: int) -> bytes:
        """`amt` bytes of a chunk. urllib3 takes -1 for a size, and http.client then reads to the end, without limit."""
        if amt < 0:
            raise HTTPException("a chunk has a negative size")
        read: bytes = super()._safe_read(amt)  # type: ignore[misc]  # as above
        return read


class _OneTimeout:
    """One timeout for all addresses of a name and the TLS handshake. urllib3 gives the timeout to each of them."""

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
        """The addresses of the name. Without any, the name itself: urllib3 then raises its own error."""
        try:
            found = socket.getaddrinfo(self._dns_host.strip("[]"), None, type=socket.SOCK_STREAM)
        except OSError:
            return [self._dns_host]
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _OneWrite:
    """Sends the head of a request and a short body together: one TLS record, and one read for the server."""

    _held: list[bytes] | None = None

    def request(self, method: str, url: str, body: Any = None, *args: Any, **options: Any) -> None:
        if not (isinstance(body, bytes) and 0 < len(body) <= _ONE_WRITE_BYTES):
            super().request(method, url, body, *args, **options)  # type: ignore[misc]  # HTTPConnection's
            return
        held = self._held = []
        try:
            super().request(method, url, body, *args, **options)  # type: ignore[misc]  # as above
        finally:
            self._held = None
        self.send(b"".join(held))

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)  # type: ignore[misc]  # as above
        else:
            self._held.append(data)


class _Connection(_OneWrite, _OneTimeout, HTTPConnection):
    response_class = _DeadlineResponse


class _SecureConnection(_OneWrite, _OneTimeout, HTTPSConnection):
    response_class = _DeadlineResponse

    @property
    def is_connected(self) -> bool:
        """False, too, if TLS has decrypted more than a response said: it would be read as the next user's response."""
        tls: Any = getattr(self.sock, "sslobj", self.sock)  # `sslobj`: TLS inside the TLS of a proxy
        return super().is_connected and not tls.pending()


class Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _until(end: float) -> float:
    return max(end - time.monotonic(), _LEAST_SECONDS)


def socket_options() -> list[tuple[int, int, int]]:
    """Socket options that send probes on idle connections, as far as this system has them."""
    wanted = {"TCP_KEEPIDLE": _IDLE_SECONDS, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
    probes = [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)
    ]
    return [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *probes]
