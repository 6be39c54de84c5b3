"""What `breakpoint()` does without a terminal: it logs where to debug instead, and the function goes on.

The value of PYTHONBREAKPOINT names `tell`: https://docs.python.org/3/library/sys.html#sys.breakpointhook
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

HOOK = f"{__name__}.tell"
_VARIABLE = "PYTHONBREAKPOINT"
_HOST = "python -m emulators.functions_host"
log = logging.getLogger("Host.Breakpoint")


def tell(*_args: object, **_options: object) -> None:
    """Logs one line with the place of the call and the two commands. Takes what `breakpoint()` was given."""
    caller = sys._getframe(1)
    place = f"{Path(caller.f_code.co_filename).name}, line {caller.f_lineno}"
    python = "py" if os.name == "nt" else "python3"
    log.warning(
        "%s: breakpoint() is skipped, because nobody can type here. Stop this. Then type in one terminal: "
        "%s dev.py emulators   and in another: %s dev.py exec -- %s",
        place,
        python,
        python,
        _HOST,
    )


def without_terminal(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for an app whose input is no terminal. A person's own PYTHONBREAKPOINT=0 stays."""
    return dict(environ) if environ.get(_VARIABLE) == "0" else {**environ, _VARIABLE: HOOK}
