"""One request's hold on its session: whose it is, and the bearer token that the session itself does not keep."""

from __future__ import annotations

from time import perf_counter

from ..errors import ApiError
from ..exchange import DownstreamToken, Origin, Refusal
from ..settings import DownstreamApiSettings
from ..telemetry import RequestRecord
from ..validation import AccessToken
from .cache import Sessions
from .session import ExchangedLately, Session


class RequestContext:
    """Who calls. The bearer token is kept here alone, so no longer than the request."""

    def __init__(self, sessions: Sessions, session: Session, bearer: str, record: RequestRecord) -> None:
        self._sessions, self._session, self._bearer, self.record = sessions, session, bearer, record
        record.user = session.access_token.name_in_log

    @property
    def access_token(self) -> AccessToken:
        return self._session.access_token

    def token_for(self, api: DownstreamApiSettings, refusal: Refusal | None = None) -> DownstreamToken:
        """An access token for this API on behalf of the user.

        Raises:
            ExchangedLately: see Sessions.token_for.
            ApiError: it cannot be had.
        """
        started = perf_counter()
        try:
            token = self._sessions.token_for(
                self._session, self._bearer, api.scopes, correlation_id=self.record.correlation_id, refusal=refusal
            )
        except ExchangedLately:
            raise
        except ApiError:
            self.record.token_took(api.name, Origin.ENTRA.value, started)
            raise
        if token.origin is Origin.SESSION:
            self.record.token_was_known(api.name)
        else:
            self.record.token_took(api.name, token.origin.value, started)
        return token
