"""L2TP control messages: header, AVPs, and what makes one acceptable (RFC 2661 3.1, 4.2, 6).

Decoding is about octets only; `verify` says whether a decoded message has what its type needs.
Sequence numbers are read and written here and understood in transport.py.
"""

from __future__ import annotations

import builtins
import struct
from dataclasses import dataclass
from typing import Final, TypeVar

from control.errors import DecodeError, LocalProtocolError, RemoteProtocolError
from control.l2tp.avp import Avp, decode_avps, encode_avps, walk
from control.l2tp.avp_table import AVPS, REQUIRED, SESSION_MESSAGES, Attribute, MessageType
from control.l2tp.avp_value import AvpValue
from control.unlocked import unlocked

HEADER: Final = struct.Struct(">HHHHHH")
"""Flags, Length, Tunnel ID, Session ID, Ns, Nr."""
FLAGS: Final = 0xC802
"""T, L and S set, version 2: the only flags of a control message."""
_CHECKED_FLAGS: Final = 0xCB0F
"""T L S O P and the version; the reserved bits are ignored on receipt."""
MAX_DATAGRAM: Final = 65507

V = TypeVar("V")
_TYPES: Final = {int(kind): kind for kind in MessageType}


@unlocked
@dataclass(frozen=True, slots=True)
class Header:
    """A control message header. The ids are the receiver's; 0 while the sender does not know
    them."""

    tunnel_id: int
    session_id: int
    ns: int
    nr: int


@unlocked
@dataclass(frozen=True, slots=True)
class Message:
    """A decoded control message. `type` None and no AVPs: a ZLB acknowledgement."""

    type: int | None
    """A MessageType value, or the number of a type we do not know."""
    tunnel_id: int
    session_id: int
    ns: int
    nr: int
    avps: tuple[Avp, ...] = ()

    def find(self, attribute: Attribute) -> Avp | None:
        """The known AVP of this attribute, None if there is none."""
        for avp in self.avps:
            if avp.attribute == attribute and avp.vendor == 0 and avp.known:
                return avp
        return None

    def value(self, attribute: Attribute, kind: builtins.type[V]) -> V | None:
        """The value of an AVP, None if it is absent or of another kind."""
        avp = self.find(attribute)
        value: AvpValue = avp.value if avp is not None else None
        return value if isinstance(value, kind) else None


def split(datagram: bytes) -> tuple[Header, bytes]:
    """Header and body of a control message; an empty body is a ZLB. Octets beyond Length are
    ignored. Raises DecodeError."""
    if len(datagram) < HEADER.size:
        raise DecodeError("shorter than a control header", len(datagram))
    flags, length, tunnel_id, session_id, ns, nr = HEADER.unpack_from(datagram)
    if flags & _CHECKED_FLAGS != FLAGS:
        raise DecodeError(f"flags {flags:#06x} of no L2TPv2 control message", 0, error=3)
    if not HEADER.size <= length <= len(datagram):
        raise DecodeError(f"Length {length} of {len(datagram)} octets", 2)
    return Header(tunnel_id, session_id, ns, nr), datagram[HEADER.size : length]


def join(header: Header, body: bytes) -> bytes:
    """A control message's octets. Raises LocalProtocolError if they exceed a UDP datagram."""
    length = HEADER.size + len(body)
    if length > MAX_DATAGRAM:
        raise LocalProtocolError(f"a message of {length} octets")
    packed = HEADER.pack(FLAGS, length, header.tunnel_id, header.session_id, header.ns, header.nr)
    return packed + body


def decode_body(header: Header, body: bytes, secret: bytes = b"") -> Message:
    """The message with this header and body. Raises DecodeError."""
    avps = decode_avps(body, secret)
    kind: int | None = None
    if avps:
        kind = avps[0].value if isinstance(avps[0].value, int) else None
        if kind is None or avps[0].vendor or avps[0].attribute != Attribute.MESSAGE_TYPE:
            raise DecodeError("first AVP is not Message Type", HEADER.size, error=3)
    return Message(kind, header.tunnel_id, header.session_id, header.ns, header.nr, avps)


def decode(datagram: bytes, secret: bytes = b"") -> Message:
    """A control message from a UDP payload. `secret` is needed to reveal hidden AVPs. Raises
    DecodeError for octets that are no control message; `verify` judges the rest."""
    return decode_body(*split(datagram), secret)


def encode(message: Message) -> bytes:
    """The octets of a message: those it was decoded from, if it was. Raises LocalProtocolError."""
    header = Header(message.tunnel_id, message.session_id, message.ns, message.nr)
    return join(header, encode_avps(message.avps))


def verify(message: Message) -> int:
    """How many AVPs it has that need not be understood and are not.

    Raises RemoteProtocolError (result 2, error 8 or 3) if an AVP that must be understood is unknown
    or one that must be there is missing (RFC 2661 4.2, 6). For known types only.
    """
    present = set()
    ignored = 0
    for avp in message.avps:
        if avp.known:
            if not avp.vendor:
                present.add(avp.attribute)
        elif avp.mandatory:
            name = f"vendor {avp.vendor} type {avp.attribute}"
            raise RemoteProtocolError(f"unknown mandatory AVP {name}", error=8)
        else:
            ignored += 1
    kind = known_type(message.type)
    for attribute in REQUIRED[kind] if kind is not None else ():
        if attribute not in present:
            raise RemoteProtocolError(f"no {AVPS[0, attribute].name} AVP", error=3)
    return ignored


def known_type(kind: int | None) -> MessageType | None:
    """The message type of a number, None if we do not know it."""
    return None if kind is None else _TYPES.get(kind)


def peek_type(body: bytes) -> MessageType | None:
    """The type of a message whose other AVPs need not be readable; None if it cannot be told."""
    octets = body[6:8]
    # Length 8, vendor 0, attribute 0: whatever M says, it is the Message Type AVP.
    if body[:2] not in (b"\x80\x08", b"\x00\x08") or body[2:6] != bytes(4) or len(octets) != 2:
        return None
    return known_type(int.from_bytes(octets, "big"))


def peek_value(body: bytes, attribute: Attribute) -> AvpValue:
    """A clear-text value out of a body that as a whole may be unreadable; None if it is not
    there."""
    try:
        for raw in walk(body):
            if (raw.vendor, raw.attribute, raw.flags & 0x7C00) == (0, attribute, 0):
                return AVPS[0, attribute].codec.decode(raw.octets)
    except DecodeError:
        pass
    return None


def is_session_message(kind: MessageType | None, header: Header) -> bool:
    """Whether a fault in the message ends a call and not the tunnel; for an unreadable type the
    header decides."""
    return kind in SESSION_MESSAGES if kind is not None else header.session_id != 0
