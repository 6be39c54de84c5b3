"""One request's hold on its session: what it asks for, what its line in the log says of it, and how it ends."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import cast

import pytest

from shared.errors import ApiError, ServiceUnavailable
from shared.exchange.downstream_token import DownstreamToken, Origin, Refusal
from shared.sessions import ExchangedLately, RequestContext, Scopes, Session, Sessions
from shared.settings.authority import Authority
from shared.settings.settings import DownstreamApiSettings
from shared.telemetry.request_record import RequestRecord
from shared.validation.access_token import ValidatedToken
from shared.validation.jws import SigningKey
from tests.support.tokens import STRANGER

GRAPH = DownstreamApiSettings("Graph", "https://graph.example", ("a", "b"))
AUTHORITY = Authority("https://login.example", "tenant", "client")
SESSION = Session(
    b"digest",
    ValidatedToken(b"{}", 9e9, frozenset(), "kid", SigningKey(STRANGER.public_key()), "oid", "pseudonym", AUTHORITY),
)


class Tokens:
    """Replaces the cache of sessions: brings this token, or this error."""

    def __init__(self, outcome: DownstreamToken | ApiError) -> None:
        self.outcome, self.asked = outcome, list[tuple[object, ...]]()

    def known_token(self, *_: object) -> None:
        """None is at hand."""

    def token_for(
        self, session: Session, bearer: str, scopes: Scopes, *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        self.asked.append((session, bearer, scopes, correlation_id, refusal))
        if isinstance(self.outcome, ApiError):
            raise self.outcome
        return self.outcome

    def prefetch(self, *_: object, **__: object) -> Callable[[], DownstreamToken]:
        token = self.outcome
        assert isinstance(token, DownstreamToken)
        return lambda: token


def context_of(tokens: Tokens) -> RequestContext:
    return RequestContext(cast(Sessions, tokens), SESSION, "bearer", RequestRecord())


def tokens_in_the_line(context: RequestContext, caplog: pytest.LogCaptureFixture) -> str:
    caplog.set_level(logging.INFO)
    context.record.close(200)
    [line] = [message for message in caplog.messages if message.startswith("request ")]
    assert "user=pseudonym " in line
    match = re.search(r" tokens=(\S+)", line)
    return re.sub(r"\d+ms", "ms", match[1]) if match else ""


@pytest.mark.parametrize(
    ("origin", "told"),
    [(Origin.SESSION, "Graph:hit"), (Origin.SHARED_CACHE, "Graph:shared:ms"), (Origin.ENTRA, "Graph:miss:ms")],
)
def test_the_line_says_where_a_token_came_from(origin: Origin, told: str, caplog: pytest.LogCaptureFixture) -> None:
    tokens, refusal = Tokens(DownstreamToken("token", 9e9, 9e9, origin)), Refusal("refused")
    context = context_of(tokens)
    assert context.token_for(GRAPH, refusal).token == "token"
    assert tokens.asked == [(SESSION, "bearer", ("a", "b"), context.record.correlation_id, refusal)]
    assert context.access_token is SESSION.access_token
    assert tokens_in_the_line(context, caplog) == told


@pytest.mark.parametrize(("error", "told"), [(ServiceUnavailable(), "Graph:miss:ms"), (ExchangedLately(), "")])
def test_an_exchange_that_failed_took_time_and_one_that_was_not_made_took_none(
    error: ApiError, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    context = context_of(Tokens(error))
    with pytest.raises(ApiError) as raised:
        context.token_for(GRAPH)
    assert raised.value is error
    assert tokens_in_the_line(context, caplog) == told


def test_a_closed_context_asks_for_no_token(caplog: pytest.LogCaptureFixture) -> None:
    tokens = Tokens(DownstreamToken("token", 9e9, 9e9))
    context = context_of(tokens)
    context.close()
    with pytest.raises(ApiError, match="kept longer than its request") as raised:
        context.token_for(GRAPH)
    assert (raised.value.status, raised.value.code, tokens.asked) == (500, "internal_error", [])
    assert tokens_in_the_line(context, caplog) == ""


def test_a_closed_context_holds_no_prefetched_token() -> None:
    context = context_of(Tokens(DownstreamToken("token", 9e9, 9e9)))
    context.prefetch(GRAPH)
    assert context._prefetched is not None
    assert context._prefetched.keys() == {"Graph"}
    context.close()
    assert context._prefetched is None
