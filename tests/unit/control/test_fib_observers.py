"""Who follows the FIB hears of every committed dial-out and access route, and of nothing else."""

from __future__ import annotations

import pytest

from control.config import Config, VirtualRouter
from control.dataplane import SessionSpec
from control.fastpath_dataplane import FastpathDataplane, build_tables
from fastpath import Engine, MemPort

ROUTERS = (VirtualRouter(name="red", table=7, local_address="10.0.0.1"),)


def make(adjacencies=64):
    engine = Engine(adjacencies=adjacencies, sessions=8, trigger_keys=8)
    tables = build_tables(engine, Config(virtual_router=ROUTERS))
    port = engine.attach(MemPort("tunnel"), tables[7])
    return FastpathDataplane(engine, port, tables, lambda: 1.0)


def spec(session):
    return SessionSpec(7, ("10.0.0.1", 1701), ("10.0.0.9", 1701), 1, session, 2, session)


def dial_out(dataplane, prefix):
    with dataplane.transaction() as t:
        nh = t.add_glean(7, prefix)
        t.add_route(7, prefix, nh)
    return nh


def fails_behind_a_route(t):
    t.add_route(7, "10.1.0.0/16", t.add_glean(7, "10.1.0.0/16"))
    t.delete_route(7, "10.9.0.0/16")


def test_observer_hears_first_of_all_that_is_there():
    dataplane = make()
    dial_out(dataplane, "10.1.0.0/16")
    dial_out(dataplane, "2001:db8:1::/48")
    told = []
    dataplane.observe(told.append)
    assert told == [[(7, "10.1.0.0/16", "dial-out"), (7, "2001:db8:1::/48", "dial-out")]]


def test_changes_of_a_transaction_come_together_behind_its_commit():
    dataplane = make()
    told = []
    dataplane.observe(told.append)
    with dataplane.transaction() as t:
        glean = t.add_glean(7, "10.1.0.0/16")
        t.add_route(7, "10.1.0.0/16", glean)
        session = t.add_session(spec(1))
        t.add_route(7, "10.1.2.3/32", session)
        assert told == [[]]
    assert told[1:] == [[(7, "10.1.0.0/16", "dial-out"), (7, "10.1.2.3/32", "access")]]


def test_route_that_takes_the_place_of_another_is_told_once_as_what_it_is_now():
    dataplane = make()
    dial_out(dataplane, "10.1.2.3/32")
    told = []
    dataplane.observe(told.append)
    with dataplane.transaction() as t:
        session = t.add_session(spec(1))
        t.delete_route(7, "10.1.2.3/32")
        t.add_route(7, "10.1.2.3/32", session)
    assert told[1:] == [[(7, "10.1.2.3/32", "access")]]
    with dataplane.transaction() as t:
        newer = t.add_session(spec(2))
        t.delete_route(7, "10.1.2.3/32")
        t.add_route(7, "10.1.2.3/32", newer)
    assert len(told) == 2
    with dataplane.transaction() as t:
        t.delete_route(7, "10.1.2.3/32")
        t.delete_adjacency(newer)
    assert told[2:] == [[(7, "10.1.2.3/32", None)]]


def test_transaction_that_fails_tells_nothing():
    dataplane = make()
    told = []
    dataplane.observe(told.append)
    with pytest.raises(KeyError), dataplane.transaction() as t:
        fails_behind_a_route(t)
    assert told == [[]]


def test_plain_route_is_not_told():
    dataplane = make()
    told = []
    dataplane.observe(told.append)
    local = dataplane.resolve(7, "10.0.0.1")
    with dataplane.transaction() as t:
        t.add_route(7, "10.2.0.0/16", local)
    assert told == [[]]


def test_index_of_a_deleted_session_that_is_used_again_has_the_new_kind():
    dataplane = make(adjacencies=6)
    told = []
    dataplane.observe(told.append)
    for number in range(1, 9):
        with dataplane.transaction() as t:
            nh = t.add_session(spec(number))
            t.add_route(7, "10.1.2.3/32", nh)
        with dataplane.transaction() as t:
            t.delete_route(7, "10.1.2.3/32")
            t.delete_adjacency(nh)
        dial_out_nh = dial_out(dataplane, "10.1.0.0/16")
        with dataplane.transaction() as t:
            t.delete_route(7, "10.1.0.0/16")
            t.delete_adjacency(dial_out_nh)
    expected = [
        [(7, "10.1.2.3/32", "access")],
        [(7, "10.1.2.3/32", None)],
        [(7, "10.1.0.0/16", "dial-out")],
        [(7, "10.1.0.0/16", None)],
    ]
    assert told[1:] == expected * 8


def test_observer_that_left_hears_no_more():
    dataplane = make()
    told = []
    leave = dataplane.observe(told.append)
    leave()
    dial_out(dataplane, "10.1.0.0/16")
    assert told == [[]]


def test_hundred_thousand_routes_at_once_are_one_list():
    dataplane = make()
    told = []
    dataplane.observe(told.append)
    with dataplane.transaction() as t:
        session = t.add_session(spec(1))
        for i in range(100_000):
            t.add_route(7, f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}/32", session)
    assert [len(changes) for changes in told] == [0, 100_000]
