"""The settings, in the schema of Microsoft.Identity.Web, read once from app settings (environment variables).

Every variable is listed in docs/configuration.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ..errors import SettingsError
from .authority import ANY, ORGANIZATIONS, PERSONAL_ACCOUNTS, Authority
from .clouds import EXTERNAL_ID, PUBLIC, cloud_of, host_of, judge_instance, known_cloud, refuse_mixtures
from .credentials import CredentialSettings, client_credentials
from .environ import EnvironReader, Secret, is_guid, is_redis_url
from .identity_web import judge_web_settings
from .public_urls import PublicUrl, public_urls
from .scope_names import judge_downstream_scopes, judge_own_scopes

MAX_SESSIONS, MAX_SESSION_MEGABYTES = 10_000, 64  # unless the settings say otherwise
MIN_WAITING_THREADS, MAX_WAITING_THREADS = 100, 1_000
_INSTANCE = f"https://{PUBLIC.login}"
_TENANT = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|organizations"
_AUTHORITY = re.compile(rf"(https://[^/]+)/({_TENANT})(?:/v2\.0)?", re.IGNORECASE)
_OF_AN_APP = re.compile(r"[^/\s]\S*/\.default")  # two slashes, if the name of the resource ends with one


class DownstreamApiSettings(NamedTuple):
    """One entry of `DownstreamApis`: an API, and the scopes of the token for it.

    `base_url` is "" where only a credential or a token for the API is used.
    `timeout` is how many seconds to wait for each part of a response. None: as long as for any other service.
    `for_app`: the API is called as the application, and never as a user. Otherwise it is called only as the user.
    """

    name: str
    base_url: str
    scopes: tuple[str, ...]
    timeout: float | None = None
    for_app: bool = False


class RedisSettings(NamedTuple):
    """`TokenCache__Redis`: the Redis in which all instances share downstream tokens."""

    url: Secret  # it may hold a password
    managed_identity_client_id: str


class TokenSettings(NamedTuple):
    """Which access tokens this API accepts, and whether its log names their users.

    `allow_agent_users`: whether the user accounts of agents may call. No person stands behind them.
    """

    allowed_tenants: tuple[str, ...]  # tenant ids, or ANY; empty: the one tenant of the authority
    audiences: tuple[str, ...]
    allowed_clients: tuple[str, ...]  # empty: all
    enable_pii_logging: bool
    allow_guests: bool
    allow_agent_users: bool
    consent_prompt_clients: tuple[str, ...] = ()  # client ids that get 401, not 403, when consent is missing


class ClientSettings(NamedTuple):
    """How this API presents itself to Entra: its credentials in the order of trial, and its client capabilities."""

    credentials: tuple[CredentialSettings, ...]
    capabilities: tuple[str, ...]


class Settings(NamedTuple):
    """All settings of the API. Frozen. Its repr shows no secret."""

    authority: Authority
    """The tenant that issues the access tokens for this API."""
    tokens: TokenSettings
    scopes: tuple[str, ...]
    public_urls: tuple[PublicUrl, ...]  # empty: nothing is said of them
    request_timeout: float  # seconds
    client: ClientSettings
    downstream_apis: Mapping[str, DownstreamApiSettings]
    max_sessions: int
    max_session_bytes: int
    redis: RedisSettings | None
    waiting_threads: int

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from environment variables.

        Raises:
            SettingsError: names every missing, wrong or unknown variable at once.
        """
        env = EnvironReader(environ)
        client_id, (instance, tenant_id) = env.guid("AzureAd__ClientId"), _instance_and_tenant(env)
        _check_customers(env, instance, tenant_id)
        audiences = _audiences(env, client_id)
        settings = cls(
            authority=Authority(instance, tenant_id, client_id, own_signing_key=_own_signing_key(env, tenant_id)),
            tokens=TokenSettings(
                allowed_tenants=_allowed_tenants(env, instance, tenant_id),
                audiences=audiences,
                allowed_clients=_allowed_clients(env),
                enable_pii_logging=env.flag("AzureAd__EnablePiiLogging"),
                allow_guests=env.flag("AzureAd__AllowGuests", "true"),
                allow_agent_users=env.flag("AzureAd__AllowAgentUsers"),
                consent_prompt_clients=_client_ids(env, "AzureAd__ConsentPromptClients"),
            ),
            scopes=_own_scopes(env),
            public_urls=public_urls(env, "AzureAd__PublicUrls"),
            request_timeout=env.whole_number("AzureAd__RequestTimeoutSeconds", 60, 1, 200),
            client=ClientSettings(
                client_credentials(env, cloud_of(instance)), capabilities=env.words("AzureAd__ClientCapabilities")
            ),
            downstream_apis=_downstream_apis(env, {client_id, *audiences}),
            max_sessions=env.whole_number("TokenCache__MaxSessions", MAX_SESSIONS, 1, 1_000_000),
            max_session_bytes=env.whole_number("TokenCache__MaxMegabytes", MAX_SESSION_MEGABYTES, 1, 1_000_000)
            * 1_000_000,
            redis=_redis(env),
            waiting_threads=_waiting_threads(environ),
        )
        if settings.downstream_apis and not settings.client.credentials:
            env.problems["AzureAd__ClientCredentials__0__SourceType"] = "is missing: calls of APIs need a credential"
        for api in settings.downstream_apis.values() if settings.authority.tenant_id == ORGANIZATIONS else ():
            if api.for_app:
                env.problems[f"DownstreamApis__{api.name}__RequestAppToken"] = (
                    "must not be true while AzureAd__TenantId is organizations: the application is of no tenant there"
                )
        if env.problems.keys().isdisjoint({"AzureAd__Instance", "AzureAd__Authority"}):
            refuse_mixtures(env, instance, _addresses(settings))
        judge_web_settings(env)
        env.refuse_unknown("AzureAd", "DownstreamApis", "TokenCache")
        if env.problems:
            raise SettingsError(env.problems)
        return settings


def _client_ids(env: EnvironReader, name: str) -> tuple[str, ...]:
    ids = tuple(word.lower() for _, word in env.listed(name))
    if not all(map(is_guid, ids)):
        env.problems.setdefault(name, "must be client ids (GUIDs), separated by spaces")
    return ids


def _waiting_threads(environ: Mapping[str, str]) -> int:
    """How many calls of `async def` functions may wait at a time: at least as many as `def` functions.

    The Functions worker reads PYTHON_THREADPOOL_THREAD_COUNT for `def` functions; it logs a value that it refuses.
    """
    threads = environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    return (
        min(max(int(threads), MIN_WAITING_THREADS), MAX_WAITING_THREADS) if threads.isdecimal() else MIN_WAITING_THREADS
    )


def _instance_and_tenant(env: EnvironReader) -> tuple[str, str]:
    """Entra's address and the tenant id, from two settings, or both from `AzureAd__Authority`."""
    name = "AzureAd__Authority"
    authority = env.https_url(name, "")
    if not authority:
        instance = env.https_url("AzureAd__Instance", _INSTANCE)
        judge_instance(env, "AzureAd__Instance", instance)
        env.refuse_path("AzureAd__Instance", instance, "the tenant is AzureAd__TenantId")
        return instance, _tenant_id(env)
    match = _AUTHORITY.fullmatch(authority) if name not in env.problems else None
    judge_instance(env, name, authority)
    if match is None:
        env.problems.setdefault(name, "must be https://login.microsoftonline.com/{tenant id, a GUID}/v2.0")
    of_both = (match[1], match[2].lower()) if match else ("", "")
    apart = env.https_url("AzureAd__Instance", of_both[0]), _tenant_id(env, of_both[1])
    if match and (apart[0].lower(), apart[1]) != (of_both[0].lower(), of_both[1]):
        env.problems.setdefault(name, "names another tenant or instance than AzureAd__TenantId and AzureAd__Instance")
    return apart


def _check_customers(env: EnvironReader, instance: str, tenant_id: str) -> None:
    """The host name of a tenant of External ID may be its id. Then both settings must name the same tenant."""
    name = host_of(instance).removesuffix(EXTERNAL_ID)
    if name != host_of(instance) and is_guid(name) and is_guid(tenant_id) and name != tenant_id:
        env.problems.setdefault("AzureAd__Instance", "names another tenant than AzureAd__TenantId")


def _tenant_id(env: EnvironReader, default: str | None = None) -> str:
    """A tenant id, or ORGANIZATIONS."""
    name = "AzureAd__TenantId"
    if env.says(name, ORGANIZATIONS):
        return env.text(name).lower()
    if default == ORGANIZATIONS:
        return env.text(name, default).lower()
    if env.says(name, "common") or env.says(name, "consumers"):
        reason = "would let in personal accounts; give a tenant id, or organizations and AzureAd__AllowedTenants"
        env.problems[name] = reason
    return env.guid(name, default)


def _allowed_tenants(env: EnvironReader, instance: str, tenant_id: str) -> tuple[str, ...]:
    """`AzureAd__AllowedTenants`: needed where several tenants may call, and refused where one tenant is set."""
    name = "AzureAd__AllowedTenants"
    tenants = tuple(word.lower() for word in env.words(name))
    if tenant_id != ORGANIZATIONS:
        if tenants and "AzureAd__TenantId" not in env.problems:
            env.problems.setdefault(name, "is for AzureAd__TenantId=organizations; one tenant needs no list")
        return ()
    if not known_cloud(instance) or host_of(instance).endswith(EXTERNAL_ID):
        env.problems.setdefault("AzureAd__TenantId", "must be a tenant id: AzureAd__Instance has no other tenants")
    if not tenants:
        env.problems.setdefault(name, f"is missing: list the tenants whose users may call, or give the word {ANY}")
    elif tenants != (ANY,) and not all(is_guid(tenant) for tenant in tenants):
        env.problems.setdefault(name, f"must be tenant ids (GUIDs), or the word {ANY} alone")
    elif PERSONAL_ACCOUNTS in tenants:
        env.problems.setdefault(name, "must not list the tenant of personal accounts; none may call")
    return tuple(dict.fromkeys(tenants))


def _audiences(env: EnvironReader, client_id: str) -> tuple[str, ...]:
    """The accepted `aud` values. An audience is an API, never one of its scopes."""
    given = {name: env.words(name) for name in ("AzureAd__Audiences", "AzureAd__Audience")}
    for name, words in given.items():
        if any(word.endswith("/.default") for word in words):
            env.problems.setdefault(name, "must be the `aud` of a token, which names no scope: leave out /.default")
    return tuple(dict.fromkeys(word for words in given.values() for word in words)) or (client_id, f"api://{client_id}")


def _allowed_clients(env: EnvironReader) -> tuple[str, ...]:
    name = "AzureAd__AllowedClients"
    clients = tuple(word.lower() for word in env.words(name))
    if not all(map(is_guid, clients)):
        env.problems.setdefault(name, "must be client ids of applications (GUIDs)")
    return clients


def _own_scopes(env: EnvironReader) -> tuple[str, ...]:
    name = "AzureAd__Scopes"
    scopes = env.words(name)
    judge_own_scopes(env, name, scopes)
    return scopes


def _own_signing_key(env: EnvironReader, tenant_id: str) -> bool:
    """`AzureAd__OwnSigningKey`. Of several tenants, each would have a key of its own for the app."""
    name = "AzureAd__OwnSigningKey"
    is_on = env.flag(name)
    if is_on and tenant_id == ORGANIZATIONS:
        env.problems.setdefault(name, "is not supported where several tenants may call")
    return is_on


def _addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    """The settings that may name a service of one cloud: name and value."""
    for number, source in enumerate(settings.client.credentials):
        at = f"AzureAd__ClientCredentials__{number}__"
        yield at + "KeyVaultUrl", source.key_vault_url
        yield at + "TokenExchangeUrl", source.token_exchange_url
    for api in settings.downstream_apis.values():
        at = f"DownstreamApis__{api.name}__"
        yield at + "BaseUrl", api.base_url
        yield from ((at + "Scopes", scope) for scope in api.scopes)


def _redis(env: EnvironReader) -> RedisSettings | None:
    at = "TokenCache__Redis__"
    url, identity = env.secret(at + "Url", ""), env.guid(at + "ManagedIdentityClientId", "")
    if url.reveal() and not is_redis_url(url.reveal()):
        env.problems.setdefault(
            at + "Url", "must be rediss://host:port (redis:// is for 127.0.0.1 and localhost alone)"
        )
    if identity and "@" in url.reveal():
        env.problems.setdefault(at + "Url", f"must not hold a password when {at}ManagedIdentityClientId is set")
    if identity and not url.reveal():
        env.problems.setdefault(at + "Url", f"is missing; {at}ManagedIdentityClientId is of no use without it")
    return RedisSettings(url, identity) if url.reveal() else None


def _downstream_apis(env: EnvironReader, own: Collection[str]) -> dict[str, DownstreamApiSettings]:
    """`own`: this API's client id and audiences."""
    apis = {}
    for name in env.children("DownstreamApis"):
        at = f"DownstreamApis__{name}__"
        scopes, base_url = env.words(at + "Scopes"), env.https_url(at + "BaseUrl", "")
        if not scopes:
            env.problems.setdefault(at + "Scopes", "is missing")
        timeout = env.whole_number(at + "TimeoutSeconds", 15, 1, 200) if env.text(at + "TimeoutSeconds", "") else None
        for_app = env.flag(at + "RequestAppToken")
        if for_app and scopes and not (len(scopes) == 1 and _OF_AN_APP.fullmatch(scopes[0])):
            env.problems.setdefault(
                at + "Scopes", f"must be one scope that ends with /.default, because {at}RequestAppToken is true"
            )
        judge_downstream_scopes(env, at, scopes, base_url, own)
        apis[name.lower()] = DownstreamApiSettings(name, base_url, scopes, timeout, for_app)
    return apis


def problem_of_api(apis: Mapping[str, DownstreamApiSettings], name: str, *, for_app: bool) -> tuple[str, str] | None:
    """Returns (setting, requirement) for the setting that prevents calls of this API as the application or user."""
    api = apis.get(name.lower())
    if api is None:
        return f"DownstreamApis__{name}__Scopes", "is missing"
    if api.for_app == for_app:
        return None
    setting = f"DownstreamApis__{api.name}__RequestAppToken"
    if for_app:
        return setting, "must be true: app_api calls an API as the application, and this one is for users"
    return setting, "must not be true: user.api calls an API as the user, and this one is for the application"
