"""What is deployed: exactly the code and what the host reads, whatever else lies around."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .packagers import azd_package, azd_takes, core_tools_takes

ROOT = Path(__file__).resolve().parents[2]
_NOT_COPIED = {".git", ".local", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
JUNK = [
    ".venv/pyvenv.cfg",
    ".venv/lib/python3.13/site-packages/msal/__init__.py",
    ".venv-3.13/bin/python",
    "venv/pyvenv.cfg",
    "env/x.py",
    ".local/stack.json",
    ".local/ca.pem",
    "local.settings.json",
    "local.settings.json.bak",
    "local.settings.json.bak-2",
    ".env",
    ".env.local",
    "__pycache__/function_app.cpython-313.pyc",
    "shared/__pycache__/user.cpython-313.pyc",
    "shared/user.pyc",
    "shared/.DS_Store",
    "client.pem",
    "client.pfx",
    "private.key",
    "shared/client.pem",
    "tests/__pycache__/x.pyc",
    ".azure/config.json",
    ".azure/dev/.env",
    ".git/config",
    ".vscode/settings.json",
    ".idea/x.xml",
    ".pytest_cache/README.md",
    ".mypy_cache/x.json",
    "node_modules/x/index.js",
    "app.log",
    "package.zip",
    "notes.txt",
    "main.json",
    "parameters.json",
    "function_app.py~",
    "function_app_old.py",
    "shared/user.py.orig",
    "other/host.json",
    "shared/local.settings.json",
    ".python_packages/lib/site-packages/x.py",
    "dist/x.whl",
    "build/lib/x.py",
    "tests/requirements.txt",
    "infra/main.json",
    "downstream_app.py.bak",
]
TAKES = {"azd": azd_takes, "core tools": core_tools_takes}
Takes = Callable[[Path], set[str]]


def expected() -> set[str]:
    """Written out here on purpose: the entry points, what the host and the remote build read, and the modules."""
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "shared").rglob("*.py")}
    return {"function_app.py", "downstream_app.py", "host.json", "requirements.txt", *modules}


def copy(target: Path) -> Path:
    """The project as a fresh clone has it."""

    def leave_out(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name in _NOT_COPIED or name.startswith((".venv", "local.settings.json"))}

    shutil.copytree(ROOT, target, ignore=leave_out)
    return target


def litter(root: Path) -> Path:
    for name in JUNK:
        file = root / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("{}", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def littered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return litter(copy(tmp_path_factory.mktemp("littered") / "project"))


@pytest.mark.parametrize("takes", TAKES.values(), ids=TAKES)
def test_the_package_of_this_folder(takes: Takes) -> None:
    assert takes(ROOT) == expected()


@pytest.mark.parametrize("takes", TAKES.values(), ids=TAKES)
def test_the_package_of_a_littered_folder(takes: Takes, littered: Path) -> None:
    # To Core Tools a name that is let in is the beginning of a path, so an editor's copy beside it is let in, too.
    copies = (
        {"function_app.py~", "downstream_app.py.bak", "shared/user.py.orig"} if takes is core_tools_takes else set()
    )
    assert takes(littered) == expected() | copies


def test_a_module_in_a_folder_of_shared_is_deployed(littered: Path) -> None:
    module = littered / "shared" / "orders" / "prices.py"
    module.parent.mkdir()
    module.write_text("", encoding="utf-8")
    try:
        for takes in TAKES.values():
            assert "shared/orders/prices.py" in takes(littered)
    finally:
        shutil.rmtree(module.parent)


def test_azd_itself_packages_the_same(littered: Path, tmp_path: Path) -> None:
    azd = shutil.which("azd")
    if azd is None:
        pytest.skip("azd, the Azure Developer CLI, is not on the PATH")
    assert (littered / "azure.yaml").exists()
    assert azd_package(azd, littered, tmp_path) == {"api": expected(), "orders": expected()}


def test_core_tools_would_take_compiled_modules_without_the_lines_for_folders(littered: Path) -> None:
    file = littered / ".funcignore"
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace("**/*.*\n", ""), encoding="utf-8")
    try:
        assert "shared/__pycache__/user.cpython-313.pyc" in core_tools_takes(littered)
        assert azd_takes(littered) == expected()
    finally:
        file.write_text(whole, encoding="utf-8")
