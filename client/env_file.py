"""Reads `NAME="value"` files: what `azd env get-values > .env` writes."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from client.errors import SettingsError

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*
        (?P<value> "(?:[^"\\]|\\.)*" | '[^']*' | [^"'\s\#].*? | )
        \s*(?:(?<=[\s="'])\#.*)?""",
    re.VERBOSE,
)


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of `path`. Comments and empty lines are skipped; every other line must be NAME=value."""
    try:
        text = _decode(path.read_bytes())
    except (OSError, UnicodeError) as problem:
        raise SettingsError(f"cannot read --env-file {path}: {problem}") from problem
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:  # the line itself is not shown, because it may hold a secret
            raise SettingsError(f"{path}, line {number}: expected NAME=value")
        values[match["name"]] = _unquote(match["value"])
    return values


def _decode(raw: bytes) -> str:
    # `>` in Windows PowerShell 5 writes UTF-16 with a byte order mark.
    utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode("utf-16" if utf16 else "utf-8-sig")


def _unquote(value: str) -> str:
    if value.startswith('"'):
        return re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), value[1:-1])
    return value[1:-1] if value.startswith("'") else value
