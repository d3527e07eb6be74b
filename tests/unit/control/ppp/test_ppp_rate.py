"""The bucket that is one number, beside the one that counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control.ppp.rate import TokenBucket, take


@given(
    # Powers of two: both count without rounding.
    st.sampled_from([(2.0, 3), (16.0, 40), (1.0, 1)]),
    st.lists(st.integers(0, 64).map(lambda sixteenths: sixteenths / 16), max_size=80),
)
def test_bucket_that_is_a_number_gives_what_the_other_gives(limits, pauses):
    rate, burst = limits
    bucket, full_at, now = TokenBucket(rate, burst), 0.0, 1000.0
    for pause in pauses:
        now += pause / rate
        found = take(full_at, now, rate, burst)
        assert (found is not None) == bucket.take(now)
        full_at = full_at if found is None else found


def test_burst_of_a_rate_that_no_float_has_is_whole():
    for now in (0.0, 1e6, 1e9):
        full_at, given_at_once = 0.0, 0
        while (found := take(full_at, now, 20.0, 40)) is not None:
            full_at, given_at_once = found, given_at_once + 1
        assert given_at_once == 40
