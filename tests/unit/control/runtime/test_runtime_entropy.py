"""Randomness in portions, against the kernel's octets."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.runtime import entropy
from control.runtime.entropy import PORTION, Entropy

_urandom = os.urandom


@given(st.lists(st.integers(0, 3000), max_size=12))
def test_every_octet_is_the_kernels_and_is_handed_out_once(sizes: list[int]) -> None:
    given_out = bytearray()

    def urandom(n: int) -> bytes:
        octets = _urandom(n)
        given_out.extend(octets)
        return octets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entropy.os, "urandom", urandom)
        source, at = Entropy(), 0
        for size in sizes:
            found = source.randbytes(size)
            assert len(found) == size
            at = given_out.index(found, at) + size if size else at
        assert not any(source._octets[: source._at]), "what was handed out is gone"


def test_more_than_a_portion_comes_at_once() -> None:
    assert len(Entropy().randbytes(3 * PORTION)) == 3 * PORTION


def test_numbers_are_within_their_ranges() -> None:
    source = Entropy()
    assert all(0 <= source.random() < 1 for _ in range(2000))
    assert {source.randrange(4) for _ in range(2000)} == {0, 1, 2, 3}
    assert source.getrandbits(0) == 0
    assert {source.getrandbits(3) for _ in range(2000)} == set(range(8))
    with pytest.raises(ValueError, match="negative"):
        source.getrandbits(-1)
