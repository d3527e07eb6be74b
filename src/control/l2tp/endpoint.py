"""An L2TP endpoint (RFC 2661): all tunnels and calls of one local identity, as LNS that places
outgoing calls and may take incoming ones, or as LAC that is asked to dial and offers calls.

Sans-IO: UDP payloads and time go in, datagrams, events and the next deadline come out. PPP and the
data channel are not its concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from control.errors import DecodeError, LocalProtocolError
from control.l2tp import control_messages as build
from control.l2tp.admission import Admission, Arrival
from control.l2tp.avp import Avp, Rng, encode_avps
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import MAX_VALUE, Accm, CallErrors, DisconnectCause, Text
from control.l2tp.call import ERROR_NO_RESOURCES, RESULT_ADMINISTRATIVE, Call
from control.l2tp.config import CallInfo, DeadCall, DeadTunnel, EndpointConfig, TunnelInfo
from control.l2tp.context import Context
from control.l2tp.counters import Counters
from control.l2tp.events import (
    AnsweredLine,
    CallClosed,
    Datagram,
    Event,
    Failure,
    IncomingCall,
    OutgoingCall,
    SocketAddress,
    TunnelParameters,
)
from control.l2tp.lac_call import LacCall, check_answer
from control.l2tp.lac_incoming import LacIncomingCall
from control.l2tp.lns_call import LnsCall
from control.l2tp.lns_incoming import LnsIncomingCall
from control.l2tp.message import peek_type, peek_value, split
from control.l2tp.registry import Registry
from control.l2tp.transport import LOWEST_CAP
from control.l2tp.tunnel import RESULT_CLEAR, Tunnel

RESULT_SHUTTING_DOWN: Final = 6
NUMBER: Final = Text()
"""Codec of the called number."""


class Endpoint:
    def __init__(self, config: EndpointConfig, rng: Rng) -> None:
        """Raises LocalProtocolError for settings that no message can carry or the RFC forbids."""
        if config.role not in ("lns", "lac") or config.receive_window < 1:
            raise LocalProtocolError("role is lns or lac, receive_window 1 or more")
        if config.rto_cap < LOWEST_CAP:
            raise LocalProtocolError(f"rto_cap below {LOWEST_CAP} seconds")
        names = [""]
        if isinstance(config.incoming, Mapping):
            names += [policy.host_name for policy in config.incoming.values()]
        for name in names:
            encode_avps(build.start(MessageType.SCCRQ, config, build.StartFields(name, 1)))
        self.config = config
        self._context = Context(config, rng)
        self._registry = Registry()
        self._admission = Admission(self._context, self._registry)
        self._shut_down = False

    def allow_incoming(self, allowed: bool) -> None:
        """LNS: whether peers may open tunnels and bring calls from now on."""
        self.config = replace(self.config, accept_tunnels=allowed, incoming_calls=allowed)
        self._context.config = self.config

    @property
    def counters(self) -> Counters:
        return self._context.counters

    def place_call(
        self,
        tunnel: TunnelParameters,
        call: OutgoingCall,
        now: float,
        *,
        tunnel_patience: float | None = None,
        call_patience: float | None = None,
    ) -> int:
        """LNS: asks the LAC `tunnel` names to dial, over a new tunnel or one with equal parameters.

        `tunnel_patience` is how many seconds the call waits for the tunnel; None: a full cycle of
        retransmissions, after which every opening is given up. `call_patience` is how many it
        waits for OCRP; None: as long as the peer acknowledges. Returns the call's handle. Raises
        LocalProtocolError on a LAC, after shutdown, or for values that cannot be sent.
        """
        self._check_call(call)
        carrier = self._carrier_to(tunnel, now)
        if isinstance(carrier, Failure):
            return self._stillborn(carrier)
        placed = LnsCall(self._context, carrier, call, call_patience)
        placed.open(tunnel_patience, now)
        carrier.attach(placed, now)
        self._settle(carrier, now)
        return placed.handle

    def offer_call(
        self,
        tunnel: TunnelParameters,
        call: IncomingCall,
        now: float,
        *,
        line: AnsweredLine | None = None,
        tunnel_patience: float | None = None,
    ) -> int:
        """LAC: tells the LNS `tunnel` names of a line that rings (ICRQ), and says `line` when it
        takes the call. Otherwise as place_call."""
        line = line or AnsweredLine()
        if self.config.role != "lac":
            raise LocalProtocolError("only a LAC offers incoming calls")
        encode_avps(build.icrq(1, call.serial, call))
        encode_avps(build.iccn(line))
        carrier = self._carrier_to(tunnel, now)
        if isinstance(carrier, Failure):
            return self._stillborn(carrier)
        offered = LacIncomingCall(self._context, carrier, call, line)
        offered.ring(tunnel_patience, now)
        carrier.attach(offered, now)
        self._settle(carrier, now)
        return offered.handle

    def close_call(
        self,
        call: int,
        now: float,
        *,
        result: int = RESULT_ADMINISTRATIVE,
        error: int = 0,
        message: str = "",
        q931_cause: int | None = None,
        disconnect_cause: DisconnectCause | None = None,
    ) -> None:
        """CDN, if the call got that far. Nothing is reported; a call that is not there is ignored.
        Raises LocalProtocolError for codes that cannot be sent."""
        failure = Failure("local", result, error, message, q931_cause, disconnect_cause)
        encode_avps(build.cdn(1, failure))
        known = self._context.calls.get(call)
        if known is not None:
            carrier = self._tunnel_of(known)
            known.close(failure, now)
            self._settle(carrier, now)

    def accept_call(self, call: int, now: float, *, physical_channel: int | None = None) -> None:
        """LAC: OCRP, the call is being dialed; LNS: ICRP. Ignored if the call is gone. Raises
        LocalProtocolError if it was accepted before."""
        encode_avps(build.ocrp(1, physical_channel))
        known = self._context.calls.get(call)
        if isinstance(known, LnsIncomingCall):
            known.accept(now)
        elif (dialed := self._lac_call(call)) is not None:
            dialed.accept(physical_channel, now)
        if known is not None:
            self._settle(self._tunnel_of(known), now)

    def connect_call(
        self,
        call: int,
        now: float,
        *,
        connect_speed: int = 64000,
        framing_type: int = 1,
        sequencing: bool = False,
    ) -> None:
        """LAC: OCCN, the called party answered. Ignored if the call is gone. Raises
        LocalProtocolError unless it was accepted and not connected."""
        check_answer(connect_speed, framing_type)
        known = self._lac_call(call)
        if known is not None:
            known.connect(connect_speed, framing_type, sequencing, now)
            self._settle(self._tunnel_of(known), now)

    def set_link_info(
        self, call: int, now: float, *, send: int = 0xFFFFFFFF, receive: int = 0xFFFFFFFF
    ) -> None:
        """LNS: SLI, the control characters the LAC escapes on an asynchronous line, and those it
        drops (RFC 2661 6.14). Ignored if the call is gone. Raises LocalProtocolError for what is
        no 32-bit map."""
        self._tell(call, build.sli(Accm(send, receive)), now)

    def report_errors(self, call: int, errors: CallErrors, now: float) -> None:
        """LAC: WEN, the line's totals (RFC 2661 6.13). Ignored if the call is gone. Raises
        LocalProtocolError for numbers of more than 32 bits."""
        self._tell(call, build.wen(errors), now)

    def drain_tunnel(self, tunnel: int, now: float) -> None:
        """No new call joins the tunnel; it is closed after its last one. A tunnel that is not
        there is ignored."""
        known = self._registry.get(tunnel)
        if known is not None:
            known.drain(now)
            self._settle(known, now)

    def drain_peer(self, address: str, now: float, *, drained: bool = True) -> None:
        """Drains all tunnels to an address, and makes no new one until `drained` is taken back."""
        if not drained:
            self._context.drained.discard(address)
            return
        self._context.drained.add(address)
        for tunnel in self._registry:
            if tunnel.peer[0] == address:
                tunnel.drain(now)
                self._settle(tunnel, now)

    def close_peer(self, address: str, now: float, *, message: str = "") -> None:
        """StopCCN on all tunnels to an address. Raises nothing; calls end with stage `tunnel`."""
        for tunnel in self._registry:
            if tunnel.peer[0] == address:
                tunnel.close(Failure("local", RESULT_CLEAR, message=message), now)
                self._settle(tunnel, now)

    def close_tunnel(
        self,
        tunnel: int,
        now: float,
        *,
        result: int = RESULT_CLEAR,
        error: int = 0,
        message: str = "",
    ) -> None:
        """StopCCN; its calls end with stage `tunnel`. A tunnel that is not there is ignored.
        Raises LocalProtocolError for codes that cannot be sent."""
        encode_avps(build.stopccn(1, result, error, message))
        known = self._registry.get(tunnel)
        if known is not None:
            known.close(Failure("local", result, error, message), now)
            self._settle(known, now)

    def shutdown(self, now: float) -> None:
        """StopCCN 6 on every tunnel; no call can be placed and no tunnel made any more. Run the
        timers on until get_timer returns None to have it acknowledged."""
        self._shut_down = True
        for tunnel in self._registry:
            tunnel.close(Failure("local", RESULT_SHUTTING_DOWN, message="shutting down"), now)
            self._settle(tunnel, now)

    def receive_datagram(
        self, data: bytes, local: SocketAddress, peer: SocketAddress, now: float
    ) -> None:
        """A UDP payload whose T bit is set. Never raises: what is not for us is counted."""
        counters = self._context.counters
        counters.received += 1
        try:
            header, body = split(data)
        except DecodeError:
            counters.malformed += 1
            return
        tunnel = self._registry.get(header.tunnel_id)
        if tunnel is None and header.tunnel_id == 0:
            kind = peek_type(body)
            if kind is MessageType.SCCRQ and not self._shut_down:
                arrival = Arrival(header, body, local, peer, len(data))
                for touched in self._admission.receive(arrival, now):
                    self._settle(touched, now)
                return
            if kind is MessageType.STOPCCN:
                # The peer does not know our id yet (RFC 2661 4.4.3 Assigned Tunnel ID).
                peer_id = peek_value(body, Attribute.ASSIGNED_TUNNEL_ID)
                tunnel = self._registry.of_peer(peer, peer_id) if isinstance(peer_id, int) else None
        if tunnel is None:
            counters.unknown_tunnel += 1
            return
        tunnel.receive(header, body, peer, len(data), now)
        self._settle(tunnel, now)

    def handle_timer(self, now: float) -> None:
        """Does whatever is due."""
        while (due := self._context.deadlines.pop_due(now)) is not None:
            carrier = due if isinstance(due, Tunnel) else None
            if isinstance(due, Call):
                carrier = self._tunnel_of(due)
            due.handle_timer(now)
            if carrier is not None:
                self._settle(carrier, now)

    def get_timer(self) -> float | None:
        """Absolute time of the next deadline, None if there is none."""
        return self._context.deadlines.next()

    def next_event(self) -> Event | None:
        return self._context.events.popleft() if self._context.events else None

    def datagrams_to_send(self) -> list[Datagram]:
        """Drains the output."""
        datagrams = list(self._context.outgoing)
        self._context.outgoing.clear()
        return datagrams

    @property
    def acknowledged(self) -> bool:
        """No message of ours waits for its acknowledgement any more."""
        return not any(tunnel.backlog for tunnel in self._registry)

    @property
    def tunnel_count(self) -> int:
        """Tunnels, those that come up or end too."""
        return len(self._registry)

    def tunnels(self) -> list[TunnelInfo]:
        """The tunnels there are, those that only acknowledge any more included."""
        return [tunnel.info() for tunnel in self._registry]

    def calls(self) -> list[CallInfo]:
        return [call.info() for call in self._context.calls.values()]

    def dead_tunnels(self, now: float) -> list[DeadTunnel]:
        """Those that ended within the destruct timeout, oldest first; 1,024 at most."""
        return self._context.graveyard.tunnels(now)

    def dead_calls(self, now: float) -> list[DeadCall]:
        """As dead_tunnels."""
        return self._context.graveyard.calls(now)

    def _carrier_to(self, parameters: TunnelParameters, now: float) -> Tunnel | Failure:
        """The tunnel with these parameters, or why there can be none. Raises LocalProtocolError
        after shutdown, and for parameters that cannot be sent."""
        if self._shut_down:
            raise LocalProtocolError("the endpoint is shut down")
        carrier = self._registry.with_parameters(parameters)
        if carrier is not None:
            return carrier
        self._check_tunnel(parameters)
        if parameters.peer[0] in self._context.drained:
            return Failure("local", message="the peer is being drained")
        tunnel_id = self._context.tunnel_ids.allocate(now)
        if tunnel_id is None:
            return Failure("local", error=ERROR_NO_RESOURCES, message="no tunnel id is free")
        return Tunnel(self._context, self._registry, tunnel_id, parameters)

    def _stillborn(self, failure: Failure) -> int:
        handle = self._context.next_handle()
        self._context.events.append(CallClosed(handle, failure))
        return handle

    def _tell(self, call: int, avps: list[Avp], now: float) -> None:
        """A message about a connected call that changes nothing of its state."""
        encode_avps(avps)
        known = self._context.calls.get(call)
        if known is not None and known.peer_session:
            carrier = self._tunnel_of(known)
            carrier.send(avps, known.peer_session, now)
            self._settle(carrier, now)

    def _check_call(self, call: OutgoingCall) -> None:
        if self.config.role != "lns":
            raise LocalProtocolError("only an LNS places outgoing calls")
        room = MAX_VALUE - 2
        for text in (call.called_number, call.sub_address):
            if len(NUMBER.encode(text)) > room:
                raise LocalProtocolError(f"a number longer than {room} octets")
        bearer = 0 if call.bearer_type is None else call.bearer_type
        rates = (call.minimum_bps, call.maximum_bps)
        for number in (call.serial, bearer, call.framing_type, *rates):
            if not 0 <= number < 1 << 32:
                raise LocalProtocolError(f"{number} is not a number of 32 bits")

    def _check_tunnel(self, tunnel: TunnelParameters) -> None:
        if tunnel.require_tunnel_auth and not tunnel.secret:
            raise LocalProtocolError("tunnel authentication is required and there is no secret")
        fields = build.StartFields(tunnel.host_name, 1, receive_window=tunnel.receive_window)
        encode_avps(build.start(MessageType.SCCRQ, self.config, fields))

    def _lac_call(self, handle: int) -> LacCall | None:
        call = self._context.calls.get(handle)
        if call is not None and not isinstance(call, LacCall):
            raise LocalProtocolError("only a LAC accepts and connects calls")
        return call

    def _tunnel_of(self, call: Call) -> Tunnel:
        carrier = call.carrier
        if not isinstance(carrier, Tunnel):
            raise LocalProtocolError("a call without a tunnel")
        return carrier

    def _settle(self, tunnel: Tunnel, now: float) -> None:
        """After every change of a tunnel: its output, its next deadline, its end."""
        tunnel.flush()
        if not tunnel.finished:
            self._context.deadlines.set(tunnel, tunnel.get_timer())
            return
        self._context.deadlines.set(tunnel, None)
        if self._registry.get(tunnel.id) is tunnel:
            tunnel.remove(now)
