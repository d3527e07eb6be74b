"""Control messages of real peers, and whole exchanges with them.

The captures are not part of the project: the tests read them from the folder that DIALOUT_DATA
names. One exchange is written down here as well, so that it is tested without them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from l2tp_captures import DATA, control, needs_data, packets

from control.errors import DecodeError
from control.l2tp import tunnel_auth
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import (
    CallAccepted,
    CallAsked,
    CallConnected,
    CallRequested,
    OutgoingCall,
    TunnelClosed,
    TunnelOpened,
    TunnelParameters,
)
from control.l2tp.message import Message, decode, encode, verify

A = Attribute
Sequence = list[tuple[int | None, int, int, int, int]]
States = tuple[list[str], list[str]]
"""Of the tunnels and of the calls."""

FILES = {
    "l2tp-dialout-openl2tp-pap.pcap": 10,
    "l2tp-huawei-pc-dial-pap.pcap": 7,
    "l2tp-nb6-hotspot-in-pppoe.pcap": 2,
    "l2tp-nb6-http-in-pppoe.pcap": 2,
}


@needs_data
@pytest.mark.parametrize("name", list(FILES))
def test_messages_of_real_peers_come_back_as_they_were(name: str) -> None:
    seen = control(name)
    assert len(seen) == FILES[name]
    for packet in seen:
        message = decode(packet.payload)
        assert encode(message) == packet.payload
        assert all(avp.known for avp in message.avps)
        verify(message)


@needs_data
def test_no_capture_makes_the_decoder_fail_otherwise_than_it_says() -> None:
    for path in sorted((Path(DATA) / "pcap").glob("*.*cap")):
        for packet in packets(path.name):
            try:
                message = decode(packet.payload)
            except DecodeError:
                continue
            assert encode(message) == packet.payload[: len(encode(message))]


@needs_data
def test_l2tpv3_is_no_l2tpv2() -> None:
    seen = list(packets("l2tpv3-udp-icmp.cap"))
    for packet in seen:
        with pytest.raises(DecodeError):
            decode(packet.payload)


@needs_data
def test_responses_of_a_huawei_router_and_a_windows_client_verify() -> None:
    sccrq, sccrp, scccn = (decode(p.payload) for p in control("l2tp-huawei-pc-dial-pap.pcap")[:3])
    secret = b"abc-123"
    for question, answer in ((sccrq, sccrp), (sccrp, scccn)):
        challenge = question.value(A.CHALLENGE, bytes)
        response = answer.value(A.CHALLENGE_RESPONSE, bytes)
        assert challenge is not None
        assert response is not None
        kind = MessageType(answer.type or 0)
        assert tunnel_auth.verify(kind, secret, challenge, response)
        assert not tunnel_auth.verify(kind, b"abc-124", challenge, response)


# One whole dial-out: our LNS in the place of the recorded one.


@dataclass(frozen=True)
class Exchange:
    """Who took part in a dial-out, and which ids they chose."""

    lns: tuple[str, int]
    lac: tuple[str, int]
    moved: tuple[str, int]
    """Where the LAC answered from."""
    tunnel: int
    session: int
    peer_tunnel: int
    peer_session: int
    peer_name: str
    connect_speed: int
    framing_type: int

    def sequence(self) -> Sequence:
        """(message, tunnel id, session id, Ns, Nr) of what the LNS sends; None is a ZLB."""
        return [
            (MessageType.SCCRQ, 0, 0, 0, 0),
            (MessageType.SCCCN, self.peer_tunnel, 0, 1, 1),
            (MessageType.OCRQ, self.peer_tunnel, 0, 2, 1),
            (None, self.peer_tunnel, 0, 3, 2),
            (None, self.peer_tunnel, 0, 3, 3),
            (MessageType.CDN, self.peer_tunnel, self.peer_session, 3, 3),
            (MessageType.STOPCCN, self.peer_tunnel, 0, 4, 3),
        ]


WRITTEN = Exchange(
    ("192.0.2.1", 1701),
    ("192.0.2.2", 1701),
    ("192.0.2.2", 40404),
    tunnel=0x1111,
    session=0x2222,
    peer_tunnel=0x3333,
    peer_session=0x4444,
    peer_name="lac",
    connect_speed=64000,
    framing_type=1,
)
WRITTEN_LAC = (
    # SCCRP, OCRP, OCCN as an openl2tp LAC sends them.
    "c802 0059 1111 0000 0000 0001 8008 0000 0000 0002 8008 0000 0002 0100 800a 0000 0003 00000003"
    "800a 0000 0004 00000003 0008 0000 0006 0108 8009 0000 0007 6c6163"
    "0008 0000 0008 7665 8008 0000 0009 3333 8008 0000 000a 000a",
    "c802 001c 1111 2222 0001 0003 8008 0000 0000 0008 8008 0000 000e 4444",
    "c802 0028 1111 2222 0002 0003 8008 0000 0000 0009 800a 0000 0013 00000001"
    "800a 0000 0018 0000fa00",
)


class RecordedIds:
    """Gives out the ids that the recorded LNS chose, then random ones."""

    def __init__(self, *ids: int) -> None:
        self._ids = list(ids)
        self._rng = random.Random(1)

    def randrange(self, start: int, stop: int, /) -> int:
        if (start, stop) == (1, 65536) and self._ids:
            return self._ids.pop(0)
        return self._rng.randrange(start, stop)

    def randbytes(self, n: int, /) -> bytes:
        return self._rng.randbytes(n)


def states_of(endpoint: Endpoint) -> States:
    return [t.state for t in endpoint.tunnels()], [c.state for c in endpoint.calls()]


def replay(
    exchange: Exchange,
    lac: list[bytes],
    *,
    tie_breaker: bool = False,
    states: list[States] | None = None,
) -> tuple[Endpoint, list[Message]]:
    """Runs our LNS against the LAC's recorded messages; returns what it sent, and in `states` those
    after each step."""
    config = EndpointConfig(
        host_name="pylns",
        vendor_name="dialout-test",
        bearer_capabilities=3,
        receive_window=8,
        tie_breaker=tie_breaker,
        ack_delay=0.0,
    )
    endpoint = Endpoint(config, RecordedIds(exchange.tunnel, exchange.session))
    tunnel = TunnelParameters(exchange.lns, exchange.lac, "pylns", require_tunnel_auth=False)
    request = OutgoingCall(
        "5551234", 64000, 128000, bearer_type=1, sub_address="12", serial=1, framing_type=1
    )
    sent: list[Message] = []

    def collect(now: float) -> None:
        endpoint.handle_timer(now)
        for datagram in endpoint.datagrams_to_send():
            assert datagram.peer == (exchange.moved if sent else exchange.lac)
            sent.append(decode(datagram.data))
        if states is not None:
            states.append(states_of(endpoint))

    call = endpoint.place_call(tunnel, request, 0.0)
    collect(0.0)
    for payload, now in zip(lac, (0.041, 0.056, 0.060), strict=True):
        endpoint.receive_datagram(payload, exchange.lns, exchange.moved, now)
        collect(now)
    endpoint.close_call(call, 4.2225)
    collect(4.2225)
    endpoint.close_tunnel(exchange.tunnel, 4.252)
    collect(4.252)
    return endpoint, sent


def summary(messages: list[Message]) -> Sequence:
    return [(m.type, m.tunnel_id, m.session_id, m.ns, m.nr) for m in messages]


def check_events(endpoint: Endpoint, exchange: Exchange) -> None:
    events = []
    while (event := endpoint.next_event()) is not None:
        events.append(event)
    order = [TunnelOpened, CallAsked, CallAccepted, CallConnected, TunnelClosed]
    assert [type(e) for e in events] == order
    opened, _, _, connected, _ = events
    assert isinstance(opened, TunnelOpened)
    assert isinstance(connected, CallConnected)
    assert (opened.peer, opened.peer_host_name) == (exchange.moved, exchange.peer_name)
    assert (connected.tunnel, connected.session) == (exchange.tunnel, exchange.session)
    assert connected.peer_tunnel == exchange.peer_tunnel
    assert connected.peer_session == exchange.peer_session
    assert connected.connect_speed == exchange.connect_speed
    assert connected.framing_type == exchange.framing_type


def test_dial_out_with_a_lac_that_answers_from_a_new_port() -> None:
    endpoint, sent = replay(WRITTEN, [bytes.fromhex(text) for text in WRITTEN_LAC])
    assert summary(sent) == WRITTEN.sequence()
    check_events(endpoint, WRITTEN)


@dataclass(frozen=True)
class Recording:
    exchange: Exchange
    from_lns: list[bytes]
    from_lac: list[bytes]


def recording() -> Recording:
    """The recorded dial-out, and the ids that were chosen in it."""
    recorded = control("l2tp-dialout-openl2tp-pap.pcap")
    port = recorded[1].source_port
    from_lns = [p.payload for p in recorded if p.source_port == 1701]
    from_lac = [p.payload for p in recorded if p.source_port == port]
    sccrq, ocrq = decode(from_lns[0]), decode(from_lns[2])
    sccrp, ocrp, occn = map(decode, from_lac)
    exchange = Exchange(
        ("192.0.2.1", 1701),
        ("192.0.2.2", 1701),
        ("192.0.2.2", port),
        tunnel=sccrq.value(A.ASSIGNED_TUNNEL_ID, int) or 0,
        session=ocrq.value(A.ASSIGNED_SESSION_ID, int) or 0,
        peer_tunnel=sccrp.value(A.ASSIGNED_TUNNEL_ID, int) or 0,
        peer_session=ocrp.value(A.ASSIGNED_SESSION_ID, int) or 0,
        peer_name=sccrp.value(A.HOST_NAME, str) or "",
        connect_speed=occn.value(A.TX_CONNECT_SPEED, int) or 0,
        framing_type=occn.value(A.FRAMING_TYPE, int) or 0,
    )
    return Recording(exchange, from_lns, from_lac)


@needs_data
def test_recorded_dial_out_drives_our_lns_through_the_same_messages() -> None:
    recorded = recording()
    ours = [decode(payload) for payload in recorded.from_lns]
    states: list[States] = []
    endpoint, sent = replay(recorded.exchange, recorded.from_lac, states=states)
    assert states == [
        (["WAIT_CTL_REPLY"], ["WAIT_TUNNEL"]),
        (["ESTABLISHED"], ["WAIT_REPLY"]),
        (["ESTABLISHED"], ["WAIT_CONNECT"]),
        (["ESTABLISHED"], ["ESTABLISHED"]),
        (["ESTABLISHED"], []),
        (["IDLE"], []),
    ]
    assert summary(sent) == summary(ours) == recorded.exchange.sequence()
    check_events(endpoint, recorded.exchange)
    # We say the same, octet for octet but for the order of two AVPs in StopCCN.
    for mine, other in zip(sent[:-1], ours[:-1], strict=True):
        assert encode(mine) == encode(other)
    assert sorted(map(repr, sent[-1].avps)) == sorted(map(repr, ours[-1].avps))


@needs_data
def test_recorded_dial_out_drives_our_lac_through_the_same_messages() -> None:
    recorded = recording()
    exchange = recorded.exchange
    policy = TunnelParameters(
        exchange.moved, exchange.lns, exchange.peer_name, require_tunnel_auth=False
    )
    config = EndpointConfig(
        role="lac",
        vendor_name="",
        bearer_capabilities=3,
        receive_window=10,
        incoming={"pylns": policy},
        ack_delay=1.0,
    )
    endpoint = Endpoint(config, RecordedIds(exchange.peer_tunnel, exchange.peer_session))
    sent: list[Message] = []
    states: list[States] = []
    now = 0.0
    for payload in recorded.from_lns:
        now += 0.01
        endpoint.receive_datagram(payload, exchange.moved, exchange.lns, now)
        while (event := endpoint.next_event()) is not None:
            if isinstance(event, CallRequested):
                endpoint.accept_call(event.call, now)
        if decode(payload).type is None and endpoint.calls()[0].state == "WAIT_CS_ANSWER":
            endpoint.connect_call(
                1, now, connect_speed=exchange.connect_speed, framing_type=exchange.framing_type
            )
        sent += [decode(d.data) for d in endpoint.datagrams_to_send()]
        states.append(states_of(endpoint))
    assert states == [
        (["WAIT_CTL_CONN"], []),
        (["ESTABLISHED"], []),
        (["ESTABLISHED"], ["WAIT_CS_ANSWER"]),
        (["ESTABLISHED"], ["ESTABLISHED"]),
        (["ESTABLISHED"], ["ESTABLISHED"]),
        (["ESTABLISHED"], []),
        (["IDLE"], []),
    ]
    assert summary(sent) == summary([decode(payload) for payload in recorded.from_lac])
    assert endpoint.calls() == []
    assert [t.state for t in endpoint.tunnels()] == ["IDLE"]


def test_dial_out_with_tie_breaker_differs_in_one_avp() -> None:
    lac = [bytes.fromhex(text) for text in WRITTEN_LAC]
    _, plain = replay(WRITTEN, lac)
    _, tied = replay(WRITTEN, lac, tie_breaker=True)
    assert summary(plain) == summary(tied)
    kept = tuple(avp for avp in tied[0].avps if avp.attribute != A.TIE_BREAKER)
    assert replace(tied[0], avps=kept) == plain[0]
