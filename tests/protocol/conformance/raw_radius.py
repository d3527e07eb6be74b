"""RADIUS packets by hand (RFC 2865 3 and 5, RFC 2868 3.5, RFC 2869 5.14). Shares no codec with the
product."""

from __future__ import annotations

import hashlib
import hmac
import random
import struct

from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.events import Event, RadiusDatagram
from control.radius.requests import DialoutRequest

SECRET = b"radius conformance"
SERVER = ("192.0.2.8", 1812)
ERX = 4874


def attribute(kind: int, value: bytes) -> bytes:
    return bytes((kind, 2 + len(value))) + value


def integer(kind: int, value: int, tag: int | None = None) -> bytes:
    octets = struct.pack(">I", value)
    return attribute(kind, octets if tag is None else bytes((tag,)) + octets[1:])


def text(kind: int, value: str, tag: int | None = None) -> bytes:
    return attribute(kind, (b"" if tag is None else bytes((tag,))) + value.encode())


def vendor(kind: int, value: bytes | int | str, number: int = ERX) -> bytes:
    octets = struct.pack(">I", value) if isinstance(value, int) else value
    octets = octets.encode() if isinstance(octets, str) else octets
    return attribute(26, struct.pack(">IBB", number, kind, 2 + len(octets)) + octets)


def chain(data: bytes, first: bytes, *, reveal: bool) -> bytes:
    """The MD5 chain of User-Password and Tunnel-Password."""
    out, key = b"", hashlib.md5(SECRET + first).digest()
    for at in range(0, len(data), 16):
        block = bytes(a ^ b for a, b in zip(data[at : at + 16], key, strict=True))
        key = hashlib.md5(SECRET + (data[at : at + 16] if reveal else block)).digest()
        out += block
    return out


def tunnel_password(request: bytes, tag: int, clear: bytes, salt: bytes = b"\x81\x07") -> bytes:
    plain = bytes((len(clear),)) + clear
    plain += bytes(-len(plain) % 16)
    cipher = chain(plain, request[4:20] + salt, reveal=False)
    return attribute(69, bytes((tag,)) + salt + cipher)


def lac_of(request: bytes, tag: int, endpoint: str, *more: bytes) -> bytes:
    """One usable tag."""
    return b"".join(
        (
            integer(64, 3, tag),
            integer(65, 1, tag),
            text(67, endpoint, tag),
            tunnel_password(request, tag, b"tunnel secret", bytes((0x80 | tag, 1))),
            *more,
        )
    )


def reply(
    request: bytes,
    code: int,
    *attributes: bytes,
    identifier: int | None = None,
    secret: bytes = SECRET,
    signed: bool = True,
    signature: bytes | None = None,
    first: bool = True,
) -> bytes:
    """`signature` instead of the right one; `first`: where the Message-Authenticator goes."""
    number = request[1] if identifier is None else identifier
    blank = attribute(80, bytes(16))
    rest = b"".join(attributes)
    body = (blank + rest if first else rest + blank) if signed else rest
    head = struct.pack(">BBH", code, number, 20 + len(body))
    if signed:
        mark = signature
        if mark is None:
            mark = hmac.new(secret, head + request[4:20] + body, "md5").digest()
        at = body.index(blank) + 2 if first else len(body) - 16
        body = body[:at] + mark + body[at + 16 :]
    proof = hashlib.md5(head + request[4:20] + body + secret).digest()
    return head + proof + body


def read(packet: bytes) -> list[tuple[int, bytes]]:
    """Code, identifier and length are checked, the attributes given back."""
    code, _, length = struct.unpack_from(">BBH", packet)
    assert code == 1
    assert length == len(packet)
    found, at = [], 20
    while at < length:
        size = packet[at + 1]
        assert 2 < size <= length - at, "an attribute is empty or too long"
        found.append((packet[at], packet[at + 2 : at + size]))
        at += size
    return found


def is_signed(packet: bytes) -> bool:
    """Whether the Message-Authenticator of a request is the first attribute, and right."""
    if packet[20:22] != b"\x50\x12":
        return False
    blank = packet[:22] + bytes(16) + packet[38:]
    return hmac.compare_digest(packet[22:38], hmac.new(SECRET, blank, "md5").digest())


class Asked:
    """A client whose first Access-Request is out."""

    def __init__(self, seed: int = 1, request: DialoutRequest | None = None, **more: object):
        servers = (ServerConfig(*SERVER, SECRET),)
        config = ClientConfig(servers, nas_identifier="lns", nas_address="192.0.2.1", **more)
        self.client = Client(config, random.Random(seed))
        request = request or DialoutRequest("10.10.1.1@example.org", "00000001")
        self.number = self.client.request_dialout(request, 0.0)
        (self.datagram,) = self.client.datagrams_to_send()

    @property
    def packet(self) -> bytes:
        return self.datagram.data

    def give(
        self, data: bytes, server: tuple[str, int] = SERVER, socket: int | None = None
    ) -> Event | None:
        number = self.datagram.socket if socket is None else socket
        self.client.receive_datagram(RadiusDatagram(data, server, number), 0.1)
        return self.client.next_event()
