"""`python -m emulators.local.host`: the API in a debugger, while `dev.py emulators` runs.

One process, so that a debugger which starts it stops at breakpoints in function_app.py: see .vscode/launch.json.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from emulators.local.environment import process_environ
from emulators.local.state import ROOT, running


def main() -> int:
    """Serves the API at the address that `dev.py emulators` has told, and returns the exit code."""
    state = running()
    if state is None or state.command != "emulators":
        sys.stderr.write("Type this in another terminal first: python3 dev.py emulators\n")
        return 2
    environ = process_environ(state.environ["api"])
    os.environ.clear()
    os.environ.update(environ)
    from emulators.functions_host.__main__ import main as serve  # reads the environment

    # Never Core Tools: their worker is another process, which the debugger would not stop.
    engine = "worker" if sys.version_info >= (3, 13) else "sdk"
    port = urlsplit(state.api_url).port
    return serve(["--root", str(ROOT), "--name", "api", "--port", str(port), "--engine", engine])


if __name__ == "__main__":
    sys.exit(main())
