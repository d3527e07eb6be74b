"""A LAC with a bank of modems that takes outgoing calls as configured (RFC 2661 5.2.2, 7.5.2).

It is a host on one UDP port: whole datagrams come in and go out. The control channel is
control.l2tp, data messages are lac_data.py, the far side of a modem is a Site, mostly one of
cpe.py. Time is a VirtualClock, which real_time.py keeps at the time of day. When told to, a site
calls in (ICRQ).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from struct import pack

from control import config as settings
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import (
    AnsweredLine,
    CallClosed,
    CallConnected,
    CallRequested,
    Datagram,
    IncomingCall,
    SocketAddress,
    TunnelOpened,
)
from control.sim.clock import Alarm, VirtualClock
from control.sim.lac_call import LacCall, LacCounters, Site
from control.sim.lac_data import DataChannel
from control.sim.lac_settings import (
    BOTH,
    SYNCHRONOUS,
    endpoint_config,
    modem_bank,
    tunnel_parameters,
)
from control.sim.meter import Meter
from control.sim.modem import (
    ANSWER,
    CARRIER_LOST,
    INVALID_DESTINATION,
    NO_FACILITIES,
    REJECT,
    SILENT,
    Outcome,
    number_matches,
)
from control.sim.quiet import Flow

CONTROL_BIT = 0x80
"""The T bit, in the first octet of a message."""

PEER_IDS = slice(4, 8)
MESSAGE_TYPE = slice(18, 20)
CONNECTED = (b"\x00\x09", b"\x00\x0c")
"""Where a control message has the receiver's tunnel and session id, and its type; the types of OCCN
and ICCN (RFC 2661 3.1, 4.4.1)."""

EARLY_DATA_LEAD = 0.05
"""So much earlier than OCCN do the first PPP frames leave with `early_data`, seconds."""


class SimLac:
    """One LAC with one IP address."""

    def __init__(
        self,
        config: settings.SimLac,
        sites: Sequence[Site],
        clock: VirtualClock,
        rng: random.Random,
        *,
        send: Callable[[Datagram], object],
        port: int | None = None,
    ) -> None:
        """`send` takes UDP datagrams to the network; `port` is the other UDP port, if the network
        has one for it. Raises LocalProtocolError for an outcome that is none."""
        self.config = config
        self.counters = LacCounters()
        self.meter = Meter(lambda: clock.now)
        self.results: dict[str, int] = {}
        """Calls by what they met: an outcome, `no-facilities`, `unknown-number` or `cancelled`."""
        self.tunnels_opened = 0
        self.bank = modem_bank(config)
        self.port = config.port
        """From where it sends and where it hears all but the first message of a tunnel."""
        if config.new_port:
            self.port = rng.randrange(32768, 61000) if port is None else port
        self.silent = False
        """It neither hears nor says anything, but its calls and timers go on."""
        self._sites = sites
        self._clock = clock
        self._send = send
        self._rng = rng
        self._endpoint = Endpoint(endpoint_config(config), rng)
        self._alarm = Alarm(clock, self._ring)
        self._calls: dict[int, LacCall] = {}
        self._data = DataChannel(self.port, self.counters, self._transmit)
        self._waiting: dict[bytes, LacCall] = {}
        """Calls whose OCCN did not leave yet, by the peer's tunnel and session id."""
        self._held_back: dict[int, list[Datagram]] = {}
        """OCRP of calls that are being dialed, by handle, with `wrong_order`."""

    @property
    def connected(self) -> list[LacCall]:
        """Calls that were answered."""
        return list(self._data.calls.values())

    @property
    def calls(self) -> int:
        """Calls from OCRQ to their end, those that are ignored included."""
        return len(self._calls)

    def receive_datagram(self, data: bytes, source: SocketAddress, port: int) -> None:
        """One UDP payload that arrived at one of our ports. Junk is counted."""
        if self.silent:
            self.counters.muted += 1
        elif data and data[0] & CONTROL_BIT:
            self._receive_control(data, source, port)
        else:
            self._data.receive(data, source, port)

    def receive_quiet(self, flow: Flow, count: int) -> None:
        """As receive_datagram for `count` data messages of which quiet.py says that nobody answers
        them."""
        if self.silent:
            self.counters.muted += count
        else:
            self._data.receive_quiet(flow, count)

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

    # What an operator or a fault does to it

    def retune(self, config: settings.SimLac) -> None:
        """Other modems, outcomes and delays from now on. Address, port, name, secret and the kind
        of its tunnels stay. Raises LocalProtocolError for an outcome that is none."""
        bank = modem_bank(config)
        bank.in_use = self.bank.in_use
        self.config, self.bank = config, bank

    def shutdown(self) -> None:
        """Ends every tunnel with StopCCN, result 6; no tunnel is made any more."""
        self._endpoint.shutdown(self._clock.now)
        self._pump()

    def close_tunnels(self) -> None:
        """StopCCN, result 6, on every tunnel, calls or not; peers may come again."""
        for tunnel in self._endpoint.tunnels():
            self._endpoint.close_tunnel(
                tunnel.tunnel, self._clock.now, result=6, message="shutting down"
            )
        self._pump()

    def reboot(self) -> None:
        """Loses all tunnels and calls without a word, and starts anew."""
        for handle in list(self._calls):
            self._forget(handle, "cancelled")
        self._endpoint = Endpoint(endpoint_config(self.config), self._rng)
        self._alarm.set(None)

    def drop_carriers(self) -> None:
        """All modems lose their carrier at once."""
        for call in list(self._data.calls.values()):
            self._hang_up(call, "carrier lost")

    def bring_call(self, lns: SocketAddress, number: str, called: str = "") -> bool:
        """The site with this number calls an LNS (RFC 2661 5.2.1): its line rings, over a tunnel
        that the LAC opens if there is none. False: there is no such site, or no modem is free."""
        site, config = self._site(number), self.config
        if site is None or not self.bank.seize():
            self._count("unknown-number" if site is None else "no-facilities")
            return False
        handle = self._endpoint.offer_call(
            tunnel_parameters(config, self.port, lns),
            IncomingCall(called_number=called, calling_number=number, bearer_type=BOTH),
            self._clock.now,
            line=AnsweredLine(framing_type=SYNCHRONOUS, sequencing=config.sequencing),
        )
        call = LacCall(handle, number, self._clock.now, has_modem=True, site=site)
        self._calls[handle] = call
        self._count("offered")
        self.meter.requested()
        self._pump()
        return True

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
                    self._answered(event)
                case CallClosed():
                    self.meter.ended(event.failure)
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
        self._transmit(datagram)
        if self._waiting and datagram.data[MESSAGE_TYPE] in CONNECTED:
            call = self._waiting.pop(datagram.data[PEER_IDS], None)
            if call is not None:
                self._start_line(call)

    def _transmit(self, datagram: Datagram) -> None:
        if self.silent:
            self.counters.muted += 1
        else:
            self._send(datagram)

    # Calls

    def _take_call(self, event: CallRequested) -> None:
        call = LacCall(event.call, event.request.called_number, self._clock.now)
        self.meter.requested()
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
            self._accept(call)
            call.dialing = self._clock.call_later(
                self.config.dial_delay, self._dialed, call, outcome
            )

    def _accept(self, call: LacCall) -> None:
        if not self.config.wrong_order:
            self._endpoint.accept_call(call.handle, self._clock.now)
            return
        for datagram in self._endpoint.datagrams_to_send():
            self._send_control(datagram)
        self._endpoint.accept_call(call.handle, self._clock.now)
        self._held_back[call.handle] = self._endpoint.datagrams_to_send()

    def _dialed(self, call: LacCall, outcome: Outcome) -> None:
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
                self._delay_occn(call.site.delay + EARLY_DATA_LEAD)
        self._pump()
        for datagram in self._held_back.pop(call.handle, ()):
            self._send_control(datagram)

    def _delay_occn(self, lead: float) -> None:
        """The queue holds OCCN and nothing else, as it is emptied after every step."""
        for datagram in self._endpoint.datagrams_to_send():
            self._clock.call_later(lead, self._send_control, datagram)

    def _answered(self, event: CallConnected) -> None:
        call = self._calls[event.call]
        self._data.add(call, event)
        if self.config.early_data:
            self._start_line(call)
        else:
            # The channel's window may hold OCCN back, and PPP must not overtake it.
            self._waiting[pack("!HH", event.peer_tunnel, event.peer_session)] = call

    def _start_line(self, call: LacCall) -> None:
        assert call.site is not None
        answered = self._clock.now
        call.line = call.site.answer(
            send=lambda frame: self._data.transmit(call, frame),
            hang_up=lambda reason: self._hang_up(call, reason),
            on_open=lambda: self.meter.opened(call.began, answered),
        )
        if self.config.hold:
            call.holding = self._clock.call_later(
                self.config.hold, self._hang_up, call, "long enough"
            )
        call.line.start()

    def _refuse(self, call: LacCall, name: str, result: int, error: int = 0) -> None:
        self._count(name)
        self._close(call, result, error, name)

    def _hang_up(self, call: LacCall, reason: str) -> None:
        self._close(call, CARRIER_LOST, 0, reason)
        self._pump()

    def _close(self, call: LacCall, result: int, error: int, message: str) -> None:
        self.meter.refused(result, error)
        self._endpoint.close_call(
            call.handle, self._clock.now, result=result, error=error, message=message
        )
        self._forget(call.handle, None)

    def _forget(self, handle: int, result: str | None) -> None:
        """The call is over; `result` counts one that was still being dialed."""
        call = self._calls.pop(handle, None)
        if call is None:
            return
        self._held_back.pop(handle, None)
        if call.holding is not None:
            call.holding.cancel()
        if call.dialing is not None:
            call.dialing.cancel()
            if result is not None:
                self._count(result)
        if call.link is not None:
            self._waiting.pop(pack("!HH", call.link.peer_tunnel, call.link.peer_session), None)
        self._data.remove(call)
        if call.line is not None:
            call.line.drop()
        if call.has_modem:
            self.bank.release()

    def _site(self, number: str) -> Site | None:
        for site in self._sites:
            if number_matches(site.number, number):
                return site
        return None

    def _count(self, result: str) -> None:
        self.results[result] = self.results.get(result, 0) + 1
