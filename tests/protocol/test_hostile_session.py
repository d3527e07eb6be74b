"""What a compromised LAC or site may send through its session: forged sources, tunnels in tunnels,
fragments, lengths that do not fit (threats T7, T8, T19)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from control.sim.data_header import DataHeader, encode
from control.sim.host import ip_packet, pack_address, udp_packet
from fastpath import Engine, MemPort

US, LAC, OTHER_LAC = "10.88.0.1", "10.88.0.2", "10.88.0.3"
HOME, SITE, NEIGHBOUR = "192.0.2.10", "198.51.100.10", "203.0.113.10"
ACCESS = {"tunnel": 1, "session": 2, "peer_tunnel": 3, "peer_session": 4}
BESIDE = {"tunnel": 5, "session": 6, "peer_tunnel": 7, "peer_session": 8}


@dataclass
class Router:
    """A home network, two sites behind two LACs, a dial-out route and a drop route."""

    engine: Engine
    tunnel: MemPort
    home: MemPort
    tunnel_port: int
    site: int
    """Next hop of the first site's session."""

    def receive(self, outer: bytes) -> tuple[str, str]:
        """Verdict and drop reason of a packet that arrives at the tunnel port."""
        before = self.engine.counters().copy()
        self.tunnel.push(outer)
        assert self.engine.poll(self.tunnel_port) == 1
        after = self.engine.counters()
        verdicts, reasons = (
            [n for n in after.dtype[part].names if after[part][n] != before[part][n]]
            for part in ("verdict", "reason")
        )
        return verdicts[0], reasons[0] if reasons else ""

    def inner(self, packet: bytes) -> tuple[str, str]:
        """The same of an IP packet that comes out of the first site's session."""
        return self.receive(self.wrapped(packet))

    def wrapped(self, packet: bytes) -> bytes:
        message = encode(DataHeader(1, 2, has_length=True), b"\xff\x03\x00\x21" + packet)
        return udp_packet(LAC, 1701, US, 1701, message)


@pytest.fixture
def router() -> Router:
    engine = Engine(adjacencies=64, sessions=16, trigger_keys=64)
    table = engine.add_table("default", US)
    home, tunnel = MemPort("home"), MemPort("tunnel")
    home_port, tunnel_port = engine.attach(home, table), engine.attach(tunnel, table)
    with engine.transaction() as t:

        def session(lac: str, ids: dict[str, int]) -> int:
            ends = {"local": (US, 1701), "peer": (lac, 1701)}
            return t.add_session(table=table, port=tunnel_port, **ends, **ids)

        site, neighbour = session(LAC, ACCESS), session(OTHER_LAC, BESIDE)
        routes = {
            f"{US}/32": t.add_adjacency("local", tunnel=True),
            "10.88.0.0/24": t.add_adjacency("ip", port=tunnel_port),
            "192.0.2.0/24": t.add_adjacency("ip", port=home_port),
            "198.51.100.0/24": site,
            "198.51.100.128/25": neighbour,
            "203.0.113.0/24": neighbour,
            "10.10.0.0/16": t.add_adjacency("glean", table=table),
            "198.18.0.0/15": t.add_adjacency("drop"),
        }
        for prefix, nh in routes.items():
            t.add_route(table, prefix, nh)
    return Router(engine, tunnel, home, tunnel_port, site)


# (what the source is, source, verdict, drop reason); the destination is the home host.
SOURCES = [
    ("the site's host", SITE, "DELIVER", ""),
    ("the first address of its access route", "198.51.100.0", "DELIVER", ""),
    ("the last address of its access route", "198.51.100.127", "DELIVER", ""),
    ("one before its access route", "198.51.99.255", "DROP", "inner-source"),
    ("one behind its access route", "198.51.101.0", "DROP", "inner-source"),
    ("a longer prefix of another session", "198.51.100.128", "DROP", "inner-source"),
    ("another session's site", NEIGHBOUR, "DROP", "inner-source"),
    ("the receiver itself", HOME, "DROP", "inner-source"),
    ("another host of the home site", "192.0.2.11", "DROP", "inner-source"),
    ("the home network", "192.0.2.0", "DROP", "inner-source"),
    ("the home network's broadcast", "192.0.2.255", "DROP", "inner-source"),
    ("our tunnel address", US, "DROP", "inner-source"),
    ("its own LAC", LAC, "DROP", "inner-source"),
    ("another LAC", OTHER_LAC, "DROP", "inner-source"),
    ("the RADIUS server's network", "10.88.0.9", "DROP", "inner-source"),
    ("a dial-out target", "10.10.1.1", "DROP", "inner-source"),
    ("a prohibited prefix", "198.18.0.1", "DROP", "inner-source"),
    ("no route, global", "192.88.99.1", "DROP", "inner-source"),
    ("no route, private 10/8", "10.200.0.1", "DROP", "inner-source"),
    ("no route, private 172.16/12", "172.16.0.1", "DROP", "inner-source"),
    ("no route, private 192.168/16", "192.168.1.1", "DROP", "inner-source"),
    ("no route, shared 100.64/10", "100.64.0.1", "DROP", "inner-source"),
    ("link-local", "169.254.1.1", "DROP", "inner-source"),
    ("unspecified", "0.0.0.0", "DROP", "martian-source"),
    ("this network", "0.1.2.3", "DROP", "martian-source"),
    ("loopback", "127.0.0.1", "DROP", "martian-source"),
    ("the end of loopback", "127.255.255.255", "DROP", "martian-source"),
    ("all hosts", "224.0.0.1", "DROP", "martian-source"),
    ("scoped multicast", "239.255.255.255", "DROP", "martian-source"),
    ("class E", "240.0.0.1", "DROP", "martian-source"),
    ("limited broadcast", "255.255.255.255", "DROP", "martian-source"),
]


@pytest.mark.parametrize(
    ("source", "verdict", "reason"),
    [pytest.param(*row[1:], id=row[0].replace(" ", "-")) for row in SOURCES],
)
def test_only_sources_routed_into_the_session_come_out_of_it(router, source, verdict, reason):
    packet = ip_packet(pack_address(source), pack_address(HOME), 17, bytes(8))
    assert router.inner(packet) == (verdict, reason)
    assert len(router.home.pop_all()) == (verdict == "DELIVER")
    # No ICMP either: the answer would go to whoever was named.
    assert router.tunnel.pop_all() == []
    counted = router.engine.session_counters(router.site)
    assert (counted.packets_in, counted.refused) == ((1, 0) if verdict == "DELIVER" else (0, 1))


@pytest.mark.parametrize(
    ("peer", "port"), [(OTHER_LAC, 1701), (LAC, 1702), ("203.0.113.9", 1701)], ids=str
)
def test_data_from_another_peer_never_enters_a_session(router, peer, port):
    packet = udp_packet(SITE, 7, HOME, 7, b"forged")
    message = encode(DataHeader(1, 2), b"\xff\x03\x00\x21" + packet)
    assert router.receive(udp_packet(peer, port, US, 1701, message)) == ("DROP", "peer-mismatch")
    assert router.home.pop_all() == []


# Tunnels in tunnels.


def test_tunnel_packet_inside_a_session_is_dropped(router):
    """Else a site could speak to our tunnels as if it were on the trusted side."""
    inside = encode(DataHeader(5, 6), b"\xff\x03\x00\x21" + ip_packet(bytes(4), bytes(4), 17, b""))
    for port in (1701, 40000):
        assert router.inner(udp_packet(SITE, port, US, 1701, inside)) == ("DROP", "l2tp-nested")
    control = b"\xc8\x02\x00\x0c" + bytes(8)
    assert router.inner(udp_packet(SITE, 1701, US, 1701, control)) == ("DROP", "l2tp-nested")
    assert router.engine.punts() == []


def test_packet_for_the_lac_goes_out_once_and_not_into_its_own_session(router):
    """The route to the LAC is a plain one: nothing is encapsulated twice."""
    assert router.inner(udp_packet(SITE, 7, LAC, 7, b"hello")) == ("DELIVER", "")
    ((_, sent),) = router.tunnel.pop_all()
    assert sent[9] == 17
    assert sent[16:20] == pack_address(LAC)
    assert router.engine.counters()["encapsulated"] == 0


def test_packet_does_not_return_into_the_session_it_came_by(router):
    back = udp_packet(SITE, 7, "198.51.100.11", 7, b"ping-pong")
    assert router.inner(back) == ("DROP", "same-session")


# Lengths and fragments.


@pytest.mark.parametrize("word", [0x2000, 0x0001, 0x2001, 0x1FFF])
def test_fragments_to_a_tunnel_address_are_not_reassembled(router, word):
    whole = router.wrapped(udp_packet(SITE, 7, HOME, 7, b"hello"))
    fragment = bytearray(whole)
    fragment[6:8] = word.to_bytes(2, "big")
    fragment[10:12] = b"\0\0"
    total = sum(int.from_bytes(fragment[at : at + 2], "big") for at in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    fragment[10:12] = (0xFFFF - ((total & 0xFFFF) + (total >> 16))).to_bytes(2, "big")
    assert router.receive(bytes(fragment)) == ("DROP", "fragment-to-us")


def test_inner_packet_longer_than_its_message_is_dropped(router):
    packet = bytearray(ip_packet(pack_address(SITE), pack_address(HOME), 17, bytes(8)))
    short = router.wrapped(bytes(packet[:-1]))
    assert router.receive(short) == ("DROP", "ip-total-length")


def test_session_whose_packets_outgrow_a_udp_length_cannot_be_made(router):
    with router.engine.transaction() as t, pytest.raises(ValueError, match="mtu 65492"):
        t.update_session(router.site, peer_tunnel=3, peer_session=4, mtu=65535 - 44 + 1)


def test_largest_packet_leaves_in_pieces_that_fit(router):
    largest = ip_packet(pack_address(HOME), pack_address(SITE), 17, bytes(65515))
    router.home.push(largest)
    assert router.engine.poll(0) == 1
    sent = [packet for _, packet in router.tunnel.pop_all()]
    assert len(sent) == router.engine.counters()["fragments"] == -(-65515 // 1440)
    for packet in sent:
        assert len(packet) == int.from_bytes(packet[2:4], "big") <= 1460 + 40
        assert int.from_bytes(packet[24:26], "big") == len(packet) - 20
