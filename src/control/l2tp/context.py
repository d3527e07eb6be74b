"""What all tunnels and calls of one endpoint share: settings, randomness, counters, the output
queues, the deadlines and the call handles."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from control.deadlines import Deadlines
from control.l2tp.avp import Rng
from control.l2tp.call import Call
from control.l2tp.config import EndpointConfig
from control.l2tp.counters import Counters
from control.l2tp.events import Datagram, Event
from control.l2tp.graveyard import Graveyard
from control.l2tp.id_pool import IdPool

SERIALS: Final = 1 << 32


class Timed(Protocol):
    """A tunnel or a call, as the clock sees it."""

    def handle_timer(self, now: float) -> None: ...
    def __hash__(self) -> int: ...


class Context:
    def __init__(self, config: EndpointConfig, rng: Rng) -> None:
        self.config = config
        self.rng = rng
        self.counters = Counters()
        self.channel = config.channel()
        self.cycle = self.channel.cycle()
        """Seconds of a full retransmission cycle."""
        self.events: deque[Event] = deque()
        self.outgoing: list[Datagram] = []
        self.deadlines: Deadlines[Timed] = Deadlines()
        self.calls: dict[int, Call] = {}
        """Calls by handle."""
        self.drained: set[str] = set()
        """Addresses of peers to and from which no tunnel is made."""
        self.graveyard = Graveyard(config.destruct_timeout)
        self.tunnel_ids = IdPool(rng, config.id_quarantine)
        self._handle = 0
        # Serial numbers grow, and should differ from those before a restart (RFC 2661 4.4.4).
        self._serial = rng.randrange(0, SERIALS // 2)

    def next_handle(self) -> int:
        """A call handle, never used before."""
        self._handle += 1
        return self._handle

    def next_serial(self) -> int:
        """A Call Serial Number; 0 is left out because it asks for one."""
        self._serial = self._serial % (SERIALS - 1) + 1
        return self._serial
