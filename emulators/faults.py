"""Switches that make a service misbehave: a status of choice, a delay, or both, for everybody or for one person."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TARGETS = frozenset(
    {"entra.discovery", "entra.keys", "entra.token", "identity", "vault", "graph", "orders"},
)
"""Everything that can be made to fail."""


@dataclass
class Fault:
    """One switch. Without `status` the request is delayed and then handled as usual. `left` None means for ever."""

    target: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    delay: float = 0.0
    left: int | None = None
    person: str | None = None

    def describe(self) -> str:
        """One short sentence for the audit trail."""
        parts = [f"status {self.status}"] if self.status is not None else []
        parts += [f"delayed {self.delay:g} s"] if self.delay else []
        return "fault: " + (", ".join(parts) or "none") + (f" for {self.person}" if self.person else "")


class Faults:
    """The switches that are on, in the order they were added; the first that fits a request applies to it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        service_action: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        delay: float = 0.0,
        times: int | None = None,
        person: str | None = None,
    ) -> Fault:
        """Switches a fault on. `body`: text and bytes go out as they are, anything else as JSON; `delay` is in seconds.

        Raises ValueError for a target that does not exist and for a fault that would do nothing.
        """
        if service_action not in TARGETS:
            raise ValueError(f"No fault target {service_action!r}; there are {', '.join(sorted(TARGETS))}")
        if status is None and not delay:
            raise ValueError("A fault needs a status, a delay, or both")
        if status is not None and not 200 <= status <= 599:
            raise ValueError(f"{status} is not the status of a reply")
        fault = Fault(service_action, status, dict(headers or {}), body, delay, times, person)
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Switches one fault off; nothing happens when it is off already."""
        with self._lock:
            self._faults = [other for other in self._faults if other is not fault]

    def clear(self) -> None:
        """Switches every fault off."""
        with self._lock:
            self._faults.clear()

    def take(self, target: str | None, person: str | None) -> Fault | None:
        """The fault this request must suffer, counted as used; None when there is none."""
        with self._lock:
            for fault in self._faults:
                if fault.target == target and fault.person in (None, person) and fault.left != 0:
                    if fault.left is not None:
                        fault.left -= 1
                    return fault
        return None
