"""Sample apps are written to a folder and served over real sockets, by every engine this Python can run."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulators.functions_host import FunctionsHost, worker_library

Serve = Callable[..., FunctionsHost]

PREAMBLE = """
    import json
    import logging
    import azure.functions as func

    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""


def write_app(folder: Path, source: str, *, script: str = "function_app.py") -> Path:
    """An app made of the usual preamble and `source`; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / script).write_text(textwrap.dedent(PREAMBLE) + textwrap.dedent(source), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["worker", "sdk"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name = str(request.param)
    if name == "worker" and not worker_library.is_installed():
        pytest.skip("the worker engine: azure-functions-runtime is not installed (it is for Python 3.13 and newer)")
    return name


@pytest.fixture(scope="module")
def serve(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Writes an app and serves it until the end of the module."""
    hosts: list[FunctionsHost] = []

    def start(source: str, *, host_json: str | None = None) -> FunctionsHost:
        root = write_app(tmp_path_factory.mktemp("app"), source)
        if host_json is not None:
            (root / "host.json").write_text(host_json, encoding="utf-8")
        hosts.append(FunctionsHost(root, engine=engine).start())
        return hosts[-1]

    yield start
    with ThreadPoolExecutor() as pool:
        list(pool.map(FunctionsHost.stop, hosts))
