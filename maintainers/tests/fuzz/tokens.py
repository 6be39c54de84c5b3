"""Bearer tokens: those that a forger can make without Entra's key, and those that Entra might sign."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import assume
from hypothesis import strategies as st

from maintainers.tests.forgery.target import Target
from shared.errors import ApiError, InvalidToken, UserTokenRequired
from shared.hosting.response import reply_to_error
from tests.support.genuine import Genuine
from tests.support.tokens import STRANGER, encoded

from .case import MARK, Case, Figures
from .values import json_values, texts

REFUSED = ("jku", "jwk", "x5u", "x5c", "crit", "b64", "zip")
REQUIRED = ("iss", "aud", "tid", "ver", "exp", "nbf", "iat", "oid", "sub", "scp")
EXACT = ("iss", "aud", "tid", "ver")
ALGORITHMS = ("none", "None", "HS256", "HS512", "RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", "RS256 ", "")

Members = list[tuple[str, Any]]


@dataclass
class Draft:
    """Header and claims as pairs, so that a name can be there twice; then as bytes; then as the parts of a token."""

    header: Members
    claims: Members
    texts: dict[str, bytes] = field(default_factory=dict)

    def members(self, part: str) -> Members:
        return self.header if part == "header" else self.claims

    def text(self, part: str) -> bytes:
        return b"{" + b",".join(f"{json.dumps(n)}:{json.dumps(v)}".encode() for n, v in self.members(part)) + b"}"


Step = tuple[str, str, Any]
"""What is done to the draft: its name, what it is done to, with what. Printed, it is the recipe of the token."""


def change(draft: Draft, step: Step) -> None:
    what, where, value = step
    part, _, name = where.partition(" ")
    members = draft.members(part)
    kept = [(n, v) for n, v in members if n != name]
    if what == "set":
        members[:] = [*kept, (name, value)]
    elif what == "drop":
        members[:] = kept
    elif what == "twin":
        members[:] = [*members, (name, value if value is not None else dict(members).get(name))]


def spoil(text: bytes, how: str, at: int, byte: int) -> bytes:
    at %= len(text) + 1
    made = {
        "insert": text[:at] + bytes([byte]) + text[at:],
        "replace": text[:at] + bytes([byte]) + text[at + 1 :],
        "delete": text[:at] + text[at + 1 :],
        "cut": text[:at],
        "double": text[:at] + text,
    }
    return made[how]


set_header = st.tuples(
    st.just("set"),
    st.sampled_from([f"header {name}" for name in ("alg", "kid", "typ", "cty", "x", *REFUSED)]),
    st.one_of(json_values, st.sampled_from(ALGORITHMS)),
)
set_claim = st.tuples(
    st.just("set"),
    st.sampled_from([f"claims {name}" for name in (*REQUIRED, "azp", "idtyp", "cnf", "name", "x")]),
    json_values,
)
drop = st.tuples(
    st.just("drop"), st.sampled_from(["header alg", "header kid", *(f"claims {name}" for name in REQUIRED)]), st.none()
)
twin = st.tuples(
    st.just("twin"),
    st.sampled_from(["header alg", "header kid", "header typ", *(f"claims {name}" for name in (*REQUIRED, "name"))]),
    st.one_of(st.none(), json_values),
)
any_step = st.one_of(set_header, set_claim, drop, twin)

spoilings = st.tuples(
    st.sampled_from(["insert", "replace", "delete", "cut", "double"]), st.integers(0, 5_000), st.integers(0, 255)
)

signers = st.sampled_from(["stranger", "public key as secret", "nobody", "old signature", "noise", "long noise"])

forgeries = st.fixed_dictionaries(
    {
        "steps": st.lists(any_step, max_size=4),
        "header": st.none() | spoilings,
        "claims": st.none() | spoilings,
        "signer": signers,
        "whole": st.none() | spoilings,
    }
)


ruin = st.one_of(
    st.tuples(st.just("set"), st.just("header alg"), st.one_of(json_values, st.sampled_from(ALGORITHMS))),
    st.tuples(st.just("set"), st.just("header kid"), json_values),
    st.tuples(st.just("set"), st.sampled_from([f"header {name}" for name in REFUSED]), json_values),
    st.tuples(st.just("set"), st.sampled_from([f"claims {name}" for name in EXACT]), json_values),
    st.tuples(
        st.just("set"),
        st.sampled_from(["claims exp", "claims nbf", "claims iat"]),
        st.one_of(texts, st.floats(allow_nan=False), st.booleans(), st.none(), st.lists(st.integers(), max_size=2)),
    ),
    st.tuples(st.just("set"), st.just("claims exp"), st.integers(max_value=1_600_000_000)),
    st.tuples(st.just("set"), st.just("claims nbf"), st.integers(min_value=4_000_000_000)),
    st.tuples(
        st.just("set"),
        st.sampled_from(["claims scp", "claims oid", "claims sub"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.lists(texts, max_size=2),
            st.dictionaries(texts, texts, max_size=1),
        ),
    ),
    st.tuples(st.just("set"), st.just("claims cnf"), json_values),
    drop,
    twin,
)

ruined = st.lists(ruin, min_size=1, max_size=4)


def drafted(genuine: Genuine, steps: list[Step]) -> Draft:
    draft = Draft(list(genuine.header.items()), list(genuine.claims.items()))
    for step in steps:
        change(draft, step)
    return draft


def signature(genuine: Genuine, signer: str, text: bytes) -> bytes:
    made: dict[str, Callable[[], bytes]] = {
        "stranger": lambda: STRANGER.sign(text, padding.PKCS1v15(), hashes.SHA256()),
        "public key as secret": lambda: hmac.digest(genuine.certificate.der, text, "sha256"),
        "nobody": lambda: b"",
        "old signature": genuine.signature,
        "noise": lambda: bytes(range(256)),
        "long noise": lambda: b"\x5a" * 9_000,
    }
    return made[signer]()


def forged(genuine: Genuine, recipe: dict[str, Any]) -> str:
    draft = drafted(genuine, recipe["steps"])
    header, claims = draft.text("header"), draft.text("claims")
    if recipe["header"]:
        header = spoil(header, *recipe["header"])
    if recipe["claims"]:
        claims = spoil(claims, *recipe["claims"])
    text = f"{encoded(header)}.{encoded(claims)}"
    token = f"{text}.{encoded(signature(genuine, recipe['signer'], text.encode()))}"
    if recipe["whole"]:
        token = spoil(token.encode(), *recipe["whole"]).decode("latin-1")
    return token


def refused(target: Target, token: str, figures: Figures) -> None:
    """It is not let in, nothing is kept, and nothing of it is repeated."""
    sessions = len(target.services.sessions)
    error = figures.outcome(lambda: target.open(token), ApiError)
    figures.answered(error.status if isinstance(error, ApiError) else 200)
    assert type(error) in (InvalidToken, UserTokenRequired), "accepted"
    assert isinstance(error, ApiError)
    assert MARK not in shown(error)
    assert len(token) < 24 or token[:24] not in shown(error)
    assert len(target.services.sessions) == sessions


def shown(error: ApiError) -> str:
    """All that anybody gets to see of an error."""
    reply = reply_to_error(error, "id", "realm")
    return f"{error!r} {error} {error.reason} {reply.get_body()!r} {dict(reply.headers)}"


def cases(target: Target) -> list[Case]:
    genuine = target.genuine()
    target.refuse(genuine.with_header(kid="unknown"))  # the one fetch that unknown callers can cause now
    usual = genuine.token().rpartition(".")[0]

    def check_forged(recipe: dict[str, Any], figures: Figures) -> None:
        token = forged(genuine, recipe)
        assume(token.rpartition(".")[0] != usual)
        refused(target, token, figures)

    def check_ruined(steps: list[Step], figures: Figures) -> None:
        draft = drafted(genuine, steps)
        refused(target, genuine.token(draft.text("header"), draft.text("claims")), figures)

    def check_text(token: str, figures: Figures) -> None:
        refused(target, token, figures)

    odd = st.text(alphabet="eyJ.-_=AZaz09+/~ \n", max_size=200) | texts | st.text(max_size=50)
    return [
        Case("forged tokens", forgeries, check_forged, 300),
        Case("ruined tokens", ruined, check_ruined, 300),
        Case("no tokens", odd, check_text, 200),
    ]
