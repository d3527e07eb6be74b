"""What the layers of one link have to say, in the order in which it came up.

One object a link and not a queue a layer: of 65,535 links nearly all are silent, and empty queues
are most of what a layer would weigh.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum

from control.ppp.events import Event


class Signal(Enum):
    """What a negotiation tells its owner: tlu, tld and tlf of RFC 1661 4.4; tls has no use."""

    UP = "up"
    DOWN = "down"
    FINISHED = "finished"


class Outbox:
    __slots__ = ("counters", "events", "packets", "signals")

    def __init__(self, counters: Counter[str]) -> None:
        self.counters = counters
        """What was dropped, by reason. May be shared by links."""
        self.packets: list[tuple[int, bytes]] = []
        """PPP protocol number and the packet's octets."""
        self.events: list[Event] = []
        self.signals: list[tuple[int, Signal]] = []
        """With the protocol number of the negotiation that speaks."""
