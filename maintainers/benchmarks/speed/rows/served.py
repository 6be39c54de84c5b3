"""Requests over HTTP: the local host, with the library that runs functions in Azure behind it, in its own process."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from urllib.parse import urlsplit

from ..result import Result, compared
from ..tenant import tenant
from .requests import APPS, of_logged, turns
from .start import host

_CONNECTIONS = 4
_USERS = 20


def measure(quick: bool) -> Iterator[Result]:
    """The routes of one app in turns, over connections that stay open."""
    rounds, calls = (3, 40) if quick else (15, 400)
    taken: dict[str, list[float]] = {"known": [], "hello": [], "logged": []}
    with tenant() as there, host(APPS, "both_app.py") as (_, url):
        tokens = there.tokens(_USERS)
        _rate(url, "known", tokens, _USERS)  # from now on they are known
        for number in range(rounds):
            for name in turns(taken, number):
                taken[name].append(_rate(url, name, tokens, calls))
    note = f"{_CONNECTIONS} connections; {of_logged(taken)}"
    yield compared("served", "rate", taken["known"], taken["hello"], note=note)


def _rate(url: str, name: str, tokens: Sequence[str], calls: int) -> float:
    """Responses per second. Raises RuntimeError for one that is not 200."""
    started = perf_counter()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for done in [
            pool.submit(_ask, url, f"/api/{name}", tokens[index::_CONNECTIONS], calls // _CONNECTIONS)
            for index in range(_CONNECTIONS)
        ]:
            done.result()
    return calls / (perf_counter() - started)


def _ask(url: str, path: str, tokens: Sequence[str], calls: int) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    for index in range(calls):
        connection.request("GET", path, headers={"Authorization": f"Bearer {tokens[index % len(tokens)]}"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
    connection.close()
