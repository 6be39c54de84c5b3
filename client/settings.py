"""The client's settings: four names, as `azd env get-values` prints them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from client.errors import SettingsError

_WHAT_THEY_ARE = {
    "TENANT_ID": "the directory people sign in to: its id or one of its domain names",
    "CLIENT_APP_ID": "the application (client) id of this client's app registration",
    "API_SCOPE": "the scope of the API, for instance api://…/access_as_user",
    "API_BASE_URL": "where the API is, for instance https://….azurewebsites.net or http://localhost:7071",
}
_PLACEHOLDER = re.compile(r"[<>{}…]|^your[-_ ]|replace[-_ ]?me|change[-_ ]?me|^[0-]+$|^x+$", re.IGNORECASE)


@dataclass(frozen=True, repr=False)
class Settings:
    """Where to sign in, as which application, for which scope, and which API to call."""

    tenant_id: str
    client_id: str
    scope: str
    api_base_url: str
    authority_host: str = "https://login.microsoftonline.com"
    client_secret: str = ""
    """CLIENT_SECRET. With one, the client is a daemon: it calls as itself, and nobody signs in."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, calling: bool = True) -> Settings:
        """Reads them from `environ`; raises one SettingsError that names everything missing or wrong.

        With `calling=False` only a token is wanted, and API_BASE_URL may be absent.
        """
        needed = [name for name in _WHAT_THEY_ARE if calling or name != "API_BASE_URL"]
        given = {name: environ.get(name, "").strip() for name in _WHAT_THEY_ARE}
        host = environ.get("AUTHORITY_HOST", "").strip().rstrip("/") or cls.authority_host
        problems = [_problem(name, given[name]) for name in needed]
        if urlsplit(host if "://" in host else f"https://{host}").scheme != "https":
            problems.append("AUTHORITY_HOST must begin with https://")
        if any(problems):
            lines = "\n".join(f"  {problem}" for problem in problems if problem)
            needed_are = "these settings are needed, as environment variables or in --env-file"
            raise SettingsError(f"{needed_are}:\n{lines}\nor start `python3 dev.py run` first")
        return cls(
            tenant_id=given["TENANT_ID"],
            client_id=given["CLIENT_APP_ID"],
            scope=given["API_SCOPE"],
            api_base_url=given["API_BASE_URL"].rstrip("/"),
            authority_host=host if "://" in host else f"https://{host}",
            client_secret=environ.get("CLIENT_SECRET", "").strip(),
        )

    @property
    def authority(self) -> str:
        """The tenant's authority, as MSAL wants it."""
        return f"{self.authority_host}/{self.tenant_id}"


def _problem(name: str, value: str) -> str | None:
    if not value:
        return f"{name} is missing: {_WHAT_THEY_ARE[name]}"
    if _PLACEHOLDER.search(value):
        return f"{name} still holds a placeholder: {_WHAT_THEY_ARE[name]}"
    if name == "API_BASE_URL" and not may_receive_tokens(value):
        return f"{name} must be https://…, or http:// on this machine, with no user name, query or fragment"
    return None


def may_receive_tokens(url: str) -> bool:
    """True for https, and for http on the loopback interface. No other host may get a bearer token in the clear."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError:
        return False
    if not host or parts.username is not None or parts.query or parts.fragment or re.search(r"[\s\\]", url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """True for localhost and the loopback addresses."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
