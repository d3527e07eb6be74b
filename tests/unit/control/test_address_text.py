"""Addresses are written as ipaddress writes them, and read as they are written."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from control.address_text import address_octets, address_text

IPV6 = st.one_of(
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**34),
    st.integers(0xFFFF << 32, 1 << 48),
    st.lists(st.sampled_from([0, 0, 1, 0xABC]), min_size=8, max_size=8).map(
        lambda groups: sum(group << 16 * i for i, group in enumerate(groups))
    ),
)


@given(
    st.one_of(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address), IPV6.map(ipaddress.IPv6Address))
)
def test_addresses_are_written_and_read_as_by_ipaddress(address):
    assert address_text(address.packed) == str(address)
    assert address_octets(str(address)) == address.packed
