"""A seeded line between two ends that delays, loses, doubles, reorders and corrupts datagrams.

Each direction draws from its own generator, so what happens on one never depends on the traffic of
another. The line does not know what it carries, and it has no bandwidth: no queue, no tail drop.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from control.errors import LocalProtocolError
from control.sim.clock import Serials, Times, VirtualClock

Deliver = Callable[..., object]
"""Takes the datagram, and behind it what else was given to `send` with it."""

MINIMUM_HOLD = 0.001
"""A datagram to be overtaken is held back at least this long, seconds."""


class Direction(Enum):
    TO_FAR = "to_far"
    TO_NEAR = "to_near"


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a line does to datagrams. Shares are 0 to 1 and drawn independently of each other."""

    delay: float = 0.0
    """One-way delay, seconds."""
    jitter: float = 0.0
    """Up to this much is added to the delay, evenly spread, seconds."""
    loss: float = 0.0
    duplicate: float = 0.0
    """Share that arrives twice; each copy has its own delay."""
    reorder: float = 0.0
    """Share that is held back by one to two further delays, so that later ones overtake it."""
    corrupt: float = 0.0
    """Share in which one to three bits are flipped."""

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder", "corrupt"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise LocalProtocolError(f"{name} of a line must be 0 to 1")
        for name in ("delay", "jitter"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise LocalProtocolError(f"{name} of a line must be 0 or more seconds")


@dataclass(slots=True)
class LinkCounters:
    """One direction. sent + duplicated == lost + delivered + still on the way."""

    sent: int = 0
    octets: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0


class Lane:
    """One direction of a line."""

    def __init__(
        self, clock: VirtualClock, impairment: Impairment, seed: str, deliver: Deliver
    ) -> None:
        self.counters = LinkCounters()
        self._clock = clock
        self._impairment = impairment
        self._deliver = deliver
        # A string seeds through SHA-512: the same numbers in every process and on every machine.
        self._random = random.Random(seed)
        self._perfect = impairment == Impairment(delay=impairment.delay)

    def send(self, payload: bytes, *beside: object) -> None:
        """`beside` arrives with the payload as it is, such as addresses."""
        counters = self.counters
        counters.sent += 1
        counters.octets += len(payload)
        if self._perfect:
            clock = self._clock
            clock.call_at(clock.now + self._impairment.delay, self._arrive, payload, *beside)
        else:
            self._send_impaired(payload, beside)

    def impair(self, impairment: Impairment) -> None:
        """What happens from now on; what is on its way arrives as it would have."""
        self._impairment = impairment
        self._perfect = impairment == Impairment(delay=impairment.delay)

    @property
    def delay(self) -> float:
        """Seconds, before jitter."""
        return self._impairment.delay

    @property
    def perfect(self) -> bool:
        """Nothing happens on it but the delay."""
        return self._perfect

    def send_many(
        self, arrivals: Times, serials: Serials, octets: int, deliver: Callable[[int, int], object]
    ) -> None:
        """As `send` for datagrams of `octets` altogether that will arrive at `arrivals`, `delay`
        after they left, on a perfect line. Instead of each one's delivery, `deliver(first, last)`
        is called as VirtualClock.call_train does."""
        self.counters.sent += len(arrivals)
        self.counters.octets += octets

        def arrive(first: int, last: int) -> None:
            self.counters.delivered += last - first
            deliver(first, last)

        self._clock.call_train(arrivals, serials, arrive)

    def _send_impaired(self, payload: bytes, beside: tuple[object, ...]) -> None:
        """Draws for everything whatever the outcome, so that the fate of one datagram does not
        shift the numbers of the next."""
        lane, draw = self._impairment, self._random.random
        lost = draw() < lane.loss
        doubled = draw() < lane.duplicate
        held = draw() < lane.reorder
        corrupted = draw() < lane.corrupt
        delays = [lane.delay + draw() * lane.jitter, lane.delay + draw() * lane.jitter]
        hold = max(lane.delay, MINIMUM_HOLD) * (1 + draw())
        flips = [self._random.randrange(1 << 16) for _ in range(self._random.randint(1, 3))]
        if lost:
            self.counters.lost += 1
            return
        if held:
            self.counters.reordered += 1
            delays[0] += hold
        if corrupted and payload:
            self.counters.corrupted += 1
            payload = flip_bits(payload, flips)
        self._clock.call_later(delays[0], self._arrive, payload, *beside)
        if doubled:
            self.counters.duplicated += 1
            self._clock.call_later(delays[1], self._arrive, payload, *beside)

    def _arrive(self, payload: bytes, *beside: object) -> None:
        self.counters.delivered += 1
        self._deliver(payload, *beside)


class Link:
    """A line with a near and a far end; `deliver_*` is called when a datagram arrives there."""

    def __init__(
        self,
        clock: VirtualClock,
        impairment: Impairment,
        seed: str,
        *,
        deliver_far: Deliver,
        deliver_near: Deliver,
    ) -> None:
        """`seed` also names the line: no two lines of one simulation should share it."""
        self.to_far = Lane(clock, impairment, f"{seed}/{Direction.TO_FAR.value}", deliver_far)
        self.to_near = Lane(clock, impairment, f"{seed}/{Direction.TO_NEAR.value}", deliver_near)

    def send(self, direction: Direction, payload: bytes) -> None:
        (self.to_far if direction is Direction.TO_FAR else self.to_near).send(payload)

    def counters(self, direction: Direction) -> LinkCounters:
        return (self.to_far if direction is Direction.TO_FAR else self.to_near).counters


def flip_bits(payload: bytes, positions: list[int]) -> bytes:
    """The payload with the bits at these positions (modulo its length) inverted."""
    damaged = bytearray(payload)
    # A position drawn twice would undo itself.
    for position in sorted({p % (len(payload) * 8) for p in positions}):
        damaged[position >> 3] ^= 0x80 >> (position & 7)
    return bytes(damaged)
