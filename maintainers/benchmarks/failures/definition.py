"""The two tables: which failures are provoked, which peers are looked at, and who is left out of which table, why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

MISSING = "\N{EN DASH}"
"""The cell of a peer that does not have the part."""


@dataclass(frozen=True)
class Peer:
    """One column. `packages` must be installed; their versions are printed below the tables."""

    key: str
    title: str
    packages: tuple[str, ...]
    about: str


@dataclass(frozen=True)
class Row:
    """One provoked failure, as a question."""

    key: str
    title: str


@dataclass(frozen=True)
class Table:
    """One part of the way of a request, the peers that have it, and why the others do not."""

    key: str
    title: str
    peers: tuple[str, ...]
    rows: tuple[Row, ...]
    others: str


PEERS = (
    Peer("template", "this template", ("msal", "PyJWT", "azure-identity"), "`@requires_user` and `user.api(…)`"),
    Peer(
        "pyjwt",
        "PyJWT",
        ("PyJWT",),
        "`PyJWKClient(uri)` kept, then `jwt.decode` with audience, issuer and `algorithms=['RS256']`",
    ),
    Peer(
        "fastapi",
        "fastapi-azure-auth",
        ("fastapi-azure-auth", "fastapi"),
        "`SingleTenantAzureAuthorizationCodeBearer` with the scope asked for by `Security(…)`, behind uvicorn",
    ),
    Peer(
        "msal",
        "MSAL",
        ("msal",),
        "one `ConfidentialClientApplication` with a certificate, `acquire_token_on_behalf_of`, then `requests.get`",
    ),
    Peer(
        "msal-silent",
        "MSAL, cache first",
        ("msal",),
        "the same, after `acquire_token_silent` for the account that `get_accounts(username)` finds",
    ),
    Peer(
        "azure",
        "azure-identity",
        ("azure-identity", "azure-core"),
        "an `OnBehalfOfCredential` for each request, in azure-core's usual pipeline (`enable_cae=True`)",
    ),
    Peer(
        "azure-kept",
        "azure-identity, kept",
        ("azure-identity", "azure-core"),
        "the same with one credential kept for each bearer token",
    ),
)
"""Every peer; the first one is what the others are compared with."""

VALIDATION = Table(
    "validation",
    "The caller's token",
    ("template", "pyjwt", "fastapi"),
    (
        Row("forged", "tokens that must not pass: how many do"),
        Row("flood", "200 bogus key ids: fetches of the key set"),
        Row("flood-outage", "the same while the key set answers 503"),
        Row("good-waits", "a good caller behind 60 bogus key ids in 16 threads, while the key set hangs"),
        Row("keys-outage", "key set down, its keys known: for how long callers get in"),
        Row("withdrawn", "a withdrawn signing key: for how long it still opens"),
        Row("rolled", "a new signing key: when it is known"),
        Row("keys-hang", "the first fetch hangs: for how long the caller waits"),
        Row("keys-html", "the first fetch answers HTML"),
        Row("validation-logs", "what all this left in the log"),
    ),
    "MSAL and azure-identity are not in this table: they get tokens, and look into none.",
)

EXCHANGE = Table(
    "exchange",
    "The exchange and the call",
    ("template", "msal", "msal-silent", "azure", "azure-kept"),
    (
        Row("mfa", "MFA wanted at the exchange: where its claims are"),
        Row("step-up", "one user's tokens with and without MFA: what Graph gets to see"),
        Row("cae", "Graph's challenge that an exchange can meet"),
        Row("cae-refused", "Graph's challenge that needs the user: where its claims are"),
        Row("consent", "consent missing, then given: the next call"),
        Row("throttled", "one user throttled for 30 s"),
        Row("throttled-other", "another user meanwhile"),
        Row("entra-503", "Entra answers 503"),
        Row("entra-503-over", "the next caller, once Entra is well again"),
        Row("entra-hang", "Entra hangs: for how long the caller waits"),
        Row("entra-html", "Entra answers 200 with HTML: who gets to see it"),
        Row("entra-big", "Entra answers with 10 MB: who gets to see them"),
        Row("entra-redirect", "Entra's endpoint redirects (307): where the user's token goes"),
        Row("graph-redirect", "Graph redirects (302): where the downstream token goes"),
        Row("threads", "one token, 20 threads at once: exchanges"),
        Row("rotated", "the certificate was rotated: callers without a restart"),
        Row("exchange-logs", "what all this left in the log"),
    ),
    "PyJWT and fastapi-azure-auth are not in this table: they check the caller's token, and leave the rest to the app.",
)

TABLES = (VALIDATION, EXCHANGE)


def chosen(peers: Collection[str], rows: Collection[str]) -> list[Table]:
    """The tables with only these peers and rows, or with all if there are none; empty ones are left out."""
    narrowed = [
        replace(
            table,
            peers=tuple(key for key in table.peers if not peers or key in peers),
            rows=tuple(row for row in table.rows if not rows or row.key in rows),
        )
        for table in TABLES
    ]
    return [table for table in narrowed if table.peers and table.rows]


def peer(key: str) -> Peer:
    """The peer with this key."""
    return next(peer for peer in PEERS if peer.key == key)


def rows_of(key: str) -> list[Row]:
    """All that is measured of this peer."""
    return [row for table in TABLES if key in table.peers for row in table.rows]
