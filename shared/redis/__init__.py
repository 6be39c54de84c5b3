"""The shared token cache: what one instance has exchanged, all others find in Redis, sealed.

Imported only where the setting TokenCache__Redis__Url is set.
"""

from .cache import DistributedCache
from .store import RedisStore

__all__ = [
    "DistributedCache",
    "RedisStore",
]
