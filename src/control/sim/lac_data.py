"""The data messages of a simulated LAC: which call they are of, and their sequence numbers (RFC
2661 3.1, 5.4). What is in them is the business of the call's line.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from control.errors import DecodeError
from control.l2tp.events import CallConnected, Datagram, SocketAddress
from control.sim.data_header import L_BIT, VERSION, DataHeader, encode, locate
from control.sim.lac_call import LacCall, LacCounters
from control.sim.quiet import Flow

_PLAIN = Struct("!HHHH")
_FLAGS = L_BIT | VERSION
"""A data header with Length and nothing else (RFC 2661 3.1)."""


class DataChannel:
    """All connected calls of one LAC."""

    def __init__(
        self, port: int, counters: LacCounters, send: Callable[[Datagram], object]
    ) -> None:
        """`port` is where data messages have to arrive."""
        self.calls: dict[int, LacCall] = {}
        """By tunnel and session."""
        self._port = port
        self._counters = counters
        self._send = send

    def add(self, call: LacCall, link: CallConnected) -> None:
        """The call was answered."""
        call.link = link
        call.send_ns = link.sequencing_required
        self.calls[_key(link.tunnel, link.session)] = call

    def remove(self, call: LacCall) -> None:
        """The call is over; one that was never answered is ignored."""
        if call.link is not None:
            self.calls.pop(_key(call.link.tunnel, call.link.session), None)

    def receive(self, data: bytes, source: SocketAddress, port: int) -> None:
        """One data message that arrived at one of the LAC's ports. Junk is counted."""
        counters = self._counters
        counters.data_in += 1
        try:
            tunnel, session, ns, start, end = locate(data)
        except DecodeError:
            counters.malformed += 1
            return
        call = self.calls.get(tunnel << 16 | session)
        if call is None or call.link is None or call.line is None:
            counters.unknown_session += 1
        elif source != call.link.peer:
            counters.wrong_peer += 1
        elif port != self._port:
            counters.wrong_port += 1
        elif (ns is None and not call.link.sequencing_required) or self._in_sequence(call, ns):
            if ns is None:
                call.send_ns = False
            call.line.receive_frame(data[start:end])

    def receive_quiet(self, flow: Flow, count: int) -> None:
        """As `receive` for `count` data messages of which quiet.py says that nobody answers
        them."""
        counters = self._counters
        counters.data_in += count
        call = self.calls.get(_key(flow.tunnel, flow.session))
        if call is None or call.link is None or call.line is None:
            counters.unknown_session += count
        elif flow.source != call.link.peer:
            counters.wrong_peer += count
        elif flow.port != self._port:
            counters.wrong_port += count
        elif call.link.sequencing_required:
            counters.unsequenced += count
        else:
            call.send_ns = False
            call.line.receive_quiet(count)

    def transmit(self, call: LacCall, frame: bytes) -> None:
        """A PPP frame of the call's line, to the LNS."""
        link = call.link
        assert link is not None
        self._counters.data_out += 1
        if call.send_ns:
            header = DataHeader(link.peer_tunnel, link.peer_session, call.ns, has_length=True)
            call.ns = (call.ns + 1) & 0xFFFF
            message = encode(header, frame)
        else:
            # As encode would have it, in a tenth of the time: most messages are of this form.
            length = _PLAIN.size + len(frame)
            message = _PLAIN.pack(_FLAGS, length, link.peer_tunnel, link.peer_session) + frame
        self._send(Datagram(message, link.local, link.peer))

    def _in_sequence(self, call: LacCall, ns: int | None) -> bool:
        """Whether a data message may be delivered (RFC 2661 5.4)."""
        if ns is None:
            self._counters.unsequenced += 1
            return False
        # The peer numbers its messages: so do we, whoever began (RFC 2661 5.4).
        call.send_ns = True
        ahead = (ns - call.expected) & 0xFFFF
        if ahead >= 0x8000:
            self._counters.late += 1
            return False
        self._counters.missing += ahead
        call.expected = (ns + 1) & 0xFFFF
        return True


def _key(tunnel: int, session: int) -> int:
    return tunnel << 16 | session
