"""The faults that the page switches on and off. Every other fault is set as docs/local-stack.md says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from ..fault import Fault
from ..faults import Faults
from ..table import Table


class Switch(NamedTuple):
    """One fault: what a person reads, and what switches it on."""

    title: str
    note: str
    on: Callable[[], Fault]


class Switches:
    """The switches of one stack. One that is set is on until it is switched off, or its fault was used up."""

    def __init__(self, faults: Faults, table: Table, challenge: Callable[[], Fault]) -> None:
        self._faults = faults
        self._on: dict[str, Fault] = {}
        self._lock = threading.Lock()

        def add(target: str, **what: Any) -> Callable[[], Fault]:
            return lambda: faults.add(target, **what)

        busy = {"Retry-After": "1"}
        self._switches = {
            "graph-claims": Switch(
                "Microsoft Graph sends one claims challenge", "as continuous access evaluation does", challenge
            ),
            "graph-429": Switch("Microsoft Graph: 429", "Retry-After: 1", add("graph", status=429, headers=busy)),
            "graph-503": Switch("Microsoft Graph: 503", "at every request", add("graph", status=503)),
            "graph-slow": Switch("Microsoft Graph is slow", "two seconds later", add("graph", delay=2.0)),
            **{
                f"{api.key}-503": Switch(f"{api.title}: 503", "at every request", add(api.key, status=503))
                for api in table.apis
            },
            "entra-503": Switch("Entra's token endpoint: 503", "sign-in fails too", add("entra.token", status=503)),
            "vault-503": Switch(
                "Key Vault: 503", "seen only while the API has no certificate yet", add("vault", status=503)
            ),
        }

    def set(self, name: str, on: bool) -> None:
        """Switches one on or off. Raises KeyError for a name that there is not."""
        switch = self._switches[name]
        with self._lock:
            if self._is_on(name) == on:
                return
            if on:
                self._on[name] = switch.on()
            else:
                self._faults.remove(self._on.pop(name))

    def view(self) -> dict[str, Any]:
        """What the page gets: the switches, and the faults that were set in another way."""
        with self._lock:
            mine = [{"name": name, "title": s.title, "note": s.note, "on": self._is_on(name)} for name, s in self._all]
            known = list(self._on.values())
        others = [fault for fault in self._faults.active() if all(fault is not one for one in known)]
        return {"switches": mine, "others": [f"{fault.target}: {fault.describe()}"[:200] for fault in others[:20]]}

    @property
    def _all(self) -> list[tuple[str, Switch]]:
        return list(self._switches.items())

    def _is_on(self, name: str) -> bool:
        fault = self._on.get(name)
        return fault is not None and any(fault is one for one in self._faults.active())
