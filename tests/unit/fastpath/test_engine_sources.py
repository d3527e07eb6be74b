"""What a session's peer may send from when another session has taken its route over."""

import pytest
from parse_packets import echo_request, ipv4

from control.sim.data_header import DataHeader, encode
from control.sim.host import udp_packet
from fastpath import Engine, MemPort

LOCAL, LAC, SITE = "10.0.0.1", "10.0.0.2", "198.51.100.0/24"


class Router:
    """Two sessions, of which the second, newer one has the route."""

    def __init__(self) -> None:
        self.engine = Engine(adjacencies=8, sessions=2, trigger_keys=8)
        self.table = table = self.engine.add_table("t")
        self.home, self.tunnel = MemPort("home"), MemPort("tunnel")
        home, self.port = (self.engine.attach(p, table) for p in (self.home, self.tunnel))
        with self.engine.transaction() as t:
            t.add_route(table, f"{LOCAL}/32", t.add_adjacency("local", tunnel=True))
            t.add_route(table, "192.0.2.0/24", t.add_adjacency("ip", port=home))
            self.old, self.new = (self._session(t, number) for number in (1, 2))
            t.add_route(table, SITE, self.new)

    def _session(self, t, number):
        return t.add_session(
            table=self.table,
            port=self.port,
            local=(LOCAL, 1701),
            peer=(LAC, 1701),
            tunnel=9,
            session=number,
            peer_tunnel=8,
            peer_session=number,
        )

    def set_sources(self, nh, *prefixes):
        with self.engine.transaction() as t:
            t.set_sources(nh, prefixes)

    def comes_through(self, session: int, source: str) -> bool:
        inner = ipv4(echo_request(), proto=1, src=source, dst="192.0.2.1")
        message = encode(DataHeader(9, session), b"\xff\x03\x00\x21" + inner)
        self.tunnel.push(udp_packet(LAC, 1701, LOCAL, 1701, message))
        self.engine.poll(self.port)
        return len(self.home.pop_all()) == 1


def test_session_whose_route_a_newer_one_has_may_send_from_its_own_prefixes_only():
    router = Router()
    assert not router.comes_through(1, "198.51.100.7")
    router.set_sources(router.old, "203.0.113.8/29", SITE)
    assert router.comes_through(1, "198.51.100.7")
    assert router.comes_through(1, "203.0.113.15")
    assert not router.comes_through(1, "203.0.113.16")
    assert not router.comes_through(1, "198.51.101.7")
    assert router.comes_through(2, "198.51.100.7")


def test_sources_are_those_set_last_and_go_with_the_session():
    router = Router()
    router.set_sources(router.old, SITE)
    router.set_sources(router.old)
    assert not router.comes_through(1, "198.51.100.7")
    router.set_sources(router.old, SITE)
    with router.engine.transaction() as t:
        t.delete_adjacency(router.old)
    with router.engine.transaction() as t:
        assert router._session(t, 1) == router.old
    assert not router.comes_through(1, "198.51.100.7")


@pytest.mark.parametrize("prefix", ["198.51.100.1/24", "198.51.100.0/33", "2001:db8::1/32", "x"])
def test_bad_source_is_named_and_nothing_changes(prefix):
    router = Router()
    router.set_sources(router.old, SITE)
    with pytest.raises(ValueError, match=prefix.partition("/")[0]):
        router.set_sources(router.old, "203.0.113.0/24", prefix)
    assert router.comes_through(1, "198.51.100.7")
    assert not router.comes_through(1, "203.0.113.1")


def test_sources_belong_to_sessions():
    router = Router()
    with pytest.raises(ValueError, match="not a session"):
        router.set_sources(1, SITE)


def test_whole_internet_may_be_a_source():
    router = Router()
    router.set_sources(router.old, "0.0.0.0/0")
    assert router.comes_through(1, "9.9.9.9")


def test_own_prefix_gives_no_right_to_what_is_known_to_be_elsewhere():
    router = Router()
    router.set_sources(router.old, "0.0.0.0/0", SITE, "198.51.100.66/32", "192.0.2.0/24")
    with router.engine.transaction() as t:
        ours = t.add_adjacency("local")
        glean = t.add_adjacency("glean", table=router.table)
        t.add_route(router.table, "198.51.100.66/32", ours)
        t.add_route(router.table, "198.51.100.128/25", router.new)
        t.add_route(router.table, "198.51.100.32/28", glean)
    for elsewhere in (LOCAL, "192.0.2.9", "198.51.100.66", "198.51.100.130", "198.51.100.33"):
        assert not router.comes_through(1, elsewhere)
    assert router.comes_through(1, "198.51.100.7")
    router.set_sources(router.old, "198.51.100.128/26")
    assert router.comes_through(1, "198.51.100.130")
    assert not router.comes_through(1, "198.51.100.200")


def test_own_address_may_be_routed_to_the_dial_out_target_or_nowhere():
    router = Router()
    router.set_sources(router.old, SITE, "203.0.113.5/32")
    with router.engine.transaction() as t:
        t.delete_route(router.table, SITE)
        t.add_route(router.table, SITE, t.add_adjacency("glean", table=router.table))
        t.add_route(router.table, "203.0.113.5/32", router.new)
    assert router.comes_through(1, "198.51.100.7")
    assert router.comes_through(1, "203.0.113.5")
