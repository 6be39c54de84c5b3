"""Many calls in one request (JSON batching): https://learn.microsoft.com/graph/json-batching

Each part of the response is handled like the response to a single call: same errors, same new token.
"""

from __future__ import annotations

import base64
import json as json_text
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ..errors import ApiError, BadGateway
from ..net import MAX_PAUSE_SECONDS, Response
from .claims import BearerToken
from .errors import claims_in
from .request import Request, checked_request

if TYPE_CHECKING:
    from .api import ApiCalls

PARTS = 20  # of one request; Graph takes no more
_FAILED_DEPENDENCY = 424


@dataclass(frozen=True)
class BatchCall:
    """One call in a batch. The arguments are those of `request`.

    Attributes:
        method: GET, HEAD, OPTIONS, POST, PUT, PATCH or DELETE.
        path: below the API's base URL, as for `request`.
        path_params: names and values for the path.
        params: names and values of a query.
        json: a body to send as JSON.
        data: a body in bytes.
        headers: further headers.
        depends_on: positions in the list of the calls that must succeed first. They are before this one.
        idempotent: whether the call may be repeated, as for `request`.
    """

    method: str
    path: str
    path_params: Mapping[str, str | int] | None = None
    params: Mapping[str, str] | None = None
    json: Any = None
    data: bytes | None = None
    headers: Mapping[str, str] | None = None
    depends_on: Sequence[int] = ()
    idempotent: bool | None = None


class BatchResponse(Response):
    """The response to one call of a batch, of any status. `json()` raises what `raise_for_status()` does."""

    def __init__(
        self, status_code: int, headers: Mapping[str, str], content: bytes, error: ApiError | None = None
    ) -> None:
        super().__init__(status_code, headers, content)
        self._error = error

    def json(self) -> Any:
        """The body, parsed as JSON.

        Raises:
            ApiError: the errors of `raise_for_status`.
            BadGateway: the body is not JSON. 502.
        """
        self.raise_for_status()
        try:
            return super().json()
        except ValueError:
            raise BadGateway(reason=f"HTTP {self.status_code}, and not the JSON that it should be") from None

    def raise_for_status(self) -> BatchResponse:
        """Raises what the call alone would have raised.

        Returns:
            The response itself, if it is no error.

        Raises:
            ApiError: the errors of `request`.
        """
        if self._error is not None:
            raise self._error
        return self


def send_batch(api: ApiCalls, calls: Sequence[BatchCall]) -> list[BatchResponse]:
    """The responses to a batch of calls; see `DownstreamApi.batch`."""
    batch = _Batch(api, calls)
    everything = list(range(len(calls)))
    batch.send(everything)
    batch.send(batch.worth_repeating(), is_repeated=True)
    return [batch.responses[number] for number in everything]


class _Batch:
    def __init__(self, api: ApiCalls, calls: Sequence[BatchCall]) -> None:
        self._api, self._calls = api, calls
        self._requests = [_request_of(call) for call in calls]
        self._token: BearerToken | None = None
        self.responses: dict[int, BatchResponse] = {}
        for number, call in enumerate(calls):
            if not all(type(other) is int and 0 <= other < number for other in call.depends_on):
                raise ValueError("depends_on holds positions of calls that are before this one in the list")

    def send(self, numbers: Sequence[int], *, is_repeated: bool = False) -> None:
        """Sends these calls, 20 at a time. A later request that fails is an error of its calls alone."""
        for start in range(0, len(numbers), PARTS):
            parts = self._parts(numbers[start : start + PARTS])
            if not parts:
                continue
            try:
                self.responses |= self._sent(parts)
            except ApiError as error:
                if start == 0 and not is_repeated:
                    raise
                if not is_repeated:
                    self.responses |= {number: BatchResponse(error.status, {}, b"", error) for number in parts}

    def worth_repeating(self) -> list[int]:
        """Gets a new token and sleeps, if that may help. Returns the calls to send again."""
        again = self._with_a_new_token() | self._after_a_pause()
        for number, call in enumerate(self._calls):
            if self.responses[number].status_code == _FAILED_DEPENDENCY and not again.isdisjoint(call.depends_on):
                again.add(number)  # its own call was not executed
        return sorted(again)

    def _with_a_new_token(self) -> set[int]:
        refused = {number: _plain(part) for number, part in self.responses.items() if part.status_code in (401, 403)}
        if not refused or self._token is None:
            return set()
        first = min(refused.values(), key=lambda part: (part.status_code, not claims_in(part)))
        try:
            another = self._api.better_token(first, self._token)
        except ApiError as error:  # as for a single call; a 403 raises nothing
            for number, part in refused.items():
                if part.status_code == 401:
                    self.responses[number] = BatchResponse(part.status_code, part.headers, part.content, error)
            return set()
        if another is None:
            return set()
        self._token = another
        return {
            number
            for number, part in refused.items()
            if self._requests[number].idempotent or (part.status_code == 401 and claims_in(part))
        }

    def _after_a_pause(self) -> set[int]:
        waits = {
            number: self._api.retry_after(part) or 0
            for number, part in self.responses.items()
            if part.status_code == 429 and self._requests[number].idempotent
        }
        short = {number: wait for number, wait in waits.items() if wait < MAX_PAUSE_SECONDS}
        return set(short) if short and self._api.sleep_before_retry(max(short.values())) else set()

    def _parts(self, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The parts of one request. A call that depends on a failed earlier call gets 424, as from Graph."""
        parts: dict[int, dict[str, Any]] = {}
        for number in numbers:
            others = self._calls[number].depends_on
            if all(other in parts or self.responses[other].status_code < 400 for other in others):
                here = [str(other) for other in others if other in parts]
                parts[number] = {"id": str(number), **self._part(number), **({"dependsOn": here} if here else {})}
            else:
                self.responses[number] = self._judged(number, Response(_FAILED_DEPENDENCY, {}, b""))
        return parts

    def _part(self, number: int) -> dict[str, Any]:
        call, request = self._calls[number], self._requests[number]
        query = urlencode(request.params or {}, quote_via=quote)
        mark = ("&" if "?" in request.path else "?") if query else ""
        part: dict[str, Any] = {"method": request.method, "url": f"{request.path}{mark}{query}"}
        if request.headers:
            part["headers"] = dict(request.headers)
        if call.json is not None:
            part["body"] = call.json
        elif call.data is not None:
            part["body"] = base64.b64encode(call.data).decode()
        return part

    def _sent(self, parts: dict[int, dict[str, Any]]) -> dict[int, BatchResponse]:
        may_repeat = all(self._requests[number].idempotent for number in parts)
        request = checked_request("POST", "/$batch", json={"requests": list(parts.values())}, idempotent=may_repeat)
        response, self._token = self._api.send_with_token(request, self._token)
        try:
            received = response.json()["responses"]
            if len(received) > len(parts):  # two for one call, or for calls that were not made; there may be 500,000
                raise ValueError("more responses than calls")
            listed = {str(part["id"]): _response_of(part) for part in received}
            return {number: self._judged(number, listed[str(number)]) for number in parts}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise BadGateway(reason=f"HTTP {response.status_code}, and not the responses to a batch") from None

    def _judged(self, number: int, response: Response) -> BatchResponse:
        error = self._api.error_in(response, self._requests[number].method)
        return BatchResponse(response.status_code, response.headers, response.content, error)


def _request_of(call: BatchCall) -> Request:
    if call.data is not None and not isinstance(call.data, bytes):
        raise TypeError("the data of a call in a batch is bytes")
    return checked_request(
        call.method,
        call.path,
        path_params=call.path_params,
        params=call.params,
        json=call.json,
        data=call.data,
        headers=call.headers,
        idempotent=call.idempotent,
    )


def _response_of(part: Mapping[str, Any]) -> Response:
    """One member of `responses`. Raises ValueError, TypeError, KeyError or AttributeError if it is not valid."""
    from requests.structures import CaseInsensitiveDict

    status, body = part["status"], part.get("body")
    if type(status) is not int or not 200 <= status <= 599:
        raise ValueError("no status")
    headers = CaseInsensitiveDict({name: value for name, value in (part.get("headers") or {}).items()
                                   if isinstance(name, str) and isinstance(value, str)})  # fmt: skip
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if body is None:
        return Response(status, headers, b"")
    if not isinstance(body, str) or kind in ("", "application/json") or kind.endswith("+json"):
        headers.setdefault("Content-Type", "application/json")
        return Response(status, headers, json_text.dumps(body).encode())
    return Response(status, headers, body.encode() if kind.startswith("text/") else _from_base64(body))


def _plain(part: BatchResponse) -> Response:
    """The part as a plain response, without its error."""
    return Response(part.status_code, part.headers, part.content)


def _from_base64(text: str) -> bytes:
    """A body that is neither JSON nor text is base64 (OData JSON format 4.01 §19.2), in either alphabet."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
