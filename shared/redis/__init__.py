"""The shared token cache: a token that one instance has exchanged is encrypted in Redis for all other instances.

This package is imported inside functions, only if TokenCache__Redis__Url is set. Other apps load no Redis library.
"""

from .cache import DistributedCache
from .store import RedisStore

__all__ = [
    "DistributedCache",
    "RedisStore",
]
