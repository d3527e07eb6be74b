"""Packets handed to the simulated network at one go fare as they do one by one.

Two worlds that are alike, with a call that is up: one takes every packet at its time, the other all
of them together. Whatever the packets are and whatever happens meanwhile, both report the same.
"""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_lns import GOOD_CPE, HOME, LAC, LNS, REMOTE, Lns, lac

from control.sim import host
from control.sim.data_header import DataHeader, encode
from control.sim.network import LacHost

A, B = host.pack_address(HOME), host.pack_address(REMOTE)
TCP = host.ip_packet(A, B, host.TCP, bytes(20))
PING = host.ping_packet(HOME, REMOTE, data=b"ping")
ASK = host.udp_packet(HOME, 4000, REMOTE, 53, b"question")
MULTICAST = host.udp_packet(HOME, 4000, "224.0.0.9", 520, b"hello")


def sealed(header: bytes) -> bytes:
    """With the checksum that an IP header must have."""
    value = host.checksum(header[:10] + b"\0\0" + header[12:])
    return header[:10] + value.to_bytes(2, "big") + header[12:]


OPTIONS = sealed(b"\x46" + TCP[1:3] + b"\x2c" + TCP[4:20] + b"\1\1\1\1") + bytes(20)
FRAGMENT = sealed(ASK[:6] + b"\x20\0" + ASK[8:20]) + ASK[20:]
INNER = {
    "tcp": TCP,
    "odd length": host.ip_packet(A, B, host.TCP, bytes(31)),
    "long": host.ip_packet(A, B, host.TCP, bytes(range(256)) * 5),
    "other protocol": host.ip_packet(A, B, 47, bytes(24)),
    "ping": PING,
    "question": ASK,
    "echo of a site": host.udp_echo(ASK),
    "multicast": MULTICAST,
    "padded": TCP + b"\xff" * 7,
    "cut": TCP[:-1],
    "header cut": TCP[:19],
    "total length too small": sealed(TCP[:2] + b"\0\x13" + TCP[4:20]) + TCP[20:],
    "options": OPTIONS,
    "options cut": OPTIONS[:22],
    "fragment": FRAGMENT,
    "bad checksum": TCP[:8] + b"\x11" + TCP[9:],
    "bad checksum of a ping": PING[:-1] + b"X",
    "IPv6": b"\x60" + TCP[1:],
    "nothing": b"",
}
PREFIXES = (b"\xff\x03\x00\x21", b"\x00\x21", b"\x21", b"\xff\x03\x21")
LCP_ECHO = b"\xff\x03\xc0\x21\x09\x01\x00\x08\x00\x00\x00\x00"
IDS = ("open", "open", "open", "other session", "other tunnel", "none")
FORMS = ("usual", "usual", "usual", "no length", "sequenced", "offset", "priority", "behind Length")
OUTER = ("sound",) * 8 + (
    "other source", "other port", "well-known port", "closed port", "nobody", "no checksum",
    "bad checksum", "bad header", "fragment", "options", "longer", "cut", "not UDP", "bit",
)  # fmt: skip


def message(lns: Lns, ids: str, form: str, frame: bytes) -> bytes:
    """A data message for the call that is up, or nearly so."""
    connected = next(iter(lns.sessions.values())).connected
    assert connected is not None
    tunnel, session = connected.peer_tunnel, connected.peer_session
    if ids != "open":
        tunnel, session = {
            "other session": (tunnel, session ^ 1),
            "other tunnel": (tunnel ^ 1, session),
            "none": (0, 0),
        }[ids]
    header = DataHeader(
        tunnel,
        session,
        ns=5 if form == "sequenced" else None,
        has_length=form != "no length",
        offset=2 if form == "offset" else None,
        priority=form == "priority",
    )
    return encode(header, frame) + (b"behind" if form == "behind Length" else b"")


def packet(lns: Lns, outer: str, data: bytes, bit: int) -> bytes:
    source = ("192.0.2.3" if outer == "other source" else LNS[0], LNS[1])
    if outer == "other port":
        source = (LNS[0], 1702)
    port = {"closed port": 9, "well-known port": 1701}.get(outer, lns.lac.port)
    out = host.udp_packet(*source, "192.0.2.77" if outer == "nobody" else LAC, port, data)
    if outer == "no checksum":
        return out[:26] + b"\0\0" + out[28:]
    if outer == "bad checksum":
        return out[:26] + bytes((out[26] ^ 1,)) + out[27:]
    if outer == "bad header":
        return out[:8] + b"\x3f" + out[9:]
    if outer == "fragment":
        return sealed(out[:6] + b"\x20\0" + out[8:20]) + out[20:]
    if outer == "options":
        length = struct.pack("!H", len(out) + 4)
        return sealed(b"\x46\0" + length + out[4:20] + bytes(4)) + out[20:]
    if outer == "not UDP":
        return sealed(out[:9] + b"\x06" + out[10:20]) + out[20:]
    if outer == "bit":
        at, mask = divmod(bit % (8 * len(out)), 8)
        return out[:at] + bytes((out[at] ^ 1 << mask,)) + out[at + 1 :]
    return {"longer": out + b"\0\0\0", "cut": out[:-1]}.get(outer, out)


def arrays(packets: list[bytes], times: list[float]) -> tuple[np.ndarray, ...]:
    """As MemPort.tx_arrays gives them: whole words of 8 octets, zeros between."""
    rooms = [(len(p) + 7) // 8 * 8 for p in packets]
    buffer = b"".join(p.ljust(room, b"\0") for p, room in zip(packets, rooms, strict=True))
    starts = [0, *accumulate(rooms)][:-1]
    return (
        np.frombuffer(buffer, np.uint8),
        np.array(starts, np.uint64),
        np.array([len(p) for p in packets], np.uint64),
        np.array(times),
    )


def world(*, echo: bool, delay: float, new_port: bool, sequencing: bool = False) -> Lns:
    lns = Lns(
        lac(dial_delay=0.0, delay=delay, new_port=new_port, sequencing=sequencing),
        replace(GOOD_CPE, echo=echo, delay=delay),
    )
    lns.run_until_open(lns.place())
    lns.trace.clear()
    return lns


def hand_over(lns: Lns, packets: list[bytes], gaps: list[float], together: bool) -> None:
    times = [lns.clock.now + t for t in accumulate(gaps)]
    if together:
        lns.network.from_router_many(*arrays(packets, times))
        return
    for when, octets in zip(times, packets, strict=True):
        if when > lns.clock.now:
            lns.clock.call_at(when, lns.network.from_router, octets)
        else:
            lns.network.from_router(octets)


# sixteenths of a second: their sums are exact, so that packets and events meet at one time
ticks = st.integers(0, 3).map(lambda n: n / 16)
kinds = st.tuples(
    st.sampled_from(OUTER), st.sampled_from(IDS), st.sampled_from(FORMS),
    st.sampled_from(PREFIXES), st.sampled_from(sorted(INNER)), st.integers(0, 2**16),
)  # fmt: skip
plain = st.just(("sound", "open", "usual", PREFIXES[0], "tcp", 0))
groups = st.tuples(plain | kinds, st.integers(1, 20), ticks)
EVENTS = ("hang up", "carrier", "stop", "look")


def happen(lns: Lns, what: str) -> None:
    if what == "hang up":
        session = next(iter(lns.sessions.values()))
        if session.is_open:
            lns.hang_up(session)
    elif what == "carrier":
        lns.lac.drop_carriers()
    elif what == "stop":
        lns.lac.shutdown()
    else:
        lns.trace.append((lns.clock.now, "look", repr(lns.network.report()).encode()))


@settings(deadline=None, max_examples=120)
@given(
    st.lists(st.lists(groups, min_size=1, max_size=8), min_size=1, max_size=3),
    st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 96)), max_size=4),
    st.booleans(), st.booleans(), st.sampled_from([0.0, 0.0625, 0.25]),
)  # fmt: skip
def test_a_batch_fares_as_its_packets_do_singly(batches, events, echo, new_port, delay):
    seen = []
    for together in (False, True):
        lns = world(echo=echo, delay=delay, new_port=new_port)
        start = lns.clock.now
        for what, tick in events:
            lns.clock.call_at(start + tick / 16, happen, lns, what)
        for batch in batches:
            packets, gaps = [], []
            for (outer, ids, form, prefix, inner, bit), count, gap in batch:
                data = message(lns, ids, form, prefix + INNER[inner])
                packets += [packet(lns, outer, data, bit)] * count
                gaps += [gap] * count
            hand_over(lns, packets, gaps, together)
            # as a replay does: time goes on to the last of them, no further
            lns.run(sum(gaps))
        lns.run(10.0)
        seen.append((lns.network.report(), lns.trace, lns.clock.now))
    assert seen[0] == seen[1]


def every_kind(lns: Lns) -> list[bytes]:
    """Packets that differ from the usual one in one thing, each several times in a row."""
    frames = {(prefix, name): prefix + INNER[name] for prefix in PREFIXES for name in INNER}
    usual = frames[PREFIXES[0], "tcp"]
    packets = [
        *(packet(lns, "sound", message(lns, "open", "usual", f), 0) for f in frames.values()),
        *(packet(lns, "sound", message(lns, ids, "usual", usual), 0) for ids in IDS),
        *(packet(lns, "sound", message(lns, "open", form, usual), 0) for form in FORMS),
        *(packet(lns, outer, message(lns, "open", "usual", usual), 99) for outer in OUTER),
        packet(lns, "sound", message(lns, "open", "usual", LCP_ECHO), 0),
    ]
    return [p for p in packets for _ in range(10)]


@pytest.mark.parametrize("gap", [0.0, 0.001])
@pytest.mark.parametrize("sequencing", [False, True])
@pytest.mark.parametrize("new_port", [False, True])
@pytest.mark.parametrize("echo", [False, True])
def test_every_kind_of_packet_fares_as_it_does_singly(echo, new_port, sequencing, gap):
    seen = []
    for together in (False, True):
        lns = world(echo=echo, delay=0.01, new_port=new_port, sequencing=sequencing)
        packets = every_kind(lns)
        for order in (packets, packets[::-1], packets[::10] * 10):
            hand_over(lns, order, [gap] * len(order), together)
            lns.run(gap * len(order))
        lns.run(5.0)
        seen.append((lns.network.report(), lns.trace))
    assert seen[0] == seen[1]


def counted_in_bulk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counts: list[int] = []
    receive = LacHost.receive_quiet

    def counting(self: LacHost, flow: object, count: int) -> None:
        counts.append(count)
        receive(self, flow, count)

    monkeypatch.setattr(LacHost, "receive_quiet", counting)
    return counts


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("inner", ["tcp", "odd length", "long", "other protocol", "multicast"])
def test_what_no_site_answers_is_counted_in_bulk(monkeypatch, prefix, inner):
    counts = counted_in_bulk(monkeypatch)
    lns = world(echo=True, delay=0.01, new_port=True)
    outer = "no checksum" if inner == "tcp" else "sound"
    octets = packet(lns, outer, message(lns, "open", "usual", prefix + INNER[inner]), 0)
    hand_over(lns, [octets] * 1000, [0.001] * 1000, True)
    lns.run(0.999)
    assert len(counts) < 20
    lns.run(1.0)
    assert sum(counts) == lns.site.counters.ignored == 1000
    assert lns.network.counters.from_router >= 1000


@pytest.mark.parametrize("echo", [False, True])
def test_pings_and_questions_are_counted_in_bulk_only_where_nobody_answers(monkeypatch, echo):
    counts = counted_in_bulk(monkeypatch)
    lns = world(echo=echo, delay=0.01, new_port=False)
    octets = [
        packet(lns, "sound", message(lns, "open", "usual", PREFIXES[0] + inner), 0)
        for inner in (PING, ASK)
    ]
    hand_over(lns, octets * 100, [0.001] * 200, True)
    lns.run(2.0)
    site = lns.site.counters
    assert (site.pings, site.echoes) == ((100, 100) if echo else (0, 0))
    assert (sum(counts), site.ignored) == ((0, 0) if echo else (200, 200))


def test_a_line_that_is_not_perfect_gets_every_packet(monkeypatch):
    counts = counted_in_bulk(monkeypatch)
    lns = Lns(lac(dial_delay=0.0, jitter=0.001))
    lns.run_until_open(lns.place())
    octets = packet(lns, "sound", message(lns, "open", "usual", PREFIXES[0] + TCP), 0)
    hand_over(lns, [octets] * 100, [0.001] * 100, True)
    lns.run(2.0)
    assert (counts, lns.site.counters.ignored) == ([], 100)


def test_many_flows_are_told_apart(monkeypatch):
    counts = counted_in_bulk(monkeypatch)
    lns = world(echo=False, delay=0.01, new_port=False)
    rng = random.Random(1)
    packets, open_ones = [], 0
    for _ in range(3000):
        ids = rng.choice(("open", "other session", "other tunnel"))
        open_ones += ids == "open"
        packets.append(packet(lns, "sound", message(lns, ids, "usual", PREFIXES[0] + TCP), 0))
    before = lns.lac.counters.unknown_session
    hand_over(lns, packets, [0.0001] * 3000, True)
    lns.run(1.0)
    assert sum(counts) == 3000
    assert lns.site.counters.ignored == open_ones
    assert lns.lac.counters.unknown_session - before == 3000 - open_ones
