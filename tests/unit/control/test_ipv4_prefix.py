"""Canonical IPv4 prefixes, told as ipaddress tells them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.ipv4_prefix import is_canonical


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 32))
def test_what_ipaddress_writes_back_unchanged_is_canonical(bits, zeros, length):
    text = f"{ipaddress.IPv4Address(bits >> zeros << zeros)}/{length}"
    assert is_canonical(text) == (str(ipaddress.ip_network(text, strict=False)) == text)


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "10.0.0.0", "10.0.0.0/", "10.0.0/8", "10.0.0.0.0/8", "010.0.0.0/8", "10.0.0.0/08",
        "10.0.0.256/32", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", " 10.0.0.0/8", "::/0",
        "10.0.0.0/8 ", "٣.0.0.0/8",
    ],
)  # fmt: skip
def test_what_is_written_otherwise_is_not(text):
    assert not is_canonical(text)
