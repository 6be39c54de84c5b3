"""What the model takes for granted, and what is known of Entra's limits. Printed with every table."""

from __future__ import annotations

from .fleet import Fleet
from .model import SHARED_HIT, SHARED_NEW

_LEARN = "https://learn.microsoft.com/"

THROTTLING = (
    "Microsoft publishes no figure for how many requests Entra's token endpoint takes "
    f"({_LEARN}answers/questions/436012), so there is none to compare with.",
    "It does say that an application that asks too often is throttled, and that the usual reason is a cache that does "
    "not work; user flows then get `invalid_grant` with AADSTS50196, a detected loop, and others 429 with "
    f"`Retry-After: 60` ({_LEARN}entra/msal/dotnet/advanced/client-and-server-throttling).",
    "So two figures matter: how often Entra sees the same exchange again, which is what a loop looks like, and the "
    "burst after a restart. `--limit N` marks what exceeds N exchanges per second, where experience with a tenant has "
    "shown an N.",
)


def assumptions(fleet: Fleet) -> tuple[str, ...]:
    """In whole sentences."""
    first = fleet.groups[0]
    return (
        f"Requests come at random, {100 * first.requests:.0f} % of them from {100 * first.callers:.0f} % of the "
        "callers. Each goes to any instance: Azure Functions keeps no caller at one instance.",
        "A token lives for 75 min unless said otherwise, the average of Entra's 60 to 90 "
        f"({_LEARN}entra/identity-platform/configurable-token-lifetimes), and is used until it ends; the next request "
        "brings a new one. What is exchanged for it lives as long. Entra draws both times; where the second is the "
        "shorter one, the exchange is repeated once, beside requests that do not wait for it: at most as many again "
        "as the table says, with Redis and without.",
        "A session holds all its downstream tokens; whoever needs several APIs needs them at once.",
        f"An instance holds no more than {fleet.sessions:,.0f} sessions and {fleet.megabytes:g} MB of them, whichever "
        "is less; where the table asks for another number of sessions, the bound in bytes is off.",
        "Redis holds everything until it ends, and answers. A token that is found there takes "
        f"{SHARED_HIT} command, a new one {SHARED_NEW}; a script counts as one.",
        "After a restart means: every instance is new at the same moment, as after a deployment, at the usual load.",
        "CPU is that of this template, from the request that the host hands over to its reply, with the line in the "
        "log. Neither the host's nor the function's own.",
    )
