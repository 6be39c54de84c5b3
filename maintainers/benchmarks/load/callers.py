"""The process that calls: `python -m benchmarks.load.callers`. One job per line of JSON in, one line of results out.

It stands apart so that neither the emulated tenant nor the counting slows it down.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT = 120.0  # seconds for one response; the API's own bound is half of it
TRACE = 0x10AD


def trace_id(number: int) -> str:
    """The W3C trace id of a call: the API writes it into its log, as a GUID."""
    return f"{TRACE:08x}{number:024x}"


class _Thread:
    """One caller with a connection of its own to each process."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._hosts = [urlsplit(url).netloc for url in urls]
        self._connections: dict[int, http.client.HTTPConnection] = {}

    def call(self, number: int, process: int, path: str, bearer: str) -> tuple[int, str]:
        """The status, and the name of an error: 0 and one when there was no response."""
        connection = self._connections.get(process)
        if connection is None:
            connection = http.client.HTTPConnection(self._hosts[process], timeout=_TIMEOUT)
            self._connections[process] = connection
        headers = {"Authorization": f"Bearer {bearer}", "traceparent": f"00-{trace_id(number)}-00f067aa0ba902b7-01"}
        try:
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            body = reply.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return 0, type(error).__name__
        code = json.loads(body).get("code", "") if reply.status >= 400 and body[:1] == b"{" else ""
        return reply.status, str(code)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()


def carry_out(
    job: dict[str, Any], now: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
) -> list[tuple[int, int, str, float]]:
    """Number, status, error and milliseconds of each call. `per_second` 0: as fast as it goes.

    The milliseconds run from the moment when the call was due: when all callers wait, the next one waits, too.
    """
    steps = iter(job["steps"])
    results: list[tuple[int, int, str, float]] = []
    taking, started, turn = threading.Lock(), now(), itertools.count()

    def work() -> None:
        thread = _Thread(job["urls"])
        while True:
            with taking:
                step, at = next(steps, None), next(turn)
            if step is None:
                break
            due = started + at / job["per_second"] if job["per_second"] else now()
            sleep(max(0.0, due - now()))
            number, process, path, bearer = step
            status, error = thread.call(number, process, path, bearer)
            results.append((number, status, error, (now() - due) * 1000))
        thread.close()

    threads = [threading.Thread(target=work, name="caller") for _ in range(job["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def main() -> int:
    """Until the input ends."""
    for line in sys.stdin:
        print(json.dumps(carry_out(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
