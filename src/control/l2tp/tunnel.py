"""One tunnel: its control connection (RFC 2661 5 and 7.2), performing what tunnel_table.py says,
and the reliable channel under it.

Whether a peer's SCCRQ becomes a tunnel is admission.py; what happens to calls is tunnel_calls.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from control.errors import DecodeError, RemoteProtocolError
from control.l2tp import control_messages as build
from control.l2tp.avp import Avp, encode_avps, hide_avps
from control.l2tp.avp_table import SESSION_MESSAGES, MessageType
from control.l2tp.call import NO_FAILURE, Call, failure_of_cdn, failure_of_fault
from control.l2tp.config import TunnelInfo
from control.l2tp.context import Context
from control.l2tp.events import (
    Failure,
    SocketAddress,
    TunnelClosed,
    TunnelOpened,
    TunnelParameters,
)
from control.l2tp.handshake import Handshake
from control.l2tp.message import (
    Header,
    Message,
    decode_body,
    is_session_message,
    known_type,
    peek_type,
    verify,
)
from control.l2tp.path import Path
from control.l2tp.registry import Registry
from control.l2tp.transport import Channel, Outgoing
from control.l2tp.tunnel_calls import TunnelCalls
from control.l2tp.tunnel_check import is_good_sccrp, out_of_place
from control.l2tp.tunnel_clock import TunnelClock
from control.l2tp.tunnel_table import OPENING, TUNNEL, Action, Event, State

RESULT_CLEAR: Final = 1
ERROR_UNKNOWN: Final = 8
_DRAINED: Final = Failure("local", RESULT_CLEAR, message="drained")


class Tunnel:
    def __init__(
        self,
        context: Context,
        registry: Registry,
        tunnel_id: int,
        parameters: TunnelParameters,
        accepted: tuple[SocketAddress, SocketAddress, int] | None = None,
    ) -> None:
        """`accepted` are our and the peer's address and the octets of the SCCRQ of a tunnel that
        the peer opens."""
        self.id = tunnel_id
        self.parameters = parameters
        self.state = State.IDLE
        self.handshake = Handshake(parameters, tunnel_id)
        self.finished = False
        """Nothing is left to do or to acknowledge."""
        self.heir: Tunnel | None = None
        """Winner of the tie against this one."""
        self.draining = False
        """No new call may begin; the tunnel is closed after its last one."""
        self._context = context
        self._registry = registry
        window = parameters.receive_window
        channel = replace(context.channel, receive_window=window) if window else context.channel
        self._channel = Channel(channel, context.counters)
        local, peer, credit = accepted or (parameters.local, parameters.peer, None)
        self._path = Path(local, peer, context.counters, context.outgoing, credit)
        self._calls = TunnelCalls(context, self)
        self._initiated = accepted is None
        self._closed = False
        self._stop_sent = False
        self._sccrq: bytes | None = None
        """Body of the SCCRQ that made an accepted tunnel."""
        self._clock = TunnelClock()
        registry.add(self)

    @property
    def peer_id(self) -> int:
        return self.handshake.peer_id

    @property
    def local(self) -> SocketAddress:
        return self._path.local

    @property
    def peer(self) -> SocketAddress:
        return self._path.peer

    @property
    def backlog(self) -> int:
        return self._channel.backlog

    def attach(self, call: Call, now: float) -> None:
        """A call that is to use the tunnel; opens it if that has not been done."""
        self._calls.wait(call)
        self._clock.idle_at = None
        self._step(Event.LOCAL_OPEN, now)

    def accept(self, message: Message, body: bytes, response: bytes | None, now: float) -> None:
        """Answers a good SCCRQ with SCCRP. `response` is the one to its challenge."""
        self._learn(message)
        self.handshake.response = response
        self._sccrq = body
        self._registry.add_accepted(self, body)
        self._channel.receive(Header(0, 0, 0, 0), body, now)
        self._step(Event.SCCRQ_GOOD, now)

    def lose_tie(self, event: Event, failure: Failure, heir: Tunnel | None, now: float) -> None:
        """The outcome of a tie that ends this tunnel. Its calls go to `heir`, if there is one."""
        self.heir = heir
        self._step(event, now, failure)

    def close(self, failure: Failure, now: float) -> None:
        """StopCCN with the failure's codes."""
        self._step(Event.LOCAL_CLOSE, now, failure)

    def drain(self, now: float) -> None:
        """No new call joins; closes after the last one, at once if there is none."""
        self.draining = True
        self._registry.close(self)
        if not len(self._calls):
            self.close(_DRAINED, now)

    # Input.

    def receive(
        self, header: Header, body: bytes, peer: SocketAddress, size: int, now: float
    ) -> None:
        """A control message with our tunnel id, or another copy of our SCCRQ."""
        if peer != self.peer and not self._may_move(header, body, peer):
            self._context.counters.wrong_peer += 1
            return
        self._path.heard(size, proven=header.tunnel_id == self.id)
        if self.state is State.ESTABLISHED and self.parameters.hello_interval > 0:
            self._clock.hello_at = now + self.parameters.hello_interval
        for one_header, one_body in self._channel.receive(header, body, now):
            self._deliver(one_header, one_body, now)

    def handle_timer(self, now: float) -> None:
        self._channel.handle_timer(now)
        if self._channel.dead and not self.finished:
            self._step(Event.PEER_DEAD, now, Failure("timeout", message="no acknowledgement"))
        clock = self._clock
        if clock.open_by is not None and now >= clock.open_by:
            self.close(Failure("timeout", RESULT_CLEAR, message="the tunnel did not open"), now)
        if clock.gone_at is not None and now >= clock.gone_at:
            self.finished = True
        if clock.hello_at is not None and now >= clock.hello_at:
            clock.hello_at = now + self.parameters.hello_interval
            # What is not acknowledged yet tests the peer just as well.
            if self._channel.idle:
                self._context.counters.hello_sent += 1
                self.send(build.hello(), 0, now)
        if clock.idle_at is not None and now >= clock.idle_at:
            self.close(Failure("local", RESULT_CLEAR, message="no call is left"), now)

    def get_timer(self) -> float | None:
        return self._clock.next(self._channel.get_timer())

    def flush(self) -> None:
        """Moves what the channel has to send to the endpoint's output."""
        for data in self._channel.packets_to_send():
            self._path.send(data)

    def info(self) -> TunnelInfo:
        return TunnelInfo(
            self.id,
            self.peer_id,
            self.local,
            self.peer,
            self.handshake.peer_host_name,
            self.state.name,
            len(self._calls),
            self._initiated,
            self.draining,
        )

    def remove(self, now: float) -> None:
        """Takes the tunnel out of the registry; its id is free after the quarantine."""
        self._registry.remove(self, self._sccrq)
        self._context.tunnel_ids.release(self.id, now)

    def send(self, avps: list[Avp], session_id: int, now: float) -> Outgoing | None:
        if self._closed:
            return None
        hiding = self.parameters.hide_avps and self.parameters.secret
        if hiding and avps[0].value in SESSION_MESSAGES:
            avps = hide_avps(avps, self.parameters.secret, self._context.rng)
        return self._channel.send(encode_avps(avps), session_id, now)

    def allocate_session(self, call: Call, now: float) -> int | None:
        return self._calls.allocate_session(call, now)

    def adopt_peer_session(self, call: Call, peer_session: int) -> bool:
        return self._calls.adopt_peer_session(call, peer_session)

    def reply_arrived(self, call: Call) -> None:
        self._calls.reply_arrived(call)

    def forget(self, call: Call, failure: Failure, now: float) -> None:
        self._calls.forget(call, now)
        if len(self._calls) or self._closed:
            return
        if self.draining:
            self.close(_DRAINED, now)
        elif self.state is State.ESTABLISHED:
            self._await_calls(now)
        elif self.state is State.WAIT_CTL_REPLY:
            # Nobody waits for the answer any more.
            self.close(replace(failure, result=RESULT_CLEAR), now)

    # Messages.

    def _may_move(self, header: Header, body: bytes, peer: SocketAddress) -> bool:
        """Whether a message from another port may fix the peer's port: only a well-formed first
        SCCRP from the address our SCCRQ went to (RFC 2661 8.1)."""
        if not self._path.may_move_to(peer) or header.ns != self._channel.expected:
            return False
        if not is_good_sccrp(header, body, self.parameters.secret):
            return False
        self._path.pin(peer)
        return True

    def _deliver(self, header: Header, body: bytes, now: float) -> None:
        counters = self._context.counters
        try:
            message = decode_body(header, body, self.parameters.secret)
            kind = known_type(message.type)
            if kind is None:
                self._unknown_type(message, now)
                return
            counters.ignored_avps += verify(message)
        except (DecodeError, RemoteProtocolError) as error:
            counters.malformed += 1
            kind = peek_type(body)
            if self.state is State.ESTABLISHED and is_session_message(kind, header):
                self._calls.fault(kind, header, body, error, now)
            else:
                self._step(Event.FAULT, now, failure_of_fault(error))
            return
        counters.accepted += 1
        self._dispatch(kind, message, now)

    def _unknown_type(self, message: Message, now: float) -> None:
        """RFC 2661 4.4.1: the M bit of the Message Type decides."""
        if not message.avps[0].mandatory:
            self._context.counters.ignored += 1
            return
        text = f"message type {message.type}"
        self._step(Event.FAULT, now, Failure("protocol", 2, ERROR_UNKNOWN, text))

    def _dispatch(self, kind: MessageType, message: Message, now: float) -> None:
        if self._closed and kind is not MessageType.SCCRP:
            self._context.counters.ignored += 1
        elif kind is MessageType.SCCRP:
            self._receive_sccrp(message, now)
        elif kind is MessageType.SCCCN:
            self._receive_scccn(message, now)
        elif kind is MessageType.SCCRQ:
            self._step(Event.SCCRQ_GOOD, now, out_of_place(kind, self.state))
        elif kind is MessageType.STOPCCN:
            self._step(Event.STOPCCN, now, replace(failure_of_cdn(message), stage="stopccn"))
        elif kind in SESSION_MESSAGES:
            if self.state is State.ESTABLISHED:
                self._calls.receive(kind, message, now)
            else:
                self._step(Event.FAULT, now, out_of_place(kind, self.state))

    def _receive_sccrp(self, message: Message, now: float) -> None:
        if not self.peer_id:
            self._path.pin(self.peer)
            self._learn(message)
        if self.state is not State.WAIT_CTL_REPLY:
            self._step(Event.SCCRP_GOOD, now, out_of_place(MessageType.SCCRP, self.state))
            return
        failure = self.handshake.judge(MessageType.SCCRP, message)
        event = Event.SCCRP_BAD if failure else Event.SCCRP_GOOD
        self._step(event, now, failure or NO_FAILURE)

    def _receive_scccn(self, message: Message, now: float) -> None:
        if self.state is not State.WAIT_CTL_CONN:
            self._step(Event.SCCCN_GOOD, now, out_of_place(MessageType.SCCCN, self.state))
            return
        failure = self.handshake.judge(MessageType.SCCCN, message)
        event = Event.SCCCN_BAD if failure else Event.SCCCN_GOOD
        self._step(event, now, failure or NO_FAILURE)

    def _learn(self, message: Message) -> None:
        self.handshake.learn(message)
        self._channel.peer_tunnel = self.peer_id
        if self.handshake.window is not None:
            self._channel.set_peer_window(self.handshake.window)

    # Actions.

    def _step(self, event: Event, now: float, failure: Failure = NO_FAILURE) -> None:
        row = TUNNEL.step(self.state, event)
        if row.next is not self.state:
            self._clock.open_by = now + self._context.cycle if row.next in OPENING else None
            if self.state is State.WAIT_CTL_REPLY:
                self._registry.settle(self, self.handshake.challenge)
        self.state = row.next
        for action in row.actions:
            if action is Action.SEND_SCCRQ:
                self._send_sccrq(now)
            elif action is Action.SEND_SCCRP:
                self._send_sccrp(now)
            elif action is Action.SEND_SCCCN:
                self.send(self.handshake.scccn(), 0, now)
            elif action is Action.SEND_STOPCCN:
                self._send_stopccn(failure, now)
            elif action is Action.REPORT_OPEN:
                self._report_open(now)
            elif action is Action.OPEN_WAITING:
                self._open_waiting(now)
            elif action is Action.HAND_OVER:
                self._hand_over(now)
            elif action is Action.CLEAN_UP:
                self._clean_up(failure, now)
            elif action is Action.VANISH:
                self._channel.abandon()
                self._clean_up(failure, now)
                self.finished = True

    def _send_sccrq(self, now: float) -> None:
        self._registry.share(self)
        avps = self.handshake.sccrq(self._context.config, self._context.rng)
        self._registry.add_outstanding(self, self.handshake.challenge)
        self._channel.send(encode_avps(avps), 0, now, tunnel_id=0)

    def _send_sccrp(self, now: float) -> None:
        room = self._path.credit or 0
        body = self.handshake.sccrp(self._context.config, self._context.rng, room)
        self._channel.send(body, 0, now)

    def _send_stopccn(self, failure: Failure, now: float) -> None:
        if self._stop_sent:
            return
        self._channel.discard_unsent()
        if self._initiated and not self._channel.acknowledged:
            # Our SCCRQ is given up, or was answered without being acknowledged.
            self._channel.abandon()
            if not self.peer_id:
                return
        self._stop_sent = True
        avps = build.stopccn(self.id, failure.result, failure.error, failure.message)
        self._channel.send(encode_avps(avps), 0, now)

    def _report_open(self, now: float) -> None:
        name = self.handshake.peer_host_name
        self._context.counters.tunnels_opened += 1
        self._context.events.append(
            TunnelOpened(self.id, self.peer_id, self.local, self.peer, name)
        )
        if self.parameters.hello_interval > 0:
            self._clock.hello_at = now + self.parameters.hello_interval
        if not len(self._calls):
            self._await_calls(now)

    def _open_waiting(self, now: float) -> None:
        for call in self._calls.take_waiting():
            call.tunnel_open(now)
        if len(self._calls):
            self._clock.idle_at = None

    def _await_calls(self, now: float) -> None:
        """A tunnel that carries no call is kept for a while if it is ours to close."""
        if self._registry.with_parameters(self.parameters) is self:
            self._clock.idle_at = now + self._context.config.tunnel_idle

    def _hand_over(self, now: float) -> None:
        if self.heir is None:
            return
        for call in self._calls.take_waiting():
            call.carrier = self.heir
            self.heir.attach(call, now)

    def _clean_up(self, failure: Failure, now: float) -> None:
        if self._closed:
            return
        self._closed = True
        self._context.graveyard.bury_tunnel(self, failure, now)
        self._clock.stop_calls()
        self._clock.gone_at = now + self._context.cycle
        self._registry.close(self)
        self._context.counters.tunnels_closed += 1
        stage = "tunnel" if failure.stage == "local" else failure.stage
        self._calls.close_all(replace(failure, stage=stage), now)
        if self.heir is None:
            self._context.events.append(TunnelClosed(self.id, self.peer, failure))
