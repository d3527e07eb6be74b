"""The keyed digest of RADIUS packets, against Python's own."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st

from control.radius.packet import keyed_digest


@given(st.binary(max_size=200), st.binary(max_size=4096))
def test_keyed_digest_is_hmac_md5(secret: bytes, data: bytes) -> None:
    expected = hmac.digest(secret, data, "md5")
    assert keyed_digest(secret, data) == expected
    assert keyed_digest(secret, data) == expected, "what is kept for a secret does not change"
