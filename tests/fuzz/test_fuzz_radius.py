"""Hostile octets toward the RADIUS client and codec: any are counted, denied or ignored, none raise
(threat T15)."""

from __future__ import annotations

import hashlib
import hmac
import random
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from control.config import SimRadius, SimUser
from control.errors import DecodeError
from control.radius import codec
from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.dialout import _NUMBER
from control.radius.events import Denied, DialoutGranted, RadiusDatagram, SessionGranted
from control.radius.packet import check_structure
from control.radius.requests import DialoutRequest, SessionRequest
from control.sim.radius import SimRadiusServer

SERVER = ServerConfig("192.0.2.1", 1812, b"s")
CODES = sorted({a.code for a in codec.dictionary().attributes.values() if not a.vendor} - {33, 80})
VENDOR_CODES = sorted({a.code for a in codec.dictionary().attributes.values() if a.vendor})


def attribute(code: int, octets: bytes) -> bytes:
    octets = octets[:253]
    return bytes((code, len(octets) + 2)) + octets


values = st.one_of(
    st.binary(max_size=40),
    st.integers(0, 40).map(lambda n: struct.pack("!I", n)),
    st.tuples(st.integers(0, 40), st.sampled_from([1, 3, 10])).map(
        lambda t: bytes((t[0], 0, 0, t[1]))
    ),
    st.sampled_from([b"\x0110.88.0.2", b"10.88.0.2", b"5551234", b"10.0.0.0/8 0.0.0.0 1"]),
    st.text(max_size=20).map(str.encode),
)
standard = st.tuples(st.sampled_from(CODES), values).map(lambda t: attribute(*t))
vendor = st.tuples(st.sampled_from(VENDOR_CODES), values).map(
    lambda t: attribute(26, struct.pack("!I", 4874) + attribute(*t))
)
broken_vendor = st.binary(max_size=12).map(lambda b: attribute(26, b"\0\0\x13\x0a" + b))
usable_tag = st.integers(0, 31).map(
    lambda tag: (
        attribute(64, bytes((tag, 0, 0, 3)))
        + attribute(65, bytes((tag, 0, 0, 1)))
        + attribute(67, bytes((tag,)) + b"10.88.0.2")
        + attribute(26, struct.pack("!I", 4874) + attribute(9, bytes((tag,)) + b"pw"))
    )
)
number = st.sampled_from([b"5551234", b"55;51"]).map(
    lambda n: attribute(26, struct.pack("!I", 4874) + attribute(35, n))
)
bodies = st.lists(st.one_of(standard, vendor, broken_vendor, usable_tag, number), max_size=30).map(
    b"".join
)


def signed(request: RadiusDatagram, code: int, body: bytes) -> RadiusDatagram:
    body = b"\x50\x12" + bytes(16) + body
    head = struct.pack("!BBH", code, request.data[1], 20 + len(body))
    vector = request.data[4:20]
    body = body[:2] + hmac.new(b"s", head + vector + body, "md5").digest() + body[18:]
    response = hashlib.md5(head + vector + body + b"s").digest()
    return RadiusDatagram(head + response + body, request.server, request.socket)


def asked(dialout: bool) -> tuple[Client, RadiusDatagram]:
    client = Client(ClientConfig((SERVER,)), random.Random(1))
    if dialout:
        client.request_dialout(DialoutRequest("10.1.1.1@d", "1"), 0.0)
    else:
        client.request_session(SessionRequest("cpe", "1", password=b"pw"), 0.0)
    (datagram,) = client.datagrams_to_send()
    return client, datagram


@settings(deadline=None, max_examples=400)
@given(bodies)
def test_signed_accept_with_any_attributes_grants_or_denies_a_dial_out(body):
    client, request = asked(dialout=True)
    client.receive_datagram(signed(request, 2, body), 1.0)
    event = client.next_event()
    assert isinstance(event, DialoutGranted | Denied)
    assert client.next_event() is None
    if isinstance(event, DialoutGranted):
        assert event.grant.candidates
        assert _NUMBER.fullmatch(event.grant.number)
        assert len(event.grant.candidates) <= 32
        assert all(candidate.password for candidate in event.grant.candidates)


@settings(deadline=None, max_examples=300)
@given(bodies, st.sampled_from([2, 3, 11]))
def test_signed_answer_with_any_attributes_grants_or_denies_a_session(body, code):
    client, request = asked(dialout=False)
    client.receive_datagram(signed(request, code, body), 1.0)
    event = client.next_event()
    assert isinstance(event, SessionGranted | Denied)
    assert isinstance(event, Denied) or code == 2


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80), st.booleans())
def test_any_octets_are_counted_and_change_nothing(data, claims_header):
    client, request = asked(dialout=True)
    if claims_header:
        data = struct.pack("!BBH", 2, request.data[1], 20 + len(data)) + bytes(16) + data
    client.receive_datagram(RadiusDatagram(data, request.server, request.socket), 1.0)
    assert (client.next_event(), client.pending, client.counters.accepted) == (None, 1, 0)
    refused = client.counters
    assert refused.malformed + refused.unknown + refused.unexpected + refused.forged == 1


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60))
def test_signed_packet_with_any_body_never_raises(body):
    client, request = asked(dialout=True)
    client.receive_datagram(signed(request, 2, body), 1.0)
    assert client.pending == (client.counters.accepted == 0)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=64))
def test_structure_check_and_parser_agree_on_any_octets(data):
    try:
        octets = check_structure(data)
    except DecodeError:
        return
    packet = codec.parse_packet(data, b"s")
    assert packet.code == octets[0]


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80), st.binary(max_size=60))
def test_simulated_server_answers_no_strange_octets(junk, body):
    sim = SimRadiusServer(
        SimRadius("192.0.2.1", secret=b"s", users=(SimUser("*"),)), random.Random()
    )
    sim.receive_datagram(junk, ("192.0.2.9", 1), 0.0)
    packet = struct.pack("!BBH", 1, 1, 38 + len(body)) + bytes(16) + b"\x50\x12" + bytes(16) + body
    digest = hmac.new(b"s", packet, "md5").digest()
    sim.receive_datagram(packet[:22] + digest + packet[38:], ("192.0.2.9", 1), 0.0)
    sim.handle_timer(1.0)
    assert len(sim.datagrams_to_send()) <= 1
