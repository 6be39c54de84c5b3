"""Sends one HTTPS request and reads the response: explicit timeouts, no redirects, no retries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from .deadline import seconds_left, within

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

CONNECT_SECONDS = 3.05  # just over one TCP retransmission
READ_SECONDS = 15.0  # the longest silence; the whole exchange is limited to CONNECT_SECONDS + READ_SECONDS
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
MAX_RETRY_AFTER_SECONDS = 3600
_CHUNK = 64 * 1024


class Response:
    """An HTTP response, read to its end. A function may return it: status, body and content type go to the caller.

    Attributes:
        status_code: the HTTP status.
        headers: the headers. Upper and lower case in their names do not matter.
        content: the body as bytes, 16 MiB at most.
    """

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes) -> None:
        self.status_code, self.headers, self.content = status_code, headers, content

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status_code})"

    @property
    def text(self) -> str:
        """The body as UTF-8 text. Invalid bytes become U+FFFD."""
        return self.content.decode("utf-8", "replace")

    def raise_for_status(self) -> Response:
        """The response itself. Errors were raised before the function got it."""
        return self

    def json(self) -> Any:
        """The body, parsed as JSON. Raises ValueError if it is not JSON."""
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None

    def retry_after(self, now: float) -> int | None:
        """How long the server asks to wait (`Retry-After`, RFC 9110 §10.2.3).

        Args:
            now: seconds since 1970, such as `time.time()`. The header may hold a date.

        Returns:
            Seconds, from 0 to 3600. None without a header, or for one that cannot be read.
        """
        value = self.headers.get("Retry-After", "").strip()
        try:
            seconds = int(value) if value.isdigit() else int(parsedate_to_datetime(value).timestamp() - now) + 1
        except (ValueError, OverflowError):
            return None
        return max(0, min(seconds, MAX_RETRY_AFTER_SECONDS))


class TransportError(Exception):
    """No complete response came: refused, reset, broken TLS. The text names only the kind of failure.

    `may_repeat` is True if another attempt at once might succeed.
    """

    may_repeat = True


class TransportTimeout(TransportError):
    """No response in time. `cut_short` is True if the deadline of the request left less time than usual."""

    may_repeat = False

    def __init__(self, kind: str, *, cut_short: bool) -> None:
        super().__init__(kind)
        self.cut_short = cut_short


class ResponseTooLarge(TransportError):
    """The response is larger than the limit: MAX_RESPONSE_BYTES, or `max_bytes` for a stream."""

    may_repeat = False


class OpenResponse(Response):
    """A 2xx response with its body unread. Close it: until then it holds a connection."""

    def __init__(self, received: BaseHTTPResponse, seconds: float, now: Callable[[], float]) -> None:
        """`seconds` is the time for the whole body."""
        super().__init__(received.status, received.headers, b"")
        self._received, self._ends_at, self._now = received, now() + seconds, now

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        """The body in pieces.

        Raises:
            ResponseTooLarge: the body has more than `max_bytes`.
            TransportTimeout: the time is over, or the next piece does not come.
            TransportError: the body is not complete.
        """
        from .deadline_http import HTTPError

        pieces, size = self._received.stream(_CHUNK, decode_content=True), 0
        while True:
            try:
                with within(self._ends_at - self._now(), self._now):  # each may be read in another thread
                    piece = next(pieces, b"")
            except (HTTPError, OSError) as error:
                raise error_by_kind(error, cut_short=True) from None
            if not piece:
                return
            size += len(piece)
            if size > max_bytes:
                raise ResponseTooLarge("response too large")
            yield piece

    def close(self) -> None:
        """Gives the connection back."""
        _close(self._received)


class Transport:
    """Pooled, thread-safe HTTPS. Every request is sent once. Retries are the caller's decision."""

    def __init__(
        self, *, connect: float = CONNECT_SECONDS, read: float = READ_SECONDS, now: Callable[[], float] = time.time
    ) -> None:
        from .deadline_http import Connections, HTTPError

        self._connections, self._failures = Connections(), (HTTPError, OSError)
        self._connect, self._read, self._now = connect, read, now

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        bearer: str | None = None,
        params: Mapping[str, str] | None = None,
        data: Any = None,
        read: float | None = None,
        whole: float | None = None,
        keep_open: bool = False,
    ) -> Response:
        """Sends one request and reads the whole response, of any status.

        Args:
            data: bytes, or an object with `read` that is sent as it is read.
            read: seconds to wait without a byte. The default is that of this transport.
            whole: seconds for the whole exchange. The default is the sum of `connect` and `read`.
            keep_open: a 2xx response is an OpenResponse, whose body is not read yet.

        Raises:
            ValueError: the address is not https, or a header or the method cannot be sent.
            TransportTimeout: silence for `read` seconds, or no complete response within `whole` seconds or before
                the deadline.
            TransportError: no complete response came.
        """
        if not url.startswith("https://"):
            raise ValueError("only https:// addresses are called")
        usual = self._connect + (read or self._read)
        cut_short = seconds_left(usual) < usual
        connect, read = self.timeouts(read)
        if read <= 0:
            raise TransportTimeout("no time left to send it", cut_short=True)
        own = dict(headers or {})
        if bearer:
            own["Authorization"] = f"Bearer {bearer}"
        try:
            with within(whole or connect + read, self._now):
                received = self._connections.send(method, url, own, params, data, (connect, read))
                return self._response(received, keep_open=keep_open)
        except self._failures as error:
            raise error_by_kind(error, cut_short) from None
        except ValueError:  # http.client quotes the header, which may be the token
            raise ValueError("a header or the method is not valid") from None

    def timeouts(self, read: float | None = None) -> tuple[float, float]:
        """The seconds to connect and to wait for the response, if a request is sent now."""
        return seconds_left(self._connect), seconds_left(read or self._read)

    def close(self) -> None:
        self._connections.close()

    def _response(self, received: BaseHTTPResponse, *, keep_open: bool) -> Response:
        if keep_open and 200 <= received.status < 300:
            return OpenResponse(received, seconds_left(float("inf")), self._now)
        try:
            return Response(received.status, received.headers, _read_bounded(received))
        finally:
            _close(received)


def error_by_kind(error: Exception, cut_short: bool) -> Exception:
    """Our own error for an error of urllib3. Only its type is kept: texts may quote addresses and headers."""
    from .deadline_http import is_timeout

    if isinstance(error, ValueError):
        return ValueError("a header or the address is not valid")
    kind = type(error).__name__
    if is_timeout(error):
        return TransportTimeout(kind, cut_short=cut_short)
    from .failure_words import words_for

    words = words_for(error)
    return TransportError(f"{kind}: {words}" if words else kind)


def _close(received: BaseHTTPResponse) -> None:
    """Gives the connection back if the body was read to its end. Otherwise the connection ends."""
    received.close()
    received.release_conn()


def _read_bounded(received: BaseHTTPResponse) -> bytes:
    if _has_plain_length(received):
        return received.read(decode_content=False)
    chunks, size = [], 0
    for chunk in received.stream(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > MAX_RESPONSE_BYTES:
            raise ResponseTooLarge("response too large")
        chunks.append(chunk)
    return b"".join(chunks)


def _has_plain_length(received: BaseHTTPResponse) -> bool:
    """Whether the body comes as it is, and its length is known and within the limit. Then one read is enough."""
    headers, length = received.headers, received.length_remaining
    is_plain = "Content-Encoding" not in headers and headers.get("Content-Length", "").isdecimal()
    return is_plain and length is not None and length <= MAX_RESPONSE_BYTES
