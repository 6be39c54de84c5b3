"""The bounds that the settings put on sessions, seen through the services that are made from them."""

from __future__ import annotations

from tests.support.lab import Lab


def opened(lab: Lab, count: int, **settings: str) -> tuple[int, str]:
    """How many of so many sessions of about 20 kB are kept, and who the user of the last one is."""
    services = lab.services(**settings)
    for number in range(count):
        token = lab.stack.issue_access_token("alice", padding=f"{number}" + "x" * 20_000)
        name = lab.user(services, token).name
    return len(services.sessions), name


def test_token_cache_max_megabytes_bounds_the_memory_of_all_sessions(lab: Lab) -> None:
    kept, name = opened(lab, 60, TokenCache__MaxMegabytes="1")
    assert 40 < kept < 50
    assert name == "Alice Ahlberg"


def test_token_cache_max_sessions_bounds_their_number(lab: Lab) -> None:
    assert opened(lab, 5, TokenCache__MaxSessions="2", TokenCache__MaxMegabytes="1")[0] == 2


def test_what_is_exchanged_counts_too(lab: Lab) -> None:
    """A session is made larger by the tokens that are exchanged for it; then older sessions go."""
    services = lab.services(TokenCache__MaxMegabytes="1")
    user = lab.user(services, lab.stack.issue_access_token("alice"))
    size = services.sessions._sessions.size
    token = user.token("Graph")
    assert services.sessions._sessions.size - size > len(token)
