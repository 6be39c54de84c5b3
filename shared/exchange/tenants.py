"""The exchange at the tenant of each user: one source of downstream tokens for each tenant, and a bound on how many.

Each source has its own discovery, circuit breaker, retries and credential states. So an outage or the refusals of one
tenant delay nobody in another. All of them share the loaded credential, the transport and the Redis connections.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..settings import MAX_TENANTS, Authority
from .downstream_token import DownstreamToken, Refusal, TokenSource

S = TypeVar("S", bound=TokenSource)


class TenantExchanges(Generic[S]):
    """The sources by tenant id; of too many, the least recently used one is dropped. Thread-safe."""

    def __init__(self, make: Callable[[Authority], S]) -> None:
        """`make`: a new source of one tenant. It opens no connection."""
        self._make = make
        self._sources: OrderedDict[str, S] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sources)

    def exchange(
        self,
        assertion: str,
        scopes: Sequence[str],
        *,
        authority: Authority,
        correlation_id: str,
        refusal: Refusal | None = None,
    ) -> DownstreamToken:
        """See OnBehalfOf.exchange.

        Args:
            authority: of the tenant in the validated assertion.
        """
        source = self.of(authority)
        return source.exchange(assertion, scopes, correlation_id=correlation_id, refusal=refusal)

    def of(self, authority: Authority) -> S:
        """The source of this tenant. It is made at the first call."""
        tenant_id = authority.tenant_id
        with self._lock:
            source = self._sources.get(tenant_id)
            if source is None:
                source = self._sources[tenant_id] = self._make(authority)
            self._sources.move_to_end(tenant_id)
            if len(self._sources) > MAX_TENANTS:
                self._sources.popitem(last=False)
            return source
