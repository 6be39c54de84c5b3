"""Faults that services show to everybody or to one person: a wrong response, a late one, or none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import InvalidStateError
from contextlib import suppress
from typing import Any

from .fault import ON_CONNECT, SERVICES, Fault
from .fault_check import PERSONAL, check

__all__ = ["Fault", "Faults"]


class Faults:
    """The switches that are on, in the order they were added; the first that fits a request applies to it."""

    def __init__(self, apis: Collection[str] = ()) -> None:
        """`apis` are the short names of the APIs in the table; they are targets, too."""
        self.targets = SERVICES.union(apis)
        self._personal = PERSONAL.union(apis)
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.on_drip: Callable[[], None] | None = None
        """Called before each byte of a slow response, for instance to move a clock."""
        self.on_delay: Callable[[float], None] | None = None
        """Called with the seconds of a delay in place of waiting for them, for instance to move a clock."""
        self.disconnect: Callable[[str], None] | None = None
        """Ends the open connections to a target; set by the network once there is one."""

    def add(
        self,
        target: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        delay: float = 0.0,
        times: int | None = None,
        person: str | None = None,
        network: str | None = None,
        without: Sequence[str] | None = None,
        every: int = 1,
    ) -> Fault:
        """Switches a fault on. `body`: text and bytes go out as they are, anything else as JSON; `delay` is in seconds.

        `without` are key ids that entra.keys leaves out; `every=2` hits every other request, beginning with the next.

        `network` is one of fault.NETWORK. With "refused" and "tls", which go by host, connections that are open end.
        Raises ValueError, with the name of the field, for what a field cannot hold and a fault that makes no sense.
        """
        given = {} if headers is None else headers
        fault = Fault(target, status, given, body, delay, times, person, network, without, every)
        check(fault, self.targets, self._personal)
        with self._lock:
            self._faults.append(fault)
        if network in ON_CONNECT and self.disconnect is not None:
            self.disconnect(target)  # an open connection would not meet the fault
        return fault

    def remove(self, fault: Fault) -> None:
        """Switches one fault off; nothing happens when it is off already."""
        with self._lock:
            self._faults = [other for other in self._faults if other is not fault]
        _release(fault)

    def active(self) -> tuple[Fault, ...]:
        """The faults that are on and not used up."""
        with self._lock:
            return tuple(fault for fault in self._faults if fault.left != 0)

    def clear(self) -> None:
        """Switches every fault off."""
        with self._lock:
            cleared, self._faults = self._faults, []
        for fault in cleared:
            _release(fault)

    def take(self, target: str | None, person: str | None) -> Fault | None:
        """The fault this request must suffer, counted as used; None when there is none."""
        return self._take(
            lambda fault: fault.target == target and fault.network not in ON_CONNECT and fault.person in (None, person)
        )

    def take_on_connect(self, targets: Collection[str]) -> Fault | None:
        """The same for a new connection to the host of these targets."""
        return self._take(lambda fault: fault.target in targets and fault.network in ON_CONNECT)

    def delayed(self, seconds: float) -> bool:
        """Whether somebody has taken over a delay, so that nobody has to wait."""
        hook = self.on_delay  # another thread may take it away
        if hook is not None:
            hook(seconds)
        return hook is not None

    def dripped(self) -> None:
        """Called before each byte of a slow response."""
        hook = self.on_drip  # another thread may take it away
        if hook is not None:
            hook()

    def _take(self, fits: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fits(fault) and fault.left != 0:
                    fault.seen += 1
                    if (fault.seen - 1) % fault.every:
                        continue
                    if fault.left is not None:
                        fault.left -= 1
                    return fault
        return None


def _release(fault: Fault) -> None:
    with suppress(InvalidStateError):  # a second time
        fault.off.set_result(None)
