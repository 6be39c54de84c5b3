"""Whole responses to requests of the real code: Entra's token endpoint behind MSAL, and a downstream API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from shared.errors import ApiError
from shared.hosting.response import reply_to
from shared.net.transport import Response, Transport, TransportError, TransportTimeout
from shared.services import Services
from shared.settings.settings import Settings
from tests.support.lab import Lab

from .case import MARK, Case, Figures
from .responses import RESPONSES_OF_ENTRA, challenges, claims_requests, error_bodies, waits
from .tokens import shown
from .values import bodies, header_values, json_values, numbers, spoilt_json, texts, words

ENTRA = "login.microsoftonline.com"
RESPONSES_OF_AN_API = {*range(400, 500), 502, 503, 504}
SERVICES_LAST = 100  # inputs; then new ones, so that a failure is not that of a long history

headers = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "WWW-Authenticate", "Retry-After", "Location", "Set-Cookie", "x-ms-x", "Content-Length"]
    ),
    st.one_of(
        header_values, challenges, waits, st.sampled_from(["application/json", "application/problem+json", "text/html"])
    ),
    max_size=4,
).map(lambda values: {name: one_line(value) for name, value in values.items()})
token_responses = st.fixed_dictionaries(
    {},
    optional={
        "access_token": texts | json_values,
        "expires_in": numbers | texts | st.sampled_from(["3600", 3600, "1e3", "-1", "00", None, True]),
        "token_type": st.just("Bearer") | json_values,
        "scope": texts | json_values,
        "id_token": texts | json_values,
        "client_info": texts | json_values,
        "refresh_in": numbers | json_values,
    },
)
problems = st.fixed_dictionaries({"title": texts}, optional={"status": json_values, "code": words, "x": json_values})
statuses = st.sampled_from(
    [200, 200, 201, 204, 304, 302, 400, 401, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 599]
)
anything = st.one_of(bodies, json_values.map(lambda value: spoilt_json(value, "as it is")))
failures = st.sampled_from([TransportError("reset"), TransportTimeout("slow", cut_short=False)])


def responses(bodies_of_the_service: Any) -> Any:
    mine = bodies_of_the_service.map(lambda value: spoilt_json(value, "raw"))
    return failures | st.builds(Response, statuses, headers.map(Lenient), anything | mine | mine)


def one_line(value: str) -> str:
    """What http.client can hand on of it."""
    return "".join(c for c in value if c <= "\xff" and c not in "\r\n")


class Lenient(dict[str, str]):
    """Headers by name, whatever the case, as `requests` has them."""

    def get(self, name: str, default: Any = None) -> Any:
        return next((value for key, value in self.items() if key.lower() == name.lower()), default)


class Bent(Transport):
    """The real transport, except for one host with random responses."""

    host = "-"
    answer: Response | Exception | None = None

    def send(self, method: str, url: str, **options: Any) -> Response:
        is_meant = self.host in url and (self.host != ENTRA or method == "POST")
        if not is_meant or Bent.answer is None:
            return super().send(method, url, **options)
        if isinstance(Bent.answer, Exception):
            raise Bent.answer
        return Bent.answer


class Target:
    """Services whose calls to one host get random responses."""

    def __init__(self, lab: Lab, host: str) -> None:
        self._lab, self._host = lab, host
        self._expected = (
            RESPONSES_OF_ENTRA | {502} if host == ENTRA else RESPONSES_OF_AN_API
        )  # 502: a token that is none
        self._renew()

    def call(self, answer: Response | Exception, figures: Figures) -> None:
        """Calls Graph as a new caller, while the host responds like this."""
        self._left -= 1
        if self._left < 0:
            self._renew()
        user = self._lab.user(self._services, self._token())
        Bent.host, Bent.answer = self._host, answer
        try:
            result = figures.outcome(lambda: user.api("Graph").get("/me"), ApiError)
        finally:
            Bent.answer = None
        figures.answered(result.status if isinstance(result, ApiError) else result.status_code)
        if isinstance(result, ApiError):
            self._judge(result)
        else:
            assert result.status_code < 400
            assert re.fullmatch(r"[\x20-\x7e]*", reply_to(result).headers["Content-Type"]), "the host would answer 500"

    def check_recovery(self) -> None:
        """Nothing of a bad response is kept: the next good response succeeds."""
        assert self._lab.me(self._services, self._token()) == "Alice Ahlberg"

    def _token(self) -> str:
        """A new one: what was said about the last one must not matter."""
        return self._lab.stack.issue_access_token("alice")

    def _judge(self, error: ApiError) -> None:
        assert error.status in self._expected
        assert MARK not in f"{error!r} {error.reason}"
        assert error.retry_after is None or 0 <= error.retry_after <= 3600
        shown(error)

    def _renew(self) -> None:
        self._left = SERVICES_LAST
        settings: Mapping[str, str] = self._lab.environ(AzureAd__ClientCapabilities="cp1")
        self._services = Services(
            Settings.from_environ(settings), now=self._lab.clock, sleep=lambda _: None, transport=Bent
        )


def cases(lab: Lab) -> list[Case]:
    entra, graph = Target(lab, ENTRA), Target(lab, "graph.microsoft.com")

    def check_entra(answer: Response | Exception, figures: Figures) -> None:
        entra.call(answer, figures)
        entra.check_recovery()

    def check_graph(answer: Response | Exception, figures: Figures) -> None:
        graph.call(answer, figures)

    claims_in_error = st.fixed_dictionaries({"error": st.just("interaction_required"), "claims": claims_requests})
    return [
        Case("answers of Entra", responses(token_responses | error_bodies | claims_in_error), check_entra, 60),
        Case("answers of an API", responses(problems | json_values), check_graph, 100),
    ]
