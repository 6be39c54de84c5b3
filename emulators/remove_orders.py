"""`python3 dev.py remove-orders`: takes Orders, the downstream API of the example, out of the project.

Comments mark what belongs to it: the lines from `<orders>` to `</orders>`, and each line with `<orders/>`. JSON has no
comments: there it is each entry with "orders" in its name. Everything is worked out first and written at the end, so a
file that is not as expected leaves all files as they were.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
APP = "downstream_app.py"
FUNCTIONS = ("list_orders", "add_order", "place_order")
"""Those of function_app.py that call Orders."""
JSON_FILES = ("infra/main.parameters.json", "infra/refusals.json", "local.settings.json.example")
SUFFIXES = (".bicep", ".bicepparam", ".py", ".toml", ".yaml", ".yml")
NOT_OURS = ("docs", "maintainers", "node_modules", "__pycache__")
_COMMENT = r"[ \t]*(?:#|//)[ \t]*"
_BEGIN, _END = re.compile(_COMMENT + "<orders>[ \t]*"), re.compile(_COMMENT + "</orders>[ \t]*")
_LINE = re.compile(_COMMENT + "<orders/>[ \t]*$")


class RemovalError(Exception):
    """A file is not as expected; the message names it."""


def main(root: Path = ROOT) -> int:
    """Removes the sample, says what changed and what is left to do, and returns the exit code."""
    if not (root / APP).exists():
        say(f"{APP} is not here: the Orders sample has been removed already.")
        return 1
    try:
        changed = changes(root)
    except RemovalError as error:
        say(f"Nothing was changed. {error}")
        return 1
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    (root / APP).unlink()
    say("Removed the Orders sample. Deleted: " + APP)
    say("Changed: " + ", ".join(sorted(path.relative_to(root).as_posix() for path in changed)))
    say("Read `git diff` before you commit. README.md and docs/ still describe the sample.")
    left = list(calls(root))
    if left:
        say("These lines still call Orders. Change or delete them:\n  " + "\n  ".join(left))
    return 0


def changes(root: Path) -> dict[Path, str]:
    """The new text of every file that changes. Raises RemovalError."""
    found = {}
    for path in files(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        new = without_functions(text) if name == "function_app.py" else text
        if name in JSON_FILES:
            new = without_entries(name, new)
        elif path != Path(__file__).resolve():
            new = without_marked(name, new)
        if path.suffix == ".py":
            _parse(name, new)
        if new != text:
            found[path] = new
    return found


def files(root: Path) -> Iterator[Path]:
    """The files of the project that can have something of Orders in them."""
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        hidden = [name for name in folders if name.startswith(".") and name != ".github"]
        environments = [name for name in folders if (here / name / "pyvenv.cfg").exists()]
        folders[:] = sorted({*folders} - {*hidden, *environments, *NOT_OURS})
        for path in (here / name for name in sorted(names)):
            ours = path.suffix in SUFFIXES or path.relative_to(root).as_posix() in JSON_FILES
            if ours and path.name not in (APP, Path(__file__).name):
                yield path


def without_marked(name: str, text: str) -> str:
    """The text without what the comments mark. Raises RemovalError when a mark has no other half."""
    kept: list[str] = []
    inside, gap = 0, False
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        bare = line.rstrip("\r\n")
        if _BEGIN.fullmatch(bare):
            if inside:
                raise RemovalError(f"{name}, line {number}: <orders> within the <orders> of line {inside}.")
            inside = number
        elif _END.fullmatch(bare):
            if not inside:
                raise RemovalError(f"{name}, line {number}: </orders> without an <orders> above it.")
            inside, gap = 0, True
        elif not inside and not _LINE.search(bare):
            if not (gap and not bare and (not kept or not kept[-1].strip())):  # one empty line, not two
                kept.append(line)
            gap = gap and not bare
    if inside:
        raise RemovalError(f"{name}, line {inside}: <orders> without a </orders> below it.")
    return "".join(kept)


def without_entries(name: str, text: str) -> str:
    """JSON without the entries that are named after Orders. Raises RemovalError when it has another layout."""
    lines = [line for line in text.splitlines() if not re.match(r'\s*"\w*orders\w*"\s*:', line, re.IGNORECASE)]
    for number in range(len(lines) - 1):  # the one before a closing bracket has no comma
        if re.match(r"\s*[}\]]", lines[number + 1]):
            lines[number] = lines[number].removesuffix(",")
    new = "\n".join(lines) + "\n"
    try:
        json.loads(new)
    except ValueError:
        raise RemovalError(f"{name}: it has each entry on a line of its own no more. Lay it out so.") from None
    return new


def without_functions(text: str) -> str:
    """function_app.py without the functions that call Orders, and without what only they imported from `shared`."""
    lines = text.splitlines(keepends=True)
    ours = [node for node in ast.walk(_parse("function_app.py", text)) if isinstance(node, ast.FunctionDef)]
    for node in sorted(ours, key=lambda node: node.lineno, reverse=True):
        if node.name in FUNCTIONS:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
            last = node.end_lineno or node.lineno
            while last < len(lines) and not lines[last].strip():
                last += 1
            del lines[first:last]
    new = "".join(lines).rstrip("\n") + "\n"
    used = {node.id for node in ast.walk(_parse("function_app.py", new)) if isinstance(node, ast.Name)}

    def imported(match: re.Match[str]) -> str:
        names = [each.strip() for each in match[1].split(",")]
        return "from shared import " + ", ".join(each for each in names if each in used)

    return re.sub(r"^from shared import ([\w, ]+)$", imported, new, flags=re.MULTILINE)


def calls(root: Path) -> Iterator[str]:
    """Where modules of the app still call Orders: file, line and text."""
    for path in files(root):
        top = path.relative_to(root).parts[0]
        if path.suffix == ".py" and top not in ("client", "doctor", "emulators", "infra", "shared", "tests", "dev.py"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if re.search(r"""\.(api|token)\(\s*["']Orders["']""", line):
                    yield f"{path.relative_to(root).as_posix()}:{number}: {line.strip()}"


def _parse(name: str, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise RemovalError(f"{name}, line {error.lineno}: it is not Python: {error.msg}.") from None


def say(line: str) -> None:
    """To the person at the terminal."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
