"""What two ends tell each other when a tunnel opens, and the proofs they ask for (RFC 2661 4.4.3,
5.1.1, 6.1 to 6.3). Builds SCCRQ, SCCRP and SCCCN and judges the answers; sends nothing."""

from __future__ import annotations

from typing import Final

from control.errors import RemoteProtocolError
from control.l2tp import control_messages as build
from control.l2tp.avp import Avp, Rng, encode_avps
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.config import EndpointConfig
from control.l2tp.events import Failure, TunnelParameters
from control.l2tp.message import HEADER, Message
from control.l2tp.tunnel_auth import CHALLENGE_OCTETS
from control.l2tp.tunnel_check import (
    answer_challenge,
    check_host_name,
    check_response,
    check_version,
    failure_of,
)

SCCRQ_CHALLENGE_OCTETS: Final = 2 * CHALLENGE_OCTETS
"""Longer than in SCCRP, so that an answer with challenge and response is no longer than its
question (see path.py)."""
TIE_BREAKER_OCTETS: Final = 8
_OPTIONAL: Final = frozenset({Attribute.FIRMWARE_REVISION, Attribute.VENDOR_NAME})


class Handshake:
    def __init__(self, parameters: TunnelParameters, tunnel_id: int) -> None:
        self.peer_id = 0
        self.peer_host_name = ""
        self.framing = 0
        self.bearer: int | None = None
        self.window: int | None = None
        """Receive Window Size the peer sent."""
        self.challenge: bytes | None = None
        """The one we sent."""
        self.response: bytes | None = None
        """Our answer to the peer's challenge."""
        self.tie_breaker: bytes | None = None
        self._parameters = parameters
        self._id = tunnel_id

    def learn(self, message: Message) -> None:
        """Takes what SCCRQ or SCCRP says of the peer."""
        self.peer_id = message.value(Attribute.ASSIGNED_TUNNEL_ID, int) or 0
        self.peer_host_name = message.value(Attribute.HOST_NAME, str) or ""
        self.framing = message.value(Attribute.FRAMING_CAPABILITIES, int) or 0
        self.bearer = message.value(Attribute.BEARER_CAPABILITIES, int)
        self.window = message.value(Attribute.RECEIVE_WINDOW_SIZE, int)

    def sccrq(self, config: EndpointConfig, rng: Rng) -> list[Avp]:
        if self._parameters.secret:
            self.challenge = rng.randbytes(SCCRQ_CHALLENGE_OCTETS)
        if config.tie_breaker:
            self.tie_breaker = rng.randbytes(TIE_BREAKER_OCTETS)
        return build.start(MessageType.SCCRQ, config, self._fields())

    def sccrp(self, config: EndpointConfig, rng: Rng, room: int) -> bytes:
        """Its body; without what is only nice to know if it has not `room` for all."""
        if self._parameters.secret:
            self.challenge = rng.randbytes(CHALLENGE_OCTETS)
        avps = build.start(MessageType.SCCRP, config, self._fields())
        body = encode_avps(avps)
        if len(body) + HEADER.size > room:
            body = encode_avps(avp for avp in avps if avp.attribute not in _OPTIONAL)
        return body

    def scccn(self) -> list[Avp]:
        return build.scccn(self.response)

    def judge(self, kind: MessageType, message: Message) -> Failure | None:
        """What is wrong with an SCCRP or SCCCN, with the StopCCN result; None if it is good."""
        try:
            if kind is MessageType.SCCRP:
                check_version(message)
                check_host_name(message, self._parameters.peer_host_name)
            check_response(message, kind, self._parameters, self.challenge)
            if kind is MessageType.SCCRP:
                secret = self._parameters.secret
                self.response = answer_challenge(message, MessageType.SCCCN, secret)
        except RemoteProtocolError as error:
            return failure_of(error)
        return None

    def _fields(self) -> build.StartFields:
        return build.StartFields(
            self._parameters.host_name,
            self._id,
            challenge=self.challenge,
            response=self.response,
            tie_breaker=self.tie_breaker,
            receive_window=self._parameters.receive_window,
        )
