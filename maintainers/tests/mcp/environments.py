"""Where the real clients are. Each has an environment of its own, because `mcp` on the path changes azure.functions.

`MCP_CLIENTS` names a folder. In it are `mcp2` and `mcp1`, and there may be `fastmcp` and `node`:

    python -m venv FOLDER/mcp2 && FOLDER/mcp2/bin/python -m pip install -r maintainers/requirements-mcp2.txt
    python -m venv FOLDER/mcp1 && FOLDER/mcp1/bin/python -m pip install -r maintainers/requirements-mcp1.txt
    python -m venv FOLDER/fastmcp && FOLDER/fastmcp/bin/python -m pip install fastmcp==4.2.3
    npm install --prefix FOLDER/node node@24 @modelcontextprotocol/inspector@2.12.0 \
        @modelcontextprotocol/conformance@0.2.0-alpha.12
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REQUIRED = ("mcp2", "mcp1")
"""With MCP_CLIENTS, one of these that is missing is a failure."""


def environment(name: str) -> Path:
    """The folder of an environment. Without it, the test is skipped, or fails if the environment is required."""
    clients = os.environ.get("MCP_CLIENTS")
    if not clients:
        pytest.skip(f"MCP_CLIENTS is not set; {__name__} says what it is")
    folder = Path(clients) / name
    if not folder.is_dir():
        (pytest.fail if name in REQUIRED else pytest.skip)(f"{name} is not in the folder that MCP_CLIENTS names")
    return folder


def python(name: str) -> str:
    """The interpreter of an environment."""
    within = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return str(environment(name).joinpath(*within))


def node_program(name: str) -> tuple[str, dict[str, str]]:
    """A program that npm installed, and the environment variables with which the Node of the same folder runs it."""
    programs = environment("node") / "node_modules" / ".bin"
    return str(programs / name), {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
