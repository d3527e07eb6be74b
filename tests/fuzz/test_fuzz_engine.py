"""Any octets on any link and any orders between them: the engine counts each packet, once.

Whatever leaves is a sound IP packet, and what leaves for the LAC a sound L2TP message.
"""

from __future__ import annotations

import pytest
from engine_rig import assert_law, counter
from engine_traffic import Traffic
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import (
    HOME,
    LCP_ECHO,
    LOCAL,
    OTHER_SITE,
    PPP_IP,
    SITE,
    US,
    assert_sound,
    control_message,
    data_message,
    datagram,
    from_lac,
)
from packets6 import (
    HOME6,
    LOCAL6,
    OTHER6,
    PPP_IP6,
    SITE6,
    US6,
    assert_sound6,
    data_message6,
    datagram6,
    fragment6,
    from_lac6,
    options,
    ping6,
)
from parse_packets import echo_request, ipv4, ipv6, sealed
from rig6 import Rig6 as Rig

from control.sim import data_header, host, host6
from control.sim.data_header import DataHeader
from fastpath.ports.linktype import LINKS

OUR_END = host.pack_address(LOCAL)
OUR_END6 = host6.pack_address(LOCAL6)
LONGEST = DataHeader(1, 2, ns=7, has_length=True, offset=3, priority=True)
SEEDS = [
    datagram(),
    datagram(bytes(1500), options=b"\x83\x07\x04\xc0\0\2\1\0"),
    datagram(src=SITE, dst=HOME, fragment=0x2000),
    datagram(dst="172.16.0.1"),
    datagram(dst="9.9.9.9", ttl=1),
    datagram(dst=US),
    ipv4(echo_request(), src=HOME, dst=LOCAL, proto=1),
    from_lac(control_message(body=bytes(20))),
    data_message(LCP_ECHO, checksum=False),
    data_message(PPP_IP + datagram(src=SITE, dst=HOME), LONGEST, checksum=False),
    data_message(b"\x21" + datagram(src=SITE, dst=OTHER_SITE), checksum=False),
    data_message(PPP_IP + datagram(src=SITE, dst="172.16.0.1"), checksum=False),
    data_message(PPP_IP + datagram(src=SITE, dst=LOCAL, dport=1701), checksum=False),
    datagram6(),
    datagram6(dst=OTHER6, tclass=0xFF),
    datagram6(dst="2001:db8:4::7"),
    options(fragment6(datagram6(src=SITE6, dst=HOME6))),
    fragment6(options(datagram6(), proto=0), 16),
    ping6(US6),
    datagram6(dst="2001:db9::1", hops=1),
    datagram(dst="192.168.6.1"),
    from_lac6(control_message(body=bytes(20))),
    data_message6(LCP_ECHO),
    data_message6(PPP_IP + datagram(src="192.168.6.1", dst=HOME), LONGEST),
    data_message6(b"\x57" + datagram6(src=OTHER6, dst=SITE6)),
    data_message(PPP_IP6 + options(datagram6(src=SITE6, dst=OTHER6)), checksum=False),
    data_message(
        PPP_IP6 + ipv6(b"\x85" + bytes(7), proto=58, src="fe80::1", dst="ff02::2"), checksum=False
    ),
]


def check(rig: Rig, handed: int) -> None:
    assert_law(rig.engine)
    assert counter(rig.engine, "received") == handed
    for punt in rig.engine.punts(1 << 20):
        assert punt.verdict.startswith("PUNT_")
        assert len(punt.data) <= 65535
    for port, packet in rig.sent():
        if packet[0] >> 4 == 6:
            protocol, start, end = host6.read_ip(packet)
            assert end == len(packet)
            if port == "tunnel" and packet[8:24] == OUR_END6 and protocol == host.UDP:
                assert_sound6(packet)
                data_header.decode(packet[start + 8 :])
            continue
        protocol, start, end = host.read_ip(packet)
        assert end == len(packet)
        if port == "tunnel" and packet[12:16] == OUR_END and protocol == host.UDP:
            assert_sound(packet)
            data_header.decode(packet[start + 8 :])


@st.composite
def damaged(draw) -> bytes:
    packet = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        packet[draw(st.integers(0, len(packet) - 1))] = draw(st.integers(0, 255))
    del packet[draw(st.integers(0, len(packet))) :]
    packet += draw(st.binary(max_size=30))
    size = (packet[0] & 15) * 4 if packet else 0
    if 20 <= size <= len(packet) and draw(st.booleans()):
        packet[:size] = sealed(bytes(packet[:size]))
    return bytes(packet)


frames = st.one_of(st.binary(max_size=120), damaged())
sides = st.sampled_from(["home", "tunnel"])


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted(LINKS)),
    st.lists(st.tuples(sides, frames, st.integers(0, 40)), max_size=20),
)
def test_any_frames_on_any_link(link, given_frames):
    rig = Rig(link=link)
    for side, frame, lost in given_frames:
        rig.hand_in(frame, port=side, wire_len=len(frame) + lost)
    check(rig, len(given_frames))


@settings(deadline=None, max_examples=500)
@given(st.lists(st.tuples(sides, damaged()), min_size=1, max_size=12))
def test_damaged_packets_in_one_burst(given_frames):
    rig = Rig(trigger_keys=2, punt_ring=4096)
    for side, frame in given_frames:
        rig.ports[side].push(frame)
    while rig.engine.step():
        pass
    check(rig, len(given_frames))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=100), st.sampled_from([PPP_IP, b"\x21", b"", b"\xff"]))
def test_any_octets_inside_a_session(octets, ppp):
    rig = Rig()
    rig.hand_in(data_message(ppp + octets), port="tunnel")
    check(rig, 1)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.booleans())
def test_any_octets_to_the_l2tp_port(octets, checksum):
    rig = Rig()
    rig.hand_in(from_lac(octets, checksum=checksum), port="tunnel")
    check(rig, 1)


@settings(deadline=None, max_examples=200)
@given(st.binary(min_size=1, max_size=300), st.sampled_from([68, 576, 65535]), st.booleans())
def test_any_octets_from_control(octets, mtu, into_session):
    rig = Rig()
    with rig.engine.transaction() as t:
        nh = rig.session if into_session else t.add_adjacency("ip", port=0, mtu=mtu)
    try:
        rig.engine.inject(octets, nh)
    except ValueError as error:
        assert "cannot be cut" in str(error)  # noqa: PT017
        assert rig.sent() == []
    assert all(len(octets) <= max(mtu, 1500) for _, octets in rig.sent())


# --- orders between packets -----------------------------------------------------------------------

ORDERS = st.one_of(
    st.tuples(st.just("packet"), sides, st.sampled_from(SEEDS) | damaged()),
    st.tuples(st.just("flush"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("drop"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("hold"), st.integers(0, 5)),
    st.tuples(st.just("forget"), st.integers(0, 5)),
    st.tuples(st.just("limits"), st.integers(0, 4), st.integers(0, 3000)),
    st.tuples(st.just("mtu"), st.sampled_from([68, 576, 1460])),
    st.tuples(st.just("replace")),
)


class Orders:
    """Performs orders for keys that may be gone, on a rig whose session comes and goes."""

    def __init__(self) -> None:
        self.rig = Rig(trigger_keys=3, adjacencies=15, sessions=5)
        self.engine = self.rig.engine
        self.keys: list[int] = [0]
        self.handed = 0

    def key(self, pick: int) -> int:
        self.keys += [event.key for event in self.engine.triggers.events()]
        return self.keys[-1 - pick % len(self.keys)]

    def ordered(self, order, *arguments) -> None:
        try:
            order(*arguments)
        except KeyError as error:
            assert error.args[0] in self.keys  # noqa: PT017

    def packet(self, side: str, packet: bytes) -> None:
        self.rig.hand_in(packet, port=side, ts=self.handed)
        self.handed += 1

    def flush(self, pick: int, other: bool) -> None:
        nh = self.rig.six if other else self.rig.session
        self.ordered(self.engine.flush_trigger, self.key(pick), nh)

    def drop(self, pick: int, forget: bool) -> None:
        self.ordered(self.engine.drop_trigger, self.key(pick), forget)

    def forget(self, pick: int) -> None:
        self.ordered(self.engine.triggers.forget, self.key(pick))

    def hold(self, pick: int) -> None:
        with self.engine.transaction() as t:
            t.hold(self.rig.session, self.key(pick))

    def limits(self, packets: int, octets: int) -> None:
        self.engine.triggers.set_limits(self.rig.table, packets, octets)

    def mtu(self, mtu: int) -> None:
        with self.engine.transaction() as t:
            t.update_session(self.rig.session, peer_tunnel=3, peer_session=4, mtu=mtu)

    def replace(self) -> None:
        """The session ends, and one with its ids takes its place and its route."""
        with self.engine.transaction() as t:
            t.delete_adjacency(self.rig.session)
            self.rig.session = t.add_session(
                table=self.rig.table, port=1, local=(LOCAL, 1701), peer=("10.88.0.2", 1701),
                tunnel=1, session=2, peer_tunnel=3, peer_session=4,
            )  # fmt: skip
            t.add_route(self.rig.table, "198.51.100.0/24", self.rig.session)
            t.add_route(self.rig.table, "2001:db8:2::/48", self.rig.session)


@settings(deadline=None, max_examples=300)
@given(st.lists(ORDERS, max_size=30))
def test_any_orders_between_packets(orders):
    run = Orders()
    for name, *arguments in orders:
        getattr(run, name)(*arguments)
    check(run.rig, run.handed)
    waiting = run.engine.triggers.counters()
    kept = waiting["admitted"] - waiting["admitted_unbuffered"] + waiting["buffered"]
    assert kept == waiting["flushed"] + waiting["dropped"] + waiting["enqueued"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ethernet", [False, True])
def test_seeded_traffic_from_both_sides(seed, ethernet):
    rig = Rig(link="ethernet" if ethernet else "raw")
    for side, frame, wire in Traffic(seed).frames(5000, ethernet=ethernet):
        rig.ports[side].push(frame, wire_len=wire)
    while rig.engine.step():
        pass
    check(rig, 5000)
