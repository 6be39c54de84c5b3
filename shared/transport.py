"""The one way out: HTTPS with explicit time-outs, no redirects, a bounded answer and no hidden second send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, ReadTimeoutError
from urllib3.util import Retry

CONNECT_SECONDS = 3.05  # just over one TCP retransmission
READ_SECONDS = 15.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_RETRY_AFTER_SECONDS = 3600
_CHUNK = 64 * 1024


class TransportError(Exception):
    """No complete answer came: refused, reset, timed out, broken TLS, too large. Its text names the kind only."""


class TransportTimeout(TransportError):
    """The other side accepted the connection, then did not answer in time."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None

    def retry_after(self, now: float) -> int | None:
        """Seconds until the server wants to be asked again (RFC 9110 §10.2.3); None: it did not say."""
        value = self.headers.get("Retry-After", "").strip()
        try:
            seconds = int(value) if value.isdigit() else int(parsedate_to_datetime(value).timestamp() - now) + 1
        except (ValueError, OverflowError):
            return None
        return max(0, min(seconds, MAX_RETRY_AFTER_SECONDS))


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


class _OnceMore(Retry):
    """Opens a dead connection anew once, but never waits twice: a time-out ends the attempt."""

    def increment(self, *args: Any, **kwargs: Any) -> _OnceMore:
        error = kwargs.get("error")
        if isinstance(error, ReadTimeoutError):
            raise error
        if isinstance(error, ConnectTimeoutError):
            raise MaxRetryError(kwargs["_pool"], "", error)
        return super().increment(*args, **kwargs)


class Transport:
    """Pooled, thread-safe HTTPS.

    A kept-alive connection that died is opened anew once: for every method when `resend_posts`, else only for methods
    that may be sent twice (RFC 9110 §9.2.2).
    """

    def __init__(self, *, resend_posts: bool = False, connect: float = CONNECT_SECONDS, read: float = READ_SECONDS):
        methods = None if resend_posts else frozenset({"GET", "HEAD", "OPTIONS"})
        retry = _OnceMore(1, redirect=0, status=0, other=0, allowed_methods=methods, raise_on_status=False)
        self._session = _NoRedirects()
        self._session.mount("https://", HTTPAdapter(pool_maxsize=32, max_retries=retry))
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one user's cookie is not the next's
        self._timeout = (connect, read)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        bearer: str | None = None,
        params: Mapping[str, str] | None = None,
        data: Any = None,
    ) -> Answer:
        """Sends one request and reads the whole answer, whatever its status.

        Raises:
            ValueError: the address is not https, or a header or the method cannot be sent.
            TransportTimeout, TransportError: no complete answer came.
        """
        if not url.startswith("https://"):
            raise ValueError("only https:// addresses are called")
        try:
            with self._session.request(
                method,
                url,
                headers=dict(headers or {}),
                auth=BearerAuth(bearer) if bearer else _no_auth,
                params=dict(params) if params else None,
                data=data,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                return Answer(response.status_code, response.headers, _read_bounded(response))
        except (requests.RequestException, OSError) as error:
            # The library's texts can hold addresses and header bytes; the kind of failure is enough.
            if isinstance(error, ValueError):
                raise ValueError("a header or the address is not valid") from None
            raise (TransportTimeout if _is_timeout(error) else TransportError)(type(error).__name__) from None
        except ValueError:  # http.client quotes the header, which may be the token
            raise ValueError("a header or the method is not valid") from None

    def close(self) -> None:
        self._session.close()


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given explicitly, it keeps requests from looking into ~/.netrc."""
    return request


def _is_timeout(error: Exception) -> bool:
    cause = error.args[0] if error.args else None  # a time-out in mid-body comes wrapped
    return isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError)


def _read_bounded(response: requests.Response) -> bytes:
    chunks, size = [], 0
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise TransportError("answer too large")
        chunks.append(chunk)
    return b"".join(chunks)
