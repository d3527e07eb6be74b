"""The timing loop looks up what it says it does: all keys, in any batches, by any function."""

import numpy as np
import pytest

from fastpath.lpm_chunk import Chunked
from fastpath.measure import lookup_address, lookup_all, time_lookups


@pytest.fixture
def table():
    table = Chunked(4)
    table.load(np.array([0x0A000000, 0x0A010000]), [8, 16], [1, 2])
    return table


def random_keys(count: int) -> np.ndarray:
    keys = np.random.default_rng(1).integers(0, 256, (count, 4), dtype=np.uint8)
    keys[::2, 0] = 10
    keys[::4, 1] = 1
    return keys


@pytest.mark.parametrize("batch", [1, 16, 256, 4096])
@pytest.mark.parametrize("count", [0, 1, 255, 5000])
def test_lookup_all_answers_as_the_table_does(table, count, batch):
    keys = random_keys(count)
    found = lookup_all(*lookup_address(table), keys, batch=batch)
    assert found.tolist() == table.lookup_array(keys).tolist()


def test_lookup_address_is_what_was_published_last(table):
    keys = random_keys(100)
    table.add_prefix("0.0.0.0/0", 9)
    assert set(lookup_all(*lookup_address(table), keys).tolist()) == {1, 2, 9}


def test_time_lookups_takes_no_negative_time(table):
    assert time_lookups(*lookup_address(table), random_keys(1000), 64) > 0
    assert time_lookups(*lookup_address(table), random_keys(0), 64) == 0


@pytest.mark.parametrize("batch", [0, -1, 4097])
def test_batches_outside_the_limits_are_refused(table, batch):
    with pytest.raises(ValueError, match=str(batch)):
        time_lookups(*lookup_address(table), random_keys(1), batch)
    with pytest.raises(ValueError, match=str(batch)):
        lookup_all(*lookup_address(table), random_keys(1), batch=batch)


def test_answers_of_other_sizes_are_refused(table):
    with pytest.raises(ValueError, match="answer 3"):
        lookup_all(*lookup_address(table), random_keys(1), answer=3)
