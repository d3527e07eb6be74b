"""The port in memory, from Python: what is pushed is read, and what is sent is popped, and how
queues, laps and bounds behave."""

from __future__ import annotations

import numpy as np
import pytest

from fastpath.ports.mem import MemPort

MAXIMUM = 262144


def test_pushed_frames_are_read_in_order_with_time_and_link():
    port = MemPort("lan", link="ethernet")
    port.push(b"one", 10)
    port.push(b"two!", 20, wire_len=99)
    assert port.name == "lan"
    assert len(port) == 2
    assert port.next_ns == 10
    assert port.read() == [(10, "ethernet", 3, b"one"), (20, "ethernet", 99, b"two!")]
    assert port.read() == []
    assert port.next_ns is None
    assert port.error() is None


def test_a_new_port_has_nothing():
    port = MemPort()
    assert (port.read(), port.next_ns, len(port), port.pop_all()) == ([], None, 0, [])


def test_packets_later_than_until_wait():
    port = MemPort()
    port.push_many([b"a", b"b", b"c"], ts=100, gap=10)
    assert port.read(until_ns=99) == []
    assert [p[3] for p in port.read(until_ns=110)] == [b"a", b"b"]
    assert port.next_ns == 120
    assert [p[0] for p in port.read()] == [120]


def test_max_bounds_a_read_and_the_rest_follows():
    port = MemPort()
    port.push_many(bytes([i]) for i in range(10))
    assert [p[3][0] for p in port.read(max=4)] == [0, 1, 2, 3]
    assert [p[3][0] for p in port.read()] == [4, 5, 6, 7, 8, 9]


def test_time_never_goes_back():
    port = MemPort()
    for ts in (50, 40, 60):
        port.push(b"x", ts)
    assert [p[0] for p in port.read()] == [50, 50, 60]


def test_empty_frame_and_largest_frame_pass_and_a_larger_one_is_refused():
    port = MemPort()
    port.push(b"")
    port.push(bytes(MAXIMUM))
    with pytest.raises(ValueError, match="262145 octets, at most 262144"):
        port.push(bytes(MAXIMUM + 1))
    assert [p[2] for p in port.read()] == [0, MAXIMUM]


def test_a_burst_of_largest_frames_ends_where_the_slots_end():
    port = MemPort()
    port.push_many([bytes([i]) * MAXIMUM for i in range(5)])
    seen = []
    while got := port.read():
        seen += [p[3][0] for p in got]
        assert all(len(p[3]) == MAXIMUM for p in got)
    assert seen == [0, 1, 2, 3, 4]


def test_queue_is_reused_over_many_rounds():
    port = MemPort()
    number, expected = 0, 0
    for size in (1, 700, 3000, 5, 1500, 2000) * 3:
        port.push_many(f"{number + i}".encode() for i in range(size))
        number += size
        for _ in range(3):
            for p in port.read():
                assert p[3] == f"{expected}".encode()
                expected += 1
    while got := port.read():
        expected += len(got)
    assert expected == number


def test_arrays_are_pushed_in_bulk():
    port = MemPort()
    buffer = np.frombuffer(b"abcdefgh", np.uint8)
    offsets, lengths = np.array([0, 6, 3], np.uint64), np.array([3, 2, 0], np.uint64)
    assert port.push_arrays(buffer, offsets, lengths, np.array([5, 6, 7], np.uint64)) == 3
    assert [(p[0], p[3]) for p in port.read()] == [(5, b"abc"), (6, b"gh"), (7, b"")]


@pytest.mark.parametrize(("offset", "length"), [(9, 0), (8, 1), (0, 9), (1, 2**64 - 1)])
def test_arrays_that_leave_the_buffer_are_refused(offset, length):
    port = MemPort()
    with pytest.raises(ValueError, match="frame 0 is not inside"):
        port.push_arrays(
            np.zeros(8, np.uint8), np.array([offset], np.uint64), np.array([length], np.uint64)
        )
    assert port.read() == []


def test_arrays_of_different_length_are_refused():
    two, one = np.zeros(2, np.uint64), np.zeros(1, np.uint64)
    with pytest.raises(ValueError, match="differ in number"):
        MemPort().push_arrays(np.zeros(8, np.uint8), two, one)
    with pytest.raises(ValueError, match="differ in number"):
        MemPort().push_arrays(np.zeros(8, np.uint8), two, two, one)


def test_loop_offers_the_same_frames_with_time_going_on():
    port = MemPort(loop=3)
    port.push_many([b"a", b"b"], ts=5, gap=5)
    seen = [(p[0], p[3]) for _ in range(3) for p in port.read()]
    assert seen == [(5, b"a"), (10, b"b"), (15, b"a"), (20, b"b"), (25, b"a"), (30, b"b")]
    assert port.read() == []
    port.rewind()
    assert port.drain() == 6


def test_loop_refuses_times_that_would_overflow():
    port = MemPort(loop=4)
    with pytest.raises(ValueError, match="out of range"):
        port.push(b"", 2**62)


def test_drain_takes_all_that_is_due():
    port = MemPort()
    port.push_many([b"x"] * 1000, gap=1)
    assert port.drain(until_ns=499) == 500
    assert port.drain() == 500


@pytest.mark.parametrize("wire_len", [2, 2**32])
def test_wire_length_must_hold_the_frame_and_32_bits(wire_len):
    with pytest.raises(ValueError, match="wire length"):
        MemPort().push(b"abc", wire_len=wire_len)


def test_unknown_link_type_is_named():
    with pytest.raises(ValueError, match="'token-ring' is not one of unsupported, ethernet"):
        MemPort(link="token-ring")


def test_close_drops_everything():
    port = MemPort()
    port.push(b"x")
    port.close()
    assert (port.read(), len(port)) == ([], 0)


def test_nothing_sent_gives_empty_arrays():
    arrays = MemPort().tx_arrays()
    assert [len(a) for a in arrays] == [0, 0, 0, 0]
    assert [a.dtype for a in arrays] == [np.uint8, np.uint64, np.uint64, np.uint64]


def test_sent_packets_are_popped_once():
    port = MemPort()
    assert port.send(b"one", 1)
    assert port.send(b"", 2)
    assert port.sent() == [(1, b"one"), (2, b"")]
    assert port.pop_all() == [(1, b"one"), (2, b"")]
    assert port.pop_all() == []
    assert (port.tx_packets, port.tx_octets, port.tx_dropped) == (2, 3, 0)


def test_sent_packets_are_taken_as_arrays():
    port = MemPort()
    for ts, data in enumerate((b"abc", b"", b"de", b"12345678", b"9")):
        port.send(data, 10 * ts)
    assert port.tx_waiting == 5
    buffer, offsets, lengths, times = port.tx_arrays()
    # whole words of 8 octets, the rest of each is zero
    assert buffer.tobytes() == b"abc\0\0\0\0\0" + b"de\0\0\0\0\0\0" + b"123456789" + bytes(7)
    assert offsets.tolist() == [0, 8, 8, 16, 24]
    assert lengths.tolist() == [3, 0, 2, 8, 1]
    assert times.tolist() == [0, 10, 20, 30, 40]
    assert (port.pop_all(), port.tx_waiting) == ([], 0)


def test_gaps_between_packets_are_zero_when_the_queue_is_used_again():
    port = MemPort()
    for data in (b"\xff" * 64, b"\xff" * 9):
        port.send(data)
        buffer, _, _, _ = port.tx_arrays()
    assert buffer.tobytes() == b"\xff" * 9 + bytes(7)


def test_a_full_queue_takes_no_more_and_counts():
    port = MemPort(tx_limit=2)
    assert [port.send(bytes([i])) for i in range(4)] == [True, True, False, False]
    assert port.tx_dropped == 2
    assert [data for _, data in port.pop_all()] == [b"\0", b"\1"]
    assert port.send(b"again")


def test_discarding_port_only_counts():
    port = MemPort(discard_tx=True, tx_limit=0)
    assert port.send(b"abc")
    assert port.sent() == []
    assert (port.tx_packets, port.tx_octets, port.tx_dropped) == (1, 3, 0)


def test_closed_port_takes_nothing_to_send():
    port = MemPort()
    port.send(b"x")
    port.close()
    assert not port.send(b"y")
    assert port.sent() == []
