"""Filters by address, against the standard library's networks."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from control.operation.within import Within

ADDRESSES = st.one_of(
    st.ip_addresses(), st.integers(0, 255).map(lambda n: ipaddress.ip_address(f"192.0.2.{n}"))
)


@st.composite
def networks(draw):
    address = draw(ADDRESSES)
    return ipaddress.ip_network((address, draw(st.integers(0, address.max_prefixlen))), False)


@given(networks(), ADDRESSES)
def test_an_address_is_inside_if_the_network_has_it(network, address):
    assert Within(str(network)).has(str(address)) == (address in network)


@given(networks(), networks())
def test_a_prefix_covers_what_is_all_inside(one, other):
    inside = one.version == other.version and one.subnet_of(other)
    assert Within(str(one)).is_covered_by(str(other)) == inside
    assert Within(str(other)).has(str(one)) == inside


@given(networks())
def test_without_a_filter_everything_is_shown(network):
    assert Within(None).has(str(network))
    assert Within(None).is_covered_by(str(network))
