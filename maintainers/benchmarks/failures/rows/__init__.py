"""The failures. A measurement is a function from `Subject` to the text of one cell; its key is in definition.py."""

from __future__ import annotations

from collections.abc import Callable

from ..subject import Subject
from . import answers, challenges, forged, key_set, load, outages, redirects

Measurement = Callable[[Subject], str]

MEASUREMENTS: dict[str, Measurement] = {
    **forged.MEASUREMENTS,
    **key_set.MEASUREMENTS,
    **challenges.MEASUREMENTS,
    **load.MEASUREMENTS,
    **outages.MEASUREMENTS,
    **answers.MEASUREMENTS,
    **redirects.MEASUREMENTS,
}
