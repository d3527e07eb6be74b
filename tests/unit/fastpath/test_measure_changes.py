"""What is timed is done: changes in transactions of any size, also beside a reader."""

import threading

import numpy as np
import pytest

from fastpath.lpm_chunk import Chunked
from fastpath.measure_changes import Reader, time_changes

HOSTS = np.array([[10, 0, i // 256, i % 256] for i in range(700)], np.uint8)
LENGTHS = np.full(len(HOSTS), 32)
NHS = np.arange(1, len(HOSTS) + 1)


@pytest.fixture(params=[Chunked])
def table(request):
    table = request.param(4)
    table.add_prefix("10.0.0.0/8", 9)
    return table


@pytest.mark.parametrize("size", [1, 7, 699, 700, 5000])
def test_changes_are_made_whatever_the_size_of_a_transaction(table, size):
    assert time_changes(table, HOSTS, LENGTHS, NHS, size) > 0
    assert table.lookup_array(HOSTS).tolist() == NHS.tolist()
    time_changes(table, HOSTS, LENGTHS, NHS + 1, size)
    assert table.lookup_array(HOSTS).tolist() == (NHS + 1).tolist()
    time_changes(table, HOSTS, LENGTHS, None, size)
    assert set(table.lookup_array(HOSTS).tolist()) == {9}
    assert len(table) == 1


def test_no_change_takes_no_transaction(table):
    time_changes(table, HOSTS[:0], LENGTHS[:0], NHS[:0], 5)
    with table.transaction(), pytest.raises(RuntimeError, match="a transaction is open"):
        time_changes(table, HOSTS, LENGTHS, NHS, 5)


def test_columns_that_do_not_belong_together_are_refused(table):
    for lengths, nhs, size in ((LENGTHS[1:], NHS, 1), (LENGTHS, NHS[1:], 1), (LENGTHS, NHS, 0)):
        with pytest.raises(ValueError, match="do not belong together"):
            time_changes(table, HOSTS, lengths, nhs, size)
    with pytest.raises(ValueError, match="do not belong together"):
        time_changes(table, np.zeros((700, 16), np.uint8), LENGTHS, NHS, 1)


def test_lookups_beside_changes_end_and_leave_the_table_whole(table):
    reader, keys = Reader(), np.tile(HOSTS, (300, 1))
    took = []
    looking = threading.Thread(target=lambda: took.append(reader.time_lookups(table, keys, 64)))
    looking.start()
    for _ in range(20):
        time_changes(table, HOSTS, LENGTHS, NHS, 50, reader)
        time_changes(table, HOSTS, LENGTHS, None, 50, reader)
    looking.join()
    assert took[0] > 0
    time_changes(table, HOSTS, LENGTHS, NHS, 700)
    assert table.lookup_array(HOSTS).tolist() == NHS.tolist()


@pytest.mark.parametrize("batch", [0, 4097])
def test_batches_outside_the_limits_are_refused(table, batch):
    with pytest.raises(ValueError, match=str(batch)):
        Reader().time_lookups(table, HOSTS, batch)
