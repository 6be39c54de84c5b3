"""Finds sentences that are too long and words that this project avoids: `python -m maintainers.words [PATH ...]`.

It reads docstrings (also those of attributes), comments, descriptions in Bicep, and Markdown pages. Code blocks are
left out. Each cell of a Markdown table and each item of a list is a text of its own.
Each finding is printed as `file:line: reason: sentence`. The exit status is 1 if there is a finding.
"""

from __future__ import annotations

import ast
import inspect
import io
import os
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LIMIT = 25

# What to avoid in prose, and what to write instead. Upper and lower case are the same.
AVOID = {
    r"mend(s|ed|ing)?": "fix",
    r"answer(s|ed|ing)?(?! (a |the )?(claims )?challenges?)": "response, respond",
    r"(?<!function )(?<!function's )authors?(?! of the function)": "function author",
    r"besides?": "in the background, next to, also",
    r"seldom": "rarely",
    r"for ever": "forever",
    r"learnt": "learned",
    r"look-ups?": "lookup",
    r"(mis)?spelt": "spelled, misspelled",
    r"time-outs?": "timeout",
    r"twins?": "duplicate",
    r"patience": "timeout",
    r"whoever|whosoever": "name the person or thing: a client that ...",
    r"may repeat it is for others to say": "retries are the caller's decision",
    r"died of an hour's idleness": "closed while idle",
    r"a thread is worth more than": "never hold a thread longer",
    r"hand one over to each other": "contention",
    r"at one blow": "atomic",
    r"make room for others before": "evicted before they expired",
    r"one that is no word": "malformed",
    r"There is no such thing": "not found",
    r"says what to fix": "details are in its log",
    r"would be a hole": "vulnerability",
    r"which is not here": "missing",
}
_AVOID = [
    (re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])", re.IGNORECASE), better) for pattern, better in AVOID.items()
]

_START = r"(?=[\"'(\[*`]*[A-Z0-9`])"
_END = re.compile(rf"(?<=[.!?])\s+{_START}|(?<=[.!?][\"')\]*])\s+{_START}")
_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|vs|cf|etc|No)\.")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s+")
_DIRECTIVE = re.compile(r"#!|#\s*(?:type:|noqa|pragma|fmt:|ruff:|mypy:|region|-\*-|checkov:|shellcheck)")
_TAG = re.compile(r"[/#]\s*</?\w+/?>$")  # a mark of the project, such as <orders>
_COLUMNS = re.compile(r"\S {2,}\S")  # a table drawn with spaces, as in the usage text of a command


class Text(NamedTuple):
    """A paragraph, a list item, a table cell or a comment, and the line where it starts."""

    line: int
    text: str


class Finding(NamedTuple):
    """A sentence that breaks a rule."""

    path: Path
    line: int
    reason: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}: {self.sentence}"


def findings(paths: Iterable[Path], root: Path = ROOT) -> Iterator[Finding]:
    """The findings in files, or in all files of Git below folders. Paths are relative to the root."""
    for path in paths:
        for file in _files(path, root):
            for text in texts(root / file):
                for sentence in sentences(text.text):
                    for reason in reasons(sentence):
                        yield Finding(file, text.line, reason, sentence)


def reasons(sentence: str) -> Iterator[str]:
    """Why a sentence is a finding: its length, and each word to avoid in it."""
    if (count := words(sentence)) > LIMIT:
        yield f"{count} words"
    prose = _without_code(sentence)
    for pattern, better in _AVOID:
        if found := pattern.search(prose):
            yield f"{found[0]!r}, better {better!r}"


def words(sentence: str) -> int:
    """The number of words. A piece of code or a link target counts as one word at most."""
    return sum(any(char.isalnum() for char in word) for word in _without_code(sentence).split())


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph, each on one line."""
    joined = _ABBREVIATION.sub(r"\1", " ".join(text.split()))
    return [sentence for sentence in _END.split(joined) if sentence]


def texts(path: Path) -> Iterator[Text]:
    """The prose in one file, by the kind of the file. Other kinds of files have none."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _python(source)
    elif path.suffix == ".md":
        yield from _markdown(source)
    elif path.suffix == ".bicep":
        yield from _line_comments(source, "//")
        for found in re.finditer(r"@description\('((?:[^'\\]|\\.)*)'\)", source):
            yield Text(_line(source, found.start()), found[1].replace("\\'", "'"))
    elif path.suffix in (".toml", ".yml", ".yaml", ".sh", ".txt", ".ini"):
        yield from _line_comments(source, "#")


def _python(source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):  # docstrings, also those below an attribute
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstring = inspect.cleandoc(node.value.value)
            yield from (Text(node.lineno + text.line - 1, text.text) for text in _plain(docstring))
    yield from _comments(source)


def _comments(source: str) -> Iterator[Text]:
    """Each comment of a Python file. Lines that follow each other in the same column are one comment."""
    block: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or _DIRECTIVE.match(token.string):
            continue
        last = block[-1].start if block else None
        whole_line = not token.line[: token.start[1]].strip()
        if last and whole_line and token.start == (last[0] + 1, last[1]):
            block.append(token)
            continue
        yield from _joined(block)
        block = [token]
    yield from _joined(block)


def _joined(block: list[tokenize.TokenInfo]) -> Iterator[Text]:
    if block:
        lines = "\n".join(token.string.lstrip("#").removeprefix(" ") for token in block)
        yield from (Text(block[0].start[0] + text.line - 1, text.text) for text in _plain(lines))


def _line_comments(source: str, mark: str) -> Iterator[Text]:
    """Comments that fill their lines, in a language whose comments start with this mark."""
    kept = []
    for line in source.splitlines():
        stripped = line.strip()
        comment = stripped.startswith(mark) and not _DIRECTIVE.match(stripped) and not _TAG.search(stripped)
        kept.append(stripped[len(mark) :].removeprefix(" ") if comment else "")
    yield from _plain("\n".join(kept))


def _markdown(source: str) -> Iterator[Text]:
    """The paragraphs, items and cells of a page. Code blocks, headings' marks and measured tables are left out."""

    def blank(found: re.Match[str]) -> str:
        return "\n" * found[0].count("\n")

    source = re.sub(r"^( *)```.*?^ *```$", blank, source, flags=re.MULTILINE | re.DOTALL)
    source = re.sub(r"<!-- measured.*?<!-- end of.*?-->", blank, source, flags=re.DOTALL)
    source = re.sub(r"<!--.*?-->", blank, source, flags=re.DOTALL)
    kept = []
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            yield from (Text(number, cell.strip()) for cell in cells if cell.strip(" -:"))
            kept.append("")
        else:
            kept.append("" if line.startswith("#") else line)
    yield from _plain("\n".join(kept), markdown=True)


def _plain(source: str, *, markdown: bool = False) -> Iterator[Text]:
    """The paragraphs and list items of plain text. In a docstring, drawn tables and indented blocks are left out."""
    start, lines, in_item = 0, list[str](), False
    for number, line in enumerate(source.splitlines(), 1):
        item = _ITEM.match(line)
        in_item = bool(line.strip()) and (bool(item) or in_item)
        indented = line.startswith("    ") or (line.startswith("  ") and not in_item)
        drawn = not markdown and (indented or bool(_COLUMNS.search(line)))
        if lines and (item or drawn or not line.strip()):
            yield Text(start, "\n".join(lines))
            lines = []
        if line.strip() and not drawn:
            start = start if lines else number
            lines.append(line[item.end() :] if item else line)
    if lines:
        yield Text(start, "\n".join(lines))


def _without_code(sentence: str) -> str:
    sentence = re.sub(r"``?[^`]+``?", "code", sentence)
    sentence = re.sub(r"\]\([^)]*\)", "]", sentence)
    return re.sub(r"https?://\S+", "link", sentence)


def _line(source: str, offset: int) -> int:
    return source.count("\n", 0, offset) + 1


def _files(path: Path, root: Path) -> list[Path]:
    if (root / path).is_file():
        return [path]
    found = []
    for folder, folders, names in os.walk(root / path):
        here = Path(folder)
        folders[:] = [name for name in folders if not name.startswith((".", "__")) and not _is_environment(here / name)]
        found += [(here / name).relative_to(root) for name in names]
    return sorted(found)


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").exists()


def main() -> None:
    found = list(findings([Path(name) for name in sys.argv[1:]] or [Path(".")]))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
