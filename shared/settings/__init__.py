"""The settings: app settings (environment variables) → one frozen `Settings`."""

from .authority import ANY, MAX_TENANTS, ORGANIZATIONS, PERSONAL_ACCOUNTS, Authority, Tenants, normalized
from .clouds import GRAPH_HOSTS, cloud_of, host_of
from .credentials import CredentialSettings
from .environ import is_guid
from .public_urls import WELL_KNOWN, PublicUrl
from .scope_names import is_full_name
from .settings import ClientSettings, DownstreamApiSettings, RedisSettings, Settings, TokenSettings, problem_of_api

__all__ = [
    "ANY",
    "GRAPH_HOSTS",
    "MAX_TENANTS",
    "ORGANIZATIONS",
    "PERSONAL_ACCOUNTS",
    "WELL_KNOWN",
    "Authority",
    "ClientSettings",
    "CredentialSettings",
    "DownstreamApiSettings",
    "PublicUrl",
    "RedisSettings",
    "Settings",
    "Tenants",
    "TokenSettings",
    "cloud_of",
    "host_of",
    "is_full_name",
    "is_guid",
    "normalized",
    "problem_of_api",
]
