"""The UDP path of a tunnel: the peer's address, fixed once it is known (RFC 2661 8.1), and the
limit on what is sent to a peer that may not be where it says (threats T5 and T9)."""

from __future__ import annotations

from control.l2tp.counters import Counters
from control.l2tp.events import Datagram, SocketAddress
from control.l2tp.message import HEADER


class Path:
    """`credit` is how many octets may be sent to a peer that has not shown that it gets what we
    send; None: as many as needed."""

    def __init__(
        self,
        local: SocketAddress,
        peer: SocketAddress,
        counters: Counters,
        outgoing: list[Datagram],
        credit: int | None = None,
    ) -> None:
        self.local = local
        self.peer = peer
        self.pinned = credit is not None
        """The peer's port may not change any more."""
        self.credit = credit
        self._counters = counters
        self._outgoing = outgoing
        self._withheld: bytes | None = None

    def may_move_to(self, peer: SocketAddress) -> bool:
        """Whether the peer may answer from here: another port of the same address, once."""
        return not self.pinned and peer[0] == self.peer[0]

    def pin(self, peer: SocketAddress) -> None:
        self.peer = peer
        self.pinned = True

    def heard(self, octets: int, *, proven: bool) -> None:
        """A datagram came from the peer. `proven`: it knows what only our answer told it."""
        if proven:
            self.credit = None
            self._withheld = None
        elif self.credit is not None:
            self.credit += octets
            data, self._withheld = self._withheld, None
            if data is not None:
                self.send(data)

    def send(self, data: bytes) -> None:
        """Sends a datagram, or keeps it until the peer has sent as much itself."""
        if self.credit is not None:
            if len(data) == HEADER.size:
                # A bare acknowledgement would silence the peer, whose repetitions alone let our
                # own message be repeated; that one acknowledges as well.
                self._counters.withheld += 1
                return
            if len(data) > self.credit:
                self._counters.withheld += 1
                self._withheld = data
                return
            self.credit -= len(data)
        self._outgoing.append(Datagram(data, self.local, self.peer))
