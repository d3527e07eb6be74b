"""Accounting-Requests: what they say, and that each is kept until a server has it."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from radius_wire import FIRST, SECOND, attributes, client

from control.radius import accounting, signed
from control.radius.accounting import (
    AccountingRequest,
    SessionFacts,
    Status,
    TunnelFacts,
    Usage,
    on_off,
)
from control.radius.accounting_queue import WINDOW
from control.radius.codec import dictionary
from control.radius.events import RadiusDatagram
from control.radius.servers import ANSWERS_TO_ALIVE

SOURCES = ("10.0.0.1", "")
FACTS = SessionFacts(
    "A1",
    "site@example.org",
    multi_session_id="M1",
    framed_address="10.1.2.3",
    framed_netmask="255.255.255.0",
    framed_routes=("10.1.2.0/24 0.0.0.0 1",),
    state_class=(b"\0first", b"second"),
    called_number="49301234",
    nas_port=0x000B0064,
    nas_port_id="l2tp 11.100",
    tx_speed=64000,
    rx_speed=64000,
    tunnel=TunnelFacts("10.0.0.1", "10.9.0.1", "lns", "lac", "group-1", "11.100"),
)
NAMES = {a.code: a.name for a in dictionary().attributes.values() if not a.vendor}


def taken(c) -> list[RadiusDatagram]:
    return c.datagrams_to_send()


def started(name: str = "A1") -> AccountingRequest:
    return accounting.start(SessionFacts(name), 1_700_000_000, SOURCES)


def answered(request: RadiusDatagram, secret: bytes = FIRST.secret) -> RadiusDatagram:
    data = signed.seal_reply(5, request.data[1], request.data[4:20], secret, b"", signed=False)
    return RadiusDatagram(data, request.server, request.socket)


def session_of(datagram: RadiusDatagram) -> str:
    return dict(attributes(datagram.data))[44].decode()


def number(value: int) -> bytes:
    return struct.pack("!I", value)


def test_stop_holds_everything_there_is_to_tell():
    c = client()
    usage = Usage(3600, 5 * 2**32 + 7, 2**32 - 1, 2**33 + 1, 4)
    c.account(accounting.stop(FACTS, usage, 4, 1_700_000_000, SOURCES, "16 0x0000 1"), 0.0)
    (sent,) = taken(c)
    assert (sent.server, sent.source) == ((FIRST.address, 1813), "10.0.0.1")
    assert sent.data[0] == 4
    zeroed = sent.data[:4] + bytes(16) + sent.data[20:] + FIRST.secret
    assert sent.data[4:20] == hashlib.md5(zeroed).digest()
    found = attributes(sent.data)
    vendor = [value for code, value in found if code == 26]
    vendor_rows = [(0xA2, number(64000)), (0xA3, number(64000)), (0x2A, number(2))]
    vendor_rows.append((0x33, b"16 0x0000 1"))
    assert vendor == [
        b"\0\0\x13\x0a" + bytes((kind, 2 + len(value))) + value for kind, value in vendor_rows
    ]
    assert [(NAMES[code], value) for code, value in found if code != 26] == [
        ("NAS-Identifier", b"lns"),
        ("NAS-IP-Address", b"\n\0\0\1"),
        ("Acct-Status-Type", number(2)),
        ("Acct-Session-Id", b"A1"),
        ("Event-Timestamp", number(1_700_000_000)),
        ("Service-Type", number(2)),
        ("Framed-Protocol", number(1)),
        ("NAS-Port-Type", number(5)),
        ("Acct-Link-Count", number(1)),
        ("User-Name", b"site@example.org"),
        ("Acct-Multi-Session-Id", b"M1"),
        ("Called-Station-Id", b"49301234"),
        ("NAS-Port-Id", b"l2tp 11.100"),
        ("Connect-Info", b"64000"),
        ("Framed-IP-Address", b"\n\1\2\3"),
        ("Framed-IP-Netmask", b"\xff\xff\xff\0"),
        ("Framed-Route", b"10.1.2.0/24 0.0.0.0 1"),
        ("Class", b"\0first"),
        ("Class", b"second"),
        ("Acct-Authentic", number(1)),
        ("NAS-Port", number(0x000B0064)),
        ("Tunnel-Type", number(3)),
        ("Tunnel-Medium-Type", number(1)),
        ("Tunnel-Client-Endpoint", b"10.0.0.1"),
        ("Tunnel-Server-Endpoint", b"10.9.0.1"),
        ("Tunnel-Client-Auth-Id", b"lns"),
        ("Tunnel-Server-Auth-Id", b"lac"),
        ("Tunnel-Assignment-Id", b"group-1"),
        ("Acct-Tunnel-Connection", b"11.100"),
        ("Acct-Session-Time", number(3600)),
        ("Acct-Input-Octets", number(7)),
        ("Acct-Output-Octets", number(2**32 - 1)),
        ("Acct-Input-Packets", number(1)),
        ("Acct-Output-Packets", number(4)),
        ("Acct-Input-Gigawords", number(5)),
        ("Acct-Terminate-Cause", number(4)),
        ("Acct-Delay-Time", number(0)),
    ]


@pytest.mark.parametrize("said", ["\udc80\udcff", "5551234\udc80", "x" * 1017, "\xe4" * 300, "\0"])
def test_what_a_peer_says_of_itself_never_keeps_a_record_back(said):
    """A LAC could keep its calls out of accounting by a Calling Number that is no text."""
    c = client()
    names = TunnelFacts("10.0.0.1", "10.9.0.1", said, said, said, said)
    facts = SessionFacts("A1", said, calling_number=said, called_number=said, tunnel=names)
    for request in (
        accounting.start(facts, 1_700_000_000, SOURCES),
        accounting.stop(facts, Usage(), 1, 1_700_000_000, SOURCES, said),
    ):
        c.account(request, 0.0)
        (sent,) = taken(c)
        c.receive_datagram(answered(sent), 0.0)
    assert c.accounting.counters.dropped == 0


@given(
    *(st.integers(0, 2**64 - 1) for _ in range(4)),
)
def test_counters_of_64_bits_are_whole_in_two_attributes(octets_in, octets_out, in_, out):
    rows = dict(accounting.usage_rows(Usage(1, octets_in, octets_out, in_, out)))

    def whole(name: str, wraps: str) -> int:
        return rows[name] + (rows.get(wraps, 0) << 32)

    assert whole("Acct-Input-Octets", "Acct-Input-Gigawords") == octets_in
    assert whole("Acct-Output-Octets", "Acct-Output-Gigawords") == octets_out
    assert whole("Acct-Input-Packets", "ERX-Input-Gigapkts") == in_
    assert whole("Acct-Output-Packets", "ERX-Output-Gigapkts") == out


def test_answered_record_is_forgotten():
    c = client()
    c.account(started(), 0.0)
    (sent,) = taken(c)
    c.receive_datagram(answered(sent), 1.0)
    assert (len(c.accounting), c.get_timer(), c.accounting.counters.accepted) == (0, None, 1)


def test_forged_answers_leave_the_record_where_it_is():
    c = client()
    c.account(started(), 0.0)
    (sent,) = taken(c)
    wrong = answered(sent, b"wrong")
    c.receive_datagram(wrong, 1.0)
    c.receive_datagram(RadiusDatagram(b"\2" + wrong.data[1:], sent.server, 0), 1.0)
    c.receive_datagram(RadiusDatagram(wrong.data, sent.server, 1), 1.0)
    c.receive_datagram(RadiusDatagram(wrong.data[:-1], sent.server, 0), 1.0)
    counters = c.accounting.counters
    assert (counters.forged, counters.unexpected, counters.unknown, counters.malformed) == (
        (1, 1, 1, 1)
    )
    assert len(c.accounting) == 1


def test_record_is_told_until_a_server_has_it_and_says_how_late_it_is():
    c = client(FIRST, SECOND)
    c.account(started(), 0.0)
    delays: list[tuple[str, int]] = []
    last = None
    while (due := c.get_timer()) is not None and due <= 3600:
        c.handle_timer(due)
        for sent in taken(c):
            last = sent
            delay = struct.unpack("!I", dict(attributes(sent.data))[41])[0]
            delays.append((sent.server[0], delay))
    assert {server for server, _ in delays} == {FIRST.address, SECOND.address}
    assert delays[:4] == [(FIRST.address, 0)] * 3 + [(SECOND.address, 6)]
    assert delays[-1][1] > 3500
    assert last is not None
    secret = FIRST.secret if last.server[0] == FIRST.address else SECOND.secret
    c.receive_datagram(answered(last, secret), 3600.0)
    assert len(c.accounting) == 0


def test_one_record_is_under_way_while_no_server_answers_and_all_follow_when_one_does():
    c = client()
    c.account(started("A0"), 0.0)
    while c.accounting.counters.given_up == 0:
        c.handle_timer(c.get_timer())
    for n in range(1, 500):
        c.account(started(f"A{n}"), 10.0)
    first = taken(c)[-1]
    assert session_of(first) == "A0"
    c.receive_datagram(answered(first), 11.0)
    told = ["A0"]
    while burst := taken(c):
        assert len(burst) <= WINDOW
        told += [session_of(sent) for sent in burst]
        for sent in burst:
            c.receive_datagram(answered(sent), 12.0)
    assert told == [f"A{n}" for n in range(500)]
    assert len(c.accounting) == 0


def test_full_queue_loses_the_oldest_and_counts_it():
    c = client(accounting_queue=10)
    for n in range(WINDOW + 15):
        c.account(started(f"A{n}"), 0.0)
    assert (len(c.accounting), c.accounting.counters.dropped) == (WINDOW + 10, 5)


def test_newer_interim_update_replaces_the_one_that_waits():
    c = client()
    c.account(on_off(Status.ON, "B", 1), 0.0)
    for seconds in (60, 120, 180):
        c.account(accounting.interim(FACTS, Usage(seconds), 1, SOURCES), 0.0)
    (on,) = taken(c)
    c.receive_datagram(answered(on), 1.0)
    (sent,) = taken(c)
    assert dict(attributes(sent.data))[46] == number(180)
    assert c.accounting.counters.replaced == 2


def test_nothing_overtakes_accounting_on_and_off():
    c = client()
    c.account(on_off(Status.ON, "B", 1), 0.0)
    for n in range(3):
        c.account(started(f"A{n}"), 0.0)
    c.account(on_off(Status.OFF, "B", 2), 0.0)
    order = []
    while burst := taken(c):
        order.append([dict(attributes(sent.data))[40][3] for sent in burst])
        for sent in burst:
            c.receive_datagram(answered(sent), 1.0)
    assert order == [[7], [1, 1, 1], [8]]


def test_record_that_fits_no_packet_is_counted_and_lost():
    c = client()
    routes = ("10.1.2.0/24 0.0.0.0 1",) * 200
    c.account(accounting.start(SessionFacts("A", framed_routes=routes), 1, SOURCES), 0.0)
    assert (taken(c), len(c.accounting), c.accounting.counters.dropped) == ([], 0, 1)


def test_dead_accounting_server_is_probed_and_revived_apart_from_authentication():
    c = client(FIRST, SECOND, status_server=True)
    c.account(started(), 0.0)
    taken(c)
    while c.accounting.counters.given_up == 0:
        c.handle_timer(c.get_timer())
    second = taken(c)[-1]
    c.receive_datagram(answered(second, SECOND.secret), 7.0)
    for _ in range(ANSWERS_TO_ALIVE):
        now = c.get_timer()
        c.handle_timer(now)
        (probe,) = taken(c)
        assert (probe.data[0], probe.server) == (12, (FIRST.address, 1813))
        c.receive_datagram(answered(probe), now)
    c.account(started("A2"), 100.0)
    assert taken(c)[0].server[0] == FIRST.address
    assert (c.accounting.counters.died, c.accounting.counters.revived, c.counters.died) == (1, 1, 0)
