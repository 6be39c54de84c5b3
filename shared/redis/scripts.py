"""Lua scripts for operations that must be atomic in Redis: each for one entry and its lock, in one hash slot.

A late holder of a lock overwrites nothing: it writes only while it holds the lock, or where there is nothing yet.
https://redis.io/docs/latest/develop/programmability/eval-intro/
"""

from __future__ import annotations

import hashlib


class Script:
    """Redis knows a script that it has seen by its SHA-1 hash, which is shorter to send."""

    def __init__(self, text: str) -> None:
        self.text, self.hash = text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


FREE = "free"  # a lock that every instance has: its holder got no token

GET_OR_LOCK = Script("""
local found = redis.pcall('getrange', KEYS[1], 0, ARGV[1])
if type(found) ~= 'string' or #found > tonumber(ARGV[1]) then found = '' end
if found ~= '' and found ~= ARGV[2] then return {found, ''} end
if redis.call('get', KEYS[2]) == ARGV[5] then return {'', ARGV[5]} end
if redis.call('set', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4]) then return {'', ARGV[3]} end
return {'', ''}
""")
"""Keys: entry, lock. Arguments: the most bytes, the entry that will not do, the lock's value, milliseconds, FREE."""

PUT = Script("""
local is_mine = ARGV[3] == '' or redis.call('get', KEYS[2]) == ARGV[3]
if is_mine or redis.call('exists', KEYS[1]) == 0 then redis.call('set', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
if is_mine then redis.call('del', KEYS[2]) end
""")
"""Keys: entry, lock. Arguments: the content, seconds, the lock's value or nothing."""

UNLOCK = Script("""
if redis.call('get', KEYS[1]) ~= ARGV[1] then return end
if redis.pcall('set', KEYS[1], ARGV[2], 'PX', ARGV[3]).err then redis.call('del', KEYS[1]) end
""")
"""Key: lock. Arguments: its value, FREE, milliseconds. A full Redis refuses the `set`, but no `del`."""
