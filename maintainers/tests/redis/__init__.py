"""The second level of the cache against a real redis-server."""
