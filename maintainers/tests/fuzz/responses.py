"""Responses of other services: challenges, waits, key sets, errors. None of them may break a request."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shared.errors import ApiError, ClaimsChallenge
from shared.exchange.entra_errors import describe, error_from_entra, refuses_our_credential
from shared.net.claims_challenge import claims_of, requested_claims
from shared.net.transport import MAX_RETRY_AFTER_SECONDS, Response
from shared.settings.settings import Settings
from shared.validation.jws import parse_key_set
from tests.support.genuine import public_jwk
from tests.support.tokens import STRANGER

from .case import MARK, Case, Figures
from .tokens import shown
from .values import bodies, header_values, json_values, numbers, texts, words

NOW = 1_800_000_000.0
RESPONSES_OF_ENTRA = {401, 403, 500, 503}

claims_requests = st.dictionaries(
    st.sampled_from(["access_token", "id_token", "userinfo"]) | words, json_values, max_size=3
)
encoded_claims = st.one_of(
    claims_requests.map(lambda value: base64.b64encode(json.dumps(value).encode()).decode()),
    claims_requests.map(lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")),
    bodies.map(lambda body: base64.b64encode(body[:3_000]).decode()),
    header_values,
)
parameters = st.tuples(
    st.sampled_from(["error", "claims", "realm", "authorization_uri", "ERROR", "Claims", "scope"]) | words,
    st.sampled_from(["=", " = ", "", "==", " "]),
    st.one_of(st.just("insufficient_claims"), encoded_claims, header_values),
    st.sampled_from(['"', '"', "", "'", '\\"']),
)
challenges: SearchStrategy[str] = st.lists(
    st.tuples(
        st.sampled_from(["Bearer", "bearer", "Basic", "PoP", "DPoP", "", "Bearer,"]), st.lists(parameters, max_size=4)
    ),
    max_size=3,
).map(lambda several: ", ".join(f"{s} " + ", ".join(f"{n}{e}{q}{v}{q}" for n, e, v, q in p) for s, p in several))


def is_claims_request(text: str) -> bool:
    request = json.loads(text)
    return isinstance(request, dict) and bool(request) and all(isinstance(part, dict) for part in request.values())


def check_challenge(header: str, figures: Figures) -> None:
    for status in (401, 403, 200):
        claims = figures.of(lambda status=status: claims_of(Response(status, {"WWW-Authenticate": header}, b"")))  # type: ignore[misc]
        assert claims == "" or (status == 401 and is_claims_request(claims) and "insufficient_claims" in header)
        if claims:
            again = ClaimsChallenge(claims, authorization_uri="https://x", reason="")
            assert base64.b64decode(again.challenge()["claims"]).decode() == claims
            assert all(
                value.isascii() and value.isprintable() and '"' not in value for value in again.challenge().values()
            )


def check_claims(text: str, figures: Figures) -> None:
    claims = figures.of(lambda: requested_claims(text))
    assert claims == "" or (is_claims_request(claims) and requested_claims(claims) == claims and claims.isascii())


waits = st.one_of(
    st.text(alphabet='0123456789 :,+-/GMTUSunMoWedFriJabepc()"\\;\u00b2\u0663\u00a0', max_size=40),
    st.builds(
        lambda *parts: " ".join(parts),
        st.sampled_from(["Sun,", "Sun", "", "(c)"]),
        st.sampled_from(["1", "31", "99", "-1", "0", "1e3", "20-Nov-2026"]),
        st.sampled_from(["Jan", "feb", "XXX", "13", ""]),
        st.sampled_from(["2026", "0", "1", "99999", "9999", "99", "1" * 30]),
        st.sampled_from(["10:00:00", "25:61:61", "::", "1.2.3", "99999999999:0:0", ""]),
        st.sampled_from(["GMT", "+0000", "-0000", "-9999", "+999999999999", "Z", "", "-2400"]),
    ),
    st.integers().map(str),
    st.just("9").map(lambda digit: digit * 5_000),
    texts,
)


def check_wait(value: str, figures: Figures) -> None:
    wait = figures.of(lambda: Response(503, {"Retry-After": value}, b"").retry_after(NOW))
    assert wait is None or (type(wait) is int and 0 <= wait <= MAX_RETRY_AFTER_SECONDS)


key_members: SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["kty", "use", "kid", "n", "e", "d", "alg", "key_ops", "x5c", "issuer", "k", "crv", "x", "y"])
    | words,
    json_values | st.sampled_from(["RSA", "EC", "oct", "sig", "enc", "RS256", "AQAB", "Aw", "AQ", "AA", ["verify"]]),
    max_size=5,
)
key_sets = st.one_of(
    json_values.map(lambda value: {"keys": value}),
    st.lists(key_members, max_size=3).map(lambda entries: {"keys": entries}),
    st.lists(key_members, min_size=1, max_size=3).map(
        lambda entries: {
            "keys": [{**public_jwk(STRANGER.public_key(), kid="k", use="sig"), **entry} for entry in entries]
        }
    ),
    st.dictionaries(words, json_values, max_size=2),
)


def check_key_set(document: dict[str, Any], figures: Figures) -> None:
    keys = figures.outcome(lambda: parse_key_set(document), ValueError)
    if isinstance(keys, ValueError):
        assert MARK not in str(keys)
        return
    for key_id, key in keys.items():
        assert isinstance(key_id, str)
        assert isinstance(key.key, RSAPublicKey)
        assert key.key.key_size >= 2048
        assert key.key.public_numbers().e > 2**16
        assert key.issuers
        assert all(isinstance(issuer, str) for issuer in key.issuers)


error_bodies: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "error": st.sampled_from(["invalid_grant", "interaction_required", "invalid_client", "temporarily_unavailable"])
        | json_values,
        "error_codes": st.lists(st.sampled_from([50076, 65001, 53003, 700027, 50196, 7000114, 90009, 50013]) | numbers)
        | json_values,
        "suberror": st.sampled_from(["consent_required", "message_only", "bad_token", "basic_action"]) | json_values,
        "claims": claims_requests.map(json.dumps) | json_values | bodies.map(lambda body: body.decode("latin-1")),
        "error_description": texts,
        "trace_id": json_values,
        "correlation_id": json_values,
        "timestamp": json_values,
    },
)


def entra_errors(settings: Settings) -> Callable[[dict[str, Any], Figures], None]:
    def check(body: dict[str, Any], figures: Figures) -> None:
        error = figures.of(lambda: error_from_entra(body, ("scope",), settings.authority))
        figures.answered(error.status)
        assert isinstance(error, ApiError)
        assert error.status in RESPONSES_OF_ENTRA
        assert MARK not in shown(error) or (
            isinstance(error, ClaimsChallenge) and MARK not in f"{error!r} {error.reason}"
        )
        assert re.fullmatch(r"[ -~]{0,400}", describe(body))
        assert type(refuses_our_credential(body)) is bool

    return check


def cases(settings: Settings) -> list[Case]:
    return [
        Case("challenges", challenges | header_values, check_challenge, 300),
        Case("claims requests", bodies.map(lambda body: body.decode("utf-8", "surrogateescape")) | texts, check_claims),
        Case("waits", waits, check_wait, 300),
        Case("key sets", key_sets, check_key_set),
        Case("errors of Entra", error_bodies, entra_errors(settings), 300),
    ]
