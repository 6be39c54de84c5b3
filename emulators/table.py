"""What the user adds to the local stack: the entries of local-stack.toml, at the top of the project. Never deployed."""

from __future__ import annotations

import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .azure.declared import AzureService
from .people import CONTOSO

ROOT = Path(__file__).resolve().parents[1]
FILE = "local-stack.toml"
DAEMON = "daemon"


class TableError(ValueError):
    """What is wrong in the table. The message names every wrong entry and says what to do."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(
            f"the local stack cannot start with these entries:{lines}\n  docs/local-stack.md explains them."
        )


@dataclass(frozen=True)
class DownstreamApi:
    """One API that the API calls: an app of this folder (`app`), or one that runs at `url`.

    It is called as the user, with `scopes`, or as the application, which holds all of its `app_roles`.

    Without both, its settings in `[settings]` name it (`given_base_url`, `given_audience`). The tenant and the gateway
    then know it at its own address, and nothing runs there. `roles` says who holds each app role. `run_once` is the
    path of a GET that makes the API call this one. `base_url` and `identifier_uri` are in the settings of the API.
    """

    name: str
    scopes: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    app: str | None = None
    url: str | None = None
    path: str = "/api"
    pre_authorized: bool = True
    given_client_id: str | None = None
    given_base_url: str | None = None
    given_audience: str | None = None
    run_once: str | None = None
    app_roles: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its short name: in the timeline, as a fault target, as a user name at the gateway."""
        return self.name.lower()

    @property
    def title(self) -> str:
        """Its name for a person."""
        return f"{self.name} API"

    @property
    def host(self) -> str:
        """The host name that leads to it, through the gateway."""
        if self.given_base_url is not None:
            return urlsplit(self.given_base_url).hostname or ""
        return f"{self.key}-local.azurewebsites.net"

    @property
    def base_path(self) -> str:
        """What each path begins with: the path of its address; of an app the route prefix of host.json, and `path`."""
        address = self.given_base_url or self.url
        if address is not None:
            return urlsplit(address).path.rstrip("/")
        from .functions_host.layout import HostJson  # late: the command line reads this module before h11 may be there

        return f"{HostJson.read(ROOT / 'host.json').base_path}{self.path}".rstrip("/")

    @property
    def base_url(self) -> str:
        """The setting `DownstreamApis__<name>__BaseUrl` of the API."""
        return f"https://{self.host}{self.base_path}"

    @property
    def client_id(self) -> str:
        """The client id of its registration: the one in the table, or one that is made of the name."""
        return self.given_client_id or str(uuid.uuid5(uuid.NAMESPACE_DNS, self.host))

    @property
    def identifier_uri(self) -> str:
        """The application ID URI of its registration."""
        return self.given_audience or f"api://{CONTOSO}/obo-{self.key}"

    @property
    def full_scopes(self) -> str:
        """The setting `DownstreamApis__<name>__Scopes` of the API."""
        if self.app_roles:
            return f"{self.identifier_uri}/.default"
        return " ".join(f"{self.identifier_uri}/{scope}" for scope in self.scopes)


@dataclass(frozen=True)
class Table:
    """Everything in local-stack.toml. Without the file: the API alone, which may read the user's profile."""

    scopes: tuple[str, ...] = ("access_as_user",)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    graph: tuple[str, ...] = ("User.Read",)
    graph_run_once: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    apis: tuple[DownstreamApi, ...] = ()
    azure: tuple[AzureService, ...] = ()
    group_membership_claims: str = "None"
    app_roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Roles of the API for applications → the daemons that hold them."""
    graph_app_roles: tuple[str, ...] = ()
    """Roles of Microsoft Graph that the API itself holds (application permissions)."""
    sign_in_audience: str = "AzureADMyOrg"
    public_urls: tuple[str, ...] = ()
    """The addresses of the API as its clients write them: in its setting AzureAd__PublicUrls and its registration."""

    @property
    def daemons(self) -> tuple[str, ...]:
        """The names of the emulated daemons. The one that is always there has no role, unless one is given to it."""
        return tuple(dict.fromkeys((DAEMON, *(name for names in self.app_roles.values() for name in names))))

    @property
    def for_several_tenants(self) -> bool:
        """Whether other tenants may install the applications. Fabrikam has."""
        return self.sign_in_audience == "AzureADMultipleOrgs"

    @property
    def keys(self) -> tuple[str, ...]:
        """The short names of the downstream APIs."""
        return tuple(api.key for api in self.apis)


def addressed(table: Table, base_url: str) -> Table:
    """The table with the addresses of an API at `base_url`: of its MCP endpoint, and of all the rest."""
    return table if table.public_urls else replace(table, public_urls=(f"{base_url}/api/mcp", base_url))


def read_table(root: Path = ROOT, more: Mapping[str, Mapping[str, Any]] | None = None) -> Table:
    """The table of the project in `root`, with `more` APIs from the command line. Raises TableError."""
    from .table_check import checked  # it needs what is above

    file = root / FILE
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise TableError([f"{FILE} cannot be read: {problem}"]) from None
    return checked(content, more or {}, root)
