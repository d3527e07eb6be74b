"""Attributes of RADIUS packets to values and back: RFC 2865 5, tags and salt of RFC 2868, hidden
passwords.

packet.py frames and signs packets; pyrad reads the dictionary and the rarer types of values. Values
are read here, because pyrad lets lengths inside a salted value and tags above 31 pass. It does not
know what an attribute means and keeps no state.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final, Protocol

from pyrad import tools
from pyrad.dictionary import Dictionary

from control.errors import DecodeError, LocalProtocolError
from control.radius.packet import (
    ACCESS_REQUEST,
    MESSAGE_AUTHENTICATOR,
    VENDOR_SPECIFIC,
    Key,
    Packet,
    decode_packet,
    encode_attribute,
    sign,
)
from control.unlocked import unlocked

ACCESS_ACCEPT: Final = 2
ACCESS_REJECT: Final = 3
ACCESS_CHALLENGE: Final = 11

Value = int | str | bytes

_MAXIMUM_VALUE: Final = 253
_MAXIMUM_PASSWORD: Final = 128
"""RFC 2865 5.2."""
_MAXIMUM_TAG: Final = 0x1F
_FREE_TEXT: Final = "Reply-Message"
"""The only text that is shown and never used: its control characters become spaces."""
_PYRAD_ERRORS: Final = (
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
)
"""What pyrad raises for values it cannot handle."""


class RandomSource(Protocol):
    """Methods of random.Random that RADIUS needs; in production secrets.SystemRandom()."""

    def random(self) -> float: ...
    def randrange(self, stop: int, /) -> int: ...
    def randbytes(self, n: int, /) -> bytes: ...


@unlocked
@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute value of the dictionary."""

    name: str
    tag: int | None
    """1 to 31; 0: none, though it takes one; None: it takes none."""
    value: Value = field(repr=False)
    """Integers as int, text and addresses as str, octets (decrypted) as bytes."""


@unlocked
@dataclass(frozen=True, slots=True)
class Fault:
    """An attribute that cannot be used."""

    name: str
    reason: str
    tag: int | None = None
    """As in Attribute; None also if the tag itself is the fault."""

    def __str__(self) -> str:
        of_tag = f" of tag {self.tag}" if self.tag else ""
        return f"{self.name}{of_tag} {self.reason}"


@unlocked
@dataclass(frozen=True, slots=True)
class Reply:
    """A reply whose origin was proved."""

    code: int
    attributes: tuple[Attribute, ...]
    faults: tuple[Fault, ...] = ()


@cache
def dictionary() -> Any:
    """The attribute dictionary of this package."""
    text = resources.files(__package__).joinpath("dictionary").read_text("utf-8")
    return Dictionary(io.StringIO(text))


@cache
def _definitions() -> dict[Key, Any]:
    """The dictionary's attributes by their keys in a packet."""
    return {packet_key(definition): definition for definition in dictionary().attributes.values()}


@cache
def _known(name: str) -> tuple[Any, Key]:
    """An attribute of the dictionary, and its key in a packet."""
    definition = dictionary()[name]
    return definition, packet_key(definition)


def encode_request(
    identifier: int, authenticator: bytes, secret: bytes, rows: Iterable[tuple[str, Value]]
) -> bytes:
    """An Access-Request, Message-Authenticator first. User-Password is hidden here (RFC 2865 5.2).

    Raises LocalProtocolError, without the value, for one that does not fit its attribute.
    """
    attributes = []
    for name, value in rows:
        definition, key = _known(name)
        octets = encode_value(definition, value)
        if definition.encrypt == 1:
            if len(octets) > _MAXIMUM_PASSWORD:
                raise LocalProtocolError(f"{name} has more than {_MAXIMUM_PASSWORD} octets")
            padded = (octets or b"\0") + bytes(-len(octets or b"\0") % 16)
            octets = _chain(padded, b"", authenticator, secret, encrypt=True)
        if not octets:
            raise LocalProtocolError(f"{name} is empty")
        attributes.append(encode_attribute(key, octets))
    return sign(ACCESS_REQUEST, identifier, authenticator, secret, b"".join(attributes))


def encode_reply(packet: Packet) -> bytes:
    """The octets of a reply. Raises LocalProtocolError if there are too many of them."""
    try:
        return packet.encode_reply()
    except LocalProtocolError:
        raise LocalProtocolError("the reply does not fit into a packet") from None


def is_known(key: Key) -> bool:
    """Whether the dictionary has this attribute."""
    return key in _definitions()


def packet_key(definition: Any) -> Key:
    """The key of an attribute in a packet: its code, with the vendor's before it."""
    if definition.vendor:
        return dictionary().vendors.GetForward(definition.vendor), definition.code
    return int(definition.code)


def parse_packet(data: bytes, secret: bytes) -> Packet:
    """A packet from received octets. Raises DecodeError for any that are not one."""
    return decode_packet(data, secret)


def is_genuine(reply: Packet, identifier: int, authenticator: bytes, secret: bytes) -> bool:
    """Whether a reply answers this Access-Request and was made with the secret."""
    return reply.answers(identifier, authenticator, secret)


def has_message_authenticator(packet: Packet) -> bool:
    """Whether a packet carries attribute 80."""
    return bool(packet.get(MESSAGE_AUTHENTICATOR))


def decode_reply(packet: Packet, request_authenticator: bytes, secret: bytes) -> Reply:
    """The values of a genuine reply; what cannot be read is a Fault, never an exception."""
    attributes: list[Attribute] = []
    faults: list[Fault] = []
    definitions = _definitions()

    def decrypt(octets: bytes) -> bytes:
        return decrypt_salted(octets, request_authenticator, secret)

    for key, values in packet.values.items():
        definition = definitions.get(key)
        if key == VENDOR_SPECIFIC:
            faults.extend(Fault("Vendor-Specific", "is malformed") for _ in values)
        elif definition is not None:
            for octets in values:
                result = _decode_attribute(definition, octets, decrypt)
                if isinstance(result, Fault):
                    faults.append(result)
                else:
                    attributes.append(result)
    return Reply(packet.code, tuple(attributes), tuple(faults))


@cache
def find_attribute(key: str) -> tuple[Any, int]:
    """Definition and tag of `Name` or `Name:tag`. Raises LocalProtocolError if there is none."""
    name, colon, tag = key.partition(":")
    if name not in dictionary():
        raise LocalProtocolError(f"attribute {name!r} is not in the dictionary")
    if not colon:
        return dictionary()[name], 0
    if not dictionary()[name].has_tag:
        raise LocalProtocolError(f"attribute {name} takes no tag")
    if not (tag.isascii() and tag.isdecimal() and len(tag) <= 2 and 1 <= int(tag) <= _MAXIMUM_TAG):
        raise LocalProtocolError(f"tag {tag!r} is not a number from 1 to {_MAXIMUM_TAG}")
    return dictionary()[name], int(tag)


def encode_value(definition: Any, value: Value) -> bytes:
    """Octets of a value, or of a name among the dictionary's VALUEs; no tag and no encryption.

    Octets never go through pyrad: it would take digits for a number. Raises LocalProtocolError,
    which does not tell the value.
    """
    try:
        if definition.type == "octets":
            octets = value if isinstance(value, bytes) else str(value).encode()
        elif definition.type == "string" and isinstance(value, str):
            octets = value.encode()
        elif definition.type == "integer" and type(value) is int:
            octets = value.to_bytes(4, "big")
        else:
            octets = _write(definition, value)
    except _PYRAD_ERRORS:
        what = f"{definition.name} has a value that is not of type {definition.type}"
        raise LocalProtocolError(what) from None
    if len(octets) > _MAXIMUM_VALUE:
        raise LocalProtocolError(f"{definition.name} has more than {_MAXIMUM_VALUE} octets")
    return octets


@lru_cache(1024)
def _write(definition: Any, value: Value) -> bytes:
    """Names among VALUEs, addresses, prefixes: few, and the same again and again."""
    if definition.values.HasForward(value):
        return bytes(definition.values.GetForward(value))
    return bytes(tools.EncodeAttr(definition.type, value))


def _read(kind: str, octets: bytes) -> Value:
    """A value as pyrad reads it; the frequent types without its detours."""
    if kind == "integer" and len(octets) == 4:
        return int.from_bytes(octets, "big")
    if kind == "ipaddr" and len(octets) == 4:
        return ".".join(map(str, octets))
    value: Value = tools.DecodeAttr(kind, octets)
    return value


def encode_tagged(definition: Any, tag: int, octets: bytes) -> bytes:
    """The octets with their tag, 0 to 31 (RFC 2868 3); an attribute that takes none is kept."""
    if not definition.has_tag:
        return octets
    return bytes((tag,)) + (octets[1:] if definition.type == "integer" else octets)


def encrypt_salted(clear: bytes, salt: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """Salt and cipher text of RFC 2868 3.5. `clear` has 239 octets at the most, or the attribute
    that it goes into would be too long."""
    block = bytes((len(clear),)) + clear
    block += bytes(-len(block) % 16)
    return salt + _chain(block, salt, authenticator, secret, encrypt=True)


def decrypt_salted(octets: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """The clear text of salt and cipher text (RFC 2868 3.5).

    Raises DecodeError if the length is impossible, outside or inside; the latter is also what a
    wrong secret mostly looks like.
    """
    if len(octets) < 18 or len(octets) % 16 != 2:
        raise DecodeError("salted value has an impossible length", len(octets))
    clear = _chain(octets[2:], octets[:2], authenticator, secret, encrypt=False)
    if clear[0] >= len(clear):
        raise DecodeError("salted value has an impossible inner length", 2)
    return clear[1 : 1 + clear[0]]


def _chain(text: bytes, salt: bytes, authenticator: bytes, secret: bytes, encrypt: bool) -> bytes:
    # b(1) = MD5(S + R + A), b(i) = MD5(S + c(i-1)): c is the cipher text in both directions.
    out = bytearray()
    previous = authenticator + salt
    for at in range(0, len(text), 16):
        key = hashlib.md5(secret + previous, usedforsecurity=False).digest()
        number = int.from_bytes(text[at : at + 16], "big") ^ int.from_bytes(key, "big")
        block = number.to_bytes(16, "big")
        out += block
        previous = block if encrypt else text[at : at + 16]
    return bytes(out)


def _decode_attribute(
    definition: Any, octets: bytes, decrypt: Callable[[bytes], bytes]
) -> Attribute | Fault:
    name: str = definition.name
    tag: int | None = None
    if definition.has_tag:
        if not octets:
            return Fault(name, "is empty")
        tag, octets = _split_tag(definition, octets)
        if tag > _MAXIMUM_TAG:
            return Fault(name, f"has the tag {tag}, which is not within 0 to {_MAXIMUM_TAG}")
    try:
        if definition.encrypt == 2:
            octets = decrypt(octets)
        value = _read(definition.type, octets)
    except DecodeError as error:
        return Fault(name, f"cannot be decrypted: {error.reason}", tag)
    except _PYRAD_ERRORS:
        return Fault(name, f"is not a value of type {definition.type}", tag)
    if definition.type == "string":
        return _text(name, tag, value)
    return Attribute(name, tag, value)


def _split_tag(definition: Any, octets: bytes) -> tuple[int, bytes]:
    # RFC 2868 3.1, 3.5: always there in integers and encrypted values. 3.3: in text, a first
    # octet above 0x1F is text.
    if definition.type == "integer":
        return octets[0], b"\0" + octets[1:]
    if definition.encrypt == 2 or octets[0] <= _MAXIMUM_TAG:
        return octets[0], octets[1:]
    return 0, octets


def _text(name: str, tag: int | None, value: Value) -> Attribute | Fault:
    if not isinstance(value, str):  # pyrad's way to say that it is not UTF-8
        if name != _FREE_TEXT or not isinstance(value, bytes):
            return Fault(name, "is not UTF-8", tag)
        value = value.decode("utf-8", "replace")
    if value.isprintable():
        return Attribute(name, tag, value)
    if name != _FREE_TEXT:
        return Fault(name, "has control characters", tag)
    return Attribute(name, tag, "".join(c if c.isprintable() else " " for c in value))
