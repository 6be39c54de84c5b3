"""Text files are UTF-8 on every system: without an encoding, Windows reads them in the code page of the country."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("client", "doctor", "emulators", "infra", "maintainers", "shared", "tests")


def sources() -> list[Path]:
    return [*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]


def without_encoding(source: str) -> Iterator[int]:
    """The lines that read or write a text file in whatever encoding the system prefers."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and "encoding" not in {keyword.arg for keyword in call.keywords} and opens(call):
            yield call.lineno


def opens(call: ast.Call) -> bool:
    """`read_text`, `write_text`, the built-in `open`, or an `open` that is given a mode for text."""
    if isinstance(call.func, ast.Attribute):
        name, is_builtin = call.func.attr, False
    elif isinstance(call.func, ast.Name):
        name, is_builtin = call.func.id, True
    else:
        return False
    given = [*call.args[-1:], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    texts = [str(node.value) for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    modes = [text for text in texts if text and set(text) <= set("rwaxbt+")]
    if ast.unparse(call.func).endswith("sessions.open"):  # opens a session, for a bearer
        return False
    if name in ("open", "fdopen"):
        return not any("b" in mode for mode in modes) and (is_builtin or bool(modes))
    return name in ("read_text", "write_text")


def test_every_text_file_is_read_and_written_as_utf_8() -> None:
    found = [
        f"{path.relative_to(ROOT).as_posix()}:{line}"
        for path in sources()
        for line in without_encoding(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("path.read_text()", True),
        ("path.write_text('é')", True),
        ("open(path)", True),
        ("path.open('w')", True),
        ("path.open(mode='r')", True),
        ("os.fdopen(handle, 'w')", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.open('w', encoding='utf-8')", False),
        ("open(path, 'rb')", False),
        ("path.read_bytes()", False),
        ("sessions.open(token)", False),
        ("os.open(path, os.O_WRONLY)", False),
    ],
)
def test_the_check_tells_text_from_bytes(line: str, found: bool) -> None:
    assert bool(list(without_encoding(line))) == found
