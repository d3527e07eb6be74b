"""Reliable delivery of control messages (RFC 2661 5.8, appendix A): numbering, acknowledgement,
window, slow start, retransmission.

Carries bodies without looking into them. Whom to send to, and what a dead peer means, is
tunnel.py.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from control.l2tp.counters import Counters
from control.l2tp.message import Header, join

MODULO: Final = 1 << 16
HALF: Final = 1 << 15
DEFAULT_WINDOW: Final = 4
"""Window of a peer that sent no Receive Window Size AVP."""
LOWEST_CAP: Final = 8.0
"""Seconds below which the retransmission interval may not be capped (RFC 2661 5.8)."""


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    receive_window: int = 16
    """Messages we keep that arrive ahead of a missing one, and what AVP 10 announces."""
    rto_initial: float = 1.0
    """Seconds to the first retransmission; each later interval is twice the one before."""
    rto_cap: float = 8.0
    """Longest interval, seconds."""
    max_retransmissions: int = 5
    ack_delay: float = 0.05
    """Seconds an acknowledgement waits for a message to ride on; it does not wait once a quarter
    of the receive window is owed."""

    def cycle(self) -> float:
        """Seconds of a full retransmission cycle, 31 with the defaults."""
        total, interval = 0.0, self.rto_initial
        for _ in range(self.max_retransmissions + 1):
            total += interval
            interval = min(interval * 2, self.rto_cap)
        return total


@dataclass(slots=True)
class Outgoing:
    """A message that is not acknowledged yet, or was not when it was last looked at."""

    body: bytes
    session_id: int
    tunnel_id: int | None
    """Overrides the peer's tunnel id; SCCRQ goes to 0 whatever we learn later."""
    transmissions: int = 0


class Channel:
    """One direction pair of the reliable channel of a tunnel.

    The queue holds every message not acknowledged yet; the one at index i has number
    `_acknowledged + i`. The first `_started` of them were transmitted at least once, the first
    `_in_flight` since the last retransmission time-out.
    """

    def __init__(self, config: ChannelConfig, counters: Counters) -> None:
        self.config = config
        self.peer_tunnel = 0
        """Tunnel ID of what we send, 0 until the peer has assigned one."""
        self.dead = False
        """The peer did not acknowledge in time; nothing is sent any more."""
        self._counters = counters
        self._queue: deque[Outgoing] = deque()
        self._acknowledged = 0
        self._heard = False
        self._started = 0
        self._in_flight = 0
        self._expected = 0
        self._early: dict[int, tuple[Header, bytes]] = {}
        self._window = DEFAULT_WINDOW
        self._cwnd = 1
        self._ssthresh = DEFAULT_WINDOW
        self._growth = 0
        self._interval = config.rto_initial
        self._attempts = 0
        self._resend_at: float | None = None
        self._ack_at: float | None = None
        self._owed = 0
        self._packets: list[bytes] = []

    @property
    def expected(self) -> int:
        """Ns of the next message in order; our Nr."""
        return self._expected

    @property
    def idle(self) -> bool:
        """Everything sent is acknowledged."""
        return not self._queue

    @property
    def backlog(self) -> int:
        """Messages that are not acknowledged, or not even sent yet."""
        return len(self._queue)

    @property
    def acknowledged(self) -> bool:
        """Something we sent has been acknowledged."""
        return self._heard

    @property
    def congestion(self) -> tuple[int, int]:
        """CWND and SSTHRESH, for tests and show."""
        return self._cwnd, self._ssthresh

    def set_peer_window(self, window: int) -> None:
        """Takes the peer's Receive Window Size, 1 or more."""
        self._window = window
        self._ssthresh = window
        self._cwnd = min(self._cwnd, window)

    def send(
        self, body: bytes, session_id: int, now: float, tunnel_id: int | None = None
    ) -> Outgoing:
        """Queues a message; it leaves as soon as the window has room, as its transmissions tell."""
        message = Outgoing(body, session_id, tunnel_id)
        self._queue.append(message)
        self._pump(now)
        return message

    def abandon(self) -> None:
        """Forgets what is not acknowledged; its numbers stay used if it was transmitted."""
        self._acknowledged = (self._acknowledged + self._started) % MODULO
        self._queue.clear()
        self._started = self._in_flight = 0
        self._resend_at = None

    def discard_unsent(self) -> None:
        """Forgets what was not transmitted yet, to let a last message go first."""
        while len(self._queue) > self._started:
            self._queue.pop()

    def receive(self, header: Header, body: bytes, now: float) -> list[tuple[Header, bytes]]:
        """Takes a message from the peer. Returns what may be processed now, in order."""
        if self.dead or not self._take_acknowledgement(header.nr, now):
            return []
        if not body:
            self._counters.zlb_received += 1
            return []
        ahead = (header.ns - self._expected) % MODULO
        if ahead >= HALF:
            self._counters.duplicate += 1
            self._owe_acknowledgement(now)
            return []
        if ahead >= self.config.receive_window:
            self._counters.out_of_window += 1
            return []
        if ahead:
            self._counters.out_of_order += header.ns not in self._early
            self._early.setdefault(header.ns, (header, body))
            return []
        self._owe_acknowledgement(now)
        return self._in_order(header, body)

    def handle_timer(self, now: float) -> None:
        """Retransmits or gives up, and sends the acknowledgement that found nothing to ride on."""
        if self._resend_at is not None and now >= self._resend_at:
            self._time_out(now)
        if self._ack_at is not None and now >= self._ack_at and not self.dead:
            self._counters.zlb_sent += 1
            self._ack_at = None
            self._owed = 0
            self._packets.append(join(self._header(0, None, self._started), b""))

    def get_timer(self) -> float | None:
        """Absolute time of the next retransmission or acknowledgement."""
        if self._resend_at is None or self._ack_at is None:
            return self._ack_at if self._resend_at is None else self._resend_at
        return min(self._resend_at, self._ack_at)

    def packets_to_send(self) -> list[bytes]:
        """Drains the output."""
        packets, self._packets = self._packets, []
        return packets

    def _in_order(self, header: Header, body: bytes) -> list[tuple[Header, bytes]]:
        ready = [(header, body)]
        self._expected = (self._expected + 1) % MODULO
        while (early := self._early.pop(self._expected, None)) is not None:
            ready.append(early)
            self._expected = (self._expected + 1) % MODULO
        return ready

    def _take_acknowledgement(self, nr: int, now: float) -> bool:
        """False: it acknowledges what was never sent, the message is not from our peer."""
        count = (nr - self._acknowledged) % MODULO
        if count >= HALF:
            return True
        if count > self._started:
            self._counters.out_of_window += 1
            return False
        if count == 0:
            return True
        for _ in range(count):
            self._queue.popleft()
        self._acknowledged = nr
        self._heard = True
        self._started -= count
        self._in_flight = max(0, self._in_flight - count)
        self._grow()
        self._attempts = 0
        self._interval = self.config.rto_initial
        self._resend_at = now + self._interval if self._in_flight else None
        self._pump(now)
        return True

    def _grow(self) -> None:
        """One acknowledgement: slow start below SSTHRESH, congestion avoidance above."""
        if self._cwnd < self._ssthresh:
            self._cwnd += 1
        else:
            self._growth += 1
            if self._growth >= self._cwnd:
                self._growth = 0
                self._cwnd += 1
        self._cwnd = min(self._cwnd, self._window)

    def _owe_acknowledgement(self, now: float) -> None:
        self._owed += 1
        # A peer with a full window must not wait for the delay. Due now is still after whatever
        # the owner says at once, which then carries the acknowledgement.
        soon = self._owed >= max(2, self.config.receive_window // 4)
        when = now if soon else now + self.config.ack_delay
        self._ack_at = when if self._ack_at is None else min(self._ack_at, when)

    def _time_out(self, now: float) -> None:
        if self._attempts >= self.config.max_retransmissions:
            self.dead = True
            self.abandon()
            self._ack_at = None
            return
        self._attempts += 1
        self._interval = min(self._interval * 2, self.config.rto_cap)
        self._ssthresh = max(1, self._cwnd // 2)
        self._cwnd = 1
        self._growth = 0
        self._in_flight = 0
        self._pump(now)

    def _pump(self, now: float) -> None:
        limit = min(self._cwnd, self._window, len(self._queue))
        if self._in_flight >= limit or self.dead:
            return
        while self._in_flight < limit:
            item = self._queue[self._in_flight]
            header = self._header(item.session_id, item.tunnel_id, self._in_flight)
            self._packets.append(join(header, item.body))
            self._in_flight += 1
            item.transmissions += 1
            if item.transmissions == 1:
                self._started += 1
                self._counters.sent += 1
            else:
                self._counters.retransmitted += 1
        self._ack_at = None
        self._owed = 0
        if self._resend_at is None or self._resend_at <= now:
            self._resend_at = now + self._interval

    def _header(self, session_id: int, tunnel_id: int | None, index: int) -> Header:
        tunnel = self.peer_tunnel if tunnel_id is None else tunnel_id
        return Header(tunnel, session_id, (self._acknowledged + index) % MODULO, self._expected)
