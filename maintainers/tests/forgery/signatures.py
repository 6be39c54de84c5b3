"""Invalid signatures: empty, changed, of other data, or with another padding than PKCS #1 v1.5 writes.

The paddings are made with Entra's own key, as Wycheproof makes its vectors. A verifier that parses the padding instead
of comparing it accepts some of them. Then signatures can be forged for keys with a small exponent (CVE-2006-4339).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.genuine import Genuine, Row
from tests.support.tokens import STRANGER, decoded

SIZE = 256  # bytes of the modulus and so of every signature
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo up to the digest (RFC 8017 §9.2)
SHA1 = bytes.fromhex("3021300906052b0e03021a05000414")
SHA384 = bytes.fromhex("3041300d060960864801650304020205000430")

Padding = Callable[[bytes], bytes]


def padded(info: bytes, *, start: bytes = b"\x00\x01", fill: bytes = b"\xff", end: bytes = b"\x00") -> bytes:
    """EMSA-PKCS1-v1_5, unless told otherwise."""
    room = SIZE - len(start) - len(end) - len(info)
    return start + (fill * SIZE)[:room] + end + info


def _with_garbage(digest: bytes, after: int) -> bytes:
    """The digest is followed by what a forger needs to have a cube."""
    head = b"\x00\x01" + b"\xff" * after + b"\x00" + SHA256 + digest
    return head + bytes(SIZE - len(head))


def _info(prefix: str) -> Padding:
    return lambda digest: padded(bytes.fromhex(prefix) + digest)


PADDINGS: dict[str, Padding] = {
    "garbage after the digest": lambda d: _with_garbage(d, 8),
    "garbage after the digest, little fill": lambda d: _with_garbage(d, 1),
    "garbage after the digest, no fill": lambda d: _with_garbage(d, 0),
    "no NULL": _info("302f300b06096086480165030402010420"),
    "garbage in NULL": lambda d: padded(
        bytes.fromhex("3081b13081" + "8c") + SHA256[4:15] + b"\x05\x7f" + bytes(127) + b"\x04\x20" + d
    ),
    "a long form of the length": _info("308131300d060960864801650304020105000420"),
    "a longer form of the length": _info("30820031300d060960864801650304020105000420"),
    "an indefinite length": lambda d: padded(bytes.fromhex("3080300d060960864801650304020105000420") + d + b"\x00\x00"),
    "a length that is one too large": _info("3032300d060960864801650304020105000420"),
    "a length that is one too small": _info("3030300d060960864801650304020105000420"),
    "a digest's length of 31": _info("3031300d06096086480165030402010500041f"),
    "a constructed text of bytes": _info("3033300d06096086480165030402010500242204" + "20"),
    "another tag": _info("3131300d060960864801650304020105000420"),
    "SHA-1's name": lambda d: padded(bytes.fromhex("302d300906052b0e03021a0500" + "0420") + d),
    "SHA-1's name and length": lambda d: padded(SHA1 + d[:20]),
    "SHA-384's name": lambda d: padded(SHA384 + d + bytes(16)),
    "SHA-512/256's name": _info("3031300d060960864801650304020605000420"),
    "no name": lambda d: padded(d),
    "a digest that is cut": lambda d: padded(SHA256[:-1] + b"\x10" + d[:16]),
    "no digest": lambda _: padded(SHA256[:-1] + b"\x00"),
    "NUL after the whole": lambda d: padded(SHA256 + d + b"\x00"),
    "a block for encryption": lambda d: padded(SHA256 + d, start=b"\x00\x02", fill=b"\x5a"),
    "block type 0": lambda d: padded(SHA256 + d, start=b"\x00\x00", fill=b"\x00", end=b"\x00"),
    "block type 1 without NUL before": lambda d: padded(SHA256 + d, start=b"\x01"),
    "fill that is not FF": lambda d: padded(SHA256 + d, fill=b"\xfe"),
    "one byte of the fill": lambda d: padded(SHA256 + d, fill=b"\xff" * 100 + b"\x7f" + b"\xff" * 200),
    "a NUL in the fill": lambda d: padded(SHA256 + d, fill=b"\xff" * 8 + b"\x00" + b"\xff" * 300),
    "no NUL before the name": lambda d: padded(SHA256 + d, end=b""),
    "two NULs before the name": lambda d: padded(SHA256 + d, end=b"\x00\x00"),
    "SHA-256 twice": lambda d: padded(SHA256 + hashlib.sha256(d).digest()),
    "digest backwards": lambda d: padded(SHA256 + d[::-1]),
}

BENT: dict[str, Callable[[bytes, int], bytes]] = {
    "cut by a byte": lambda s, n: s[:-1],
    "cut in half": lambda s, n: s[:128],
    "without its first byte": lambda s, n: s[1:],
    "one byte more": lambda s, n: s + b"\x01",
    "NUL after": lambda s, n: s + b"\x00",
    "NUL before": lambda s, n: b"\x00" + s,
    "zero": lambda s, n: bytes(SIZE),
    "one": lambda s, n: bytes(SIZE - 1) + b"\x01",
    "a single zero byte": lambda s, n: b"\x00",
    "all ones": lambda s, n: b"\xff" * SIZE,
    "the modulus": lambda s, n: n.to_bytes(SIZE, "big"),
    "the modulus less one": lambda s, n: (n - 1).to_bytes(SIZE, "big"),
    "plus the modulus": lambda s, n: (int.from_bytes(s, "big") + n).to_bytes(SIZE + 1, "big"),
    "minus, modulo the modulus": lambda s, n: (n - int.from_bytes(s, "big")).to_bytes(SIZE, "big"),
    "the square": lambda s, n: pow(int.from_bytes(s, "big"), 2, n).to_bytes(SIZE, "big"),
    "backwards": lambda s, n: s[::-1],
    "twice": lambda s, n: s + s,
    "in DER": lambda s, n: b"\x03\x82\x01\x01\x00" + s,
    "in hexadecimal": lambda s, n: s.hex().encode(),
    "20,000 bytes long": lambda s, n: s + bytes(20_000),
}


def raw(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    """The signature whose padding is exactly this block."""
    private = key.private_numbers()
    n = private.public_numbers.n
    return pow(int.from_bytes(block, "big") % n, private.d, n).to_bytes(SIZE, "big")


def with_padding(make: Padding) -> Row:
    return lambda g: g.with_signature(lambda text: raw(g.key, make(hashlib.sha256(text).digest())))


def _bent(bend: Callable[[bytes, int], bytes]) -> Row:
    return lambda g: g.with_signature(lambda _: bend(g.signature(), g.key.public_key().public_numbers().n))


def _flipped(bit: int) -> Row:
    return lambda g: g.with_signature(lambda _: _with_bit_flipped(g.signature(), bit))


def _with_bit_flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ (1 << bit)).to_bytes(len(data), "big")


def _over(part: Callable[[Genuine, bytes], bytes]) -> Row:
    """A good signature, but over something else."""
    return lambda g: g.with_signature(
        lambda text: g.key.sign(part(g, text), padding.PKCS1v15(), hashes.SHA256()),
    )


ROWS: dict[str, Row] = {
    **{f"padding: {name}": with_padding(make) for name, make in PADDINGS.items()},
    **{name: _bent(bend) for name, bend in BENT.items()},
    **{f"bit {bit} flipped": _flipped(bit) for bit in (0, 1, 7, 8, 1023, 2040, 2047)},
    "a stranger's": lambda g: g.token(key=STRANGER),
    "over the payload alone": _over(lambda g, text: text.partition(b".")[2]),
    "over the header alone": _over(lambda g, text: text.partition(b".")[0]),
    "over the decoded payload": _over(lambda g, text: decoded(text.decode().partition(".")[2])),
    "over both without the dot": _over(lambda g, text: text.replace(b".", b"")),
    "over the text in UTF-16": _over(lambda g, text: text.decode().encode("utf-16-le")),
    "over another token": lambda g: f"{g.text()}.{g.with_claims(oid='somebody else').rpartition('.')[2]}",
    "over nothing": _over(lambda g, text: b""),
}
