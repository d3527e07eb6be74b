"""control.sim.link: what a line does to datagrams, and that a seed fixes it."""

from __future__ import annotations

import pytest

from control.errors import LocalProtocolError
from control.sim.clock import VirtualClock
from control.sim.link import Direction, Impairment, Lane, Link, flip_bits

COUNT = 5000
FAR, NEAR = Direction.TO_FAR, Direction.TO_NEAR


def carry(
    impairment: Impairment, seed: str = "1", count: int = COUNT, gap: float = 0.001
) -> tuple[list[tuple[float, bytes]], Lane]:
    """Sends numbered datagrams one `gap` apart and returns what arrived, and when."""
    clock = VirtualClock()
    arrived: list[tuple[float, bytes]] = []
    lane = Lane(clock, impairment, seed, lambda data: arrived.append((clock.now, data)))
    for number in range(count):
        clock.run_until(number * gap)
        lane.send(number.to_bytes(8, "big"))
    clock.run_until(count * gap + 10.0)
    return arrived, lane


def within(value: int, share: float, count: int = COUNT) -> bool:
    """Whether a binomial count lies within five standard deviations."""
    return abs(value - share * count) <= 5 * (count * share * (1 - share)) ** 0.5


def test_a_perfect_line_delivers_everything_in_order_after_its_delay() -> None:
    arrived, lane = carry(Impairment(delay=0.05), count=100)
    assert [data for _, data in arrived] == [n.to_bytes(8, "big") for n in range(100)]
    assert [time for time, _ in arrived] == pytest.approx([n * 0.001 + 0.05 for n in range(100)])
    assert (lane.counters.sent, lane.counters.delivered, lane.counters.octets) == (100, 100, 800)


def test_loss_takes_its_share_and_is_counted() -> None:
    arrived, lane = carry(Impairment(loss=0.1))
    assert within(lane.counters.lost, 0.1)
    assert len(arrived) == COUNT - lane.counters.lost == lane.counters.delivered


def test_loss_alone_keeps_order() -> None:
    arrived, _ = carry(Impairment(delay=0.01, loss=0.3))
    assert [data for _, data in arrived] == sorted(data for _, data in arrived)


def test_duplicates_are_counted_and_equal() -> None:
    arrived, lane = carry(Impairment(duplicate=0.2))
    assert within(lane.counters.duplicated, 0.2)
    assert len(arrived) == COUNT + lane.counters.duplicated
    assert len({data for _, data in arrived}) == COUNT


def test_reordered_datagrams_are_overtaken_and_none_is_missing() -> None:
    arrived, lane = carry(Impairment(delay=0.01, reorder=0.1))
    assert within(lane.counters.reordered, 0.1)
    order = [data for _, data in arrived]
    assert order != sorted(order)
    assert sorted(order) == [n.to_bytes(8, "big") for n in range(COUNT)]


def test_corruption_flips_one_to_three_bits() -> None:
    arrived, lane = carry(Impairment(delay=0.5, corrupt=0.25))
    flips = [
        (int.from_bytes(data, "big") ^ number).bit_count()
        for number, (_, data) in enumerate(arrived)
    ]
    assert within(lane.counters.corrupted, 0.25)
    assert sum(1 for n in flips if n) == lane.counters.corrupted
    assert max(flips) <= 3


def test_jitter_stays_within_its_bound_and_spreads() -> None:
    arrived, _ = carry(Impairment(delay=0.02, jitter=0.01), gap=1.0, count=1000)
    delays = [time - number for number, (time, _) in enumerate(arrived)]
    assert min(delays) >= 0.02 - 1e-9
    assert max(delays) <= 0.03 + 1e-9
    assert sum(delays) / len(delays) == pytest.approx(0.025, abs=0.0005)


ROUGH = Impairment(0.01, 0.02, loss=0.1, duplicate=0.1, reorder=0.1, corrupt=0.1)


def test_one_seed_gives_one_result_and_another_seed_another() -> None:
    assert carry(ROUGH, "a", 500)[0] == carry(ROUGH, "a", 500)[0]
    assert carry(ROUGH, "a", 500)[0] != carry(ROUGH, "b", 500)[0]


def test_sent_and_doubled_are_lost_delivered_or_on_the_way() -> None:
    _, lane = carry(ROUGH)
    counters = lane.counters
    assert counters.sent + counters.duplicated == counters.lost + counters.delivered


def test_the_two_directions_do_not_influence_each_other() -> None:
    def run(near: int) -> list[tuple[float, bytes]]:
        clock = VirtualClock()
        arrived: list[tuple[float, bytes]] = []
        link = Link(
            clock,
            ROUGH,
            "line",
            deliver_far=lambda data: arrived.append((clock.now, data)),
            deliver_near=lambda data: None,
        )
        for number in range(300):
            link.send(FAR, bytes([number % 256]) * 4)
            for _ in range(near):
                link.send(NEAR, b"x")
        clock.run_until(10.0)
        assert link.counters(NEAR).sent == 300 * near
        return arrived

    assert run(0) == run(3)


def test_the_directions_deliver_to_their_own_ends() -> None:
    clock = VirtualClock()
    far: list[bytes] = []
    near: list[bytes] = []
    link = Link(clock, Impairment(), "x", deliver_far=far.append, deliver_near=near.append)
    link.send(FAR, b"out")
    link.send(NEAR, b"back")
    assert (far, near) == ([], [])
    clock.run_until(0.0)
    assert (far, near) == ([b"out"], [b"back"])


def test_an_empty_datagram_survives_corruption() -> None:
    clock = VirtualClock()
    arrived: list[bytes] = []
    Lane(clock, Impairment(corrupt=1.0), "x", arrived.append).send(b"")
    clock.run_until(1.0)
    assert arrived == [b""]


def test_a_flip_position_drawn_twice_counts_once() -> None:
    assert flip_bits(b"\x00\x00", [0, 16, 15]) == b"\x80\x01"


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": 1.1},
        {"corrupt": -0.1},
        {"reorder": float("nan")},
        {"delay": -1.0},
        {"jitter": float("inf")},
    ],
)
def test_impossible_impairments_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalProtocolError):
        Impairment(**wrong)
