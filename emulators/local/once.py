"""`run --once`: the whole chain, twice, with every hop shown and judged."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import requests

from emulators.audit import Entry
from emulators.local.errors import LocalError
from emulators.local.health import complaint, wrong_settings
from emulators.local.ports import StackPorts
from emulators.local.running import Running, up
from emulators.local.sign_in import client_environ
from emulators.local.state import FOLDER, ROOT
from emulators.local.timeline import Timeline
from emulators.people import PEOPLE
from emulators.table import FILE, Table

_PERSON = PEOPLE["alice"]
_ROUNDS = ("first", "second")
_INDENT = {"client": "", "browser": "", "api": "  "}  # who was called by whom; an API behind the API by the API
_DEEPEST = "    "
_SIGN_IN = ("client", "browser")


def run_once(first_port: int, engine: str, table: Table, *, redis: str | None, started: float) -> int:
    """Up, sign in, two rounds of calls, down. 0 only if everything happened as it should."""
    timeline = Timeline(callers={})  # this program is the caller, and times its requests itself
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="once-", dir=FOLDER) as folder:
        ports = StackPorts.starting_at(first_port, [api.key for api in table.apis if api.app])
        with up("run --once", ports, Path(folder), timeline, table, engine=engine, redis=redis) as tenant:
            timeline.say(f"Up in {time.monotonic() - started:.1f} s.")
            play = _Play(tenant, timeline)
            play.wrong += [
                f"{name}: the app could not be loaded: {app.indexing_error}"
                for name, app in tenant.apps.items()
                if app.indexing_error
            ]
            wrong = complaint(wrong_settings(tenant.apps["api"].base_url))
            play.wrong += [wrong] if wrong else []
            play.sign_in()
            exchanges = {name: play.round(name) for name in _ROUNDS}
    return _verdict(timeline, exchanges, play)


class _Play:
    """One person, one token, and what went wrong."""

    def __init__(self, tenant: Running, timeline: Timeline) -> None:
        self._tenant = tenant
        self._timeline = timeline
        self._api = tenant.apps["api"].base_url
        self._token = ""
        paths = {"graph": tenant.stack.table.graph_run_once}
        paths |= {api.key: api.run_once for api in tenant.stack.table.apis}
        self.calls = {service: path for service, path in paths.items() if path is not None}
        """The path that makes the API call a service, by the service."""
        self.wrong: list[str] = []

    def sign_in(self) -> None:
        """Through the client application, as anybody would. Raises LocalError."""
        environ = client_environ(
            self._tenant.stack.environ("client"), self._api, self._tenant.stack.sign_in_url, _PERSON.name
        )
        client = subprocess.run(
            [sys.executable, "-m", "client", "--token"], cwd=ROOT, env=environ, stdout=subprocess.PIPE, check=False
        )
        self._show_until_now()
        if client.returncode:
            raise LocalError(
                f"the client could not sign {_PERSON.name} in (exit code {client.returncode})", exit_code=1
            )
        self._token = client.stdout.decode().strip()

    def _show_until_now(self) -> None:
        """What the apps asked while they were loaded, and the sign-in. Both went on side by side."""
        hops = self._tenant.stack.audit.entries()
        for title, is_sign_in in (("The apps are loaded", False), (f"{_PERSON.display_name} signs in", True)):
            part = [hop for hop in hops if (hop.caller in _SIGN_IN) == is_sign_in]
            if part:
                self._timeline.say(f"\n{title}")
            self._show(part)
            self.wrong += _failures(title, part)

    def round(self, name: str) -> int:
        """Every call once. Returns how many exchanges it took."""
        self._timeline.say(f"\n{name.capitalize()} round")
        before = self._tenant.stack.audit.mark()
        for path in dict.fromkeys(self.calls.values()):
            self._call(path)
        hops = self._tenant.stack.audit.entries(since=before)
        for service in self.calls:
            if not any(hop.service == service and hop.status == 200 and hop.caller == "api" for hop in hops):
                self.wrong.append(f"{name} round: {service} was not called with success")
        self.wrong += _failures(f"{name} round", hops)
        return sum(hop.service == "entra" and hop.action == "obo" for hop in hops)

    def _call(self, path: str) -> None:
        before, start = self._tenant.stack.audit.mark(), time.perf_counter()
        with requests.Session() as session:
            session.trust_env = False
            reply = session.get(f"{self._api}{path}", headers={"Authorization": f"Bearer {self._token}"}, timeout=60)
        ms = (time.perf_counter() - start) * 1000
        self._timeline.hop(
            Entry(time.time(), "client", "api", "GET", path, "call", reply.status_code, _about(reply), ms)
        )
        self._show(self._tenant.stack.audit.entries(since=before))
        if reply.status_code != 200:
            self.wrong.append(f"GET {path} responded {reply.status_code}")

    def _show(self, hops: Sequence[Entry]) -> None:
        shown = [hop for hop in hops if hop.service != "gateway" or hop.status >= 400]
        for hop in sorted(shown, key=lambda hop: hop.at - hop.ms / 1000):  # in the order in which they began
            self._timeline.hop(hop, indent=_INDENT.get(hop.caller, _DEEPEST if hop.caller in self.calls else ""))


def _failures(when: str, hops: Sequence[Entry]) -> list[str]:
    return [
        f"{when}: {hop.caller} → {hop.service} {hop.method} {hop.path}: {hop.status} {hop.verdict}"
        for hop in hops
        if hop.status >= 400 and not _is_greeting(hop)
    ]


def _is_greeting(hop: Entry) -> bool:
    """Key Vault responds to the first request, which has no token, with 401 and the name of the authority."""
    return hop.service == "vault" and hop.status == 401


def _about(reply: requests.Response) -> str:
    try:
        content = reply.json()
    except ValueError:
        return reply.text[:90]
    if isinstance(content, dict):  # without OData's annotations
        content = {name: value for name, value in content.items() if not name.startswith("@")}
    text = json.dumps(content, ensure_ascii=False)
    return text if len(text) <= 90 else f"{text[:89]}…"


def _verdict(timeline: Timeline, exchanges: dict[str, int], play: _Play) -> int:
    expected = {"first": len(play.calls), "second": 0}  # exchanges: one for each API downstream, then none
    wrong = play.wrong + [
        f"{name} round: {exchanges[name]} exchanges instead of {count}"
        for name, count in expected.items()
        if exchanges[name] != count
    ]
    if not play.calls:
        timeline.say(f"\nNothing was called: {FILE} names no path. See run_once in docs/local-stack.md.")
    timeline.say("".join(f"\nNot as it should be: {what}" for what in wrong))
    for name, count in exchanges.items():
        timeline.say(f"{name} round: {count} On-Behalf-Of exchange{'' if count == 1 else 's'}")
    return 1 if wrong else 0
