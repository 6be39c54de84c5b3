"""Whether a fault makes sense: each field by itself, then the fields together. Every message names the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .fault import DRIPS, NETWORK, ON_CONNECT, Fault
from .people import EVERYONE

PERSONAL = frozenset({"entra.token", "graph"})
"""Targets whose requests name a person, in addition to the APIs of the table."""
_WITH_A_REPLY = DRIPS | {"reset"}
_WITHOUT_A_DELAY = ON_CONNECT | {"hang"}
_OPTIONAL = frozenset({"status", "times", "person", "network", "without"})
_LONGEST = 86_400
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

Fields = Mapping[str, Any]


def check(fault: Fault, targets: Collection[str], personal: Collection[str]) -> None:
    """Raises ValueError for a field with an invalid value, and for a fault that would do nothing or something else."""
    fields = {**vars(fault), "times": fault.left}
    for name, (is_good, allowed) in {"target": _one_of(sorted(targets)), **_ALLOWED}.items():
        value = fields[name]
        if not is_good(value) and not (value is None and name in _OPTIONAL):
            raise ValueError(f"{name} must be {allowed}, not {value!r}")
    for is_wrong, message in _TOGETHER:
        if is_wrong(fields):
            raise ValueError(message.format_map(fields))
    if fault.person is not None and fault.target not in personal:
        known = ", ".join(sorted(personal))
        raise ValueError(f"a request to {fault.target} names no person: person goes only with {known}")


def _one_of(names: Collection[str]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and value in names, f"one of {', '.join(names)}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_delay(value: Any) -> bool:
    return (_is_whole(value) or isinstance(value, float)) and 0 <= value <= _LONGEST


def _is_header(name: Any, value: Any) -> bool:
    texts = isinstance(name, str) and isinstance(value, str)
    return texts and bool(_HEADER_NAME.fullmatch(name)) and bool(_HEADER_VALUE.fullmatch(value))


_ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "status": (lambda value: _is_whole(value) and 200 <= value <= 599, "a whole number from 200 to 599"),
    "headers": (
        lambda value: isinstance(value, Mapping) and all(_is_header(*pair) for pair in value.items()),
        'header names with one line of text each, such as {"Retry-After": "9"}',
    ),
    "delay": (_is_delay, f"a number of seconds from 0 to {_LONGEST}"),
    "times": (lambda value: _is_whole(value) and value >= 1, "a whole number, 1 or more"),
    "every": (lambda value: _is_whole(value) and value >= 1, "a whole number, 1 or more"),
    "without": (
        lambda value: isinstance(value, (list, tuple)) and bool(value) and all(isinstance(kid, str) for kid in value),
        "a list of key ids",
    ),
    "person": _one_of(EVERYONE),
    "network": _one_of(NETWORK),
}

_TOGETHER: tuple[tuple[Callable[[Fields], bool], str], ...] = (
    (
        lambda fault: all(not fault[name] for name in ("status", "network", "delay", "without")),
        "a fault needs a status, a delay or a network failure, or key ids to go without",
    ),
    (
        lambda fault: bool(fault["without"]) and (fault["target"] != "entra.keys" or fault["status"] is not None),
        "without goes with entra.keys, and with its own response: not with {target} and status {status}",
    ),
    (
        lambda fault: fault["status"] is None and bool(fault["headers"] or fault["body"] is not None),
        "headers and body need a status to go with",
    ),
    (
        lambda fault: fault["network"] in ("tls", "silent") and fault["target"] == "identity",
        "network {network!r} happens before TLS stands, which the managed-identity endpoint does not speak",
    ),
    (
        lambda fault: fault["status"] is not None and fault["network"] not in (None, *_WITH_A_REPLY),
        "network {network!r} sends no response, so it takes no status",
    ),
    (lambda fault: bool(fault["delay"]) and fault["network"] in _WITHOUT_A_DELAY, "network {network!r} takes no delay"),
    (
        lambda fault: fault["person"] is not None and fault["network"] in ON_CONNECT,
        "network {network!r} hits a connection, which names no person",
    ),
)
