"""The hops as a person reads them: one aligned line each, in color where a terminal shows it."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from emulators.audit import Entry
from emulators.local.loading_errors import LoadingErrors
from emulators.local.state import ROOT
from emulators.people import CONTOSO, FABRIKAM

_GUID = re.compile(r"([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_TENANTS = {CONTOSO: "contoso", FABRIKAM: "fabrikam"}
_LOGGED = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
_REQUEST = re.compile(r"INFO Host\.Requests: (?P<method>\S+) (?P<path>\S+) (?P<status>\d{3}) (?P<ms>[\d.]+) ms")
_REFUSED = re.compile(r'INFO Function\.\S+: request .* status=(4\d\d) .* code=(\w+) reason=(".*")')
_CALLERS = {"api": "client"}  # what calls an API behind it goes through the gateway, which reports it already
_NARROWEST, _WITH_CLOCK = 80, 110
_RED, _GREEN, _YELLOW, _DIM = "31", "32", "33", "2"


class Timeline:
    """Writes hops and the apps' warnings, from any thread."""

    def __init__(
        self, out: TextIO = sys.stdout, *, colors: bool | None = None, callers: Mapping[str, str] = _CALLERS
    ) -> None:
        """`colors` decides for itself when not given; `callers`: which apps' logged requests are hops, and whose."""
        self._out = out
        self._callers = callers
        self._colors = wants_colors(out, os.environ) if colors is None else colors
        self._width = width_of(out, os.environ)
        self._lock = threading.Lock()
        self._log_goes_on: dict[str, bool] = {}
        self._loading: dict[str, LoadingErrors] = {}
        self._left_out: list[str] = []
        self.on_request: Callable[[Entry], None] = lambda _: None
        """Told of each request that an app logs, as a hop."""

    def leave_out(self, path: str) -> None:
        """The next request for this path that an app logs is not shown: it is the stack's own."""
        self._left_out.append(path)

    def hop(self, entry: Entry, indent: str = "") -> None:
        """One request and its response."""
        status_color = _GREEN if entry.status < 400 else _YELLOW if entry.status < 500 else _RED
        moment = time.strftime("%H:%M:%S", time.localtime(entry.at - entry.ms / 1000))  # when it began
        kind = " (On-Behalf-Of)" if entry.action == "obo" else ""
        clock, path, verdict = _columns(self._width)
        line = (
            f"{self._paint(moment, _DIM) + '  ' if clock else ''}"
            f"{indent}{f'{entry.caller} → {entry.service}':<{20 - len(indent)}}"
            f" {entry.method:<4} {_end_of(short(entry.path), self._width and path):<{path}}"
            f" {self._paint(str(entry.status), status_color)}"
            f" {entry.ms:>6.{0 if entry.ms >= 10 else 1}f} ms  {_start_of(entry.verdict + kind, verdict)}"
        )
        self.say(line.rstrip())

    def logged(self, app: str, line: str) -> None:
        """A line that an app wrote. Requests become hops. Warnings, errors and the reasons of refusals are shown.

        The rest is in the log file.
        """
        request = _REQUEST.fullmatch(line)
        caller = self._callers.get(app)
        if request and request["path"] in self._left_out:
            self._left_out.remove(request["path"])
            return
        if request and caller:
            status, ms = int(request["status"]), float(request["ms"])
            entry = Entry(time.time(), caller, app, request["method"], request["path"], "request", status, "", ms)
            self.on_request(entry)
            self.hop(entry)
            return
        shown = self._loading.setdefault(app, LoadingErrors(ROOT)).shown(line)
        if shown is None:
            return
        line = shown
        refused = _REFUSED.fullmatch(line)
        if refused:
            self._show(app, f"{refused[1]} {refused[2]}: {json.loads(refused[3])}")
        level = _LOGGED.match(line)
        if level:  # what follows without a level is a traceback and belongs to it
            self._log_goes_on[app] = level[1] in ("WARNING", "ERROR", "CRITICAL")
        if self._log_goes_on.get(app):
            self._show(app, line)

    def _show(self, app: str, line: str) -> None:
        lead = f"{'':10}{app} log  "
        first, *more = _wrapped(line, self._width and self._width - len(lead))
        self.say(f"{'':10}{self._paint(f'{app} log', _YELLOW)}  {first}")
        for rest in more:
            self.say(f"{'':{len(lead)}}{rest}")

    def say(self, line: str = "") -> None:
        """Any line."""
        with self._lock:
            try:
                print(line, file=self._out, flush=True)
            except BrokenPipeError:  # the reader has closed it, as in `dev.py run | head`; the stack goes on
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())

    def _paint(self, text: str, color: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._colors else text


def short(path: str) -> str:
    """A path with the tenants by name, and other ids by their first eight digits."""
    return _GUID.sub(lambda found: _TENANTS.get(found[0].lower()) or f"{found[1]}…", path)


def width_of(out: TextIO, environ: Mapping[str, str]) -> int | None:
    """How many columns a line may take: what COLUMNS says, or the terminal. None: no limit, as in a file or a pipe."""
    columns = environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return max(int(columns), _NARROWEST)
    if not out.isatty():
        return None
    try:
        return max(os.get_terminal_size(out.fileno()).columns, _NARROWEST)
    except (OSError, ValueError):  # a terminal that does not say
        return _NARROWEST


def _columns(width: int | None) -> tuple[bool, int, int | None]:
    """Whether the clock is shown, and the widths of the path and of the verdict. A narrow terminal loses the clock."""
    if width is None:
        return True, 48, None
    clock = width >= _WITH_CLOCK
    left = width - (52 if clock else 42)  # next to caller, method, status and milliseconds
    path = min(48, max(22, left // 2))
    return clock, path, left - path


def _start_of(text: str, width: int | None) -> str:
    """As much of `text` as fits; "…" stands for the rest."""
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"


def _end_of(text: str, width: int | None) -> str:
    """The end of a path says most: `/contoso/oauth2/v2.0/token` becomes `…/v2.0/token`."""
    return text if width is None or len(text) <= width else f"…{text[1 - width :]}"


def _wrapped(line: str, width: int | None) -> list[str]:
    """The line in pieces of `width`; as it is without a limit, and when nothing is in it."""
    if width is None or len(line) <= width:
        return [line]
    return textwrap.wrap(line, width, drop_whitespace=False) or [line]


def wants_colors(out: TextIO, environ: Mapping[str, str]) -> bool:
    """On a terminal, unless NO_COLOR (https://no-color.org) or TERM says no. Old Windows consoles show them as text."""
    capable = "WT_SESSION" in environ if sys.platform == "win32" else environ.get("TERM", "dumb") != "dumb"
    return capable and not environ.get("NO_COLOR") and out.isatty()
