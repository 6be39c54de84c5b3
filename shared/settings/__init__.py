"""The settings: app settings (environment variables) → one frozen `Settings`."""

from .credentials import CredentialSettings
from .settings import DownstreamApiSettings, RedisSettings, Settings

__all__ = [
    "CredentialSettings",
    "DownstreamApiSettings",
    "RedisSettings",
    "Settings",
]
