"""A RADIUS client with replies made by hand and a fake clock."""

from __future__ import annotations

import hashlib
import hmac
import random
import struct

from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.events import RadiusDatagram
from control.radius.requests import SessionRequest

FIRST = ServerConfig("192.0.2.1", 1812, b"first secret")
SECOND = ServerConfig("192.0.2.2", 1645, b"second secret")
SECRETS = {(s.address, s.port): s.secret for s in (FIRST, SECOND)}


class HalfWay(random.Random):
    """No jitter; everything else as random.Random."""

    def random(self) -> float:
        return 0.5


def client(*servers: ServerConfig, rng=None, **more) -> Client:
    more = {"status_server": False, **more}
    config = ClientConfig(servers or (FIRST,), nas_identifier="lns", **more)
    return Client(config, rng or HalfWay(1))


def ask(c: Client, now: float = 0.0, name: str = "cpe") -> RadiusDatagram:
    c.request_session(SessionRequest(name, "1", password=b"pw"), now)
    (datagram,) = c.datagrams_to_send()
    return datagram


def attributes(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    at = 20
    while at < len(data):
        found.append((data[at], data[at + 2 : at + data[at + 1]]))
        at += data[at + 1]
    return found


def reply(request: RadiusDatagram, code: int = 2, body: bytes = b"", **more) -> RadiusDatagram:
    """A reply made by hand: `secret`, `identifier`, `signed` can be made wrong."""
    secret = more.get("secret", SECRETS[request.server])
    vector = request.data[4:20]
    if more.get("signed", True):
        body = b"\x50\x12" + bytes(16) + body
    head = struct.pack("!BBH", code, more.get("identifier", request.data[1]), 20 + len(body))
    if more.get("signed", True):
        digest = hmac.new(more.get("key", secret), head + vector + body, "md5").digest()
        body = body[:2] + digest + body[18:]
    response = hashlib.md5(head + vector + body + secret).digest()
    return RadiusDatagram(head + response + body, request.server, request.socket)


def events(c: Client) -> list[object]:
    found = []
    while (event := c.next_event()) is not None:
        found.append(event)
    return found


def run(c: Client, until: float) -> list[tuple[float, RadiusDatagram]]:
    """Everything sent by timers up to a time."""
    sent = []
    while (due := c.get_timer()) is not None and due <= until:
        c.handle_timer(due)
        sent += [(round(due, 6), datagram) for datagram in c.datagrams_to_send()]
    return sent
