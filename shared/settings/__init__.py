"""The settings: app settings (environment variables) → one frozen `Settings`."""

from .authority import Authority, normalized
from .credentials import CredentialSettings
from .settings import ClientSettings, DownstreamApiSettings, RedisSettings, Settings, TokenSettings, problem_of_api

__all__ = [
    "Authority",
    "ClientSettings",
    "CredentialSettings",
    "DownstreamApiSettings",
    "RedisSettings",
    "Settings",
    "TokenSettings",
    "normalized",
    "problem_of_api",
]
