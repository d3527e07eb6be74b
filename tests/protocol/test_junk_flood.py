"""Floods of junk at our tunnel address: everything is counted, nothing is answered, no memory grows
(threats T4 and T9)."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from control.l2tp.avp import encode_avps, make
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.message import Header, join
from control.sim.data_header import DataHeader, encode
from control.sim.host import udp_packet
from fastpath import Engine, MemPort

US, STRANGER = ("10.88.0.1", 1701), ("203.0.113.9", 40000)
FLOOD = 1_000_000
KINDS = 2000


def sccrq(rng: random.Random) -> bytes:
    """A well-formed SCCRQ of somebody we do not know."""
    avps = [
        make(Attribute.MESSAGE_TYPE, MessageType.SCCRQ),
        make(Attribute.PROTOCOL_VERSION, 0x0100),
        make(Attribute.HOST_NAME, f"stranger-{rng.randrange(1000)}"),
        make(Attribute.FRAMING_CAPABILITIES, 3),
        make(Attribute.ASSIGNED_TUNNEL_ID, rng.randrange(1, 65536)),
    ]
    return join(Header(0, 0, 0, 0), encode_avps(avps))


def control_junk(rng: random.Random) -> list[bytes]:
    """Control messages of every unwelcome kind; the same in each run."""
    hello = encode_avps([make(Attribute.MESSAGE_TYPE, MessageType.HELLO)])
    makers = (
        lambda: sccrq(rng),
        lambda: join(Header(rng.randrange(1, 65536), 0, rng.randrange(9), 0), hello),
        lambda: join(Header(rng.randrange(65536), rng.randrange(65536), 0, 0), b""),
        lambda: join(Header(0, 0, 0, 0), rng.randbytes(rng.randrange(60))),
        lambda: b"\xc8\x02" + rng.randbytes(rng.randrange(60)),
        lambda: rng.randbytes(rng.randrange(60)),
    )
    return [rng.choice(makers)() for _ in range(KINDS)]


def resident() -> int:
    """Octets of memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_million_junk_messages_leave_nothing_in_an_endpoint():
    endpoint = Endpoint(EndpointConfig(host_name="lns"), random.Random(1))
    junk = control_junk(random.Random(2))
    receive = endpoint.receive_datagram
    for data in junk:  # the first round fills what is filled once
        receive(data, US, STRANGER, 0.0)
    blocks = sys.getallocatedblocks()
    for number in range(FLOOD // KINDS):
        for data in junk:
            receive(data, US, STRANGER, float(number))
    # A few integers of the counters are new; a list entry for one message in a thousand would show.
    assert sys.getallocatedblocks() - blocks < FLOOD // 1000
    counters = endpoint.counters
    assert counters.received == FLOOD + KINDS
    told = counters.malformed + counters.unknown_tunnel + counters.refused_tunnels
    assert told == counters.received
    assert min(counters.malformed, counters.unknown_tunnel, counters.refused_tunnels) > 0
    assert endpoint.tunnels() == []
    assert endpoint.datagrams_to_send() == []
    assert endpoint.next_event() is None
    assert endpoint.get_timer() is None


def data_junk(rng: random.Random) -> list[bytes]:
    """Packets to our tunnel address with data messages of sessions that do not exist, and worse."""

    def payload() -> bytes:
        header = DataHeader(
            rng.randrange(65536),
            rng.randrange(65536),
            ns=rng.choice((None, 7)),
            has_length=rng.random() < 0.5,
            offset=rng.choice((None, 3)),
        )
        return rng.choice((encode(header, rng.randbytes(40)), rng.randbytes(rng.randrange(60))))

    return [
        udp_packet(f"203.0.113.{rng.randrange(1, 255)}", rng.randrange(1, 65536), *US, payload())
        for _ in range(KINDS)
    ]


@pytest.fixture
def engine():
    engine = Engine(adjacencies=1024, sessions=1024, punt_ring=1 << 16, trigger_keys=1024)
    table = engine.add_table("default", US[0])
    with engine.transaction() as t:
        t.add_route(table, f"{US[0]}/32", t.add_adjacency("local", tunnel=True))
    return engine


def test_a_million_junk_packets_leave_nothing_in_an_engine(engine):
    port = MemPort("tunnel", link="ipv4")
    index = engine.attach(port, 0)
    # No T bit here: those messages go to control, which is the test above.
    junk = [p for p in data_junk(random.Random(3)) if len(p) < 29 or not p[28] & 0x80]
    octets = np.frombuffer(b"".join(junk), np.uint8)
    lengths = np.array([len(packet) for packet in junk], np.uint64)
    offsets = (np.cumsum(lengths) - lengths).astype(np.uint64)

    def flood(packets: int) -> int:
        sent = 0
        while sent < packets:
            sent += port.push_arrays(octets, offsets, lengths)
            while engine.poll(index) > 0:
                pass
        return sent

    warm = flood(10 * KINDS)
    before = resident()
    sent = flood(FLOOD)
    # Less than an octet a packet: anything kept would be more.
    assert resident() - before < FLOOD
    counters = engine.counters()
    assert counters["received"] == counters["verdict"]["DROP"] == warm + sent
    assert sum(int(counters["reason"][name]) for name in counters["reason"].dtype.names) == (
        warm + sent
    )
    assert counters["reason"]["unknown-session"] > FLOOD // 4
    assert port.tx_packets == counters["sent"] == 0
    assert engine.punts() == []
    assert len(engine.forwarding.sessions) == 0
