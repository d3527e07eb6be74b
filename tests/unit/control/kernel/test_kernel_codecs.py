"""Routes, links, addresses and neighbours: octets as the kernel sent them, both ways, and anything
else is a value or a DecodeError."""

from __future__ import annotations

import contextlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.address_text import address_octets
from control.errors import DecodeError
from control.kernel.addresses import InterfaceAddress, read_address, write_address
from control.kernel.constants import Flag, MessageType, Protocol, RouteType, Scope
from control.kernel.links import Link, read_link, write_link
from control.kernel.messages import read_messages
from control.kernel.neighbours import Neighbour, read_neighbour, write_neighbour
from control.kernel.prefix import prefix_octets
from control.kernel.routes import Exit, KernelRoute, RouteWriter, read_route, write_route

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="rows are of a little endian")

READERS = {
    "route": read_route,
    "link": read_link,
    "address": read_address,
    "neighbour": read_neighbour,
}

ROUTES = [
    pytest.param(
        "02 20 00 00 fe ab fd 01 00000000 0800 0100 0a010203 0800 0600 02000000 0800 0f00 fe000000"
        "0800 0400 05000000",
        KernelRoute(254, *prefix_octets("10.1.2.3/32"), 171, 1, 2, Scope.LINK, (Exit(5),)),
        id="to an interface",
    ),
    pytest.param(
        "02 08 00 00 fc ab 00 07 00000000 0800 0100 0a000000 0800 0600 fc000000 0800 0f00 e8030000",
        KernelRoute(1000, *prefix_octets("10.0.0.0/8"), 171, RouteType.UNREACHABLE, 252),
        id="unreachable in a large table",
    ),
    pytest.param(
        "0a 30 00 00 fe ba 00 01 00000000 1400 0100 20010db8000100000000000000000000"
        "0800 0600 14000000 0800 0f00 fe000000 0800 0400 03000000"
        "1400 0500 20010db8000000000000000000000009",
        KernelRoute(
            254,
            *prefix_octets("2001:db8:1::/48"),
            Protocol.BGP,
            1,
            20,
            0,
            (Exit(3, address_octets("2001:db8::9")),),
        ),
        id="IPv6 by a gateway",
    ),
]


@pytest.mark.parametrize(("octets", "value"), ROUTES)
def test_route_reads_and_writes(octets, value):
    body = bytes.fromhex(octets)
    assert read_route(body) == value
    written = write_route(MessageType.NEWROUTE, Flag(0), 1, value)
    assert next(read_messages(written)).body == body


def test_route_of_several_next_hops_reads_them_all():
    hops = "1000 00 00 03000000 0800 0500 c0000201" + "0800 11 00 04000000"
    body = bytes.fromhex("02 00 00 00 fe ba 00 01 00000000 1c00 0900" + hops)
    route = read_route(body)
    assert route.exits == (Exit(3, address_octets("192.0.2.1")), Exit(4, b"", 0x11))
    assert [hop.usable for hop in route.exits] == [True, False]
    assert (route.address, route.length) == prefix_octets("0.0.0.0/0")


def test_gateway_of_another_family_reads():
    via = "1600 1200 0a00 fe800000000000000000000000000001 0000"
    body = bytes.fromhex("02 08 00 00 fe ba 00 01 00000000 0800 0100 0a000000 0800 0400 03000000")
    route = read_route(body + bytes.fromhex(via))
    assert route.exits == (Exit(3, address_octets("fe80::1")),)


OTHERS = [
    pytest.param(
        read_link, write_link, Link(5, "tun0", 0x11043, 1400, b"\2\0\0\0\0\1", 3), id="link"
    ),
    pytest.param(
        read_address,
        write_address,
        InterfaceAddress(3, address_octets("192.0.2.1"), 24),
        id="address",
    ),
    pytest.param(
        read_neighbour,
        write_neighbour,
        Neighbour(3, address_octets("192.0.2.9"), 0x02, b"\2\0\0\0\0\1"),
        id="neighbour",
    ),
    pytest.param(
        read_neighbour, write_neighbour, Neighbour(3, address_octets("fe80::9"), 0x20), id="failed"
    ),
]


@pytest.mark.parametrize(("read", "write", "value"), OTHERS)
def test_others_write_and_read(read, write, value):
    assert read(write(value)) == value


def test_neighbour_is_where_it_is_only_in_states_that_say_so():
    mac = b"\2\0\0\0\0\1"
    states = {0x01: None, 0x02: mac, 0x04: mac, 0x08: mac, 0x10: mac, 0x20: None, 0x80: mac}
    for state, expected in states.items():
        assert Neighbour(3, bytes(4), state, mac).mac == expected
    assert Neighbour(3, bytes(4), 0x02, b"").mac is None


@pytest.mark.parametrize(
    "address",
    ["", "000000000000", "01005e000001", "333300000001", "ffffffffffff", "0200000000", 20 * "02"],
    ids=["none", "loopback", "multicast", "multicast6", "broadcast", "short", "infiniband"],
)
def test_what_is_no_station_has_no_mac(address):
    # The kernel lists groups and its loopback as neighbours in state NOARP.
    for state in (0x02, 0x40, 0x80):
        assert Neighbour(3, bytes(4), state, bytes.fromhex(address)).mac is None


def test_neighbour_of_a_bridge_is_none():
    assert read_neighbour(bytes.fromhex("07000000 03000000 0200 00 00")) is None


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@given(data=st.binary(max_size=120))
def test_any_octets_are_a_value_or_an_error(read, data):
    with contextlib.suppress(DecodeError):
        read(data)


@pytest.mark.parametrize(("octets", "value"), ROUTES)
def test_route_that_is_cut_anywhere_is_a_value_or_an_error(octets, value):
    body = bytes.fromhex(octets)
    for end in range(len(body)):
        with contextlib.suppress(DecodeError):
            assert read_route(body[:end]) != value
    for at in range(len(body)):
        for octet in (0, 1, 255):
            with contextlib.suppress(DecodeError):
                read_route(body[:at] + bytes((octet,)) + body[at + 1 :])


@given(
    st.sampled_from([254, 255, 256, 1000, 2**32 - 1]),
    st.sampled_from([("10.1.2.3", 32), ("10.0.0.0", 8), ("2001:db8::", 32), ("2001:db8::1", 128)]),
    st.sampled_from([2, 252]),
    st.sampled_from([0, 5, 300]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_quick_writer_writes_what_the_plain_one_does(table, prefix, metric, interface, number, ack):
    address, length = address_octets(prefix[0]), prefix[1]
    key = (table, address, length, metric)
    writer = RouteWriter(Protocol.DIALOUT)
    flag = Flag.ACK if ack else Flag(0)
    for _ in range(2):  # the first makes the pattern, the second uses it
        added = writer.add(number, ack, key, interface)
    scope = Scope.LINK if interface and len(address) == 4 else Scope.UNIVERSE
    kind = RouteType.UNICAST if interface else RouteType.UNREACHABLE
    exits = (Exit(interface),) if interface else ()
    route = KernelRoute(table, address, length, Protocol.DIALOUT, kind, metric, scope, exits)
    flags = Flag.CREATE | Flag.EXCLUSIVE | flag
    assert added == write_route(MessageType.NEWROUTE, flags, number, route)
    route = KernelRoute(table, address, length, Protocol.DIALOUT, 0, metric, 255)
    assert writer.delete(number, ack, key) == write_route(MessageType.DELROUTE, flag, number, route)
