"""What the settings of the API mean, as its own code reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .given import ROOT
from .verdicts import CannotTellError

TIMEOUT_SECONDS = 60
_KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "HOME", "USERPROFILE", "LANG", "VIRTUAL_ENV")

Asked = Callable[[Mapping[str, str], Sequence[str] | None], dict[str, Any]]
"""Settings, and the names on the site or None → what accepted.py writes."""


class Credential(NamedTuple):
    """One credential of the API. The texts that its kind has no use for are empty."""

    source_type: str
    vault_url: str
    certificate: str
    identity: str
    audience: str


class DownstreamApi(NamedTuple):
    """One API behind the API. `for_app`: it is called as the application."""

    name: str
    scopes: tuple[str, ...]
    for_app: bool


class PublicUrl(NamedTuple):
    """One address of the API, and that of its metadata document (RFC 9728)."""

    url: str
    metadata: str


class Settings(NamedTuple):
    """`login`: the host name of the cloud's Entra. `redis_host` is "" where no identity signs in to Redis."""

    login: str
    discovery_url: str
    issuer: str
    tenant_id: str
    client_id: str
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    public_urls: tuple[PublicUrl, ...]
    allow_guests: bool
    allow_agent_users: bool
    credentials: tuple[Credential, ...]
    apis: tuple[DownstreamApi, ...]
    redis_host: str
    redis_identity: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Settings:
        """From the facts that accepted.py writes."""
        lists = {name: tuple(facts[name]) for name in ("audiences", "scopes")}
        credentials = tuple(Credential(**one) for one in facts["credentials"])
        apis = tuple(DownstreamApi(one["name"], tuple(one["scopes"]), one["for_app"]) for one in facts["apis"])
        urls = tuple(PublicUrl(**one) for one in facts["public_urls"])
        return cls(**{**facts, **lists, "credentials": credentials, "apis": apis, "public_urls": urls})

    @property
    def for_several_tenants(self) -> bool:
        """Whether users of other tenants may call."""
        return self.tenant_id == "organizations"


def ask_the_code(settings: Mapping[str, str], names: Sequence[str] | None = None) -> dict[str, Any]:
    """Starts accepted.py, which imports the code of the API. Raises CannotTellError."""
    question = {"settings": dict(settings), **({} if names is None else {"names": list(names)})}
    kept = {name: value for name, value in os.environ.items() if name.upper() in _KEPT}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "doctor.accepted"],
            cwd=ROOT,
            env=kept,
            input=json.dumps(question),
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        answer = None
    if not isinstance(answer, dict):
        raise CannotTellError(
            "the code of the API cannot be imported", "python3 dev.py check --package names what is missing"
        )
    return answer
