"""A whole request with a known token: all that requires_user does, from the request that the host hands over on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import azure.functions as func

from shared import User
from shared.requires_user import RequiresUser
from shared.services import LazyServices


def requesting(provider: LazyServices, bearers: Sequence[str]) -> Callable[[str], None]:
    """What the host calls, with requests that it has made already. The function only takes its downstream token."""

    def function(req: func.HttpRequest, user: User) -> None:
        user.token("Graph")

    guarded = RequiresUser(provider)(scopes=["access_as_user"])(function)
    made = {bearer: func.HttpRequest("GET", "/api/me", headers=_header(bearer), body=b"") for bearer in bearers}

    def request(bearer: str) -> None:
        status = guarded(req=made[bearer]).status_code
        if status != 204:
            raise RuntimeError(f"answered {status}")

    return request


def _header(bearer: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer}"}


@contextmanager
def log_at_info() -> Iterator[None]:
    """The log at INFO, as a deployed API has it, and thrown away."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        root, handler = logging.getLogger(), logging.StreamHandler(nowhere)
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
