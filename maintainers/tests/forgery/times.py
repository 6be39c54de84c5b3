"""`exp`, `nbf` and `iat`: only whole seconds within the allowed time are accepted, in one notation."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.genuine import GONE, Row

VALUES: dict[str, object] = {
    "gone": GONE,
    "null": None,
    "true": True,
    "false": False,
    "a text": "9999999999",
    "a text of now": "1800000000",
    "empty": "",
    "a date": "2099-01-01T00:00:00Z",
    "a list": [9999999999],
    "an object": {"$numberLong": "9999999999"},
    "zero": 0,
    "negative": -9999999999,
    "the lowest of 64 bits": -(2**63),
    "2 to the power of 40": 1 << 40,
    "the highest of 63 bits": 2**63 - 1,
    "2 to the power of 64": 1 << 64,
    "400 digits": 10**400,
    "4,299 digits": 10**4_298,
}

TEXTS: dict[str, str] = {
    "with a point": "9999999999.0",
    "with a fraction": "1800000000.5",
    "with an exponent": "9e9",
    "with an exponent of 400": "1e400",
    "with an exponent of -400": "1e-400",
    "minus zero": "-0",
    "minus zero with a point": "-0.0",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "4,301 digits": "9" * 4_301,
    "20,000 digits": "9" * 20_000,
    "leading zeros": "0009999999999",
    "hexadecimal": "0x7fffffff",
    "in Arabic digits": "\u0661\u0668\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660",
    "twice": '9999999999,"exp":9999999999,"nbf":1,"iat":1',
}

SHIFTED: dict[str, tuple[str, int]] = {
    "exp just past its leeway": ("exp", -61),
    "exp a year ago": ("exp", -31_536_000),
    "nbf just beyond its leeway": ("nbf", 62),
    "iat just beyond its leeway": ("iat", 62),
    "nbf in a year": ("nbf", 31_536_000),
}


def _value(name: str, value: object) -> Row:
    return lambda g: g.with_claims(**{name: value})


def _text(name: str, text: str) -> Row:
    return lambda g: g.with_claim_text(name, text)


def _shifted(name: str, seconds: int) -> Callable[..., str]:
    """Against the moment at which the genuine token was made, less what Entra dates it back."""
    return lambda g: g.with_claims(**{name: g.made_at + seconds})


ROWS: dict[str, Row] = {
    **{f"{name} {what}": _value(name, value) for name in ("exp", "nbf", "iat") for what, value in VALUES.items()},
    **{f"{name} {what}": _text(name, text) for name in ("exp", "nbf", "iat") for what, text in TEXTS.items()},
    **{what: _shifted(name, seconds) for what, (name, seconds) in SHIFTED.items()},
}
