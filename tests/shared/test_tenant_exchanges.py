"""One source of downstream tokens for each tenant; of too many, the least recently used one is dropped."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.exchange import DownstreamToken, Refusal, TenantExchanges, on_behalf_of
from shared.settings.authority import ORGANIZATIONS, Authority
from tests.support.lab import at_once

ALL = Authority("https://login.microsoftonline.com", ORGANIZATIONS, "client")


class Source:
    """Says in its tokens which tenant it is for."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        return DownstreamToken(f"{self.authority.tenant_id}: {assertion} {scopes} {correlation_id} {refusal}", 2e9, 2e9)


def test_a_token_is_exchanged_by_the_source_of_its_tenant() -> None:
    exchanges = TenantExchanges(Source)
    for tenant in ("a", "b", "a"):
        found = exchanges.exchange("token", ("s",), authority=ALL.of_tenant(tenant), correlation_id="id")
        assert found.token == f"{tenant}: token ('s',) id None"
    refusal = Refusal("refused")
    found = exchanges.exchange("token", ("s",), authority=ALL.of_tenant("b"), correlation_id="id", refusal=refusal)
    assert found.token.endswith(str(refusal))
    assert len(exchanges) == 2


def test_the_least_recently_used_tenant_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_behalf_of, "MAX_TENANTS", 2)
    exchanges = TenantExchanges(Source)
    a, b = (exchanges.of(ALL.of_tenant(tenant)) for tenant in ("a", "b"))
    assert exchanges.of(ALL.of_tenant("a")) is a
    exchanges.of(ALL.of_tenant("c"))
    assert len(exchanges) == 2
    assert exchanges.of(ALL.of_tenant("a")) is a
    assert exchanges.of(ALL.of_tenant("b")) is not b


def test_threads_that_need_a_new_tenant_share_one_source() -> None:
    exchanges = TenantExchanges(Source)
    assert len(set(map(id, at_once(16, lambda _: exchanges.of(ALL.of_tenant("a")))))) == 1
