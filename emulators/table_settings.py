"""What `[settings]` say of the tenant: addresses of the API, and APIs that have no table of their own."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from .applications import GRAPH_URI
from .requests_io import is_guid
from .table import DownstreamApi

_SETTING = re.compile(r"DownstreamApis__([A-Za-z][A-Za-z0-9]{0,29})__(BaseUrl|Scopes)")
_PUBLIC_URL = re.compile(r"AzureAd__PublicUrls(__\d+)?", re.IGNORECASE)
_OURS = re.compile(r"login\.microsoftonline\.com|graph\.microsoft\.com|management\.azure\.com|.*\.vault\.azure\.net")


def public_urls(settings: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses of the API, if it is given others than those on this machine."""
    return tuple(url for name, urls in settings.items() if _PUBLIC_URL.fullmatch(name) for url in urls.split())


def named_by_settings(settings: Mapping[str, str], known: Collection[str], problems: list[str]) -> list[DownstreamApi]:
    """APIs that DownstreamApis__NAME__BaseUrl and __Scopes name, and that are not `known` by their short name.

    Adds to `problems` what is wrong with them.
    """
    given: dict[str, dict[str, str]] = defaultdict(dict)
    for name, value in settings.items():
        if found := _SETTING.fullmatch(name):
            given[found[1]][found[2]] = value
    both = {
        name: said
        for name, said in given.items()
        if len(said) == 2 and name.lower() not in known and not said["Scopes"].startswith(f"{GRAPH_URI}/")
    }
    apis = (_api(name, said["BaseUrl"], said["Scopes"], problems) for name, said in both.items())
    return [api for api in apis if api is not None]


def _api(name: str, base_url: str, scopes: str, problems: list[str]) -> DownstreamApi | None:
    at = f"settings.DownstreamApis__{name}"
    parts = [scope.rpartition("/") for scope in scopes.split()]
    audiences = {audience for audience, _, _ in parts}
    if not _is_elsewhere(base_url):
        problems.append(f"{at}__BaseUrl must be the https address of your API. For one on this machine: [apis.{name}]")
        return None
    if len(audiences) != 1 or "" in audiences:
        problems.append(f'{at}__Scopes must be scopes of one API, such as "api://STOCK-ID/Stock.Read"')
        return None
    audience = audiences.pop()
    client_id = audience.removeprefix("api://")
    return DownstreamApi(
        name,
        tuple("user_impersonation" if scope == ".default" else scope for _, _, scope in parts),
        given_base_url=base_url,
        given_audience=audience,
        given_client_id=client_id if is_guid(client_id) else None,
    )


def _is_elsewhere(base_url: str) -> bool:
    try:
        address = urlsplit(base_url)
    except ValueError:
        return False
    host = address.hostname or ""
    return address.scheme == "https" and "." in host and not _OURS.fullmatch(host) and address.port in (None, 443)
