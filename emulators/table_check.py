"""Whether the entries of local-stack.toml make sense. Every wrong one is named, each with what to write."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .applications import API_ID, CLIENT_ID, GRAPH_ID, OIDC_SCOPES, VAULT_ID
from .azure.declared import KINDS, AzureService
from .people import EVERYONE, PEOPLE
from .requests_io import is_guid
from .table import FILE, DownstreamApi, Table, TableError
from .table_settings import named_by_settings, public_urls

TAKEN = frozenset(
    (
        "api",
        "browser",
        "client",
        "doctor",
        "downloads",
        "entra",
        "gateway",
        "graph",
        "identity",
        "management",
        "mcp",
        "redis",
        "script",
        "vault",
    )
)
"""Names of the stack's own services and callers."""

_API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,29}")
_AZURE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,17}")
_SCOPE = re.compile(r"[A-Za-z0-9_\-.:]{1,120}")
_APP = re.compile(r"[A-Za-z_]\w*\.py", re.ASCII)
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"/[!-~]*")
_OURS = ("IDENTITY_", "MSI_", "IMDS_", "AZURE_", "MSAL_", "WEBSITE_")
_OUR_NAMES = frozenset(
    (
        *("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
        *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("PATH", "PYTHONPATH", "PYTHONHOME", "PYTHON_SCRIPT_FILE_NAME"),
    )
)
_LOCAL = ("127.0.0.1", "localhost", "::1")
GROUP_CLAIMS = ("None", "SecurityGroup")
"""The values of `groupMembershipClaims` in a manifest that are emulated."""
AUDIENCES = ("AzureADMyOrg", "AzureADMultipleOrgs")
"""The values of `signInAudience` in a manifest that are emulated."""
_CONSENT = {"pre-authorized": True, "asked": False}
_CLIENT_IDS = (API_ID, CLIENT_ID, GRAPH_ID, VAULT_ID)

URL = "must be the address of your API on this machine, such as http://127.0.0.1:9000"
SCOPES = 'must be a list of one or more different scope names, such as ["Stock.Read"]'
APP_ROLES = 'must be a list of one or more different role names, such as ["Stock.Read.All"]'

Check = Callable[[Any], bool]


class _Section:
    """One table of the file: takes its entries one by one, and notes what is wrong with them."""

    def __init__(self, at: str, content: Any, problems: list[str]) -> None:
        self._at, self._problems = at, problems
        self._content: Mapping[str, Any] = content if isinstance(content, dict) else {}
        self._known: list[str] = []
        if not isinstance(content, dict):
            self.wrong("", f"must be a table: [{at}]")

    def wrong(self, name: str, problem: str) -> None:
        self._problems.append(f"{self._path(name)} {problem}")

    def has(self, name: str) -> bool:
        return name in self._content

    def take(self, name: str, is_good: Check, allowed: str, default: Any = None) -> Any:
        """The value, or the default when there is none or a wrong one."""
        self._known.append(name)
        if name not in self._content:
            return default
        value = self._content[name]
        if is_good(value):
            return value
        self.wrong(name, f"{allowed}, not {value!r}")
        return default

    def section(self, name: str) -> _Section:
        self._known.append(name)
        return _Section(self._path(name), self._content.get(name, {}), self._problems)

    def _path(self, name: str) -> str:
        """Where an entry is: `apis.Stock.url`; `--api Stock: url` on the command line."""
        sign = " " if self._at.endswith(":") else "."
        return sign.join(filter(None, (self._at, name)))

    def items(self) -> list[tuple[str, Any]]:
        return list(self._content.items())

    def refuse_others(self) -> None:
        for name in self._content:
            if name not in self._known:
                near = difflib.get_close_matches(name, self._known, n=1)
                guess = f"did you mean {near[0]}?" if near else f"there are {', '.join(self._known)}"
                self.wrong(name, f"is not known: {guess}")


def checked(content: Mapping[str, Any], more: Mapping[str, Mapping[str, Any]], root: Path) -> Table:
    """The table with `more` APIs. Raises TableError with all that is wrong."""
    problems: list[str] = []
    top = _Section("", content, problems)
    scopes = top.take("scopes", _are_scopes, SCOPES, Table.scopes)
    roles = _roles(top)
    app_roles = _app_roles(top.section("app_roles"))
    groups = top.take(
        "group_membership_claims",
        _is_one_of(GROUP_CLAIMS),
        f"must be one of {', '.join(GROUP_CLAIMS)}",
        GROUP_CLAIMS[0],
    )
    audience = top.take(
        "sign_in_audience", _is_one_of(AUDIENCES), f"must be one of {', '.join(AUDIENCES)}", AUDIENCES[0]
    )
    graph = top.section("graph")
    permissions = graph.take("permissions", _are_permissions, 'must be a list such as ["User.Read"]', Table.graph)
    graph_app_roles = graph.take(
        "app_roles", _are_permissions, 'must be a list such as ["User.Read.All"]', Table.graph_app_roles
    )
    graph_run_once = graph.take("run_once", _is_path, 'must be a path of your API, such as "/api/me"')
    graph.refuse_others()
    settings = _settings(top.section("settings"))
    apis = [_api(name, _Section(f"apis.{name}", api, problems), root) for name, api in top.section("apis").items()]
    azure = [_azure(name, _Section(f"azure.{name}", entry, problems)) for name, entry in top.section("azure").items()]
    top.refuse_others()
    apis += [_api(name, _Section(f"--api {name}:", api, problems), root) for name, api in more.items()]
    apis += named_by_settings(
        settings, {api.key for api in apis} | {service.key for service in azure} | TAKEN, problems
    )
    problems += _collisions(apis, azure)
    if problems:
        where = f"{FILE}: " if content else ""
        raise TableError([problem if problem.startswith("--api") else where + problem for problem in problems])
    return Table(
        tuple(scopes),
        roles,
        tuple(permissions),
        graph_run_once,
        settings,
        tuple(apis),
        tuple(azure),
        groups,
        app_roles,
        tuple(graph_app_roles),
        audience,
        public_urls(settings),
    )


def _api(name: str, section: _Section, root: Path) -> DownstreamApi:
    if not _API_NAME.fullmatch(name):
        section.wrong("", "must have a name of letters and digits, such as Stock, at most 30")
    elif name.lower() in TAKEN:
        section.wrong("", f"must have another name: {name} is a part of the local stack")
    if section.has("scopes") and section.has("app_roles"):
        section.wrong(
            "", "is called as the user, with scopes, or as the application, with app_roles: write one of them"
        )
    if not section.has("scopes") and not section.has("app_roles"):
        section.wrong("scopes", SCOPES)
    app = section.take("app", _is_app(root), 'must be a file in the top folder of the project, such as "stock_app.py"')
    url = section.take("url", _is_local_url, URL)
    path = section.take("path", _is_path, 'must begin with a slash, such as "/api"', DownstreamApi.path)
    if section.has("app") == section.has("url"):
        section.wrong("", 'needs either app = "stock_app.py" or url = "http://127.0.0.1:9000"')
    if section.has("url") and section.has("path"):
        section.wrong("path", "goes with app; with url, write the path into the url")
    consent = section.take("consent", _is_consent, 'must be "pre-authorized" or "asked"', "pre-authorized")
    client_id = section.take(
        "client_id", is_guid, "must be a client id (a GUID), which your API accepts as the audience"
    )
    api = DownstreamApi(
        name,
        tuple(section.take("scopes", _are_scopes, SCOPES, ())),
        roles=_roles(section),
        app=app,
        url=url,
        path=path,
        pre_authorized=_CONSENT[consent],
        given_client_id=client_id,
        run_once=section.take("run_once", _is_path, 'must be a path of your API, such as "/api/stock"'),
        app_roles=tuple(section.take("app_roles", _are_scopes, APP_ROLES, ())),
    )
    section.refuse_others()
    return api


def _azure(name: str, section: _Section) -> AzureService:
    if not _AZURE_NAME.fullmatch(name):
        section.wrong("", "must have a name of letters and digits, such as Storage, at most 18")
    elif name.lower() in TAKEN:
        section.wrong("", f"must have another name: {name} is a part of the local stack")
    kinds = ", ".join(KINDS)
    service = section.take("service", _is_one_of(KINDS), f"must be one of {kinds}")
    if not section.has("service"):
        section.wrong("service", f"must be one of {kinds}")
    if service is None:
        return AzureService(name, next(iter(KINDS)))
    roles = _roles(section, KINDS[service].roles)
    section.refuse_others()
    if not section.has("roles"):
        example = next(iter(KINDS[service].roles))
        section.wrong("roles", f'must say which user holds which role, such as {{ "{example}" = ["alice"] }}')
    return AzureService(name, service, roles)


def _roles(section: _Section, known: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """Who holds which app role; with `known`, which of these roles."""
    roles = {}
    for role, people in (inner := section.section("roles")).items():
        names = people if isinstance(people, list) else [people]
        if known and role not in known:
            inner.wrong(f'"{role}"', f"is not known: there are {', '.join(known)}")
        elif not known and not _SCOPE.fullmatch(role):
            inner.wrong(repr(role), "must be the value of an app role, without spaces")
        elif not isinstance(people, list) or any(not isinstance(one, str) or one not in EVERYONE for one in names):
            inner.wrong(f'"{role}"', f"must be a list of people, of {', '.join(PEOPLE)}, not {people!r}")
        else:
            roles[role] = tuple(names)
    return roles


def _app_roles(section: _Section) -> dict[str, tuple[str, ...]]:
    """Which daemons hold which role of the API."""
    roles = {}
    for role, daemons in section.items():
        names = daemons if isinstance(daemons, list) else [daemons]
        if not _SCOPE.fullmatch(role):
            section.wrong(repr(role), "must be the value of an app role, without spaces")
        elif not isinstance(daemons, list) or not all(
            isinstance(one, str) and _API_NAME.fullmatch(one) for one in names
        ):
            section.wrong(f'"{role}"', f'must be a list of names for daemons, such as ["nightly"], not {daemons!r}')
        else:
            roles[role] = tuple(one.lower() for one in names)
    return roles


def _settings(section: _Section) -> dict[str, str]:
    settings = {}
    for name, value in section.items():
        if not _SETTING.fullmatch(name):
            section.wrong(repr(name), "must be the name of a setting, with __ between its parts")
        elif name.upper() in _OUR_NAMES or name.upper().startswith(_OURS):
            section.wrong(name, "is set by the local stack itself: remove it")
        elif name.upper().startswith("TOKENCACHE__REDIS__"):
            section.wrong(name, "is set on the command line: python3 dev.py run --redis redis://127.0.0.1:6379")
        elif not isinstance(value, str):
            section.wrong(name, f'must be a text: "{str(value).lower() if isinstance(value, bool) else value}"')
        else:
            settings[name] = value
    return settings


def _collisions(apis: list[DownstreamApi], azure: list[AzureService]) -> list[str]:
    names = Counter([*(api.key for api in apis), *(service.key for service in azure)])
    hosts = Counter([*(api.host for api in apis if names[api.key] == 1), *(service.host for service in azure)])
    azures = {service.kind.client_id for service in azure} - set(_CLIENT_IDS)
    ids = Counter([*_CLIENT_IDS, *azures, *(api.client_id.lower() for api in apis)])
    return [
        *(
            f"the API {name} is there {count} times: give each another name"
            for name, count in names.items()
            if count > 1
        ),
        *(
            f"apis.{api.name}.client_id must be another: {api.client_id} belongs to another application"
            for api in apis
            if ids[api.client_id.lower()] > 1 and names[api.key] == 1
        ),
        *(
            f"settings.DownstreamApis__{api.name}__Scopes must not name {api.identifier_uri} next to an entry of it: "
            f"write [azure.{api.name}] instead"
            for api in apis
            if api.identifier_uri in {service.kind.resource for service in azure}
        ),
        *(f"{host} is the host of {count} APIs: each needs its own" for host, count in hosts.items() if count > 1),
    ]


def _are_permissions(value: Any) -> bool:
    names = value if isinstance(value, list) else [None]
    return all(isinstance(one, str) and _SCOPE.fullmatch(one) is not None for one in names) and len(set(names)) == len(
        names
    )


def _are_scopes(value: Any) -> bool:
    return _are_permissions(value) and bool(value) and not {".default", *OIDC_SCOPES} & set(value)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and _PATH.fullmatch(value) is not None


def _is_one_of(values: Collection[str]) -> Check:
    return lambda value: isinstance(value, str) and value in values


def _is_consent(value: Any) -> bool:
    return isinstance(value, str) and value in _CONSENT


def _is_app(root: Path) -> Check:
    def is_app(value: Any) -> bool:
        named = isinstance(value, str) and _APP.fullmatch(value) is not None
        return named and value != "function_app.py" and (root / value).is_file()

    return is_app


def _is_local_url(value: Any) -> bool:
    """Nothing leaves this machine."""
    if not isinstance(value, str) or not value.isascii() or any(sign in value for sign in " ?#@\\"):
        return False
    with suppress(ValueError):
        parts = urlsplit(value)
        return parts.scheme == "http" and parts.hostname in _LOCAL and bool(parts.port)
    return False
