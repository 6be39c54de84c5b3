"""`python -m emulators.functions_host`: serve the Functions app of a folder on 127.0.0.1."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from emulators.functions_host import core_tools, logs
from emulators.functions_host.cors import Cors, checked_origin
from emulators.functions_host.host import FunctionsHost
from emulators.functions_host.layout import AppLayout, LayoutError
from emulators.functions_host.model import EngineError
from emulators.loopback import PortTaken

CANNOT_START = 2
STOP_BOUND = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal, or the end of stdin, stops it. Returns the exit code."""
    options = _parser().parse_args(arguments)
    # What functions print goes to stderr with their logs: stdout carries the ready line and nothing else.
    out, sys.stdout = sys.stdout, sys.stderr
    logs.configure()
    try:
        return _serve(options, _stop_event(options.stop_with_stdin), out)
    except PortTaken as taken:
        return _cannot_start(options.name, f"{taken.strerror}; try another one with --port N")
    except (LayoutError, EngineError) as reason:
        return _cannot_start(options.name, reason)
    except core_tools.CoreToolsError as reason:
        sys.stderr.write(f"{options.name}: {reason}\n")
        return 1


def _cannot_start(name: str, reason: object) -> int:
    print(f"{name}: {reason}", file=sys.stderr)  # noqa: T201 - a message for the person who typed the command
    return CANNOT_START


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emulators.functions_host",
        description="A local host for a Python Azure Functions app (v2 programming model, HTTP triggers). "
        "The app's settings are this process's environment; PYTHON_SCRIPT_FILE_NAME names its script.",
        epilog="Engines: func is Azure Functions Core Tools; worker is Microsoft's worker library, for Python 3.13 and "
        "newer; sdk uses the azure-functions package. auto takes the first of them that is available.",
    )
    parser.add_argument(
        "--port", type=_port, default=7071, help="where to listen on 127.0.0.1; 0 takes any free port (7071)"
    )
    parser.add_argument(
        "--engine", choices=["auto", "func", "worker", "sdk"], default="auto", help="what runs the app (auto)"
    )
    parser.add_argument("--root", type=Path, default=Path(), metavar="DIR", help="the app's folder (the current one)")
    parser.add_argument("--name", default="functions_host", help="how this app is called in messages (functions_host)")
    parser.add_argument(
        "--stop-with-stdin", action="store_true", help="stop when stdin ends, so with the parent process"
    )
    parser.add_argument(
        "--origin",
        type=_origin,
        action="append",
        default=[],
        metavar="URL",
        help="a web page's origin that may call from a browser (CORS), such as https://localhost:5173; repeatable",
    )
    return parser


def _origin(text: str) -> str:
    try:
        return checked_origin(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _stop_event(with_stdin: bool) -> threading.Event:
    """Set when this process shall end; what has not ended STOP_BOUND seconds later is cut off."""
    stop = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):  # the last one is Windows'
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stop.set())
    threading.Thread(target=_end_hard_after, args=(stop,), name="end-hard", daemon=True).start()
    if with_stdin:
        threading.Thread(target=_set_at_end_of_stdin, args=(stop,), name="stdin", daemon=True).start()
    return stop


def _end_hard_after(stop: threading.Event) -> None:
    """Python itself would wait without end for a function, or an import, that never ends."""
    stop.wait()
    time.sleep(STOP_BOUND)
    os._exit(0)


def _set_at_end_of_stdin(stop: threading.Event) -> None:
    with contextlib.suppress(OSError):  # a closed stdin is at its end
        while os.read(0, 4096):
            pass
    stop.set()


def _serve(options: argparse.Namespace, stop: threading.Event, out: TextIO) -> int:
    layout = AppLayout.read(options.root)
    os.chdir(layout.root)  # as the worker does
    func = core_tools.find()
    if options.engine == "func" and func is None:
        raise EngineError("the func engine needs Azure Functions Core Tools on the PATH")
    if func is not None and options.engine in ("auto", "func"):
        return _serve_with_core_tools(core_tools.CoreTools(func, layout.root, options.port, options.origin), stop, out)
    with FunctionsHost(layout.root, engine=options.engine, cors=Cors(tuple(options.origin))).start(
        options.port
    ) as host:
        _announce(out, host.url, host.engine, len(host.functions), host.indexing_error or "")
        while host.running and not stop.wait(0.5):  # a wait without an end cannot be interrupted on Windows
            pass
    return 0 if stop.is_set() else 1


def _serve_with_core_tools(func: core_tools.CoreTools, stop: threading.Event, out: TextIO) -> int:
    try:
        if func.start(stop):
            _announce(out, func.url, "func", func.function_count())
            func.wait(stop)
    finally:
        func.stop()
    return 0


def _announce(out: TextIO, url: str, engine: str, functions: int, error: str = "") -> None:
    why = f": {' '.join(error.split())}" if error else ""  # all of it in this one line
    print(f"ready {url} {engine} {functions} functions{why}", file=out, flush=True)


if __name__ == "__main__":
    sys.exit(main())
