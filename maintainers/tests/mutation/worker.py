"""Runs pytest many times in one copy of the project: `python …/worker.py MODULE …`, in that copy.

The named modules are imported once. Each run is a fork, which saves a second per mutant.
Reads one JSON object per line, such as `{"tests": ["tests/test_x.py"], "seconds": 30, "output": "file"}`.
Writes one number per line: pytest's exit code, or TIMED_OUT.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import traceback
from typing import Any

TIMED_OUT = -1
# Without the plug-ins of other packages: no test here needs them, and pytest warns when they were imported before it.
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "--disable-plugin-autoload")


def main(preload: list[str]) -> None:
    """Serves until standard input ends."""
    sys.path[0] = os.getcwd()
    for name in preload:
        importlib.import_module(name)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, however this was started
    for line in sys.stdin:
        sys.stdout.write(f"{run(json.loads(line))}\n")
        sys.stdout.flush()


def run(job: dict[str, Any]) -> int:
    """The exit code of one run of pytest. No process that it started is left."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # or it could come before anybody knows the child
    child = os.fork()
    if child == 0:
        _become_pytest(job)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        status = os.waitpid(child, 0)[1]
    except BaseException:  # the end of this process must not leave the child, which may have no group yet
        _end_group(child)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        raise
    _end_group(child)
    return TIMED_OUT if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _become_pytest(job: dict[str, Any]) -> None:
    code = 1
    try:
        os.setsid()
        os.nice(5)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        signal.alarm(job["seconds"])  # its default is to end the process, whatever holds that up
        output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        import pytest

        code = pytest.main([*_OPTIONS, *job["tests"]])
    except BaseException:  # also SystemExit: the output must show why this run has no verdict
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_group(child: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
