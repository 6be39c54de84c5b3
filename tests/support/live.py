"""Both Functions apps, each in a process of its own, as `dev.py run` starts them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from emulators.local.processes import AppProcess
from emulators.stack import Stack
from emulators.table import Table

from .lab import TABLE
from .leaks import LeakWatch

_STEERS = re.compile(r"proxy$|ca_bundle$|^ssl_cert|^azure|^identity|^downstreamapis|^python_script", re.IGNORECASE)


class Live:
    """The running API. Every log line and every error body is scanned for leaks."""

    def __init__(self, stack: Stack, api: str, orders: str, watch: LeakWatch) -> None:
        self.stack, self.api, self.orders, self._watch = stack, api, orders, watch
        self._http = requests.Session()
        self._http.trust_env = False

    def call(
        self,
        path: str,
        token: str | None = None,
        method: str = "GET",
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        base: str | None = None,
    ) -> requests.Response:
        own = {"Authorization": f"Bearer {token}"} if token else {}
        reply = self._http.request(
            method, f"{base or self.api}{path}", headers={**own, **(headers or {})}, data=body, timeout=30
        )
        if reply.status_code >= 400:
            self._watch.scan(f"{reply.headers} {reply.text}", f"{reply.status_code} of {path}")
        return reply

    def exchanges(self, since: int) -> int:
        return sum(entry.action == "obo" for entry in self.stack.audit.entries(since))

    def close(self) -> None:
        self._http.close()


def inherited() -> dict[str, str]:
    """This process's environment without what would steer the app."""
    return {name: value for name, value in os.environ.items() if not _STEERS.search(name)}


def start_app(
    name: str, environ: Mapping[str, str], folder: Path, watch: LeakWatch, lines: list[str] | None = None
) -> AppProcess:
    """One app on any free port."""

    def on_line(_: str, line: str) -> None:
        watch.scan(line, f"log of the {name} app")
        if lines is not None:
            lines.append(line)

    return AppProcess(name, 0, {**inherited(), **environ}, folder / f"{name}.log", on_line, "auto").ready()


@contextmanager
def running(folder: Path, watch: LeakWatch, table: Table = TABLE) -> Iterator[Live]:
    """A tenant, the Orders API and the API, from start to stop."""
    with ExitStack() as exits:
        stack = exits.enter_context(Stack.start(folder, table=table))
        urls = {}
        for name in (*(api.key for api in stack.table.apis if api.app), "api"):
            app = start_app(name, stack.environ(name), folder, watch)
            exits.callback(app.stop)
            urls[name] = app.url
            if name != "api":
                stack.route(name, app.url)
        live = Live(stack, urls["api"], urls.get("orders", ""), watch)
        exits.callback(live.close)
        yield live
