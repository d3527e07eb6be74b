"""Hiding of AVP values under the tunnel secret (RFC 2661 4.3). Knows octets only, no AVP header.

The hidden subformat is `length (2) | value | padding`, covered 16 octets at a time:
    c1 = p1 xor MD5(attribute type (2) | secret | random vector)
    ci = pi xor MD5(secret | c(i-1))
"""

from __future__ import annotations

import hashlib
from typing import Final

from control.errors import DecodeError, LocalProtocolError

BLOCK: Final = 16
LENGTH_FIELD: Final = 2


def hide(
    attribute: int, value: bytes, secret: bytes, random_vector: bytes, padding: bytes = b""
) -> bytes:
    """The hidden form of `value`, `2 + len(padding)` octets longer. Raises LocalProtocolError
    without a secret."""
    if not secret:
        raise LocalProtocolError("hiding needs a secret")
    plain = len(value).to_bytes(LENGTH_FIELD, "big") + value + padding
    return _cover(attribute, plain, secret, random_vector, deciphering=False)


def reveal(attribute: int, hidden: bytes, secret: bytes, random_vector: bytes) -> bytes:
    """The value inside a hidden one. Raises DecodeError if its inner length does not fit, which
    is how a wrong secret mostly shows."""
    if len(hidden) < LENGTH_FIELD:
        raise DecodeError("hidden value without a length", 0, error=2)
    plain = _cover(attribute, hidden, secret, random_vector, deciphering=True)
    length = int.from_bytes(plain[:LENGTH_FIELD], "big")
    if length > len(hidden) - LENGTH_FIELD:
        raise DecodeError("hidden value longer than its AVP", 0, error=2)
    return plain[LENGTH_FIELD : LENGTH_FIELD + length]


def _cover(
    attribute: int, text: bytes, secret: bytes, random_vector: bytes, *, deciphering: bool
) -> bytes:
    mask = _md5(attribute.to_bytes(2, "big") + secret + random_vector)
    result = bytearray()
    for start in range(0, len(text), BLOCK):
        block = text[start : start + BLOCK]
        covered = bytes(a ^ b for a, b in zip(block, mask, strict=False))
        result += covered
        mask = _md5(secret + (block if deciphering else covered))
    return bytes(result)


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()
