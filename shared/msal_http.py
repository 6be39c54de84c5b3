"""What MSAL is given to work with: our transport, and caches that remember nothing of a person.

MSAL by itself replays one user's throttling and refusals to the next caller, keeps every token for ever, and logs an
answer that is not JSON whole. With these three parts it does the protocol and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .entra_errors import RETRY_AFTER_SECONDS
from .errors import ServiceUnavailable
from .transport import Answer, Transport, TransportError


class MsalHttpClient:
    """The `http_client` of MSAL. Raises ServiceUnavailable for all that is no answer of the protocol."""

    def __init__(self, transport: Transport, now: Callable[[], float]) -> None:
        self._transport, self._now = transport, now

    def get(self, url: str, params: Any = None, headers: Mapping[str, str] | None = None, **_: Any) -> Answer:
        return self._checked("GET", url, params=params, headers=headers)

    def post(
        self,
        url: str,
        params: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        correlation_id: str | None = None,
        **_: Any,
    ) -> Answer:
        """`correlation_id` is ours: MSAL hands on what it does not know, and would otherwise make one up."""
        own = {"client-request-id": correlation_id, "return-client-request-id": "true"} if correlation_id else {}
        return self._checked("POST", url, params=params, data=data, headers={**(headers or {}), **own})

    def close(self) -> None:
        """MSAL never calls it while it works; the transport belongs to whoever made it."""

    def _checked(self, method: str, url: str, **request: Any) -> Answer:
        try:
            answer = self._transport.send(method, url, **request)
            is_of_protocol = answer.status_code in {200, *range(400, 500)} - {429}
            if is_of_protocol and _is_readable(answer.json()):
                return answer
        except TransportError as error:
            raise ServiceUnavailable(retry_after=RETRY_AFTER_SECONDS, reason=f"Entra: {error}") from None
        except ValueError:
            raise ServiceUnavailable(retry_after=RETRY_AFTER_SECONDS, reason="Entra: not JSON") from None
        asked = answer.retry_after(self._now())
        wait = RETRY_AFTER_SECONDS if asked is None else asked
        raise ServiceUnavailable(retry_after=wait, reason=f"Entra: HTTP {answer.status_code}")


def _is_readable(body: object) -> bool:
    """MSAL keeps each `error` for a header of later requests; one that is no word would spoil them for everybody."""
    error = body.get("error", "") if isinstance(body, dict) else None
    return isinstance(error, str) and error.isascii() and (not error or error.replace("_", "").isalnum())


class DiscoveryCache(dict[str, Any]):
    """The `http_cache` of MSAL, for discovery alone: MSAL's memory of failed POSTs, replayed to others, is not kept."""

    def __setitem__(self, key: str, value: Any) -> None:
        if not key.startswith("POST "):
            super().__setitem__(key, value)


def no_token_cache() -> Any:
    """A `token_cache` that stores nothing: MSAL's finds tokens by account, whichever assertion they came from."""
    from msal import TokenCache

    class NoTokenCache(TokenCache):  # type: ignore[misc]  # msal ships no types
        def add(self, event: Any, now: Any = None) -> None:
            """Forgets what MSAL would remember."""

    return NoTokenCache()
