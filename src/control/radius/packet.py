"""A RADIUS packet: header, values of its attributes by key, and its two authenticators (RFC 2865 3
and 5.26, RFC 2869 5.14, RFC 3579 3.2). What an attribute means is codec.py."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from control.errors import DecodeError, LocalProtocolError

ACCESS_REQUEST: Final = 1
MESSAGE_AUTHENTICATOR: Final = 80
PROXY_STATE: Final = 33
VENDOR_SPECIFIC: Final = 26

if TYPE_CHECKING:
    from hashlib import _Hash

Key = int | tuple[int, int]
"""An attribute's type, or a vendor and the type among its own."""

HEADER: Final = struct.Struct("!BBH16s")
_MAXIMUM_LENGTH: Final = 4096
"""RFC 2865 3."""
_MAXIMUM_VALUE: Final = 253
_VENDOR: Final = struct.Struct("!IBB")
_UNSIGNED: Final = bytes((MESSAGE_AUTHENTICATOR, 18)) + bytes(16)
_BLOCK: Final = 64
"""Octets of a block of MD5."""
_SIGNATURE: Final = HEADER.size + 2
"""Where the digest is in what we send: the Message-Authenticator comes first."""


def check_structure(data: bytes) -> bytes:
    """The packet without padding behind its Length. RFC 2865 3 and 5.

    Raises DecodeError when the header or the length of an attribute is impossible.
    """
    if len(data) < HEADER.size:
        raise DecodeError("RADIUS header is cut short", len(data))
    length = data[2] << 8 | data[3]
    if not HEADER.size <= length <= min(len(data), _MAXIMUM_LENGTH):
        raise DecodeError(f"RADIUS Length {length} is impossible", 2)
    at = HEADER.size
    while at < length:
        size = data[at + 1] if at + 1 < length else 0
        if size < 2 or at + size > length:
            raise DecodeError(f"RADIUS attribute has the impossible length {size}", at)
        at += size
    return bytes(data[:length])


class Packet:
    """What was received, or is to be sent as a reply. Values are octets: tagged, hidden, as on the
    wire."""

    __slots__ = ("authenticator", "code", "id", "octets", "secret", "values")

    def __init__(self, code: int, identifier: int, authenticator: bytes, secret: bytes) -> None:
        self.code = code
        self.id = identifier
        self.authenticator = authenticator
        """As received; in a reply to be sent, the request's."""
        self.secret = secret
        self.values: dict[Key, list[bytes]] = {}
        """In the order in which keys came first."""
        self.octets = b""
        """As received, without padding."""

    def get(self, key: Key) -> list[bytes]:
        """The values of an attribute, none if it is absent."""
        return self.values.get(key, [])

    def add(self, key: Key, value: bytes) -> None:
        known = self.values.get(key)
        if known is None:
            self.values[key] = [value]
        else:
            known.append(value)

    def reply(self, code: int) -> Packet:
        """An answer without attributes but the Proxy-State of RFC 2865 5.33."""
        made = Packet(code, self.id, self.authenticator, self.secret)
        if PROXY_STATE in self.values:
            made.values[PROXY_STATE] = list(self.values[PROXY_STATE])
        return made

    def encode_reply(self) -> bytes:
        """The octets of a reply, Message-Authenticator first. Raises LocalProtocolError if a value
        or all of them are too long."""
        attributes = b"".join(
            encode_attribute(key, value) for key, values in self.values.items() for value in values
        )
        data = sign(self.code, self.id, self.authenticator, self.secret, attributes)
        digest = hashlib.md5(data + self.secret, usedforsecurity=False).digest()
        return data[:4] + digest + data[HEADER.size :]

    def is_signed_by_client(self) -> bool:
        """Whether the Message-Authenticator of this request is there, once, and right."""
        return self._is_signed(self.authenticator, self.secret)

    def answers(self, identifier: int, authenticator: bytes, secret: bytes) -> bool:
        """Whether this reply is to the Access-Request with that identifier and authenticator, which
        had no Proxy-State: Response Authenticator and, if present, Message-Authenticator are right.

        Proxy-State that was never sent is the mark of CVE-2024-3596.
        """
        data = self.octets
        if self.id != identifier or PROXY_STATE in self.values:
            return False
        octets = data[:4] + authenticator + data[HEADER.size :] + secret
        digest = hashlib.md5(octets, usedforsecurity=False).digest()
        if not hmac.compare_digest(digest, self.authenticator):
            return False
        return MESSAGE_AUTHENTICATOR not in self.values or self._is_signed(authenticator, secret)

    def _is_signed(self, authenticator: bytes, secret: bytes) -> bool:
        data = self.octets
        at = HEADER.size
        while at < len(data) and data[at] != MESSAGE_AUTHENTICATOR:
            at += data[at + 1]
        if len(self.get(MESSAGE_AUTHENTICATOR)) != 1 or data[at + 1] != len(_UNSIGNED):
            return False
        start, end = at + 2, at + len(_UNSIGNED)
        octets = data[:4] + authenticator + data[HEADER.size : start] + bytes(16) + data[end:]
        return hmac.compare_digest(keyed_digest(secret, octets), data[start:end])


def decode_packet(data: bytes, secret: bytes) -> Packet:
    """A packet as received. Raises DecodeError for octets that are not one.

    A Vendor-Specific whose inside is malformed stays one (key 26).
    """
    octets = check_structure(data)
    packet = Packet(octets[0], octets[1], octets[4:20], secret)
    packet.octets = octets
    values = packet.values
    at, length = HEADER.size, len(octets)
    while at < length:
        kind, end = octets[at], at + octets[at + 1]
        if kind == VENDOR_SPECIFIC:
            for key, inner in _vendor_values(octets[at + 2 : end]):
                packet.add(key, inner)
        elif kind in values:
            values[kind].append(octets[at + 2 : end])
        else:
            values[kind] = [octets[at + 2 : end]]
        at = end
    return packet


def sign(
    code: int, identifier: int, authenticator: bytes, secret: bytes, attributes: bytes
) -> bytes:
    """A packet with a Message-Authenticator before its attributes, which closes CVE-2024-3596.
    Raises LocalProtocolError if it is too long."""
    data = frame(code, identifier, authenticator, secret, _UNSIGNED + attributes)
    digest = keyed_digest(secret, data)
    return data[:_SIGNATURE] + digest + data[_SIGNATURE + len(digest) :]


def keyed_digest(secret: bytes, data: bytes) -> bytes:
    """HMAC-MD5 (RFC 2104)."""
    inner, outer = (half.copy() for half in _keyed(secret))
    inner.update(data)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(256)
def _keyed(secret: bytes) -> tuple[_Hash, _Hash]:
    """What does not depend on the data: of a short packet that is half the work."""
    key = hashlib.md5(secret, usedforsecurity=False).digest() if len(secret) > _BLOCK else secret
    key = key.ljust(_BLOCK, b"\0")
    return (
        hashlib.md5(bytes(octet ^ 0x36 for octet in key), usedforsecurity=False),
        hashlib.md5(bytes(octet ^ 0x5C for octet in key), usedforsecurity=False),
    )


def frame(
    code: int, identifier: int, authenticator: bytes, _secret: bytes, attributes: bytes
) -> bytes:
    """A packet that is not signed. Raises LocalProtocolError if it is too long."""
    length = HEADER.size + len(attributes)
    if length > _MAXIMUM_LENGTH:
        raise LocalProtocolError(f"a RADIUS packet of {length} octets")
    return HEADER.pack(code, identifier, length, authenticator) + attributes


def encode_attribute(key: Key, value: bytes) -> bytes:
    """Type, length, value. Raises LocalProtocolError for a value that has no room."""
    if isinstance(key, tuple):
        value = _VENDOR.pack(*key, len(value) + 2 & 0xFF) + value
        key = VENDOR_SPECIFIC
    if len(value) > _MAXIMUM_VALUE:
        raise LocalProtocolError(f"a RADIUS attribute of {len(value)} octets")
    return bytes((key, len(value) + 2)) + value


def _vendor_values(value: bytes) -> Iterable[tuple[Key, bytes]]:
    """RFC 2865 5.26: a vendor number and attributes in the same form as outside."""
    found: list[tuple[Key, bytes]] = []
    vendor = int.from_bytes(value[:4], "big")
    at = 4
    while at < len(value):
        size = value[at + 1] if at + 1 < len(value) else 0
        if size < 2 or at + size > len(value):
            return [(VENDOR_SPECIFIC, value)]
        found.append(((vendor, value[at]), value[at + 2 : at + size]))
        at += size
    return found or [(VENDOR_SPECIFIC, value)]
