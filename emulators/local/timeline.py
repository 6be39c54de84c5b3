"""The hops as a person reads them: one aligned line each, in colour where a terminal shows it."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from typing import TextIO

from emulators.audit import Entry
from emulators.people import CONTOSO, FABRIKAM

_GUID = re.compile(r"([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_TENANTS = {CONTOSO: "contoso", FABRIKAM: "fabrikam"}
_LOGGED = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
_REQUEST = re.compile(r"INFO Host\.Requests: (?P<method>\S+) (?P<path>\S+) (?P<status>\d{3}) (?P<ms>[\d.]+) ms")
_CALLERS = {"api": "client"}  # what calls an API behind it goes through the gateway, which reports it already
_RED, _GREEN, _YELLOW, _DIM = "31", "32", "33", "2"


class Timeline:
    """Writes hops and the apps' warnings, from any thread."""

    def __init__(
        self, out: TextIO = sys.stdout, *, colours: bool | None = None, callers: Mapping[str, str] = _CALLERS
    ) -> None:
        """`colours` decides for itself when not given; `callers`: which apps' logged requests are hops, and whose."""
        self._out = out
        self._callers = callers
        self._colours = wants_colours(out, os.environ) if colours is None else colours
        self._lock = threading.Lock()
        self._log_goes_on: dict[str, bool] = {}

    def hop(self, entry: Entry, indent: str = "") -> None:
        """One request and its answer."""
        status_colour = _GREEN if entry.status < 400 else _YELLOW if entry.status < 500 else _RED
        moment = time.strftime("%H:%M:%S", time.localtime(entry.at - entry.ms / 1000))  # when it began
        kind = " (On-Behalf-Of)" if entry.action == "obo" else ""
        line = (
            f"{self._paint(moment, _DIM)}  {indent}{f'{entry.caller} → {entry.service}':<{20 - len(indent)}}"
            f" {entry.method:<4} {short(entry.path):<48} {self._paint(str(entry.status), status_colour)}"
            f" {entry.ms:>6.{0 if entry.ms >= 10 else 1}f} ms  {entry.verdict}{kind}"
        )
        self.say(line.rstrip())

    def logged(self, app: str, line: str) -> None:
        """A line an app wrote: requests become hops, warnings and errors are shown, the rest is in the log file."""
        request = _REQUEST.fullmatch(line)
        caller = self._callers.get(app)
        if request and caller:
            status, ms = int(request["status"]), float(request["ms"])
            self.hop(Entry(time.time(), caller, app, request["method"], request["path"], "request", status, "", ms))
            return
        level = _LOGGED.match(line)
        if level:  # what follows without a level is a traceback and belongs to it
            self._log_goes_on[app] = level[1] in ("WARNING", "ERROR", "CRITICAL")
        if self._log_goes_on.get(app):
            self.say(f"{'':10}{self._paint(f'{app} log', _YELLOW)}  {line}")

    def say(self, line: str = "") -> None:
        """Any line."""
        with self._lock:
            try:
                print(line, file=self._out, flush=True)
            except BrokenPipeError:  # whoever read this has gone, as in `dev.py run | head`; the stack goes on
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours else text


def short(path: str) -> str:
    """A path with the tenants by name, and other ids by their first eight digits."""
    return _GUID.sub(lambda found: _TENANTS.get(found[0].lower()) or f"{found[1]}…", path)


def wants_colours(out: TextIO, environ: Mapping[str, str]) -> bool:
    """On a terminal, unless NO_COLOR (https://no-color.org) or TERM says no. Old Windows consoles show them as text."""
    capable = "WT_SESSION" in environ if sys.platform == "win32" else environ.get("TERM", "dumb") != "dumb"
    return capable and not environ.get("NO_COLOR") and out.isatty()
