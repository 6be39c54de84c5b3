"""The outcome of one call, as the app or its client sees it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

NOWHERE = "nowhere"
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")


@dataclass(frozen=True)
class Outcome:
    """`said` is a short text. `places` names each place that shows it. `person` is the owner of the returned data."""

    said: str
    places: Mapping[str, str] = field(default_factory=dict)
    person: str = ""

    @property
    def answered(self) -> bool:
        """Whether the call did what it was for."""
        return bool(self.person)

    def where(self, text: str) -> str:
        """The places in which this text can be read, also when it is in base64 there."""
        return " and ".join(name for name, shown in self.places.items() if shows(shown, text)) or NOWHERE


def shows(shown: str, text: str) -> bool:
    """Whether `text` can be read in `shown`: as it is, as JSON escapes it, or behind base64."""
    if text in shown or json.dumps(text)[1:-1] in shown:
        return True
    return any(text in decoded for decoded in _decoded(shown))


def _decoded(shown: str) -> Iterator[str]:
    for found in _BASE64.findall(shown) if len(shown) < 100_000 else ():
        try:
            padded = found.rstrip("=").replace("-", "+").replace("_", "/")
            yield base64.b64decode(padded + "=" * (-len(padded) % 4)).decode("utf-8", "replace")
        except binascii.Error:
            continue


def raised(error: BaseException) -> Outcome:
    """A library's exception, with all that it would show in a traceback."""
    places = {"the exception's text": "\n".join(_chain(error))}
    response = getattr(error, "response", None)
    if response is not None and hasattr(response, "text"):
        try:
            places["`error.response`"] = response.text() if callable(response.text) else response.text
        except Exception:  # noqa: BLE001 — a library's half-read answer: then it shows nothing
            places["`error.response`"] = ""
    return Outcome(f"raises {type(error).__name__}", places)


def _chain(error: BaseException) -> Iterator[str]:
    link: BaseException | None = error
    while link is not None:
        yield f"{type(link).__name__}: {link}"
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def replied(status: int, headers: Mapping[str, str], body: str, person: str = "") -> Outcome:
    """A web framework's reply. `person` is whose data is in it, if it is a good one."""
    places = {"header": headers.get("WWW-Authenticate", ""), "body": body}
    if status == 200:
        return Outcome("200", places, person)
    return Outcome(f"{status} {_code(body)}".strip(), places)


def _code(body: str) -> str:
    """The machine-readable code in an error body: ours, or FastAPI's `detail.error`."""
    try:
        parsed = json.loads(body)
        return str(parsed.get("code") or parsed["detail"]["error"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
