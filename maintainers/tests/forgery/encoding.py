"""How the three parts are written and put together: RFC 7515 allows exactly one way."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support.genuine import Genuine, Row, standard_base64
from tests.support.tokens import decoded, encoded

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Spoil = Callable[[str], str]

PARTS: dict[str, Spoil] = {
    "padded as usual": lambda part: part + "=" * (-len(part) % 4 or 4),
    "padded by one too many": lambda part: part + "=" * (-len(part) % 4 + 1),
    "with = in the middle": lambda part: part[:8] + "=" + part[8:],
    "with + and /": lambda part: part[:4] + "+/" + part[6:],
    "in standard base64": lambda part: standard_base64(decoded(part)) + "+",
    "with a space": lambda part: part[:8] + " " + part[8:],
    "with a line break": lambda part: part[:76] + "\r\n" + part[76:],
    "with a line break at the end": lambda part: part + "\n",
    "with a tab before": lambda part: "\t" + part,
    "with NUL": lambda part: part + "\x00",
    "with a question mark": lambda part: "?" + part,
    "with ####": lambda part: part + "####",
    "with %3D": lambda part: part + "%3D",
    "with a letter that is not ASCII": lambda part: part[:8] + "\u00e9" + part[9:],
    "with a full-width letter": lambda part: "\uff41" + part[1:],
    "with a zero-width space": lambda part: part[:8] + "\u200b" + part[8:],
    "with a surrogate": lambda part: part[:8] + "\udcff" + part[8:],
    "of one character": lambda _: "A",
    "empty": lambda _: "",
    "with one character more": lambda part: part + ("BB" if len(part) % 4 == 0 else "B"),
    "cut by one": lambda part: part[:-1],
    "in hexadecimal": lambda part: decoded(part).hex(),
    "encoded twice": lambda part: encoded(part.encode()),
}


def _spoilt(index: int, spoil: Spoil) -> Row:
    def row(g: Genuine) -> str:
        segments = g.token().split(".")
        segments[index] = spoil(segments[index])
        return ".".join(segments)

    return row


def unused_bits(index: int, flip: int) -> Row:
    """The last character stands for two or four bits that nobody reads: flipped, the bytes are the same."""

    def row(g: Genuine) -> str:
        for filler in ("", "x", "xx"):  # until the length leaves bits over
            token = g.token({**g.header, "nonce": filler}, {**g.claims, "nonce": filler})
            segments = token.split(".")
            if len(segments[index]) % 4:
                break
        last = _ALPHABET.index(segments[index][-1]) ^ flip
        segments[index] = segments[index][:-1] + _ALPHABET[last]
        assert decoded(segments[index]) == decoded(token.split(".")[index])
        return ".".join(segments)

    return row


def _joined(put_together: Callable[[str, str, str], str]) -> Row:
    return lambda g: put_together(*g.token().split("."))


WHOLES: dict[str, Callable[[str, str, str], str]] = {
    "nothing": lambda h, p, s: "",
    "a dot": lambda h, p, s: ".",
    "two dots": lambda h, p, s: "..",
    "three dots": lambda h, p, s: "...",
    "one part": lambda h, p, s: h,
    "two parts": lambda h, p, s: f"{h}.{p}",
    "no header, no dot": lambda h, p, s: f"{p}.{s}",
    "payload alone": lambda h, p, s: f".{p}.",
    "four parts": lambda h, p, s: f"{h}.{p}.{s}.{s}",
    "a dot more at the end": lambda h, p, s: f"{h}.{p}.{s}.",
    "a dot more at the beginning": lambda h, p, s: f".{h}.{p}.{s}",
    "an empty part more": lambda h, p, s: f"{h}..{p}.{s}",
    "five parts, as JWE": lambda h, p, s: f"{h}.{p}.{s}.{p}.{s}",
    "another order": lambda h, p, s: f"{p}.{h}.{s}",
    "commas": lambda h, p, s: f"{h},{p},{s}",
    "percent-encoded dots": lambda h, p, s: f"{h}%2E{p}%2E{s}",
    "a full-width dot": lambda h, p, s: f"{h}\uff0e{p}.{s}",
    "quoted": lambda h, p, s: f'"{h}.{p}.{s}"',
    "twice": lambda h, p, s: f"{h}.{p}.{s}{h}.{p}.{s}",
    "with Bearer": lambda h, p, s: f"Bearer {h}.{p}.{s}",
    "a comment after": lambda h, p, s: f"{h}.{p}.{s};x",
    "a disclosure after": lambda h, p, s: f"{h}.{p}.{s}~{p}~",
    "JSON serialization": lambda h, p, s: json.dumps({"payload": p, "protected": h, "signature": s}),
    "general JSON serialization": lambda h, p, s: json.dumps(
        {"payload": p, "signatures": [{"protected": h, "header": {"alg": "none"}, "signature": s}]}
    ),
    "a megabyte of one letter": lambda h, p, s: "a" * 1_000_000,
    "a megabyte of dots": lambda h, p, s: "." * 1_000_000,
    "a payload of a megabyte": lambda h, p, s: f"{h}.{'A' * 1_000_000}.{s}",
    "a signature of 30,000 characters": lambda h, p, s: f"{h}.{p}.{s + 'A' * (30_000 - len(s))}",
    "a payload of 30,000 characters": lambda h, p, s: f"{h}.{p + 'A' * (28_000 - len(p))}.{s}",
}

ROWS: dict[str, Row] = {
    **{f"header {name}": _spoilt(0, spoil) for name, spoil in PARTS.items()},
    **{f"payload {name}": _spoilt(1, spoil) for name, spoil in PARTS.items()},
    **{f"signature {name}": _spoilt(2, spoil) for name, spoil in PARTS.items()},
    **{name: _joined(put_together) for name, put_together in WHOLES.items()},
    **{
        f"{part}: unused bit {flip}": unused_bits(i, flip)
        for i, part in enumerate(("header", "payload"))
        for flip in (1, 2)
    },
    **{f"signature: unused bits {flip}": unused_bits(2, flip) for flip in (1, 2, 4, 8, 15)},
}
