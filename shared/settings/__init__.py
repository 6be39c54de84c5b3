"""The settings: app settings (environment variables) → one frozen `Settings`."""

from .authority import ORGANIZATIONS, Authority, normalized
from .clouds import GRAPH_HOSTS, cloud_of
from .credentials import CredentialSettings
from .settings import ClientSettings, DownstreamApiSettings, RedisSettings, Settings, TokenSettings
from .tenants import MAX_TENANTS, Tenants

__all__ = [
    "GRAPH_HOSTS",
    "MAX_TENANTS",
    "ORGANIZATIONS",
    "Authority",
    "ClientSettings",
    "CredentialSettings",
    "DownstreamApiSettings",
    "RedisSettings",
    "Settings",
    "Tenants",
    "TokenSettings",
    "cloud_of",
    "normalized",
]
