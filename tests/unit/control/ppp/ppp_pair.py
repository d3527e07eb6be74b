"""Two links back to back on a virtual clock, over a line that may lose, double and reorder."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count
from random import Random

from control.ppp import chap, mschap_proof
from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticationRequested, Event, LinkClosed, NetworkOpened
from control.ppp.link import Link


@dataclass
class Line:
    delay: float = 0.05
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0


@dataclass
class End:
    """A link, its owner's user table, and all that happened to it."""

    link: Link
    users: dict[str, bytes] = field(default_factory=dict)
    assign: str = ""
    answers: bool = True
    events: list[Event] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    @property
    def closed(self) -> LinkClosed | None:
        last = self.events[-1] if self.events else None
        return last if isinstance(last, LinkClosed) else None

    @property
    def network(self) -> NetworkOpened | None:
        opened = [event for event in self.events if isinstance(event, NetworkOpened)]
        return opened[-1] if opened else None

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class Pair:
    def __init__(
        self, left: LinkConfig, right: LinkConfig, *, seed: int = 1, line: Line | None = None
    ) -> None:
        self.now = 0.0
        self.line = line or Line()
        self.ends = (End(Link(left, Random(seed))), End(Link(right, Random(seed + 1))))
        self._rng = Random(seed + 2)
        self._order = count()
        self._flying: list[tuple[float, int, int, bytes]] = []

    def open(self) -> None:
        for end in self.ends:
            end.link.open(self.now)
        self.pump()

    def run(self, until: float) -> None:
        """Let everything happen that is due up to `until`."""
        while (due := self._next()) is not None and due <= until:
            self.now = max(self.now, due)
            self._deliver()
            for end in self.ends:
                end.link.handle_timer(self.now)
                timer = end.link.get_timer()
                assert timer is None or timer > self.now
            self.pump()
        self.now = until

    def pump(self) -> None:
        for index, end in enumerate(self.ends):
            while (event := end.link.next_event()) is not None:
                end.events.append(event)
                if isinstance(event, AuthenticationRequested) and end.answers:
                    good, message = _check(event, end.users)
                    assign = end.assign if good else ""
                    end.link.authentication_result(
                        event.request, good, self.now, message=message, peer_address=assign
                    )
            for frame in end.link.frames_to_send():
                end.sent.append(frame)
                self._launch(1 - index, frame)

    def _launch(self, to: int, frame: bytes) -> None:
        copies = 1 + (self._rng.random() < self.line.duplicate)
        for _ in range(copies):
            if self._rng.random() < self.line.loss:
                continue
            late = 0.2 * self._rng.random() if self._rng.random() < self.line.reorder else 0.0
            when = self.now + self.line.delay + late
            heapq.heappush(self._flying, (when, next(self._order), to, frame))

    def _deliver(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _, _, to, frame = heapq.heappop(self._flying)
            self.ends[to].link.receive_frame(frame, self.now)
            self.pump()

    def _next(self) -> float | None:
        times = [end.link.get_timer() for end in self.ends]
        times += [self._flying[0][0]] if self._flying else []
        return min((time for time in times if time is not None), default=None)


def _check(event: AuthenticationRequested, users: dict[str, bytes]) -> tuple[bool, str]:
    """Whether it is the secret, and the message for the peer."""
    secret = users.get(event.username, b"")
    if event.protocol == "pap":
        return bool(secret) and event.password == secret, "hello"
    challenge, value = event.chap_challenge, event.chap_response
    if event.protocol == "mschapv2":
        proof = mschap_proof.verify(event.username.encode(), secret, challenge, value)
        return bool(proof), proof
    return chap.verify(event.chap_identifier, secret, challenge, value), "hello"
