"""Asks the API whether its settings are right, as a health check in Azure does."""

from __future__ import annotations

import requests

PATH = "/api/health"
"""The route in function_app.py. An app without it is not asked further."""
_SECONDS = 10.0


def wrong_settings(api_url: str) -> list[str]:
    """The names of the settings that the API calls wrong; none if all are right, or if it has no such route.

    Such a setting may be one that only the app's own functions name, as `@requires_user(prefetch=["Graph"])` does.
    """
    try:
        with requests.Session() as session:
            session.trust_env = False
            reply = session.get(f"{api_url}{PATH}", timeout=_SECONDS, allow_redirects=False)
        said = reply.json()
    except (requests.RequestException, ValueError):
        return []
    names = said.get("settings") if isinstance(said, dict) and reply.status_code == 503 else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def complaint(names: list[str]) -> str:
    """The names as a sentence; "" without any."""
    many = len(names) > 1
    what = f"{'settings are' if many else 'setting is'} wrong: {', '.join(names)}"
    return f"Every function responds with 500, because {'these' if many else 'this'} {what}." if names else ""
