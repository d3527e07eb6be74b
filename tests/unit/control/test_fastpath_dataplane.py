"""The control plane's view of the engine."""

from dataclasses import replace

import pytest

from control.config import Config, VirtualRouter
from control.dataplane import SessionSpec
from control.errors import ResourceError
from control.fastpath_dataplane import FastpathDataplane, build_tables
from control.sim import host6
from fastpath import Engine, MemPort
from fastpath.dissect import checksum

ROUTERS = (
    VirtualRouter(name="red", table=7, local_address="10.0.0.1", local_address_ipv6="2001:db8::1"),
    VirtualRouter(name="blue", table=3, local_address="10.0.0.2"),
)


def make(adjacencies=16, sessions=2):
    engine = Engine(adjacencies=adjacencies, sessions=sessions, trigger_keys=8)
    tables = build_tables(engine, Config(virtual_router=ROUTERS))
    port = engine.attach(MemPort("tunnel"), tables[7])
    return engine, tables, FastpathDataplane(engine, port, tables, lambda: 1.0)


def spec(session, table=7):
    return SessionSpec(
        table=table,
        local=("10.0.0.1", 1701),
        peer=("10.0.0.9", 1701),
        tunnel=1,
        session=session,
        peer_tunnel=2,
        peer_session=session,
    )


def test_table_numbers_of_the_configuration_name_the_engines_tables():
    _, _, dataplane = make()
    with dataplane.transaction() as t:
        red = t.add_glean(7, "10.1.0.0/16")
        t.add_route(7, "10.1.0.0/16", red)
    assert dataplane.resolve(7, "10.1.2.3") == red
    assert dataplane.resolve(3, "10.1.2.3") == 0


def test_local_address_is_routed_to_ourselves_in_its_own_table_only():
    _, _, dataplane = make()
    assert dataplane.resolve(7, "10.0.0.1") != 0
    assert dataplane.resolve(7, "10.0.0.2") == 0
    assert dataplane.resolve(3, "10.0.0.2") != 0
    assert dataplane.resolve(7, "2001:db8::1") == dataplane.resolve(7, "10.0.0.1")
    assert dataplane.resolve(3, "2001:db8::1") == 0


def test_session_over_ipv6_takes_routes_sources_and_triggers_of_both_families():
    engine, tables, dataplane = make()
    home = MemPort("home")
    index = engine.attach(home, tables[7])
    over = replace(spec(1), local=("2001:db8::1", 1701), peer=("2001:db8::9", 1701))
    with dataplane.transaction() as t:
        nh = t.add_session(over)
        glean = t.add_glean(7, "2001:db8:7::/48")
        t.add_route(7, "2001:db8:7::/48", glean)
        t.add_route(7, "10.1.0.0/16", nh)
        t.set_sources(nh, ["10.1.0.0/16", "2001:db8:7::/48"])
        assert t.resolve(7, "2001:db8:7::1") == glean
    home.push(host6.ping_packet("2001:db8:1::1", "2001:db8:7::5"))
    engine.poll(index)
    (event,) = dataplane.trigger_events()
    assert (event.destination, event.source) == ("2001:db8:7::5", "2001:db8:1::1")
    with dataplane.transaction() as t:
        t.add_route(7, f"{event.destination}/128", nh)
        t.hold(nh, event.key)
    assert dataplane.trigger_flush(event.key, nh) == 1
    assert dataplane.session_counters(nh).packets_out == 1


def test_trigger_event_carries_the_table_number_of_its_virtual_router():
    engine, tables, dataplane = make()
    home = MemPort("home")
    index = engine.attach(home, tables[3])
    with dataplane.transaction() as t:
        glean = t.add_glean(3, "198.51.100.0/24")
        t.add_route(3, "198.51.100.0/24", glean)
    home.push(bytes.fromhex("4500001c0001000040118e88c000020ac633640a0035003500080000"))
    engine.poll(index)
    (event,) = dataplane.trigger_events()
    assert (event.table, event.glean, event.destination) == (3, glean, "198.51.100.10")
    assert (event.source, event.protocol) == ("192.0.2.10", 17)
    assert (event.source_port, event.destination_port) == (53, 53)


@pytest.mark.parametrize("limits", [{"sessions": 2}, {"adjacencies": 5, "sessions": 8}])
def test_full_table_is_a_resource_error_and_changes_nothing(limits):
    engine, _, dataplane = make(**limits)
    with dataplane.transaction() as t:
        t.add_session(spec(1))
        t.add_session(spec(2))
    with pytest.raises(ResourceError, match="in use"), dataplane.transaction() as t:
        t.add_session(spec(3))
    assert len(engine.forwarding.sessions) == 2


SYN = bytes.fromhex(  # 192.0.2.10 to 198.51.100.10, whose only option is an MSS of 1460
    "4500002c00010000400676a9c000020ac633640a138800500000000100000000600202000000000002040000"
)


@pytest.mark.parametrize(("clamp", "expected"), [(True, 1360), (False, 1460)])
def test_a_session_that_clamps_cuts_the_segment_size_to_its_mtu_less_40(clamp, expected):
    engine = Engine()
    tables = build_tables(engine, Config(virtual_router=ROUTERS))
    port = MemPort("both")
    index = engine.attach(port, tables[7])
    dataplane = FastpathDataplane(engine, index, tables, lambda: 1.0)
    with dataplane.transaction() as t:
        nh = t.add_session(replace(spec(1), mtu=1400, clamp_mss=clamp))
        t.add_route(7, "198.51.100.0/24", nh)
    header = SYN[:10] + b"\0\0" + SYN[12:20]
    port.push(header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + SYN[20:42]
              + (1460).to_bytes(2, "big"))  # fmt: skip
    engine.poll(index)
    ((_, octets),) = port.pop_all()
    assert octets[-4:] == b"\x02\x04" + expected.to_bytes(2, "big")
