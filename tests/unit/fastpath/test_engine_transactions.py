"""Transactions of the engine: all at once or not at all, and nothing left behind."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from engine_rig import Rig, session
from packets import (
    HOME,
    LAC,
    LOCAL,
    PPP_IP,
    SITE,
    Outer,
    data_message,
    datagram,
    forwarded,
)

from control.sim.data_header import DataHeader
from fastpath import Engine, MemPort

TO = "9.1.2.3"
PACKET = datagram(dst=TO)


class Abandon(Exception):
    pass


def small(**options) -> tuple[Engine, int, int]:
    """An engine, a table of it and a port."""
    engine = Engine(**options)
    table = engine.add_table("red")
    return engine, table, engine.attach(MemPort(), table)


def ids(number: int, **rest) -> dict:
    return session(number, Outer(), table=0, port=0, **rest)


def uint32(*addresses: int) -> np.ndarray:
    return np.array(addresses, dtype=np.uint32)


# --- all at once, or not at all -------------------------------------------------------------------


def test_changes_are_seen_by_packets_at_the_commit_and_not_before():
    rig = Rig()
    with rig.engine.transaction() as t:
        t.delete_route(rig.table, "198.51.100.0/24")
        t.delete_adjacency(rig.session)
        nh = t.add_session(**session(2, Outer(peer_session=9), table=rig.table, port=1))
        t.add_route(rig.table, "9.0.0.0/8", nh)
        assert rig.engine.resolve(rig.table, TO) == 0
        assert rig.hand_in(datagram(), PACKET) == {"FORWARD": 1, "DROP no-route": 1}
        assert t.resolve(rig.table, TO) == nh
        assert t.resolve(rig.table, SITE) == 0
        rig.sent()
    assert rig.engine.resolve(rig.table, TO) == nh
    assert rig.hand_in(PACKET, datagram()) == {"FORWARD": 1, "DROP no-route": 1}
    assert ("tunnel", Outer(peer_session=9).around(forwarded(PACKET))) in rig.sent()


def test_transaction_that_raises_leaves_nothing():
    rig = Rig(adjacencies=12, sessions=3)
    for _ in range(50):
        with suppress(Abandon), rig.engine.transaction() as t:
            nh = t.add_session(**session(7, Outer(), table=rig.table, port=1))
            t.add_route(rig.table, "9.0.0.0/8", nh)
            t.add_route(rig.table, "198.51.100.0/24", nh)
            t.delete_route(rig.table, "203.0.113.0/24")
            t.delete_adjacency(rig.other)
            t.update_session(rig.session, peer_tunnel=8, peer_session=8)
            t.hold(rig.session, 1)
            raise Abandon
        assert rig.engine.resolve(rig.table, TO) == 0
        assert rig.outcome(data_message(PPP_IP, DataHeader(1, 7)), port="tunnel") == (
            "DROP unknown-session",
            [],
        )
    verdict, ((_, octets),) = rig.outcome(datagram())
    assert (verdict, octets) == ("FORWARD", rig.outer.around(forwarded(datagram())))
    assert rig.hand_in(datagram(dst="203.0.113.1")) == {"FORWARD": 1}
    assert len(rig.engine.forwarding.sessions) == 2


def test_rollback_by_hand_is_the_same():
    engine, table, port = small(adjacencies=2)
    for _ in range(3):
        t = engine.transaction()
        nh = t.add_adjacency("ip", port=port)
        t.add_route(table, "9.0.0.0/8", nh)
        t.rollback()
        assert engine.resolve(table, TO) == 0
        with pytest.raises(KeyError, match="not an adjacency"), engine.transaction() as t:
            t.add_route(table, "9.0.0.0/8", nh)


def test_there_is_one_transaction_at_a_time():
    engine, _, _ = small()
    with engine.transaction(), pytest.raises(RuntimeError, match="open already"):
        engine.transaction()
    with engine.transaction():
        pass


USES = {
    "add_route": lambda t: t.add_route(0, "9.0.0.0/8", 0),
    "delete_route": lambda t: t.delete_route(0, "9.0.0.0/8"),
    "add_routes": lambda t: t.add_routes(0, uint32(), [], []),
    "resolve": lambda t: t.resolve(0, TO),
    "add_adjacency": lambda t: t.add_adjacency("drop"),
    "add_session": lambda t: t.add_session(**ids(1)),
    "update_session": lambda t: t.update_session(1, peer_tunnel=1, peer_session=1),
    "hold": lambda t: t.hold(1, 1),
    "delete_adjacency": lambda t: t.delete_adjacency(1),
    "commit": lambda t: t.commit(),
    "rollback": lambda t: t.rollback(),
    "with": lambda t: t.__enter__(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("end", ["commit", "rollback", "with", "dangling"])
def test_transaction_that_ended_refuses_everything(use, end):
    engine, table, port = small()
    with engine.transaction() as t:
        nh = t.add_adjacency("ip", port=port)
        t.add_route(table, "10.0.0.0/8", nh)
    t = engine.transaction()
    if end == "with":
        with t:
            pass
    elif end == "dangling":
        t.delete_adjacency(nh)
        with pytest.raises(ValueError, match="lead to it"):
            t.commit()
    else:
        getattr(t, end)()
    with pytest.raises(RuntimeError, match="has ended"):
        USES[use](t)
    with engine.transaction() as t:
        t.add_route(table, "9.0.0.0/8", nh)
    assert engine.resolve(table, TO) == nh


def test_commit_inside_the_block_ends_it():
    engine, table, port = small()
    with engine.transaction() as t:
        t.add_route(table, "9.0.0.0/8", t.add_adjacency("ip", port=port))
        t.commit()
    assert engine.resolve(table, TO) != 0


# --- references -----------------------------------------------------------------------------------


def test_next_hop_that_routes_lead_to_is_not_deleted():
    engine, table, port = small()
    with engine.transaction() as t:
        nh = t.add_adjacency("ip", port=port)
        t.add_route(table, "9.0.0.0/8", nh)
        t.add_route(table, "2001:db8::/32", nh)
    for left in (2, 1):
        t = engine.transaction()
        t.delete_adjacency(nh)
        t.add_route(table, "8.0.0.0/8", t.add_adjacency("drop"))
        with pytest.raises(ValueError, match=f"{left} routes lead to it"):
            t.commit()
        assert engine.resolve(table, "8.0.0.1") == 0
        with engine.transaction() as t:
            t.delete_route(table, "9.0.0.0/8" if left == 2 else "2001:db8::/32")
    with engine.transaction() as t:
        t.delete_adjacency(nh)


def test_route_and_next_hop_may_go_together_in_either_order():
    engine, table, port = small(adjacencies=2)
    for order in ("route first", "next hop first"):
        with engine.transaction() as t:
            nh = t.add_adjacency("ip", port=port)
            t.add_route(table, "9.0.0.0/8", nh)
        with engine.transaction() as t:
            if order == "next hop first":
                t.delete_adjacency(nh)
            t.delete_route(table, "9.0.0.0/8")
            if order == "route first":
                t.delete_adjacency(nh)
        assert engine.resolve(table, TO) == 0


def test_replaced_route_leads_to_the_new_next_hop_only():
    engine, table, port = small()
    with engine.transaction() as t:
        old = t.add_adjacency("ip", port=port)
        t.add_route(table, "9.0.0.0/8", old)
        t.add_route(table, "9.0.0.0/8", old)
    with engine.transaction() as t:
        new = t.add_adjacency("ip", port=port)
        t.add_route(table, "9.0.0.0/8", new)
        t.delete_adjacency(old)
    assert engine.resolve(table, TO) == new
    with pytest.raises(ValueError, match="1 routes"), engine.transaction() as t:
        t.delete_adjacency(new)


def test_many_routes_count_as_references_of_old_and_new_next_hops():
    engine, table, port = small()
    addresses, lengths = uint32(0x09000000, 0x09010000, 0x0A000000), np.array([8, 16, 8])
    with engine.transaction() as t:
        a, b = (t.add_adjacency("ip", port=port) for _ in range(2))
        t.add_routes(table, addresses, lengths, np.array([a, a, b]))
        assert t.resolve(table, TO) == a
    assert [engine.resolve(table, d) for d in ("9.1.0.0", "9.2.0.0", "10.0.0.0")] == [a, a, b]
    for nh, left in ((a, 2), (b, 1)):
        with pytest.raises(ValueError, match=f"{left} routes"), engine.transaction() as t:
            t.delete_adjacency(nh)
    with engine.transaction() as t:
        t.add_routes(table, addresses, lengths, np.array([b, b, b]))
        t.delete_adjacency(a)
    with pytest.raises(ValueError, match="3 routes"), engine.transaction() as t:
        t.delete_adjacency(b)
    with engine.transaction() as t:
        for prefix in ("9.0.0.0/8", "9.1.0.0/16", "10.0.0.0/8"):
            t.delete_route(table, prefix)
        t.delete_adjacency(b)


def test_many_ipv6_routes_at_once():
    engine, table, port = small()
    addresses = np.zeros((2, 16), dtype=np.uint8)
    addresses[:, :3] = [[0x20, 0x01, 0x0D], [0x20, 0x01, 0x0E]]
    with engine.transaction() as t:
        nh = t.add_adjacency("ip", port=port)
        t.add_routes(table, addresses, [24, 24], [nh, nh])
    assert engine.resolve(table, "2001:dff::1") == engine.resolve(table, "2001:e00::1") == nh
    with pytest.raises(ValueError, match="2 routes"), engine.transaction() as t:
        t.delete_adjacency(nh)
    addresses[1] = addresses[0]
    same = "item 1: the same prefix as item 0"
    with pytest.raises(ValueError, match=same), engine.transaction() as t:
        t.add_routes(table, addresses, [24, 24], [nh, nh])


BAD_ROUTES = [
    ("host bits", (0x0A000001, 8, 1), "item 1: 10.0.0.1/8 has host bits"),
    ("long prefix", (0x0A000000, 33, 1), "item 1: prefix length 33"),
    ("negative length", (0x0A000000, -1, 1), "item 1: prefix length -1"),
    ("the same prefix", (0x09000000, 8, 1), "item 1: the same prefix as item 0"),
]


@pytest.mark.parametrize(("_what", "row", "error"), BAD_ROUTES)
def test_bad_row_is_named_and_none_of_the_rows_is_added(_what, row, error):
    engine, table, port = small()
    with engine.transaction() as t:
        nh = t.add_adjacency("ip", port=port)
        with pytest.raises(ValueError, match=error):
            t.add_routes(table, *(np.array(c) for c in zip((0x09000000, 8, nh), row, strict=True)))
        assert t.resolve(table, TO) == 0
    with engine.transaction() as t:
        t.delete_adjacency(nh)


def test_rows_of_different_number_or_unknown_next_hop_are_refused():
    engine, table, _ = small()
    with engine.transaction() as t:
        for lengths, next_hops in (([8, 8], [0]), ([8], [0, 0])):
            with pytest.raises(ValueError, match="lengths"):
                t.add_routes(table, uint32(0x09000000), lengths, next_hops)
        with pytest.raises(KeyError, match="next hop 7"):
            t.add_routes(table, uint32(0x09000000), [8], [7])
        t.add_routes(table, uint32(), np.array([], dtype=int), np.array([], dtype=int))
    assert engine.resolve(table, TO) == 0


# --- sessions -------------------------------------------------------------------------------------


def test_ids_in_use_are_refused_until_their_session_is_deleted():
    engine, _, _ = small()
    with engine.transaction() as t:
        first = t.add_session(**ids(1))
        with pytest.raises(ValueError, match="in use"):
            t.add_session(**ids(1))
        t.add_session(**{**ids(1), "local": ("10.88.0.9", 1701)})
        t.add_session(**{**ids(1), "tunnel": 2})
    with engine.transaction() as t:
        with pytest.raises(ValueError, match="in use"):
            t.add_session(**ids(1))
        t.delete_adjacency(first)
        second = t.add_session(**ids(1))
        with pytest.raises(ValueError, match="in use"):
            t.add_session(**ids(1))
        t.delete_adjacency(second)
        third = t.add_session(**ids(1))
    assert engine.session_counters(third).packets_in == 0
    for nh in {first, second} - {third}:
        with pytest.raises(KeyError):
            engine.session_counters(nh)


def test_session_that_replaces_one_with_its_ids_gets_its_packets():
    rig = Rig()
    message = data_message(PPP_IP + datagram(src=SITE, dst=HOME))
    rig.hand_in(message, datagram(), port="tunnel")
    rig.sent()
    with rig.engine.transaction() as t:
        nh = t.add_session(**session(20, Outer(), table=rig.table, port=1))
        t.add_route(rig.table, "198.51.100.0/24", nh)
        t.delete_adjacency(rig.session)
    assert rig.outcome(message, port="tunnel") == ("DROP unknown-session", [])
    with rig.engine.transaction() as t:
        again = t.add_session(**session(2, Outer(), table=rig.table, port=1))
        t.add_route(rig.table, "198.51.100.0/24", again)
        t.delete_adjacency(nh)
    assert rig.hand_in(message, port="tunnel") == {"DELIVER": 1}
    assert rig.engine.session_counters(again)[:4] == (1, 32, 0, 0)


def test_session_added_and_deleted_in_one_transaction_was_never_there():
    rig = Rig(sessions=3)
    for _ in range(5):
        with rig.engine.transaction() as t:
            t.delete_adjacency(t.add_session(**session(7, Outer(), table=rig.table, port=1)))
    message = data_message(PPP_IP, DataHeader(1, 7))
    assert rig.outcome(message, port="tunnel") == ("DROP unknown-session", [])


def test_many_sessions_in_one_transaction_are_all_found():
    rig = Rig()
    with rig.engine.transaction() as t:
        new = [
            t.add_session(**session(n, Outer(peer_session=n), table=rig.table, port=1))
            for n in range(100, 3100)
        ]
        for at in range(0, 3000, 3):
            t.delete_adjacency(new[at])
    frames = [data_message(b"\xc0\x21", DataHeader(1, n)) for n in range(100, 3100)]
    assert rig.hand_in(*frames, port="tunnel") == {"DROP unknown-session": 1000, "PUNT_PPP": 2000}
    found = [punt.nh for punt in rig.engine.punts(4000)]
    assert found == [nh for at, nh in enumerate(new) if at % 3]


# --- indexes are used again -----------------------------------------------------------------------


def test_index_used_again_has_nothing_of_its_former_owner():
    rig = Rig(outer=Outer(sequencing=True, udp_checksum=False, df=False, tos=7))
    key = rig.trigger(datagram(dst="172.16.0.1"))
    rig.hand_in(datagram(), datagram(), ts=9)
    with rig.engine.transaction() as t:
        t.hold(rig.session, key)
    with rig.engine.transaction() as t:
        t.delete_route(rig.table, "198.51.100.0/24")
        t.delete_adjacency(rig.session)
    rig.sent()
    with rig.engine.transaction() as t:
        nh = t.add_session(**session(2, Outer(), table=rig.table, port=1))
        t.add_route(rig.table, "198.51.100.0/24", nh)
    assert nh == rig.session
    assert rig.engine.session_counters(nh) == (0, 0, 0, 0, 0, 0)
    assert rig.outcome(datagram()) == (
        "FORWARD",
        [("tunnel", Outer().around(forwarded(datagram())))],
    )


def test_local_address_without_tunnels_is_not_one_with_them_before():
    rig = Rig()
    with rig.engine.transaction() as t:
        t.delete_route(rig.table, f"{LOCAL}/32")
        t.delete_adjacency(rig.tunnel_address)
    with rig.engine.transaction() as t:
        nh = t.add_adjacency("local")
        t.add_route(rig.table, f"{LOCAL}/32", nh)
    assert nh == rig.tunnel_address
    assert rig.hand_in(data_message(PPP_IP, src=LAC), port="tunnel") == {"PUNT_LOCAL": 1}
