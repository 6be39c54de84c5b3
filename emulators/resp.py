"""Commands as Redis clients send them: arrays of bulk strings (https://redis.io/docs/latest/develop/reference/protocol-spec/)."""

from __future__ import annotations

import asyncio

MAX_PARTS = 64
MAX_PART_BYTES = 1024 * 1024


class RespError(Exception):
    """The bytes are not a command."""


async def read_command(reader: asyncio.StreamReader) -> list[bytes]:
    """The next command, its name first; empty when the caller has ended. Raises RespError."""
    head = await reader.readline()
    if not head:
        return []
    parts = []
    for _ in range(_number(head, b"*", MAX_PARTS)):
        length = _number(await reader.readline(), b"$", MAX_PART_BYTES)
        parts.append((await reader.readexactly(length + 2))[:-2])
    if not parts:
        raise RespError("an empty command")
    return parts


def write_command(parts: list[bytes]) -> bytes:
    """The same on the wire."""
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def arguments(given: list[bytes]) -> tuple[str, str]:
    """User and secret of an AUTH; with one argument alone it is a password of the user `default`."""
    texts = [part.decode("utf-8", errors="replace") for part in given]
    return (texts[0], texts[1]) if len(texts) == 2 else ("default", texts[0] if texts else "")


def _number(line: bytes, kind: bytes, most: int) -> int:
    text = line[1:].strip()
    if line[:1] != kind or not text.isdigit() or int(text) > most:
        raise RespError(f"no {kind.decode()} with a number up to {most}")
    return int(text)
