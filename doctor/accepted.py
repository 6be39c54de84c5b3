"""A program: what the code of the API says about settings. JSON on standard input and output.

In: `settings`, by name, and optionally `names`, those of the deployed site.
Out: `problems` by name, in the words of the code, which hold no value. And `facts`: what the settings mean, without a
secret. They are null when there are problems.

It is a program of its own, because only it imports `shared`: a mistake there must not stop the doctor.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from shared.settings import Settings

UNKNOWN = "is not a setting of this API"


def main() -> int:
    """Reads the question, writes what the code says, and returns the exit code."""
    logging.disable(logging.CRITICAL)
    question = json.load(sys.stdin)
    settings: dict[str, str] = question["settings"]
    names = question.get("names")
    answer = judged(settings) if names is None else {"problems": judged_names(settings, names), "facts": None}
    json.dump(answer, sys.stdout)
    return 0


def judged(settings: Mapping[str, str]) -> dict[str, Any]:
    """The problems of these settings, or else the facts."""
    from shared.errors import SettingsError
    from shared.settings import Settings

    try:
        found = Settings.from_environ(settings)
    except SettingsError as error:
        return {"problems": dict(error.problems), "facts": None}
    return {"problems": {}, "facts": _facts(found)}


def judged_names(settings: Mapping[str, str], names: list[str]) -> dict[str, str]:
    """What is wrong with the names on the site: unknown ones, and those that are missing.

    A value that is not known here is judged by nobody.
    """
    given = {name.lower(): value for name, value in settings.items()}
    problems = judged({name: given.get(name.lower()) or "?" for name in names})["problems"]
    there = {name.lower() for name in names}
    return {
        name: reason
        for name, reason in problems.items()
        if reason.startswith(UNKNOWN) or name.lower() not in there or name.lower() in given
    }


def _facts(found: Settings) -> dict[str, Any]:
    from shared.settings.clouds import cloud_of

    cloud = cloud_of(found.authority.instance)
    redis = (
        found.redis if found.redis and found.redis.managed_identity_client_id else None
    )  # its URL may hold a password
    return {
        "login": cloud.login,
        "discovery_url": found.authority.discovery_url,
        "issuer": found.authority.issuer,
        "tenant_id": found.authority.tenant_id,
        "client_id": found.authority.client_id,
        "audiences": found.tokens.audiences,
        "scopes": found.scopes,
        "public_urls": [{"url": one.url, "metadata": one.metadata} for one in found.public_urls],
        "allow_guests": found.tokens.allow_guests,
        "allow_agent_users": found.tokens.allow_agent_users,
        "credentials": [
            {
                "source_type": one.source_type,
                "vault_url": one.key_vault_url.rstrip("/"),
                "certificate": one.key_vault_certificate_name,
                "identity": one.managed_identity_client_id.lower(),
                "audience": one.token_exchange_url or cloud.token_exchange_url,
            }
            for one in found.client.credentials
        ],
        "apis": [
            {"name": one.name, "scopes": one.scopes, "for_app": one.for_app} for one in found.downstream_apis.values()
        ],
        "redis_host": (urlsplit(redis.url.reveal()).hostname or "") if redis else "",
        "redis_identity": redis.managed_identity_client_id.lower() if redis else "",
    }


if __name__ == "__main__":
    sys.exit(main())
