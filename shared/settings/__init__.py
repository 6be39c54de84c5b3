"""The settings: app settings (environment variables) → one frozen `Settings`."""

from .authority import Authority
from .credentials import CredentialSettings
from .settings import DownstreamApiSettings, RedisSettings, Settings

__all__ = [
    "Authority",
    "CredentialSettings",
    "DownstreamApiSettings",
    "RedisSettings",
    "Settings",
]
