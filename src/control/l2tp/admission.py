"""Whether an SCCRQ becomes a tunnel: policy, acceptability, and ties between two that cross
(RFC 2661 4.4.3 Tie Breaker, 7.2.1). Allocates nothing for one it does not accept (threat T4) and
answers no stranger with more octets than it sent (T9)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from control.errors import DecodeError, RemoteProtocolError
from control.l2tp import control_messages as build
from control.l2tp.avp import encode_avps
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.call import ERROR_NO_RESOURCES
from control.l2tp.context import Context
from control.l2tp.events import Datagram, Failure, SocketAddress, TunnelParameters
from control.l2tp.message import Header, Message, decode_body, join, peek_value, verify
from control.l2tp.registry import Registry
from control.l2tp.tunnel import Tunnel
from control.l2tp.tunnel_check import RESULT_NOT_AUTHORISED, answer_challenge, check_version
from control.l2tp.tunnel_table import TUNNEL, Action, Event, State

RESULT_DRAINED: Final = 6
"""Shutting down, as far as that peer is concerned."""

_TIE_TEXT: Final = {
    Event.TIE_LOST: "the peer's SCCRQ won the tie",
    Event.TIE_EQUAL: "equal tie breakers",
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """An SCCRQ as it came in."""

    header: Header
    body: bytes
    local: SocketAddress
    peer: SocketAddress
    size: int


def compare(ours: bytes | None, theirs: bytes | None) -> Event:
    """Who wins a tie: the lower value, or the only one that sent one."""
    if ours is None and theirs is None:
        return Event.TIE_NONE
    if ours == theirs:
        return Event.TIE_EQUAL
    if theirs is None or (ours is not None and ours < theirs):
        return Event.TIE_WON
    return Event.TIE_LOST


class Admission:
    def __init__(self, context: Context, registry: Registry) -> None:
        self._context = context
        self._registry = registry

    def receive(self, arrival: Arrival, now: float) -> list[Tunnel]:
        """Takes an SCCRQ. Returns the tunnels that were touched."""
        copy = self._registry.of_sccrq(arrival.peer, arrival.body)
        if copy is not None:
            copy.receive(arrival.header, arrival.body, arrival.peer, arrival.size, now)
            return [copy]
        rivals = self._rivals(arrival)
        numbered = arrival.header.ns or arrival.header.nr
        if numbered or not (rivals or self._context.config.accepts):
            self._context.counters.refused_tunnels += 1
            return []
        if arrival.peer[0] in self._context.drained:
            text = "the peer is being drained"
            self._refuse(arrival, RemoteProtocolError(text, result=RESULT_DRAINED))
            return []
        policy = rivals[0].parameters if rivals else self._policy(arrival)
        if policy is None:
            stranger = RemoteProtocolError("not authorised", result=RESULT_NOT_AUTHORISED)
            self._refuse(arrival, stranger)
            return []
        try:
            message = self._judge(arrival, policy)
            response = answer_challenge(message, MessageType.SCCRP, policy.secret)
        except (DecodeError, RemoteProtocolError) as error:
            self._refuse(arrival, error)
            return []
        return self._settle_tie(arrival, message, response, rivals, policy, now)

    def _rivals(self, arrival: Arrival) -> list[Tunnel]:
        """Our unanswered tunnels to the same (address, host name)."""
        if not self._registry.has_outstanding(arrival.peer[0]):
            return []
        name = peek_value(arrival.body, Attribute.HOST_NAME)
        return [
            tunnel
            for tunnel in self._registry.outstanding(arrival.peer[0])
            if tunnel.parameters.peer_host_name in ("", name)
        ]

    def _policy(self, arrival: Arrival) -> TunnelParameters | None:
        incoming = self._context.config.incoming
        name = peek_value(arrival.body, Attribute.HOST_NAME)
        if not isinstance(name, str):
            return None
        if callable(incoming):
            policy = incoming(name, arrival.peer)
        else:
            policy = incoming.get(name, incoming.get(""))
        if policy is None:
            return None
        return replace(policy, local=arrival.local, peer=arrival.peer, peer_host_name=name)

    def _judge(self, arrival: Arrival, policy: TunnelParameters) -> Message:
        """The decoded SCCRQ. Raises DecodeError or RemoteProtocolError if it is not acceptable."""
        message = decode_body(arrival.header, arrival.body, policy.secret)
        verify(message)
        check_version(message)
        challenge = message.value(Attribute.CHALLENGE, bytes)
        if challenge is not None and self._registry.is_our_challenge(challenge):
            raise RemoteProtocolError("reflected challenge", result=RESULT_NOT_AUTHORISED)
        if policy.require_tunnel_auth and not policy.secret:
            raise RemoteProtocolError("no secret for this peer", result=RESULT_NOT_AUTHORISED)
        return message

    def _settle_tie(
        self,
        arrival: Arrival,
        message: Message,
        response: bytes | None,
        rivals: list[Tunnel],
        policy: TunnelParameters,
        now: float,
    ) -> list[Tunnel]:
        theirs = message.value(Attribute.TIE_BREAKER, bytes)
        outcomes = [(rival, compare(rival.handshake.tie_breaker, theirs)) for rival in rivals]
        # The peer's tunnel survives only if none of ours beats it; those it beats are dropped
        # at both ends whatever becomes of it.
        survives = all(o in (Event.TIE_LOST, Event.TIE_NONE) for _, o in outcomes)
        heir = self._create(arrival, message, response, policy, now) if survives else None
        if not survives:
            self._context.counters.refused_tunnels += 1
        for rival, outcome in outcomes:
            if outcome in (Event.TIE_LOST, Event.TIE_EQUAL):
                rival.lose_tie(outcome, Failure("tunnel", message=_TIE_TEXT[outcome]), heir, now)
        touched = [rival for rival, _ in outcomes]
        if heir is not None:
            touched.append(heir)
            if any(outcome is Event.TIE_LOST for _, outcome in outcomes):
                self._registry.share(heir)
        return touched

    def _create(
        self,
        arrival: Arrival,
        message: Message,
        response: bytes | None,
        policy: TunnelParameters,
        now: float,
    ) -> Tunnel | None:
        tunnel_id = self._context.tunnel_ids.allocate(now)
        if tunnel_id is None:
            text = "no tunnel id is free"
            self._refuse(arrival, RemoteProtocolError(text, error=ERROR_NO_RESOURCES))
            return None
        accepted = (arrival.local, arrival.peer, arrival.size)
        tunnel = Tunnel(self._context, self._registry, tunnel_id, policy, accepted)
        tunnel.accept(message, arrival.body, response, now)
        return tunnel

    def _refuse(self, arrival: Arrival, error: DecodeError | RemoteProtocolError) -> None:
        """StopCCN to an SCCRQ that is not acceptable, once and without keeping state: the peer
        acknowledges it or asks again."""
        counters = self._context.counters
        counters.refused_tunnels += 1
        counters.malformed += isinstance(error, DecodeError)
        peer_id = peek_value(arrival.body, Attribute.ASSIGNED_TUNNEL_ID)
        row = TUNNEL.step(State.IDLE, Event.SCCRQ_BAD)
        if Action.SEND_STOPCCN not in row.actions or not isinstance(peer_id, int):
            return
        result = error.result if isinstance(error, RemoteProtocolError) else 2
        header = Header(peer_id, 0, 0, 1)
        ours = self._context.tunnel_ids.any()
        for text in (str(error), ""):
            data = join(header, encode_avps(build.stopccn(ours, result, error.error, text)))
            if len(data) <= arrival.size:
                self._context.outgoing.append(Datagram(data, arrival.local, arrival.peer))
                return
        counters.withheld += 1
