"""Datagrams of control: the fast builder beside the simulators' slow ones."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.sim import host, host6
from fastpath.datagram import udp_packet

PORTS = st.integers(0, 65535)
V4 = st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n)))
V6 = st.integers(0, 2**128 - 1).map(lambda n: str(IPv6Address(n)))
PAYLOADS = st.binary(max_size=300)


@given(V4, PORTS, V4, PORTS, PAYLOADS)
def test_ipv4_datagram_is_that_of_the_plain_builder(source, port, to, to_port, payload):
    made = udp_packet(source, port, to, to_port, payload)
    assert made == host.udp_packet(source, port, to, to_port, payload)


@given(V6, PORTS, V6, PORTS, PAYLOADS)
def test_ipv6_datagram_is_that_of_the_plain_builder(source, port, to, to_port, payload):
    made = udp_packet(source, port, to, to_port, payload)
    assert made == host6.udp_packet(source, port, to, to_port, payload)


def test_checksum_that_comes_to_zero_is_sent_as_ones():
    # The sum of everything else is 0, so the last word alone decides.
    for word in range(65536):
        payload = word.to_bytes(2, "big")
        if host.udp_packet("192.0.2.1", 1, "192.0.2.2", 2, payload)[26:28] == b"\xff\xff":
            assert udp_packet("192.0.2.1", 1, "192.0.2.2", 2, payload)[26:28] == b"\xff\xff"
            return
    raise AssertionError("no payload has that sum")


@pytest.mark.parametrize(("longest", "addresses"), [(65507, "192.0.2.1"), (65527, "2001:db8::1")])
def test_payload_is_as_long_as_the_length_fields_allow(longest, addresses):
    packet = udp_packet(addresses, 1, addresses, 2, bytes(longest))
    assert packet[-longest:] == bytes(longest)
    with pytest.raises(ValueError, match=f"cannot have {longest + 9} octets"):
        udp_packet(addresses, 1, addresses, 2, bytes(longest + 1))


@pytest.mark.parametrize(
    ("source", "to", "wrong"),
    [
        ("192.0.2.1", "192.0.2", "'192.0.2' is not an IPv4 address"),
        ("192.0.2.1", "2001:db8::1", "'192.0.2.1' is not an IPv6 address"),
        ("2001:db8::1", "192.0.2.1", "'2001:db8::1' is not an IPv4 address"),
    ],
)
def test_what_is_no_address_of_the_family_is_refused(source, to, wrong):
    with pytest.raises(ValueError, match=wrong):
        udp_packet(source, 1, to, 2, b"")


@pytest.mark.parametrize("ports", [(-1, 1), (1, 65536)])
def test_what_is_no_port_is_refused(ports):
    with pytest.raises(ValueError, match=r"not both 0\.\.65535"):
        udp_packet("192.0.2.1", ports[0], "192.0.2.1", ports[1], b"")
