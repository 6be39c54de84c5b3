"""The tools for your own tests are never deployed."""

from __future__ import annotations

from pathlib import Path

import package_files

ROOT = Path(__file__).parents[3]
OURS = ("tests/support/tenant.py", "tests/test_function_app.py", "emulators/canned.py", "local-stack.toml")


def test_neither_azd_nor_core_tools_takes_it() -> None:
    assert [path for path in OURS if not (ROOT / path).is_file()] == []
    for rules in package_files.read_rules(ROOT):
        assert [path for path in OURS if rules.left_out_by(path) is None] == []
        assert rules.left_out_by("function_app.py") is None


def test_the_app_has_no_branch_for_tests() -> None:
    """The tests configure the app by its environment alone: shared/ knows neither them nor the emulators."""
    modules = (ROOT / "shared").rglob("*.py")
    words = ("pytest", "emulators", "tests.", "is_test", "TESTING")
    assert [(path.name, word) for path in modules for word in words if word in path.read_text(encoding="utf-8")] == []
