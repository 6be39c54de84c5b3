"""`python3 dev.py upgrade` with this project as the template: an edited copy passes its checks and tests afterwards.

It runs what a person runs: every check, and the suite of the copy. The copy has deleted most tests of shared/,
which take minutes and run elsewhere. They stay deleted.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import shared
from maintainers.tests.dev.project import Project
from maintainers.tests.dev.template_repository import commit, git
from maintainers.tests.package.project import copy
from maintainers.tests.test_make_it_yours import add_what_the_pages_show

KEPT = ("test_layers.py", "test_settings.py", "test_errors.py", "test_requires_app.py", "test_prefetch.py")


def text(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def next_version(root: Path) -> None:
    """A release with a change in each part: code, Bicep, tests, a page, a maintainers' test, a new module."""
    version, after = shared.__version__, "99.0.0"
    changes = {
        "azure.yaml": text(root, "azure.yaml").replace(f"@{version}", f"@{after}"),
        "shared/__init__.py": text(root, "shared/__init__.py").replace(f'"{version}"', f'"{after}"'),
        "CHANGELOG.md": text(root, "CHANGELOG.md").replace(
            f"## [{version}]", f"## [{after}] - 2099-01-01\n\n### Security\n\n- A hole is closed.\n\n## [{version}]"
        ),
        "shared/errors.py": text(root, "shared/errors.py") + "\n\n# newer\n",
        "shared/net/newer.py": '"""New in this version."""\n',
        "infra/monitoring.bicep": text(root, "infra/monitoring.bicep") + "// newer\n",
        "infra/main.bicep": text(root, "infra/main.bicep") + "// newer\n",
        "tests/shared/test_layers.py": text(root, "tests/shared/test_layers.py") + "\n\n# newer\n",
        "docs/test.md": text(root, "docs/test.md") + "\nNewer.\n",
        "maintainers/tests/test_newer.py": '"""New in this version."""\n',
    }
    commit(root, changes)
    git(root, "tag", f"v{after}")


def test_an_edited_copy_of_this_project_passes_its_checks_and_tests_after_an_upgrade(tmp_path: Path) -> None:
    template = copy(tmp_path / "template")
    git(template, "init", "-q")
    commit(template, {})
    git(template, "tag", f"v{shared.__version__}")

    yours = Project(copy(tmp_path / "yours"))
    assert yours.dev("remove-orders").returncode == 0
    shutil.rmtree(yours.root / "maintainers")
    for path in (yours.root / "tests" / "shared").glob("test_*.py"):
        if path.name not in KEPT:
            path.unlink()
    add_what_the_pages_show(yours.root)
    azure = text(yours.root, "azure.yaml")
    commit_of_the_copy = {"azure.yaml": re.sub(r"^name: .*$", "name: my-app", azure, flags=re.MULTILINE)}
    git(yours.root, "init", "-q")
    commit(yours.root, commit_of_the_copy)
    own = {name: text(yours.root, name) for name in ("function_app.py", "local-stack.toml", "stock_blueprint.py")}
    next_version(template)

    what = yours.dev("upgrade", "--what", "--from", str(template))
    done = yours.dev("upgrade", "--from", str(template), timeout=900)

    assert what.stdout.startswith("\nSecurity:\n- 99.0.0: A hole is closed.\n"), what
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The checks and your tests pass." in done.stderr
    assert {name: text(yours.root, name) for name in own} == own
    assert text(yours.root, "shared/net/newer.py")
    assert text(yours.root, "infra/main.bicep").endswith("// newer\n")
    assert "Stock.Read" in text(yours.root, "infra/app-registrations.bicep") + text(yours.root, "infra/main.bicep")
    assert not (yours.root / "maintainers").exists()
    assert {path.name for path in (yours.root / "tests" / "shared").glob("test_*.py")} == set(KEPT)
    assert yours.dev("--version").stdout == "azure-functions-on-behalf-of-python 99.0.0\n"
