"""The unpacked package with nothing but its own requirements: both apps start and respond."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from emulators.functions_host import worker_library
from emulators.local.processes import AppProcess
from emulators.stack import Stack
from tests.support.leaks import LeakWatch
from tests.support.live import Live

from .environment import CleanEnvironment, bare, closure
from .packagers import azd_takes, core_tools_takes, write_zip
from .project import ADDED, ROOT, copy, extend

ENGINE = "worker" if worker_library.is_installed() else "sdk"
FUNCTIONS = {
    "function_app": ["protected_resource_metadata", "me", "list_orders", "add_order", "mcp", "check_health", "greet"],
    "downstream_app": ["list_orders", "get_order", "add_order"],
}
_INDEX = """
import importlib, json, sys
sys.path.insert(0, ".")
module = importlib.import_module({script!r})
names = [function.get_function_name() for function in module.app.get_functions()]
files = [getattr(module, "__file__", None) for module in sys.modules.values()]
print(json.dumps([names, [file for file in files if file]]))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a blueprint, a package and a prompt of somebody's own."""
    return extend(copy(tmp_path_factory.mktemp("extended") / "project"))


@pytest.fixture(scope="module")
def unpacked(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deployed folder."""
    folder = tmp_path_factory.mktemp("deployed")
    with zipfile.ZipFile(write_zip(project, azd_takes(project), folder / "package.zip")) as package:
        package.extractall(folder / "wwwroot")
    return folder / "wwwroot"


@pytest.fixture(scope="module")
def clean(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    """What the remote build makes of the package's requirements.txt."""
    return CleanEnvironment(tmp_path_factory.mktemp("clean"), unpacked / "requirements.txt")


@pytest.fixture(scope="module")
def deployed(
    clean: CleanEnvironment, unpacked: Path, tmp_path_factory: pytest.TempPathFactory, leak_watch: LeakWatch
) -> Iterator[Live]:
    """Both apps, run from the unpacked package in the clean environment, before emulators of their own."""
    folder = tmp_path_factory.mktemp("deployed-apps")
    with ExitStack() as exits:
        stack = exits.enter_context(Stack.start(folder))
        urls = {}
        for name in ("orders", "api"):
            environ = {**bare(), **stack.environ(name)}
            log = folder / f"{name}.log"
            app = AppProcess(name, 0, environ, log, _scan(leak_watch), ENGINE, unpacked, clean.host_command())
            exits.callback(app.stop)
            urls[name] = app.ready().url
            assert app.engine == ENGINE
        stack.route("orders", urls["orders"])
        live = Live(stack, urls["api"], urls["orders"], leak_watch)
        exits.callback(live.close)
        yield live


def _scan(watch: LeakWatch) -> Callable[[str, str], None]:
    return lambda name, line: watch.scan(line, f"log of the deployed {name} app")


def test_the_environment_is_clean(clean: CleanEnvironment) -> None:
    required = [line.split(";")[0] for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    names = [re.split(r"[~>=<; ]", line)[0] for line in required if line and line[0] != "#"]
    installed = clean.packages()
    assert installed <= closure(names)
    assert not installed & {"starlette", "uvicorn", "azure-functions-runtime", "pytest", "trustme"}


@pytest.mark.parametrize("script", FUNCTIONS)
def test_both_apps_need_nothing_but_requirements_txt(clean: CleanEnvironment, unpacked: Path, script: str) -> None:
    names, files = json.loads(clean.run(_INDEX.format(script=script), cwd=unpacked))
    assert sorted(names) == sorted(FUNCTIONS[script])
    assert not [file for file in files if file.startswith(str(ROOT))]
    assert any(Path(file).is_relative_to(unpacked / "shared") for file in files)


def test_the_deployed_api_responds(deployed: Live) -> None:
    token = deployed.stack.issue_access_token("alice")
    assert deployed.call("/api/health").json()["status"] == "healthy"
    assert deployed.call("/api/me", token).json()["displayName"] == "Alice Ahlberg"
    assert deployed.call("/api/orders", token).status_code == 200
    assert deployed.call("/api/me").status_code == 401


def test_what_a_person_added_responds_too(deployed: Live) -> None:
    """A blueprint in a module of its own, a package that it imports, and a prompt that it reads."""
    reply = deployed.call("/api/greeting", deployed.stack.issue_access_token("alice"))
    assert (reply.status_code, reply.json()) == (200, {"greeting": "Hello, Alice Ahlberg!"})
    assert reply.headers["Content-Type"].startswith("application/json")
    assert deployed.call("/api/greeting").status_code == 401


def test_it_runs_from_the_package(deployed: Live, project: Path, unpacked: Path) -> None:
    """Nothing but the modules' own caches has been added to the folder, and the cache is off here."""
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert files == azd_takes(project) == core_tools_takes(project)
    assert set(ADDED) <= files
