"""A LAC with a bank of modems that takes outgoing calls as configured (RFC 2661 5.2.2, 7.5.2).

It is a host on UDP port 1701: whole datagrams come in and go out. The control channel is
control.l2tp, the data header data_header.py, the far side of a modem a Line of cpe.py. Incoming
calls (ICRQ) are not made.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from control import config as settings
from control.errors import DecodeError
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import (
    CallClosed,
    CallConnected,
    CallRequested,
    Datagram,
    SocketAddress,
    TunnelOpened,
    TunnelParameters,
)
from control.sim.clock import Alarm, Scheduled, VirtualClock
from control.sim.cpe import Line, SimCpe
from control.sim.data_header import DataHeader, encode, locate
from control.sim.modem import (
    ANSWER,
    CARRIER_LOST,
    INVALID_DESTINATION,
    NO_FACILITIES,
    REJECT,
    SILENT,
    ModemBank,
    Outcome,
    number_matches,
    parse_outcome,
)
from control.sim.quiet import Flow

L2TP_PORT = 1701
CONTROL_BIT = 0x80
"""The T bit, in the first octet of a message."""

SYNCHRONOUS = 1
BOTH = 3
"""Framing and bearer capabilities: synchronous and asynchronous, digital and analog."""

EARLY_DATA_LEAD = 0.05
"""So much earlier than OCCN do the first PPP frames leave with `early_data`, seconds."""


@dataclass(slots=True)
class LacCounters:
    control_in: int = 0
    control_out: int = 0
    control_wrong_port: int = 0
    """Of those that came in, dropped because their tunnel lives on another port of ours."""
    data_in: int = 0
    """Data messages received: those that reached a CPE and the six below."""
    malformed: int = 0
    unknown_session: int = 0
    wrong_peer: int = 0
    """Not from the address and port that the call belongs to."""
    wrong_port: int = 0
    """Data sent to a port that the call does not use."""
    unsequenced: int = 0
    """Came without Ns though AVP 39 required it."""
    late: int = 0
    """Ns of the past: a duplicate, or overtaken."""
    missing: int = 0
    """Gaps in Ns, in messages."""
    data_out: int = 0


@dataclass(slots=True)
class _Call:
    """A call from OCRQ to its end."""

    handle: int
    number: str
    has_modem: bool = False
    dialing: Scheduled | None = None
    site: SimCpe | None = None
    line: Line | None = None
    link: CallConnected | None = None
    ns: int = 0
    """Of the next message we send."""
    expected: int = 0
    """Ns of the next message we receive."""
    send_ns: bool = False


class SimLac:
    """One LAC with one IP address."""

    def __init__(
        self,
        config: settings.SimLac,
        sites: Sequence[SimCpe],
        clock: VirtualClock,
        rng: random.Random,
        *,
        send: Callable[[Datagram], object],
    ) -> None:
        """`send` takes UDP datagrams to the network. Raises LocalProtocolError for an outcome that
        is none."""
        self.config = config
        self.counters = LacCounters()
        self.results: dict[str, int] = {}
        """Calls by what they met: an outcome, `no-facilities`, `unknown-number` or `cancelled`."""
        self.tunnels_opened = 0
        self.bank = modem_bank(config)
        self.port = rng.randrange(32768, 61000) if config.new_port else L2TP_PORT
        """From where it sends and where it hears all but the first message of a tunnel."""
        self._sites = sites
        self._clock = clock
        self._send = send
        self._endpoint = Endpoint(endpoint_config(config), rng)
        self._alarm = Alarm(clock, self._ring)
        self._calls: dict[int, _Call] = {}
        self._by_session: dict[int, _Call] = {}

    def receive_datagram(self, data: bytes, source: SocketAddress, port: int) -> None:
        """One UDP payload that arrived at one of our ports. Junk is counted."""
        if data and data[0] & CONTROL_BIT:
            self._receive_control(data, source, port)
        else:
            self._receive_data(data, source, port)

    def receive_quiet(self, flow: Flow, count: int) -> None:
        """As receive_datagram for `count` data messages of which quiet.py says that nobody answers
        them."""
        counters = self.counters
        counters.data_in += count
        call = self._by_session.get(session_key(flow.tunnel, flow.session))
        if call is None or call.link is None or call.line is None:
            counters.unknown_session += count
        elif flow.source != call.link.peer:
            counters.wrong_peer += count
        elif flow.port != self.port:
            counters.wrong_port += count
        elif call.link.sequencing_required:
            counters.unsequenced += count
        else:
            call.send_ns = False
            call.line.receive_quiet(count)

    def report(self) -> dict[str, object]:
        """What happened, for the replay's report."""
        return {
            "address": self.config.address,
            "host_name": self.config.host_name,
            "tunnels_opened": self.tunnels_opened,
            "modems_in_use": self.bank.in_use,
            "results": dict(sorted(self.results.items())),
            **asdict(self.counters),
            "control": asdict(self._endpoint.counters),
        }

    def shutdown(self) -> None:
        """Ends every tunnel with StopCCN, result 6."""
        self._endpoint.shutdown(self._clock.now)
        self._pump()

    def drop_carriers(self) -> None:
        """All modems lose their carrier at once."""
        for call in list(self._by_session.values()):
            self._hang_up(call, "carrier lost")

    # Control messages and the events they cause

    def _receive_control(self, data: bytes, source: SocketAddress, port: int) -> None:
        self.counters.control_in += 1
        # With a port of its own only the first message of a tunnel, whose Tunnel ID is zero, may
        # still come to the well-known one (RFC 2661 8.1); the endpoint must answer from the new
        # one.
        if port != self.port and data[4:6] != b"\0\0":
            self.counters.control_wrong_port += 1
            return
        local = (self.config.address, self.port)
        self._endpoint.receive_datagram(data, local, source, self._clock.now)
        self._pump()

    def _ring(self) -> None:
        self._endpoint.handle_timer(self._clock.now)
        self._pump()

    def _pump(self) -> None:
        endpoint = self._endpoint
        while (event := endpoint.next_event()) is not None:
            match event:
                case CallRequested():
                    self._take_call(event)
                case CallConnected():
                    self._start_line(event)
                case CallClosed():
                    self._forget(event.call, "cancelled")
                case TunnelOpened():
                    self.tunnels_opened += 1
                case _:
                    pass
        for datagram in endpoint.datagrams_to_send():
            self._send_control(datagram)
        self._alarm.set(endpoint.get_timer())

    def _send_control(self, datagram: Datagram) -> None:
        self.counters.control_out += 1
        self._send(datagram)

    # Calls

    def _take_call(self, event: CallRequested) -> None:
        call = _Call(event.call, event.request.called_number)
        self._calls[call.handle] = call
        outcome = self.bank.outcome(call.number)
        call.site = self._site(call.number)
        if outcome.name == SILENT:
            self._count(SILENT)
        elif outcome.name == REJECT:
            self._refuse(call, REJECT, outcome.result, outcome.error)
        elif not self.bank.seize():
            self._refuse(call, "no-facilities", NO_FACILITIES)
        else:
            call.has_modem = True
            self._endpoint.accept_call(call.handle, self._clock.now)
            call.dialing = self._clock.call_later(
                self.config.dial_delay, self._dialed, call, outcome
            )

    def _dialed(self, call: _Call, outcome: Outcome) -> None:
        call.dialing = None
        if outcome.name != ANSWER:
            self._refuse(call, outcome.name, outcome.result)
        elif call.site is None:
            self._refuse(call, "unknown-number", INVALID_DESTINATION)
        else:
            self._count(ANSWER)
            self._endpoint.connect_call(
                call.handle,
                self._clock.now,
                framing_type=SYNCHRONOUS,
                sequencing=self.config.sequencing,
            )
            if self.config.early_data:
                self._delay_occn(call.site.config.delay + EARLY_DATA_LEAD)
        self._pump()

    def _delay_occn(self, lead: float) -> None:
        """The queue holds OCCN and nothing else, as it is emptied after every step."""
        for datagram in self._endpoint.datagrams_to_send():
            self._clock.call_later(lead, self._send_control, datagram)

    def _start_line(self, event: CallConnected) -> None:
        call = self._calls[event.call]
        assert call.site is not None
        call.link = event
        call.send_ns = event.sequencing_required
        self._by_session[session_key(event.tunnel, event.session)] = call
        call.line = call.site.answer(
            send=lambda frame: self._send_data(call, frame),
            hang_up=lambda reason: self._hang_up(call, reason),
        )
        call.line.start()

    def _refuse(self, call: _Call, name: str, result: int, error: int = 0) -> None:
        self._count(name)
        self._endpoint.close_call(
            call.handle, self._clock.now, result=result, error=error, message=name
        )
        self._forget(call.handle, None)

    def _hang_up(self, call: _Call, reason: str) -> None:
        self._endpoint.close_call(call.handle, self._clock.now, result=CARRIER_LOST, message=reason)
        self._forget(call.handle, None)
        self._pump()

    def _forget(self, handle: int, result: str | None) -> None:
        """The call is over; `result` counts one that was still being dialed."""
        call = self._calls.pop(handle, None)
        if call is None:
            return
        if call.dialing is not None:
            call.dialing.cancel()
            if result is not None:
                self._count(result)
        if call.link is not None:
            del self._by_session[session_key(call.link.tunnel, call.link.session)]
        if call.line is not None:
            call.line.drop()
        if call.has_modem:
            self.bank.release()

    def _site(self, number: str) -> SimCpe | None:
        for site in self._sites:
            if number_matches(site.config.number, number):
                return site
        return None

    def _count(self, result: str) -> None:
        self.results[result] = self.results.get(result, 0) + 1

    # Data messages

    def _receive_data(self, data: bytes, source: SocketAddress, port: int) -> None:
        counters = self.counters
        counters.data_in += 1
        try:
            tunnel, session, ns, start, end = locate(data)
        except DecodeError:
            counters.malformed += 1
            return
        call = self._by_session.get(session_key(tunnel, session))
        if call is None or call.link is None or call.line is None:
            counters.unknown_session += 1
        elif source != call.link.peer:
            counters.wrong_peer += 1
        elif port != self.port:
            counters.wrong_port += 1
        elif (ns is None and not call.link.sequencing_required) or self._in_sequence(call, ns):
            if ns is None:
                call.send_ns = False
            call.line.receive_frame(data[start:end])

    def _in_sequence(self, call: _Call, ns: int | None) -> bool:
        """Whether a data message may be delivered (RFC 2661 5.4)."""
        if ns is None:
            self.counters.unsequenced += 1
            return False
        # The peer numbers its messages: so do we, whoever began (RFC 2661 5.4).
        call.send_ns = True
        ahead = (ns - call.expected) & 0xFFFF
        if ahead >= 0x8000:
            self.counters.late += 1
            return False
        self.counters.missing += ahead
        call.expected = (ns + 1) & 0xFFFF
        return True

    def _send_data(self, call: _Call, frame: bytes) -> None:
        link = call.link
        assert link is not None
        ns = None
        if call.send_ns:
            ns = call.ns
            call.ns = (ns + 1) & 0xFFFF
        header = DataHeader(link.peer_tunnel, link.peer_session, ns, has_length=True)
        self.counters.data_out += 1
        self._send(Datagram(encode(header, frame), link.local, link.peer))


def session_key(tunnel: int, session: int) -> int:
    return tunnel << 16 | session


def modem_bank(config: settings.SimLac) -> ModemBank:
    """Raises LocalProtocolError for an outcome that is none."""
    codes = {"result": config.result_code, "error": config.error_code}
    rules = tuple((number, parse_outcome(text, **codes)) for number, text in config.outcomes)
    return ModemBank(config.modems, parse_outcome(config.outcome, **codes), rules)


def endpoint_config(config: settings.SimLac) -> EndpointConfig:
    """A LAC that lets every LNS in which knows its secret, or every one if it has none."""
    policy = TunnelParameters(
        local=(config.address, L2TP_PORT),
        peer=("", 0),
        host_name=config.host_name,
        secret=config.secret,
        require_tunnel_auth=bool(config.secret),
    )
    return EndpointConfig(
        role="lac",
        host_name=config.host_name,
        framing_capabilities=BOTH,
        bearer_capabilities=BOTH,
        accept_tunnels=True,
        incoming={"": policy},
    )
