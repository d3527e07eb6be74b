"""L2TP packets of every kind, at random: data messages in all forms of their headers, and control
messages with all AVPs in clear and hidden."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from random import Random

from control.l2tp.avp import Avp, hide_avps, make
from control.l2tp.avp_table import ROWS, Attribute, AvpRow, MessageType
from control.l2tp.avp_value import (
    Accm,
    AccmCodec,
    AvpValue,
    CallErrors,
    CallErrorsCodec,
    DisconnectCause,
    DisconnectCauseCodec,
    Empty,
    Octets,
    Q931Cause,
    Q931CauseCodec,
    ResultCode,
    ResultCodeCodec,
    Text,
    Unsigned,
)
from control.l2tp.message import Message, encode
from control.sim import data_header, host
from control.sim.data_header import DataHeader

LNS, LAC = "192.0.2.1", "192.0.2.2"
SECRET = b"tunnel secret"
FORMS = list(itertools.product([False, True], repeat=4))
"""Length, sequence numbers, offset, priority."""
PPP_HEADERS = [acfc + pfc for acfc in (b"\xff\x03", b"") for pfc in (b"\x00\x21", b"\x21")]
CONTROL_PROTOCOLS = (0xC021, 0x8021, 0xC023, 0xC223)
CONFREQS = (
    bytes.fromhex("010405b4"),
    bytes.fromhex("0206000a0000050612345678070208020305c22305"),
    b"",
)
UNKNOWN, VENDOR = 200, 40000
"""An attribute type and a vendor that nobody has."""
TEXT = "abcdefghijklmnopqrstuvwxyz0123456789.-"


def data_packets(rng: Random, rounds: int) -> Iterator[bytes]:
    """`rounds` times each form of L2TP header with each form of PPP header, carrying IPv4, and with
    and without FF 03, carrying control packets of PPP."""
    for _, form, header in itertools.product(range(rounds), FORMS, PPP_HEADERS):
        yield data_packet(rng, form, header + inner_packet(rng))
        if len(header) % 2 == 0:
            protocol = rng.choice(CONTROL_PROTOCOLS).to_bytes(2, "big")
            yield data_packet(rng, form, header[:-2] + protocol + control_packet(rng, protocol))


def data_packet(rng: Random, form: tuple[bool, ...], payload: bytes) -> bytes:
    has_length, has_ns, has_offset, priority = form
    header = DataHeader(
        tunnel=rng.randrange(65536),
        session=rng.randrange(65536),
        ns=rng.randrange(65536) if has_ns else None,
        nr=rng.randrange(65536) if has_ns else 0,
        has_length=has_length,
        offset=rng.choice((0, 0, 1, 2, 3, 16, rng.randrange(200))) if has_offset else None,
        priority=priority,
    )
    return outer(rng, data_header.encode(header, payload))


def outer(rng: Random, message: bytes) -> bytes:
    """The IPv4 packet of a message, in either direction, the LAC perhaps at a port of its own."""
    lac = (LAC, rng.choice((1701, rng.randrange(40000, 65536))))
    ends = [(LNS, 1701), lac]
    rng.shuffle(ends)
    (source, sport), (destination, dport) = ends
    return host.udp_packet(
        source, sport, destination, dport, message, identification=rng.randrange(65536)
    )


def inner_packet(rng: Random) -> bytes:
    source, destination = (f"10.{rng.randrange(256)}.{rng.randrange(256)}.1" for _ in range(2))
    data = bytes(rng.randrange(64))
    if rng.random() < 0.5:
        return host.ping_packet(source, destination, identifier=rng.randrange(65536), data=data)
    return host.udp_packet(source, 9, destination, 9, data, ttl=rng.randrange(64, 256))


def control_packet(rng: Random, protocol: bytes) -> bytes:
    """A packet of LCP, IPCP, PAP or CHAP."""
    identifier = rng.randrange(256)
    code, data = {
        b"\xc0\x21": (9, rng.randbytes(4)),
        b"\x80\x21": (1, b"\x03\x06" + rng.randbytes(4)),
        b"\xc0\x23": (1, b"\x04name\x06secret"),
        b"\xc2\x23": (1, b"\x10" + rng.randbytes(16) + b"name"),
    }[protocol]
    return struct.pack("!BBH", code, identifier, 4 + len(data)) + data


def control_packets(rng: Random, rounds: int) -> Iterator[bytes]:
    """`rounds` times each type of message, with what it must carry and some of what it may, and an
    acknowledgement."""
    for _ in range(rounds):
        for kind in MessageType:
            yield outer(rng, encode(message(rng, kind)))
        yield outer(rng, encode(Message(None, *(rng.randrange(65536) for _ in range(4)))))


def message(rng: Random, kind: MessageType) -> Message:
    rows = [row for row in ROWS if kind in row.must or (kind in row.may and rng.random() < 0.7)]
    avps = [make(row.attribute, value(rng, row)) for row in rows]
    avps[0] = make(Attribute.MESSAGE_TYPE, int(kind))
    if rng.random() < 0.3:
        avps = [avp for avp in avps if avp.attribute != Attribute.RANDOM_VECTOR]
        avps = hide_avps(avps, SECRET, rng)
    if rng.random() < 0.2:
        avps.append(Avp(UNKNOWN, rng.randbytes(5), mandatory=False, known=False))
    if rng.random() < 0.2:
        avps.append(Avp(7, rng.randbytes(9), vendor=VENDOR, mandatory=False, known=False))
    return Message(int(kind), *(rng.randrange(65536) for _ in range(4)), tuple(avps))


def value(rng: Random, row: AvpRow) -> AvpValue:
    """A value that the row's codec takes."""
    u16, u32 = rng.randrange(65536), rng.getrandbits(32)
    match row.codec:
        case _ if "CONFREQ" in row.name:
            return rng.choice(CONFREQS)
        case Octets() if "Name" in row.name:
            return text(rng).encode()
        case Unsigned(size, lowest, highest):
            return rng.randint(lowest, min(highest, (1 << 8 * size) - 1))
        case Octets(least, most):
            return rng.randbytes(most if most is not None else least + rng.randrange(60))
        case Text(least):
            return text(rng, least)
        case Empty():
            return None
        case ResultCodeCodec():
            return rng.choice((ResultCode(u16), ResultCode(u16, rng.randrange(9), text(rng))))
        case Q931CauseCodec():
            return Q931Cause(u16, rng.randrange(256), text(rng))
        case CallErrorsCodec():
            return CallErrors(*(rng.getrandbits(32) for _ in range(6)))
        case AccmCodec():
            return Accm(u32, rng.getrandbits(32))
        case DisconnectCauseCodec():
            return DisconnectCause(u16, rng.randrange(65536), rng.randrange(3), text(rng))
    raise AssertionError(row)


def text(rng: Random, least: int = 0) -> str:
    return "".join(rng.choice(TEXT) for _ in range(least + rng.randrange(40)))
