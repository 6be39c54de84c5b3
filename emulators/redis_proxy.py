"""A proxy that acts as Azure Managed Redis: TLS, and only tokens of an identity that has an access policy.

Behind it is a real redis-server. Access keys are off: every password is refused. A connection ends with
the token that opened it, unless another has come meanwhile:
https://learn.microsoft.com/azure/redis/entra-for-authentication
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from pathlib import Path

from .applications import API_IDENTITY, REDIS_URI
from .audit import Audit, Entry
from .entra.service import Entra
from .entra.verification import TokenError, verify_token
from .listeners import LoopThread
from .loopback import bind
from .people import CONTOSO
from .resp import RespError, arguments, read_command, write_command

HOST = "localhost"
LOOK_SECONDS = 0.02  # how often a connection is looked at for a token that is over
DANGEROUS = frozenset(
    b"ACL BGSAVE CONFIG DEBUG FLUSHALL FLUSHDB KEYS MIGRATE MONITOR REPLICAOF SAVE SHUTDOWN SORT".split()
)
_OUTSIDE = frozenset((b"AUTH", b"HELLO", b"QUIT"))  # the commands that are allowed before AUTH


class RedisProxy:
    """One endpoint in a thread of its own. Stop it with `stop()`."""

    def __init__(self, entra: Entra, audit: Audit, certificate: Path, target: int) -> None:
        self._entra, self._audit, self._target = entra, audit, target
        self.writers = {API_IDENTITY.principal_id}
        """Object ids of the principals with an access policy."""
        self.open: set[_Connection] = set()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate)
        listener = bind(0, "Azure Managed Redis")
        self.port: int = listener.getsockname()[1]
        self._loop = LoopThread("redis proxy")
        self._server = self._loop.call(asyncio.start_server(self._serve, sock=listener, ssl=context))

    @property
    def url(self) -> str:
        """As the setting TokenCache__Redis__Url would have it."""
        return f"rediss://{HOST}:{self.port}"

    def stop(self) -> None:
        """Ends every connection and frees the port."""
        self._loop.call(self._close())
        self._loop.stop()

    async def _close(self) -> None:
        self._server.close()  # in the loop's own thread, where connections count themselves out

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        self.open.add(connection)
        try:
            await connection.serve(self._target)
        except (OSError, RespError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client has gone, or does not speak this protocol, or the server stops
        finally:
            self.open.discard(connection)
            writer.transport.abort()

    def now(self) -> float:
        return self._entra.now()

    def admit(self, user: str, token: str) -> float | None:
        """When the token ends, if it lets this user in; None if not. The reason is in the audit trail."""
        try:
            claims = verify_token(token, self._entra.keys, CONTOSO, self.now())
        except TokenError as error:
            self._note(user, f"refused: {error}")
            return None
        reason = self._against(user, claims)
        self._note(user, f"refused: {reason}" if reason else "ok: let in")
        return None if reason else float(claims["exp"])

    def _against(self, user: str, claims: Mapping[str, object]) -> str:
        """Why the user is refused with these claims. Empty when the user is let in."""
        if str(claims.get("aud", "")).removesuffix("/") != REDIS_URI:
            return f"the token is for {claims.get('aud')}"
        if claims.get("oid") != user:
            return "the user name is not the object id in the token"
        return "" if user in self.writers else "the identity has no access policy"

    def _note(self, user: str, verdict: str) -> None:
        status = 200 if verdict.startswith("ok") else 401
        entry = Entry(self.now(), "api", "redis", "AUTH", "/", "auth", status, verdict, 0.0, details={"user": user})
        self._audit.append(entry)


class _Connection:
    """One caller."""

    def __init__(self, proxy: RedisProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader, self._writer = proxy, reader, writer
        self._ends: float | None = None  # of the token; None before a successful AUTH

    async def serve(self, target: int) -> None:
        """Until either side ends it, or the token is over."""
        from_redis, to_redis = await asyncio.open_connection("127.0.0.1", target)
        back = asyncio.ensure_future(self._back(from_redis))
        watch = asyncio.ensure_future(self._watch())
        try:
            while command := await read_command(self._reader):
                await self._take(command, to_redis)
        finally:
            for task in (back, watch):
                task.cancel()
            to_redis.transport.abort()
            await asyncio.gather(back, watch, return_exceptions=True)

    async def _take(self, command: list[bytes], to_redis: asyncio.StreamWriter) -> None:
        name = command[0].upper()
        if self._ends is None and name not in _OUTSIDE:
            return await self._say(b"-NOAUTH Authentication required.")
        if name == b"AUTH":
            return await self._say(b"+OK" if self._auth(command[1:]) else _WRONG)
        if name == b"HELLO" and b"AUTH" in [each.upper() for each in command]:
            at = [each.upper() for each in command].index(b"AUTH")
            if not self._auth(command[at + 1 : at + 3]):
                return await self._say(_WRONG)
            command = command[:at] + command[at + 3 :]
        elif name == b"HELLO" and self._ends is None:
            return await self._say(b"-NOAUTH HELLO must be called with the client already authenticated")
        if name in DANGEROUS:
            return await self._say(b"-NOPERM this user has no permissions to run the '" + name.lower() + b"' command")
        to_redis.write(write_command(command))
        await to_redis.drain()
        return None

    def _auth(self, given: list[bytes]) -> bool:
        user, secret = arguments(given)
        ends = self._proxy.admit(user, secret)
        if ends is not None:
            self._ends = ends
        return ends is not None

    async def _say(self, line: bytes) -> None:
        self._writer.write(line + b"\r\n")
        await self._writer.drain()

    async def _back(self, from_redis: asyncio.StreamReader) -> None:
        while data := await from_redis.read(65_536):
            self._writer.write(data)
            await self._writer.drain()
        self._writer.close()

    async def _watch(self) -> None:
        """Azure closes the connection when its token expires, also between two commands."""
        while self._ends is None or self._proxy.now() < self._ends:
            await asyncio.sleep(LOOK_SECONDS)
        self._proxy.open.discard(self)
        with contextlib.suppress(OSError, ssl.SSLError):
            self._writer.close()


_WRONG = b"-WRONGPASS invalid username-password pair or user is disabled."
