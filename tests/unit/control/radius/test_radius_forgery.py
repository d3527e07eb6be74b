"""Replies that must not count (threat T14), attributes of any shape (T15), and identifiers that run
out (T28)."""

from __future__ import annotations

import hashlib
import random

from radius_wire import FIRST, ask, client, events, reply

from control.radius import codec, signed
from control.radius.codec import Attribute, Fault
from control.radius.events import RadiusDatagram, TimedOut
from control.radius.requests import SessionRequest


def test_hundred_thousand_forged_replies_are_not_accepted():
    c = client()
    asked = ask(c)
    recorded = [reply(ask(c, name=f"other{n}")) for n in range(50)]
    good = reply(asked, 2, b"\x12\x05yes").data
    rng = random.Random(14)
    for number in range(100_000):
        data = bytearray(good)
        match number % 8:
            case 0:  # one bit of it is another
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:  # a reject becomes an accept
                data = bytearray(reply(asked, 3).data)
                data[0] = 2
            case 2:  # random digests
                data[4:20] = rng.randbytes(16)
            case 3:
                data[22:38] = rng.randbytes(16)
            case 4:  # a good digest over octets without Message-Authenticator
                data = bytearray(reply(asked, 2, signed=False).data)
            case 5:  # another secret
                data = bytearray(reply(asked, 2, secret=rng.randbytes(8)).data)
            case 6:  # of another request, under this one's identifier
                data = bytearray(recorded[number % 50].data)
                data[1] = asked.data[1]
            case 7:  # Proxy-State in the middle, as CVE-2024-3596 has it
                state = b"\x21\x12" + rng.randbytes(16)
                body = state + good[20:]
                head = b"\2" + asked.data[1:2] + (20 + len(body)).to_bytes(2, "big")
                made = hashlib.md5(head + asked.data[4:20] + body + FIRST.secret).digest()
                data = bytearray(head + made + body)
        c.receive_datagram(RadiusDatagram(bytes(data), asked.server, asked.socket), 0.5)
        assert c.next_event() is None
    assert c.counters.accepted == 0
    c.receive_datagram(RadiusDatagram(good, asked.server, asked.socket), 0.6)
    assert len(events(c)) == 1


def test_every_attribute_at_every_length_is_a_value_or_a_fault():
    rng = random.Random(15)
    secret, authenticator = b"s", bytes(16)
    definitions = codec.dictionary().attributes.values()
    keys = [codec.packet_key(definition) for definition in definitions]
    tried = 0
    for key in keys:
        for length in range(252 if isinstance(key, int) else 246):
            value = rng.randbytes(length)
            attributes = codec.encode_attribute(key, value)
            data = signed.seal_reply(2, 1, authenticator, secret, attributes, signed=False)
            packet = codec.parse_packet(data, secret)
            found = codec.decode_reply(packet, authenticator, secret)
            assert all(isinstance(one, Attribute) for one in found.attributes)
            assert all(isinstance(one, Fault) for one in found.faults)
            assert len(found.attributes) + len(found.faults) <= 1
            tried += 1
    assert tried > 20_000


def test_all_identifiers_of_all_sockets_are_used_and_one_more_is_refused(monkeypatch):
    monkeypatch.setattr("control.radius.identifiers._MAXIMUM_SOCKETS", 16)
    c = client()
    keys = set()
    for _ in range(16 * 256):
        asked = ask(c)
        keys.add((asked.socket, asked.data[1]))
    assert len(keys) == 4096
    number = c.request_session(SessionRequest("cpe", "1", password=b"pw"), 0.0)
    assert events(c) == [TimedOut(number)]
    c.cancel(1)
    assert (ask(c).socket, c.counters.no_identifier) == (0, 1)
