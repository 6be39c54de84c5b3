"""The settings: app settings (environment variables) → one frozen `Settings`."""

from .authority import Authority, normalized
from .credentials import CredentialSettings
from .settings import ClientSettings, DownstreamApiSettings, RedisSettings, Settings, TokenSettings

__all__ = [
    "Authority",
    "ClientSettings",
    "CredentialSettings",
    "DownstreamApiSettings",
    "RedisSettings",
    "Settings",
    "TokenSettings",
    "normalized",
]
