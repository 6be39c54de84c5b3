"""Tables of forged tokens. Each row has one defect. Without it, the token would be accepted.

A row turns a genuine token, taken apart, into the forged one. Nearly all rows are signed with Entra's own key, which no
forger has: so a row fails for its defect and not for its signature. README.md says which published classes are covered.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.genuine import GONE, Genuine, Row

from . import algorithms, app_only, claims, encoding, headers, json_text, key_ids, signatures, times

__all__ = ["APP_ONLY", "CONTROLS", "GONE", "TABLES", "UNKNOWN_KEYS", "Genuine", "Row"]

TABLES: Mapping[str, Mapping[str, Row]] = {
    "algorithm": algorithms.ROWS,
    "header": headers.ROWS,
    "JSON": json_text.ROWS,
    "encoding": encoding.ROWS,
    "signature": signatures.ROWS,
    "claim": claims.ROWS,
    "kind": app_only.UNCLEAR,
    "time": times.ROWS,
    "key id": key_ids.NO_TEXT,
}
"""Refused as invalid, without a look at Entra."""

UNKNOWN_KEYS = key_ids.ROWS
"""Refused as invalid; for each, Entra may be asked for its keys once."""

APP_ONLY = app_only.ROWS
"""Genuine, but nobody signed in."""

CONTROLS = json_text.CONTROLS | app_only.CONTROLS | headers.CONTROLS
"""Odd, but genuine: accepted. They show that a row above fails for its defect alone."""
