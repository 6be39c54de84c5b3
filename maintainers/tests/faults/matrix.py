"""The fault matrix: for every service and every failure, the response to the caller and its cost.

A cell such as `503/30 2x 15s` means: the status is 503 with Retry-After 30, and the service was called twice. The
caller waited at most 15 seconds. The clock moves by the timeouts instead of waiting for them. Pauses before another
attempt are random, and count here with their longest value. `-`: not applicable. CODES gives the code in the body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CODES = {
    500: "server_misconfigured",
    502: "downstream_failed",
    503: "temporarily_unavailable",
    504: "downstream_timeout",
}

NEEDED_NOW = """
                discovery     keys          identity      vault         token         graph         orders (POST)
no connection   503/2 2x 0s   -             503/10 2x 0s  503/10 2x 0s  503/5 2x 1s   502 3x 2s     502 1x 0s
no such name    503/2 2x 0s   -             503/10 2x 0s  503/10 2x 0s  503/5 2x 1s   502 3x 2s     502 1x 0s
silence         503/2 1x 4s   -             -             503/10 2x 6s  503/5 1x 4s   504 1x 4s     504 1x 4s
foreign TLS     503/2 2x 0s   -             -             503/10 2x 0s  503/5 2x 1s   502 3x 2s     502 1x 0s
no HTTP         503/2 2x 0s   503/2 2x 0s   503/10 2x 0s  503/10 2x 0s  503/5 2x 1s   502 3x 2s     502 1x 0s
reset at once   503/2 2x 0s   503/2 2x 0s   503/10 2x 0s  503/10 2x 0s  503/5 2x 1s   502 3x 2s     502 1x 0s
reset midway    503/2 2x 0s   503/2 2x 0s   503/10 1x 0s  503/10 1x 0s  503/5 2x 1s   502 3x 2s     502 1x 0s
hangs           503/2 1x 5s   503/2 1x 5s   503/10 2x 20s 503/10 2x 20s 503/5 1x 15s  504 1x 15s    504 1x 15s
drips headers   503/2 1x 5s   503/2 1x 5s   503/10 2x 36s 503/10 1x 36s 503/5 1x 19s  504 1x 19s    504 1x 19s
drips body      503/2 1x 5s   503/2 1x 5s   503/10 2x 36s 503/10 1x 36s 503/5 1x 19s  504 1x 19s    504 1x 19s
429             503/2 1x 0s   503/2 1x 0s   503/10 1x 0s  503/10 1x 0s  503/5 1x 0s   503/5 3x 2s   503/5 1x 0s
429, 2 s        503/2 1x 0s   503/2 1x 0s   503/10 1x 0s  503/2 1x 0s   503/2 1x 0s   503/2 3x 6s   503/2 1x 0s
429, 30 s       503/30 1x 0s  503/30 1x 0s  503/10 1x 0s  503/30 1x 0s  503/30 1x 0s  503/30 1x 0s  503/30 1x 0s
429, date       503/30 1x 0s  503/30 1x 0s  503/10 1x 0s  503/30 1x 0s  503/30 1x 0s  503/30 1x 0s  503/30 1x 0s
500             503/2 1x 0s   503/2 1x 0s   503/10 1x 0s  503/10 1x 0s  503/5 2x 1s   502 3x 2s     502 1x 0s
503             503/2 1x 0s   503/2 1x 0s   503/10 1x 0s  503/10 1x 0s  503/5 2x 1s   502 3x 2s     502 1x 0s
503, 30 s       503/30 1x 0s  503/30 1x 0s  503/10 1x 0s  503/30 1x 0s  503/30 1x 0s  503/30 1x 0s  503/30 1x 0s
200, no JSON    503/2 1x 0s   503/2 1x 0s   503/10 1x 0s  503/10 1x 0s  503/5 1x 0s   502 1x 0s     200 1x 0s
200, empty      503/2 1x 0s   503/2 1x 0s   503/10 1x 0s  503/10 1x 0s  503/5 1x 0s   502 1x 0s     200 1x 0s
200, 10 MB      503/2 1x 0s   503/2 1x 0s   503/10 1x 0s  503/10 1x 0s  503/5 1x 0s   502 1x 0s     200 1x 0s
200, 17 MB      503/2 1x 0s   503/2 1x 0s   503/10 1x 0s  503/10 1x 0s  503/5 1x 0s   502 1x 0s     502 1x 0s
redirect        503/2 1x 0s   503/2 1x 0s   503/10 1x 0s  503/10 1x 0s  503/5 1x 0s   502 1x 0s     502 1x 0s
"""
"""The service is needed for this very request, and nothing that is known can stand in for it.

Discovery, keys and tokens of Entra are on one host. It cannot be unreachable for the keys and serve discovery. What
the identity endpoint asks for with Retry-After does not reach us through azure-identity.
"""

STILL_GOOD = """
                discovery  keys  identity  vault  token
no connection   2x         -     2x        2x     2x
foreign TLS     2x         -     -         2x     2x
no HTTP         2x         2x    2x        2x     2x
reset at once   2x         2x    2x        2x     2x
reset midway    2x         2x    1x        1x     2x
hangs           1x         1x    1x        1x     1x
429             1x         1x    1x        1x     1x
429, 30 s       1x         1x    1x        1x     1x
500             1x         1x    1x        1x     2x
503             1x         1x    1x        1x     2x
200, no JSON    1x         1x    1x        1x     1x
200, empty      1x         1x    1x        1x     1x
200, 10 MB      1x         1x    1x        1x     1x
redirect        1x         1x    1x        1x     1x
"""
"""A known value is due for renewal but still valid, so no caller notices that the service fails. All get their 200
at once. A cell says how often the service was called in the background.
"""

_CELL = re.compile(
    r"(?:(?P<status>\d{3})(?:/(?P<retry_after>\d+))? )?(?P<attempts>\d+)x(?: (?P<seconds>\d+)s)?",
)


@dataclass(frozen=True)
class Cell:
    """What one failure of one service comes to."""

    failure: str
    service: str
    status: int
    retry_after: int | None
    attempts: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.service}: {self.failure}"


def cells(table: str) -> list[Cell]:
    """The cells of a table, column by column where its header says."""
    header, *rows = table.strip("\n").splitlines()
    columns = {match.start(): match[0] for match in re.finditer(r"(?<!\()\b\w+\b", header)}
    found = []
    for start, service in columns.items():
        for row in rows:
            match = _CELL.match(row, start)
            if match:
                retry_after = int(match["retry_after"]) if match["retry_after"] else None
                status, attempts, seconds = int(match["status"] or 200), int(match["attempts"]), match["seconds"]
                found.append(Cell(row[:16].strip(), service, status, retry_after, attempts, int(seconds or 0)))
            elif row[start] != "-":
                raise ValueError(f"cannot read {service}: {row}")
    return found
