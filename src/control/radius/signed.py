"""RADIUS packets whose authenticator is a digest over all their octets: Accounting (RFC 2866 3),
CoA and Disconnect (RFC 5176 2.3), Status-Server (RFC 5997 4.2) and every reply (RFC 2865 3).

Access-Requests, which hide passwords and take a random authenticator, are codec.py's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from control.errors import LocalProtocolError
from control.radius import codec
from control.radius.codec import Value
from control.radius.packet import (
    HEADER,
    MESSAGE_AUTHENTICATOR,
    encode_attribute,
    frame,
    keyed_digest,
    sign,
)

ACCOUNTING_REQUEST: Final = 4
ACCOUNTING_RESPONSE: Final = 5
STATUS_SERVER: Final = 12
DISCONNECT_REQUEST: Final = 40
DISCONNECT_ACK: Final = 41
DISCONNECT_NAK: Final = 42
COA_REQUEST: Final = 43
COA_ACK: Final = 44
COA_NAK: Final = 45

_BLANK: Final = bytes(16)

Row = tuple[str, Value]


def encode_attributes(rows: Iterable[Row]) -> bytes:
    """Attributes in the order of the rows; a name may end in `:TAG` (RFC 2868 3).

    Raises LocalProtocolError, without the value, for one that does not fit its attribute.
    """
    out = bytearray()
    for name, value in rows:
        definition, tag = codec.find_attribute(name)
        octets = codec.encode_value(definition, value)
        # Text needs no tag (RFC 2868 3.3), and some servers would show an octet of zero.
        if tag or definition.type == "integer":
            octets = codec.encode_tagged(definition, tag, octets)
        if not octets:
            raise LocalProtocolError(f"{name} is empty")
        out += encode_attribute(codec.packet_key(definition), octets)
    return bytes(out)


def seal_request(
    code: int, identifier: int, secret: bytes, attributes: bytes, *, signed: bool = False
) -> bytes:
    """A request whose Request Authenticator is a digest. `signed`: with a Message-Authenticator,
    which Accounting-Requests never have (RFC 2869 5.14). Raises LocalProtocolError if it is too
    long."""
    return seal_reply(code, identifier, _BLANK, secret, attributes, signed=signed)


def status_server(identifier: int, authenticator: bytes, secret: bytes, attributes: bytes) -> bytes:
    """A Status-Server, which has a random authenticator as an Access-Request (RFC 5997 3)."""
    return sign(STATUS_SERVER, identifier, authenticator, secret, attributes)


def seal_reply(
    code: int, identifier: int, request: bytes, secret: bytes, attributes: bytes, *, signed: bool
) -> bytes:
    """A reply to the request with the authenticator `request` (RFC 2865 3)."""
    make = sign if signed else frame
    data = make(code, identifier, request, secret, attributes)
    digest = hashlib.md5(data + secret, usedforsecurity=False).digest()
    return data[:4] + digest + data[HEADER.size :]


def request_is_genuine(data: bytes, secret: bytes) -> bool:
    """Whether the Request Authenticator of an Accounting, CoA or Disconnect request is right.
    `data` is from packet.check_structure; likewise below."""
    digest = hashlib.md5(data[:4] + _BLANK + data[20:] + secret, usedforsecurity=False).digest()
    return hmac.compare_digest(digest, data[4:20])


def reply_is_genuine(data: bytes, identifier: int, request: bytes, secret: bytes) -> bool:
    """Whether a reply answers the request with this identifier and authenticator: its Response
    Authenticator and, if it has one, its Message-Authenticator are right."""
    digest = hashlib.md5(data[:4] + request + data[20:] + secret, usedforsecurity=False).digest()
    if data[1] != identifier or not hmac.compare_digest(digest, data[4:20]):
        return False
    return not is_signed(data) or signature_is_right(data, request, secret)


def is_signed(data: bytes) -> bool:
    """Whether there is a Message-Authenticator."""
    return bool(_signatures(data))


def signature_is_right(data: bytes, authenticator: bytes, secret: bytes) -> bool:
    """Whether there is exactly one Message-Authenticator and it is right (RFC 2869 5.14).

    `authenticator` is what stood in the header when it was made: the request's; of CoA and
    Disconnect requests 16 octets of zero (RFC 5176 2.3).
    """
    found = _signatures(data)
    if len(found) != 1 or data[found[0] + 1] != 18:
        return False
    at = found[0] + 2
    blank = data[:4] + authenticator + data[20:at] + _BLANK + data[at + 16 :]
    return hmac.compare_digest(keyed_digest(secret, blank), data[at : at + 16])


def raw_attributes(data: bytes) -> list[tuple[int, bytes]]:
    """Type and value of every attribute, in order."""
    found: list[tuple[int, bytes]] = []
    at = HEADER.size
    while at < len(data):
        found.append((data[at], data[at + 2 : at + data[at + 1]]))
        at += data[at + 1]
    return found


def _signatures(data: bytes) -> list[int]:
    """Where Message-Authenticators begin."""
    found: list[int] = []
    at = HEADER.size
    while at < len(data):
        if data[at] == MESSAGE_AUTHENTICATOR:
            found.append(at)
        at += data[at + 1]
    return found
