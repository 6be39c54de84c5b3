"""The hook's reading of .funcignore, which has nothing but Python, against the models of the two packagers."""

from __future__ import annotations

from pathlib import Path

import package_files
import pytest

from .packagers import azd_takes, core_tools_takes

FILES = [
    "a.py",
    "b/a.py",
    "b/c/a.py",
    "b/c/d.txt",
    "bc/a.py",
    "tests/a.py",
    "tests/b/a.py",
    "tests.py",
    "ab[1].txt",
    "b/.env",
    ".env",
    ".git/config",
    "x y.txt",
    "é.md",
    "docs/é.md",
    "b/local.settings.json",
    "b/id_rsa",
    "id_rsa_old",
    "key.pem",
    "b/key.pem.txt",
]
IGNORES = [
    "",
    "*",
    "*\n!a.py",
    "a.py",
    "/a.py",
    "b/",
    "/b",
    "/b/*",
    "b/c",
    "/tests",
    "/tests/",
    "/tests/*",
    "**/a.py",
    "b/**",
    "b/**/a.py",
    "**/c/*",
    "*.p?m",
    "a[a-c]?1].txt",
    "[!a]*",
    "[^a]*",
    "#a.py\n\\#a.py\n\n  \na.py  ",
    "*.*\n!/b/*.py\n!/b/**/*.py",
    "/b/*\n!/b/c",
    "id_rsa*",
    "id_rsa",
    ".*",
    "**/.*",
    "/docs/*",
    "*.pem\r\n/b\r",
    "!a.py\n*.py",
    "é.md",
    "b**",
    "x\\ y.txt",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rules")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("", encoding="utf-8")
    return root


@pytest.mark.parametrize("ignore", [*IGNORES, (Path(__file__).parents[3] / ".funcignore").read_text(encoding="utf-8")])
def test_the_hook_takes_what_the_packagers_take(folder: Path, ignore: str) -> None:
    (folder / ".funcignore").write_text(ignore, encoding="utf-8", newline="")

    azd, core_tools = package_files.read_rules(folder)

    assert package_files.packaged(folder, azd) == sorted(azd_takes(folder))
    assert package_files.packaged(folder, core_tools) == sorted(core_tools_takes(folder))


def test_a_link_that_leads_back_is_followed_once(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("", encoding="utf-8")
    try:
        (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system lets nobody make links")

    assert package_files.packaged(tmp_path, package_files.read_rules(tmp_path)[0]) == ["a.py"]


def test_the_line_that_leaves_a_file_out_is_named() -> None:
    line = package_files.AzdRules(["# keys", "*.pem", "/orders/"]).left_out_by("orders/prices.py")

    assert line is not None
    assert (line.number, line.text) == (3, "/orders/")
