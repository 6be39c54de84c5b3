"""The paths of Graph: which handler serves one, and which permissions it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from .people import Person

APPLICATION = Person("(application)", "", "", "", "")
"""Stands for nobody."""


class GraphError(Exception):
    """An error reply in Graph's shape; a 401 may carry a challenge of its own.

    `needs`: the scopes of which one would have done. The reply does not name them, as Graph's own does not.
    """

    def __init__(
        self, status: int, code: str, message: str, challenge: str = "", *, needs: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.challenge, self.needs = status, code, challenge, needs

    @property
    def verdict(self) -> str:
        """The reason, for the audit trail."""
        return f"{self.code}: needs {' or '.join(self.needs)}" if self.needs else f"{self.code}: {self}"


@dataclass(frozen=True)
class Call:
    """One request that Graph lets in. `parameters` are the parts of the path that vary, decoded.

    `person` is APPLICATION where an application calls as itself. `scopes` are then its roles.
    """

    request: Request
    person: Person
    scopes: frozenset[str]
    parameters: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Needs:
    """The permissions of a path: each entry of `any_of` is enough, and names scopes that must all be there."""

    any_of: tuple[str, ...]
    code: str = "Authorization_RequestDenied"
    message: str = "Insufficient privileges to complete the operation."

    def check(self, scopes: frozenset[str]) -> None:
        """Raises GraphError when no entry is complete."""
        if self.any_of and not any(set(entry.split(" + ")) <= scopes for entry in self.any_of):
            raise GraphError(403, self.code, self.message, needs=self.any_of)


NOTHING = Needs(())
"""For paths whose handler checks the permissions itself."""


@dataclass(frozen=True)
class Route:
    """One method and path below /v1.0. `{name}` stands for a segment or a part: `{name}:`, `users(id='{name}')`."""

    method: str
    path: str
    action: str
    needs: Needs
    handler: Callable[[Call], dict[str, object] | Response]
    for_apps: bool = False
    """Whether an application may call it as itself, with a role in place of a scope."""

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The parameters of the path, or None when it is another one."""
        wanted = self.path.strip("/").split("/")
        if len(wanted) != len(segments):
            return None
        found: dict[str, str] = {}
        for pattern, given in zip(wanted, segments, strict=True):
            start, brace, rest = pattern.partition("{")
            if not brace:
                if pattern != given:
                    return None
                continue
            name, _, end = rest.partition("}")
            if not (given.startswith(start) and given.endswith(end) and len(given) > len(start) + len(end)):
                return None
            found[name] = given[len(start) : len(given) - len(end)]
        return found


def segments_of(raw_path: bytes) -> list[str]:
    """The segments of a path below /v1.0, each decoded by itself: `%2F` does not end one. [] for another path.

    Graph accepts two slashes after its version, as msgraph-sdk sends them.
    """
    first, *rest = raw_path.decode("latin-1").lstrip("/").split("/")
    if first != "v1.0":
        return []
    if rest[:1] == [""]:
        del rest[0]
    return [unquote(segment) for segment in rest]
