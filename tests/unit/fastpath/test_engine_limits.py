"""What a transaction of the engine refuses, and what is left when a table of it is full."""

from __future__ import annotations

import pytest
from engine_rig import session
from packets import Outer

from fastpath import Engine, MemPort


def small(**options) -> tuple[Engine, int, int]:
    """An engine, a table of it and a port."""
    engine = Engine(**options)
    table = engine.add_table("red")
    return engine, table, engine.attach(MemPort(), table)


def ids(number: int, **rest) -> dict:
    return {**session(number, Outer(), table=0, port=0), **rest}


def test_full_table_of_adjacencies_is_a_memory_error_that_changes_nothing():
    engine, _, port = small(adjacencies=4, sessions=9)
    with engine.transaction() as t:
        first = [t.add_adjacency("ip", port=port) for _ in range(2)]
        t.add_session(**ids(1))
        for _ in range(3):
            with pytest.raises(MemoryError, match="4 adjacencies"):
                t.add_session(**ids(2))
            with pytest.raises(MemoryError, match="4 adjacencies"):
                t.add_adjacency("drop")
    assert len(engine.forwarding.sessions) == 1
    with engine.transaction() as t:
        for nh in first:
            t.delete_adjacency(nh)
    with engine.transaction() as t:
        for number in (2, 3):
            t.add_session(**ids(number))


def test_full_table_of_sessions_is_a_memory_error_that_changes_nothing():
    engine, _, _ = small(adjacencies=4, sessions=1)
    with engine.transaction() as t:
        nh = t.add_session(**ids(1))
        for _ in range(9):
            with pytest.raises(MemoryError, match="1 sessions"):
                t.add_session(**ids(2))
        t.add_adjacency("drop")
        t.add_adjacency("drop")
    with engine.transaction() as t:
        t.delete_adjacency(nh)
    with engine.transaction() as t:
        t.add_session(**ids(2))


def test_there_are_4096_tables_and_no_more():
    engine = Engine()
    assert [engine.add_table(str(number)) for number in range(4096)] == list(range(4096))
    with pytest.raises(MemoryError, match="4096 tables"):
        engine.add_table("more")
    with engine.transaction() as t:
        nh = t.add_adjacency("drop")
        t.add_route(4095, "0.0.0.0/0", nh)
    assert engine.resolve(4095, "9.9.9.9") == nh
    assert engine.resolve(4094, "9.9.9.9") == 0


BAD_VALUES = [
    ("tunnel", 0), ("tunnel", 65536), ("tunnel", -1), ("session", 0), ("session", 65536),
    ("peer_tunnel", 0), ("peer_tunnel", 65536), ("peer_session", 0), ("peer_session", 65536),
    ("local", ("10.0.0.1", 0)), ("local", ("10.0.0.1", 65536)), ("peer", ("10.0.0.1", 0)),
    ("peer", ("10.0.0.1", -5)), ("local", ("10.0.0.1.1", 1)), ("peer", ("::1", 1)),
    ("mtu", 67), ("mtu", 65492), ("tos", -1), ("tos", 256), ("port", -1), ("port", 65536),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_session_with_a_value_out_of_range_is_refused(name, value):
    engine, _, _ = small(adjacencies=2, sessions=1)
    with engine.transaction() as t:
        with pytest.raises(ValueError, match="is not"):
            t.add_session(**ids(1, **{name: value}))
        t.add_session(**ids(1))


WRONG_TYPES = [
    ("local", ("10.0.0.1", "1701")), ("peer", ("10.0.0.1", "1701")), ("tos", "1"),
    ("peer", ("10.0.0.1", None)), ("local", (1.5, 1701)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES)
def test_session_with_a_value_of_the_wrong_type_takes_no_room(name, value):
    engine, _, _ = small(adjacencies=2, sessions=1)
    with engine.transaction() as t:
        with pytest.raises(TypeError):
            t.add_session(**ids(1, **{name: value}))
        t.add_session(**ids(1))


@pytest.mark.parametrize(("mtu", "tos"), [(68, 0), (65491, 255), (1460, None)])
def test_session_with_values_at_the_ends_of_the_ranges_is_taken(mtu, tos):
    engine, _, _ = small()
    with engine.transaction() as t:
        t.add_session(**ids(65535, tunnel=65535, mtu=mtu, tos=tos, peer=("10.0.0.1", 65535)))


BAD_UPDATES = [
    ("peer_tunnel", 0, ValueError), ("peer_tunnel", 65536, ValueError),
    ("peer_session", 70000, ValueError), ("peer_session", -1, ValueError),
    ("mtu", 67, ValueError), ("tos", 256, ValueError), ("tos", "1", TypeError),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "error"), BAD_UPDATES)
def test_bad_update_is_refused_before_the_commit(name, value, error):
    engine, table, _ = small()
    with engine.transaction() as t:
        nh = t.add_session(**ids(1))
    with engine.transaction() as t:
        with pytest.raises(error):
            t.update_session(nh, **{"peer_tunnel": 1, "peer_session": 1, name: value})
        t.add_route(table, "9.0.0.0/8", nh)
    assert engine.resolve(table, "9.0.0.1") == nh


@pytest.mark.parametrize("key", [-1, 1 << 64])
def test_key_that_is_none_is_refused_before_the_commit(key):
    engine, _, _ = small()
    with engine.transaction() as t:
        nh = t.add_session(**ids(1))
        with pytest.raises(ValueError, match="key"):
            t.hold(nh, key)
    with engine.transaction():
        pass


BAD_ADJACENCIES = [
    ({"kind": "session"}, ValueError), ({"kind": "x"}, ValueError),
    ({"kind": "ip", "mtu": 67}, ValueError), ({"kind": "ip", "mtu": 65536}, ValueError),
    ({"kind": "ip", "port": 65536}, ValueError), ({"kind": "ip", "port": -1}, ValueError),
    ({"kind": "glean", "table": 1}, KeyError), ({"kind": "glean", "table": -1}, KeyError),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "error"), BAD_ADJACENCIES)
def test_adjacency_with_a_value_out_of_range_is_refused(arguments, error):
    engine, _, _ = small(adjacencies=2)
    arguments = dict(arguments)
    with engine.transaction() as t:
        with pytest.raises(error):
            t.add_adjacency(arguments.pop("kind"), **arguments)
        t.add_adjacency("drop")


@pytest.mark.parametrize("nh", [1, 2, 1 << 24, 0xFFFFFFFF])
def test_unknown_next_hop_is_refused_everywhere(nh):
    engine, table, _ = small()
    with engine.transaction() as t:
        for use in (
            lambda: t.add_route(table, "9.0.0.0/8", nh),
            lambda: t.delete_adjacency(nh),
            lambda: t.hold(nh, 1),
            lambda: t.update_session(nh, peer_tunnel=1, peer_session=1),
        ):
            with pytest.raises(KeyError, match="not an adjacency"):
                use()
    with pytest.raises(KeyError, match="not an adjacency"):
        engine.inject(b"frame", nh)
    with pytest.raises(KeyError, match="not an adjacency"):
        engine.flush_trigger(1 << 32 | 1, nh)


@pytest.mark.parametrize("table", [-1, 1, 4096])
def test_unknown_table_is_refused_everywhere(table):
    engine, _, _ = small()
    with engine.transaction() as t:
        for use in (
            lambda: t.add_route(table, "9.0.0.0/8", 0),
            lambda: t.delete_route(table, "9.0.0.0/8"),
            lambda: t.add_routes(table, [], [], []),
            lambda: t.resolve(table, "9.0.0.0"),
            lambda: t.add_session(**ids(1, table=table)),
        ):
            with pytest.raises(KeyError, match="does not exist"):
                use()


def test_next_hop_0_is_permanent_and_sends_nothing():
    engine, table, _ = small()
    with engine.transaction() as t:
        with pytest.raises(ValueError, match="permanent"):
            t.delete_adjacency(0)
        t.add_route(table, "9.0.0.0/8", 0)
    with pytest.raises(KeyError, match="sends nothing"):
        engine.inject(b"frame", 0)


def test_next_hop_deleted_in_a_transaction_is_not_used_in_it():
    engine, table, _ = small()
    with engine.transaction() as t:
        nh = t.add_session(**ids(1))
        t.delete_adjacency(nh)
        for use in (
            lambda: t.add_route(table, "9.0.0.0/8", nh),
            lambda: t.delete_adjacency(nh),
            lambda: t.hold(nh, 1),
            lambda: t.update_session(nh, peer_tunnel=1, peer_session=1),
        ):
            with pytest.raises(KeyError, match="deleted in this transaction"):
                use()


def test_what_is_no_session_has_no_form_and_holds_nothing():
    engine, _, port = small()
    with engine.transaction() as t:
        nh = t.add_adjacency("ip", port=port)
        for use in (
            lambda: t.hold(nh, 1),
            lambda: t.update_session(nh, peer_tunnel=1, peer_session=1),
        ):
            with pytest.raises(ValueError, match="not a session"):
                use()


BAD_PREFIXES = ["9.0.0.1/8", "9.0.0.0/33", "9.0.0.0/-1", "9.0.0/8", "9.0.0.0/", "", "x", "::/129",
                "2001:db8::1/32", "9.0.0.0/8 ", "9.0.0.0/٨"]  # fmt: skip


@pytest.mark.parametrize("prefix", BAD_PREFIXES)
def test_prefix_that_is_none_is_refused(prefix):
    engine, table, _ = small()
    with engine.transaction() as t:
        with pytest.raises(ValueError, match=r"prefix|address|host bits"):
            t.add_route(table, prefix, 0)
        with pytest.raises(ValueError, match=r"prefix|address|host bits"):
            t.delete_route(table, prefix)


def test_route_that_is_not_there_is_not_deleted():
    engine, table, _ = small()
    with engine.transaction() as t:
        t.add_route(table, "9.0.0.0/8", t.add_adjacency("drop"))
        for prefix in ("9.0.0.0/9", "8.0.0.0/7", "::/0"):
            with pytest.raises(KeyError, match="no route"):
                t.delete_route(table, prefix)
        t.delete_route(table, "9.0.0.0/8")
        with pytest.raises(KeyError, match="no route"):
            t.delete_route(table, "9.0.0.0/8")
