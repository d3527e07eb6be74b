"""The reliable channel (RFC 2661 5.8, appendix A)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.l2tp.counters import Counters
from control.l2tp.message import Header, split
from control.l2tp.transport import Channel, ChannelConfig

TUNNEL = 9


def make(**settings_: object) -> Channel:
    channel = Channel(ChannelConfig(**settings_), Counters())
    channel.peer_tunnel = TUNNEL
    return channel


def numbers(channel: Channel) -> list[tuple[int, int, bytes]]:
    """(Ns, Nr, body) of what the channel sends."""
    result = []
    for packet in channel.packets_to_send():
        header, body = split(packet)
        result.append((header.ns, header.nr, body))
    return result


def ack(channel: Channel, nr: int, now: float = 0.0) -> None:
    channel.receive(Header(1, 0, 0, nr), b"", now)


def take(channel: Channel, ns: int, now: float = 0.0, nr: int = 0) -> list[bytes]:
    body = b"m%d" % ns
    return [b for _, b in channel.receive(Header(1, 0, ns, nr), body, now)]


def test_retransmissions_at_1_3_7_15_23_and_dead_at_31() -> None:
    channel = make()
    channel.send(b"x", 0, 0.0)
    times = [(0.0, numbers(channel))]
    while (when := channel.get_timer()) is not None:
        channel.handle_timer(when)
        times.append((when, numbers(channel)))
    assert [t for t, _ in times] == [0, 1, 3, 7, 15, 23, 31]
    assert all(sent == [(0, 0, b"x")] for _, sent in times[:-1])
    assert times[-1][1] == []
    assert channel.dead
    assert ChannelConfig().cycle() == 31.0


def test_dead_channel_sends_nothing_more() -> None:
    channel = make(max_retransmissions=0)
    channel.send(b"x", 0, 0.0)
    numbers(channel)
    channel.handle_timer(1.0)
    assert channel.dead
    channel.send(b"y", 0, 1.0)
    assert numbers(channel) == []
    assert take(channel, 0) == []


def test_retransmission_keeps_ns_and_refreshes_nr() -> None:
    channel = make()
    channel.send(b"x", 0, 0.0)
    assert numbers(channel) == [(0, 0, b"x")]
    assert take(channel, 0, 0.5) == [b"m0"]
    channel.handle_timer(1.0)
    assert numbers(channel) == [(0, 1, b"x")]


def test_slow_start_doubles_to_the_window_and_then_grows_linearly() -> None:
    channel = make()
    channel.set_peer_window(8)
    for n in range(40):
        channel.send(b"%d" % n, 0, 0.0)
    bursts = []
    nr = 0
    for _ in range(4):
        burst = len(numbers(channel))
        bursts.append(burst)
        for _ in range(burst):
            nr += 1
            ack(channel, nr)
    # 1, then one more for each acknowledgement: 2, 4, 8, and never above the window.
    assert bursts == [1, 2, 4, 8]
    assert channel.congestion == (8, 8)


def test_congestion_avoidance_adds_one_a_window() -> None:
    channel = make()
    channel.set_peer_window(16)
    for _ in range(4):
        channel.send(b"x", 0, 0.0)
    for nr in (1, 2, 3):
        ack(channel, nr)
    assert channel.congestion == (4, 16)
    channel.send(b"y", 0, 0.0)
    channel.handle_timer(1.0)
    assert channel.congestion == (1, 2)
    seen = []
    for nr in range(4, 12):
        channel.send(b"z", 0, 1.0)
        ack(channel, nr, 1.0)
        seen.append(channel.congestion[0])
    # One acknowledgement to SSTHRESH 2, then 2 for the third and 3 for the fourth.
    assert seen == [2, 2, 3, 3, 3, 4, 4, 4]


def test_default_window_is_four() -> None:
    channel = make()
    for nr in range(10):
        channel.send(b"x", 0, 0.0)
        ack(channel, nr + 1)
    for _ in range(10):
        channel.send(b"x", 0, 0.0)
    numbers(channel)
    assert channel.congestion[0] == 4


@pytest.mark.parametrize("window", [1, 4])
def test_never_more_in_flight_than_the_window(window: int) -> None:
    channel = make()
    channel.set_peer_window(window)
    for _ in range(30):
        channel.send(b"x", 0, 0.0)
    highest, nr = -1, 0
    while nr < 30:
        for ns, _, _ in numbers(channel):
            highest = max(highest, ns)
        assert highest - nr < window
        nr += 1
        ack(channel, nr)
    assert channel.idle


def test_ns_wraps_from_65535_to_0() -> None:
    a, b = make(), make()
    a._acknowledged = b._expected = 65530
    got = []
    for n in range(10):
        a.send(b"%d" % n, 0, 0.0)
        for packet in a.packets_to_send():
            header, body = split(packet)
            got += [(h.ns, x) for h, x in b.receive(header, body, 0.0)]
        ack(a, b.expected)
    assert [ns for ns, _ in got] == [65530, 65531, 65532, 65533, 65534, 65535, 0, 1, 2, 3]
    assert [body for _, body in got] == [b"%d" % n for n in range(10)]
    assert a.idle


def test_window_across_the_wrap_queues_and_acknowledges() -> None:
    channel = make()
    channel._expected = 65534
    assert take(channel, 0) == []
    assert take(channel, 65535) == []
    assert take(channel, 65534) == [b"m65534", b"m65535", b"m0"]
    assert channel.expected == 1
    assert take(channel, 65535) == []
    assert channel._counters.duplicate == 1


@pytest.mark.parametrize(("ns", "old"), [(15, True), (0, True), (32784, True), (32783, False)])
def test_what_is_old_is_as_in_the_rfcs_example(ns: int, old: bool) -> None:
    # Last received 15: 0..15 and 32784..65535 are duplicates.
    channel = make()
    channel._expected = 16
    assert take(channel, ns) == []
    assert channel._counters.duplicate == old
    assert channel._counters.out_of_window == (not old)
    assert (channel.get_timer() is not None) == old


def test_out_of_order_messages_wait_for_the_missing_one() -> None:
    channel = make()
    assert take(channel, 2) == []
    assert take(channel, 1) == []
    assert take(channel, 2) == []
    assert take(channel, 0) == [b"m0", b"m1", b"m2"]
    assert channel._counters.out_of_order == 2


def test_message_beyond_the_receive_window_is_dropped() -> None:
    channel = make(receive_window=4)
    assert take(channel, 4) == []
    assert channel._counters.out_of_window == 1
    assert take(channel, 3) == []
    for ns in range(3):
        take(channel, ns)
    assert channel.expected == 4


def test_acknowledgement_of_what_was_never_sent_drops_the_message() -> None:
    channel = make()
    channel.send(b"x", 0, 0.0)
    assert channel.receive(Header(1, 0, 0, 2), b"evil", 0.0) == []
    assert channel.expected == 0
    assert channel._counters.out_of_window == 1


def test_acknowledgement_is_delayed_and_rides_on_a_message() -> None:
    channel = make()
    take(channel, 0, 1.0)
    assert channel.get_timer() == 1.05
    channel.send(b"reply", 0, 1.02)
    assert numbers(channel) == [(0, 1, b"reply")]
    assert channel.get_timer() == 2.02


def test_acknowledgement_of_a_quarter_of_the_window_is_due_at_once() -> None:
    channel = make(receive_window=16)
    for ns in range(3):
        take(channel, ns, 1.0)
    assert channel.get_timer() == 1.05
    take(channel, 3, 1.01)
    assert channel.get_timer() == 1.01
    channel.handle_timer(1.01)
    assert numbers(channel) == [(0, 4, b"")]
    take(channel, 4, 2.0)
    assert channel.get_timer() == 2.05


def test_acknowledgement_with_nothing_to_ride_on_is_a_zlb_without_a_number() -> None:
    channel = make()
    channel.send(b"x", 0, 0.0)
    ack(channel, 1)
    numbers(channel)
    take(channel, 0, 1.0, nr=1)
    channel.handle_timer(1.05)
    assert numbers(channel) == [(1, 1, b"")]
    channel.send(b"y", 0, 2.0)
    assert numbers(channel) == [(1, 1, b"y")]


def test_duplicate_is_acknowledged_again() -> None:
    channel = make()
    take(channel, 0, 0.0)
    channel.handle_timer(0.05)
    numbers(channel)
    assert take(channel, 0, 1.0) == []
    channel.handle_timer(1.05)
    assert numbers(channel) == [(0, 1, b"")]


def test_zlb_takes_no_number_of_the_peer() -> None:
    channel = make()
    for _ in range(3):
        ack(channel, 0)
    assert channel.expected == 0
    assert channel.get_timer() is None


def test_acknowledgement_restarts_timer_and_attempts() -> None:
    channel = make()
    channel.set_peer_window(4)
    channel.send(b"x", 0, 0.0)
    channel.handle_timer(1.0)
    channel.handle_timer(3.0)
    ack(channel, 1, 4.0)
    channel.send(b"y", 0, 5.0)
    assert channel.get_timer() == 6.0


def test_after_a_timeout_one_message_is_resent_and_the_rest_follow_the_acknowledgements() -> None:
    channel = make()
    channel.set_peer_window(4)
    for nr in range(3):
        channel.send(b"w", 0, 0.0)
        ack(channel, nr + 1)
    numbers(channel)
    for _ in range(4):
        channel.send(b"x", 0, 0.0)
    assert [ns for ns, _, _ in numbers(channel)] == [3, 4, 5, 6]
    channel.handle_timer(1.0)
    assert [ns for ns, _, _ in numbers(channel)] == [3]
    ack(channel, 4, 1.1)
    assert [ns for ns, _, _ in numbers(channel)] == [4, 5]
    ack(channel, 7, 1.2)
    assert channel.idle
    assert channel.get_timer() is None


def test_abandoned_messages_keep_their_numbers() -> None:
    channel = make()
    channel.send(b"x", 0, 0.0)
    channel.abandon()
    assert channel.get_timer() is None
    channel.send(b"y", 0, 0.0)
    assert [(ns, b) for ns, _, b in numbers(channel)] == [(0, b"x"), (1, b"y")]


def test_discarding_the_unsent_lets_the_last_message_be_next() -> None:
    channel = make()
    for n in range(5):
        channel.send(b"%d" % n, 0, 0.0)
    channel.discard_unsent()
    channel.send(b"last", 0, 0.0)
    ack(channel, 1)
    assert [(ns, b) for ns, _, b in numbers(channel)] == [(0, b"0"), (1, b"last")]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 16), st.integers(0, 40))
def test_everything_arrives_once_and_in_order_over_a_bad_line(
    seed: int, window: int, count: int
) -> None:
    import random

    rng = random.Random(seed)
    a, b = make(max_retransmissions=30), make(max_retransmissions=30, receive_window=window)
    a.set_peer_window(window)
    for n in range(count):
        a.send(b"%d" % n, 0, 0.0)
    got: list[bytes] = []
    flying: list[tuple[Channel, bytes]] = []
    now = 0.0
    for _ in range(3000):
        flying += [(b, p) for p in a.packets_to_send()] + [(a, p) for p in b.packets_to_send()]
        rng.shuffle(flying)
        if flying:
            target, packet = flying.pop()
            luck = rng.random()
            if luck < 0.2:
                continue
            if luck > 0.9:
                flying.append((target, packet))
            header, body = split(packet)
            delivered = target.receive(header, body, now)
            if target is b:
                got += [x for _, x in delivered]
            continue
        times = [t for t in (a.get_timer(), b.get_timer()) if t is not None]
        if not times:
            break
        now = max(now, min(times))
        a.handle_timer(now)
        b.handle_timer(now)
    assert got == [b"%d" % n for n in range(count)]
    assert a.idle
