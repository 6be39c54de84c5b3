"""What is deployed: the apps and all that a person adds to them; never keys, settings or the template's own tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .packagers import azd_package, azd_takes, core_tools_takes
from .project import ADDED, ROOT, copy, extend, of_the_template, write

TAKES = {"azd": azd_takes, "core tools": core_tools_takes}
Takes = Callable[[Path], set[str]]

OWN = [
    *ADDED,
    "client.py",
    "tests.py",
    "docs.py",
    "infra.py",
    "emulators.py",
    "maintainers.py",
    "env.py",
    "venv.py",
    "build.py",
    "dist.py",
    "keys.py",
    "client_for_stock.py",
    "testsupport/__init__.py",
    "docs_index/a.md",
    "development.py",
    "environment/__init__.py",
    "orders/client/__init__.py",
    "orders/tests/__init__.py",
    "orders/docs/a.txt",
    "orders/README.md",
    "orders/LICENSE",
    "orders/host.json",
    "orders/requirements-of-ours.txt",
    "orders/dev.py",
    "orders/templates/mail.html",
    "orders/data/prices.csv",
    "orders/deep/er/still/a.json",
    "shared/prompt.txt",
    "prompt.txt",
    "products.json",
    "f\u00fcr_alle.py",
    "orders/\u00fcbersicht.txt",
    "monkey/__init__.py",
    "orders/keyboard.py",
]
JUNK = [
    ".venv/pyvenv.cfg",
    ".venv/lib/python3.13/site-packages/msal/__init__.py",
    ".venv-3.13/bin/python",
    "venv/pyvenv.cfg",
    "venv/bin/python",
    "venv313/lib/x.py",
    "myvenv/lib/x.py",
    "env/x.py",
    "ENV/x.py",
    "virtualenv/x.py",
    "project_env/lib/x.py",
    "project-env/lib/x.py",
    ".local/stack.json",
    ".local/ca.pem",
    ".local/package-check/python3.13-0/required/msal/__init__.py",
    "local.settings.json",
    "local.settings.json.bak",
    "local.settings.json.bak-2",
    "orders/local.settings.json",
    ".env",
    ".env.local",
    "orders/.env",
    "orders/.env.production",
    "__pycache__/function_app.cpython-313.pyc",
    "shared/__pycache__/user.cpython-313.pyc",
    "orders/deep/__pycache__/x.cpython-313.pyc",
    "shared/user.pyc",
    "shared/.DS_Store",
    "client.pem",
    "client.PEM",
    "client.pfx",
    "client.p12",
    "private.key",
    "id_rsa",
    "id_rsa.pub",
    "id_rsa_old",
    "id_ed25519",
    "orders/client.pem",
    "orders/client.pfx",
    "orders/client.p12",
    "orders/deep/private.key",
    "orders/id_rsa",
    "orders/id_rsa_old",
    "orders/deep/id_ecdsa",
    "tests/__pycache__/x.pyc",
    "tests/(odd).py",
    "docs/\u00fcber.md",
    ".azure/config.json",
    ".azure/dev/.env",
    ".git/config",
    ".vscode/settings.json",
    ".idea/x.xml",
    ".pytest_cache/README.md",
    ".mypy_cache/x.json",
    "node_modules/x/index.js",
    "orders/node_modules/x/index.js",
    "app.log",
    "orders/app.log",
    "package.zip",
    "shared/user.py.orig",
    ".python_packages/lib/site-packages/x.py",
    "dist/x.whl",
    "build/lib/x.py",
    "template.egg-info/PKG-INFO",
    "tests/requirements.txt",
    "infra/main.json",
    "downstream_app.py.bak",
    "CHANGELOG.md",
    "pyproject.toml",
]
# Each of these is a safeguard of .funcignore; a user may not have it in mind.
SECRET = ("*.pem", "*.pfx", "*.p12", "*.key", ".env*", "id_rsa*", "id_ed25519*", "id_ecdsa*", "local.settings.json*")


@pytest.fixture(scope="module")
def littered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = extend(copy(tmp_path_factory.mktemp("littered") / "project"))
    for name in [*OWN, *JUNK]:
        if not (root / name).exists():
            write(root / name, "{}")
    return root


@pytest.mark.parametrize("takes", TAKES.values(), ids=TAKES)
def test_the_package_of_a_fresh_clone(takes: Takes, tmp_path: Path) -> None:
    fresh = copy(tmp_path / "fresh")
    assert of_the_template(fresh) <= takes(fresh)
    workshop = {"client", "docs", "doctor", "emulators", "infra", "maintainers", "tests"}
    assert {name for name in takes(fresh) if name.split("/")[0] in workshop or name.split("/")[0][0] == "."} == set()
    stays = {
        "dev.py",
        "azure.yaml",
        "README.md",
        "LICENSE",
        "requirements-run.txt",
        "requirements-dev.txt",
        "ruff.toml",
    }
    assert not takes(fresh) & stays


@pytest.mark.parametrize("takes", TAKES.values(), ids=TAKES)
def test_all_that_a_person_adds_is_deployed_and_nothing_else_that_lies_around(takes: Takes, littered: Path) -> None:
    assert takes(littered) == of_the_template(littered) | set(OWN)


@pytest.mark.parametrize("name", JUNK)
def test_each_kind_of_litter_stays(littered: Path, name: str) -> None:
    assert not [label for label, takes in TAKES.items() if name in takes(littered)]


@pytest.mark.parametrize("folder", ["", "orders/", "orders/deep/er/", "prompts/"])
@pytest.mark.parametrize("pattern", SECRET)
def test_no_secret_is_deployed_from_any_folder(littered: Path, folder: str, pattern: str) -> None:
    planted = [folder + pattern.replace("*", more) for more in ("", "x", ".x", "_2", "-2")]
    planted = [name for name in planted if not (littered / name).exists()]
    for name in planted:
        write(littered / name, "secret")
    try:
        for takes in TAKES.values():
            assert not takes(littered) & set(planted)
    finally:
        for name in planted:
            os.unlink(littered / name)


def test_azd_itself_packages_the_same(littered: Path, tmp_path: Path) -> None:
    azd = shutil.which("azd")
    if azd is None:
        pytest.skip("azd, the Azure Developer CLI, is not on the PATH")
    hooks = littered / "azure.yaml"
    hooks.write_text(hooks.read_text(encoding="utf-8").partition("\nhooks:")[0], encoding="utf-8")
    packages = azd_package(azd, littered, tmp_path)
    expected = of_the_template(littered) | set(OWN)
    assert packages == {"api": expected, "orders": expected}


def test_core_tools_would_take_compiled_modules_without_the_lines_for_folders(littered: Path) -> None:
    file = littered / ".funcignore"
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace("**/__pycache__/*\n", "").replace("**/*.pyc\n", ""), encoding="utf-8")
    try:
        assert "shared/__pycache__/user.cpython-313.pyc" in core_tools_takes(littered)
    finally:
        file.write_text(whole, encoding="utf-8")


def test_no_line_lets_anything_in_again() -> None:
    """To Core Tools such a line wins over all that keep keys out."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("!")] == []


@pytest.mark.parametrize("tool", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_what_docs_extend_adds_leaves_the_check_of_the_code_green(tmp_path: Path, tool: list[str]) -> None:
    root = extend(copy(tmp_path / "project"))
    files = ["function_app.py", "people_blueprint.py", "greetings"]
    done = subprocess.run(
        [sys.executable, "-m", *tool, *files], cwd=root, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
