"""Each person's tokens: several at a time, sometimes with new ones."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from emulators.entra.claims import BACKDATE
from emulators.entra.verification import header_of, peek
from emulators.people import Person
from emulators.stack import Stack


@dataclass(frozen=True, eq=False)
class Token:
    """A bearer token and what is known of it. `bad` names why it must not pass."""

    text: str = field(repr=False)
    number: int
    has_mfa: bool = False
    key_id: str = ""
    issued: int = 0
    bad: str = ""


class Wallet:
    """Thread-safe; the same token goes to every thread that asks for the same slot."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._tokens: dict[tuple[str, str], Token] = {}
        self._numbers = itertools.count()
        self._issued = 0
        self._lock = threading.Lock()

    @property
    def issued(self) -> int:
        """How many tokens there have been so far."""
        with self._lock:
            return self._issued

    def token(self, person: Person, slot: str, *, renew: bool = False) -> Token:
        """The person's token in that slot; a new one when there is none yet, or it is to be renewed."""
        with self._lock:
            known = self._tokens.get((person.name, slot))
            if known is None or renew:
                known = self._tokens[person.name, slot] = self._good(person, has_mfa=slot == "mfa")
            return known

    def discard(self, token: Token) -> None:
        """It is no longer valid. The next caller gets a new one."""
        with self._lock:
            for place in [place for place, known in self._tokens.items() if known is token]:
                del self._tokens[place]

    def spoilt(self, person: Person, how: str) -> Token:
        """A token that must not pass; see plan.BAD_TOKENS."""
        stack = self._stack
        texts: dict[str, Callable[[], str]] = {
            "expired": lambda: stack.issue_access_token(person.name, lifetime=-120),
            "another API's": lambda: stack.issue_access_token(person.name, app="orders"),
            "an ID token": lambda: stack.issue_id_token(person.name, audience="api"),
            "app-only": stack.issue_app_token,
            "tampered": lambda: _tampered(stack.issue_access_token(person.name)),
            "none": lambda: "",
        }
        return Token(texts[how](), next(self._numbers), bad=how)

    def _good(self, person: Person, *, has_mfa: bool) -> Token:
        self._issued += 1
        text = self._stack.issue_access_token(person.name, mfa=has_mfa)
        issued = int(peek(text)["iat"]) + BACKDATE
        return Token(text, next(self._numbers), has_mfa, str(header_of(text)["kid"]), issued)


def _tampered(token: str) -> str:
    """With one character of the signature changed, not the last: its low bits do not count."""
    middle = len(token) - 40
    return f"{token[:middle]}{'A' if token[middle] != 'A' else 'B'}{token[middle + 1 :]}"
