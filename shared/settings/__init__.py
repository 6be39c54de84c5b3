"""The settings: app settings (environment variables) → one frozen `Settings`."""

from .authority import ANY, MAX_TENANTS, ORGANIZATIONS, PERSONAL_ACCOUNTS, Authority, normalized
from .clouds import GRAPH_HOSTS, cloud_of
from .credentials import CredentialSettings
from .settings import ClientSettings, DownstreamApiSettings, RedisSettings, Settings, TokenSettings

__all__ = [
    "ANY",
    "GRAPH_HOSTS",
    "MAX_TENANTS",
    "ORGANIZATIONS",
    "PERSONAL_ACCOUNTS",
    "Authority",
    "ClientSettings",
    "CredentialSettings",
    "DownstreamApiSettings",
    "RedisSettings",
    "Settings",
    "TokenSettings",
    "cloud_of",
    "normalized",
]
