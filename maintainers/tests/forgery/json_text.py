"""Header and claims as text: JSON that two parsers could read differently, and text that is not JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support.genuine import Genuine, Row
from tests.support.tokens import STRANGER, encoded

DEEP = 11_000  # levels of nesting that still fit into the longest token
IN_HEADER = 1_300  # and into the longest header


def _text(members: object) -> bytes:
    return json.dumps(members).encode()


Change = Callable[[bytes], bytes]

SPOILT: dict[str, Change] = {
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.decode().encode("utf-16-le"),
    "UTF-32": lambda text: text.decode().encode("utf-32"),
    "a byte that is not UTF-8": lambda text: text[:-1] + b',"x":"\xff"}',
    "an overlong encoding": lambda text: text[:-1] + b',"x":"\xc0\xaf"}',
    "a surrogate in UTF-8": lambda text: text[:-1] + b',"x":"\xed\xa0\x80"}',
    "NaN": lambda text: text[:-1] + b',"x":NaN}',
    "Infinity": lambda text: text[:-1] + b',"x":Infinity}',
    "-Infinity": lambda text: text[:-1] + b',"x":[-Infinity]}',
    "1e400": lambda text: text[:-1] + b',"x":1e400}',
    "a number of 5,000 digits": lambda text: text[:-1] + b',"x":' + b"1" * 5_000 + b"}",
    "a number of 15,000 digits": lambda text: text[:-1] + b',"x":-' + b"9" * 15_000 + b"}",
    "an octal number": lambda text: text[:-1] + b',"x":0777}',
    "a hexadecimal number": lambda text: text[:-1] + b',"x":0x1F}',
    "a number with a plus": lambda text: text[:-1] + b',"x":+1}',
    "a raw line break in a text": lambda text: text[:-1] + b',"x":"\n"}',
    "a raw NUL in a text": lambda text: text[:-1] + b',"x":"\x00"}',
    "a comment": lambda text: b"/**/" + text,
    "single quotes": lambda text: text.replace(b'"', b"'"),
    "a comma too many": lambda text: text[:-1] + b",}",
    "two objects": lambda text: text + text,
    "something after the end": lambda text: text + b"x",
    "NUL after the end": lambda text: text + b"\x00",
    "cut": lambda text: text[:-1],
    "a list": lambda text: b"[" + text + b"]",
    "a text": lambda text: json.dumps(text.decode()).encode(),
    "a number": lambda _: b"7",
    "null": lambda _: b"null",
    "an empty object": lambda _: b"{}",
    "white space": lambda _: b"  ",
    "twins in an inner object": lambda text: text[:-1] + b',"x":{"a":1,"a":1}}',
    "twins in an object in a list": lambda text: text[:-1] + b',"x":[{"a":1,"a":2}]}',
}


def _twin(part: str, name: str, spelled: str, *, first: bool, value: object = None) -> Row:
    """The member once more, before or after the genuine one, with the same value or another."""

    def row(g: Genuine) -> str:
        members = dict(g.header if part == "header" else g.claims)
        twin = f'"{spelled}":{json.dumps(members[name] if value is None else value)}'.encode()
        text = _text(members)
        twice = b"{" + twin + b"," + text[1:] if first else text[:-1] + b"," + twin + b"}"
        return g.token(header=twice) if part == "header" else g.token(claims=twice)

    return row


_TWINS: dict[str, Row] = {
    "twin alg, none first": _twin("header", "alg", "alg", first=True, value="none"),
    "twin alg, none last": _twin("header", "alg", "alg", first=False, value="none"),
    "twin alg, equal": _twin("header", "alg", "alg", first=False),
    "twin alg, escaped": _twin("header", "alg", "\\u0061lg", first=True, value="HS256"),
    "twin kid": _twin("header", "kid", "kid", first=True, value="evil"),
    "twin kid, escaped": _twin("header", "kid", "ki\\u0064", first=True, value="evil"),
    "twin aud": _twin("claims", "aud", "aud", first=True, value="evil"),
    "twin aud, last": _twin("claims", "aud", "aud", first=False, value="evil"),
    "twin aud, equal": _twin("claims", "aud", "aud", first=False),
    "twin aud, escaped": _twin("claims", "aud", "\\u0061ud", first=True, value="evil"),
    "twin exp": _twin("claims", "exp", "exp", first=True, value=1),
    "twin tid, escaped": _twin("claims", "tid", "t\\u0069d", first=True, value="evil"),
    "twin scp": _twin("claims", "scp", "scp", first=True, value="evil"),
    "twin oid": _twin("claims", "oid", "oid", first=True, value="evil"),
}


def _in_header(change: Change) -> Row:
    return lambda g: g.token(header=change(_text(dict(g.header))))


def _in_claims(change: Change) -> Row:
    return lambda g: g.token(claims=change(_text(dict(g.claims))))


def _deep(opening: str, closing: str, part: str, characters: int = DEEP) -> Row:
    """Of a stranger: whether so deep a nesting can be read at all differs between versions of Python."""

    def row(g: Genuine) -> str:
        levels = characters // len(opening)
        nested = f'"x":{opening * levels}1{closing * levels}'.encode()
        header = _text(dict(g.header))
        if part == "header":
            return g.token(header=header[:-1] + b"," + nested + b"}", claims={}, key=STRANGER)
        return g.token(header=header, claims=b"{" + nested + b"}", key=STRANGER)

    return row


ROWS: dict[str, Row] = {
    **{f"header: {name}": _in_header(change) for name, change in SPOILT.items()},
    **{f"claims: {name}": _in_claims(change) for name, change in SPOILT.items()},
    **_TWINS,
    **{f"{part}: lists in lists": _deep("[", "]", part) for part in ("header", "claims")},
    **{f"{part}: objects in objects": _deep('{"":', "}", part) for part in ("header", "claims")},
    "header: lists in lists, but not too long": _deep("[", "]", "header", IN_HEADER),
    "header: 2,000 members": lambda g: g.token(header={**g.header, **{str(n): 0 for n in range(2_000)}}, key=STRANGER),
    "claims: nothing but brackets": lambda g: f"{encoded(dict(g.header))}.{encoded(b'[' * 20_000)}.AAAA",
}

CONTROLS: dict[str, Row] = {
    "as it was": lambda g: g.token(),
    "white space": lambda g: g.token(
        json.dumps(dict(g.header), indent=2).encode(), json.dumps(dict(g.claims), indent=1).encode()
    ),
    "another order": lambda g: g.token(dict(reversed(list(g.header.items()))), dict(reversed(list(g.claims.items())))),
    "an escaped name": lambda g: g.token(claims=_text(dict(g.claims)).replace(b'"aud"', b'"\\u0061ud"')),
    "names that are not ASCII": lambda g: g.token(
        claims=json.dumps({**g.claims, "name": "Zo\u00eb \u6771"}, ensure_ascii=False).encode()
    ),
    "a lone surrogate in a name": lambda g: g.with_claims(name="\ud800"),
    "a header member that nobody knows": lambda g: g.with_header(nonce="x", typ="at+jwt"),
    "nested fifty deep": lambda g: g.with_claim_text("x", "[" * 50 + "]" * 50),
    "a number of 4,000 digits": lambda g: g.with_claim_text("x", "7" * 4_000),
}
