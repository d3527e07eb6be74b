"""Who may open a tunnel, ties, and strangers (RFC 2661 4.4.3; threats T4, T5, T9)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from l2tp_wire import (
    CALL,
    LAC,
    LNS,
    OPEN,
    PROVEN,
    Peer,
    Wire,
    body,
    events,
    lac,
    lns,
)

from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import ResultCode
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import CallClosed, TunnelClosed, TunnelOpened
from control.l2tp.message import Header, decode, join

A = Attribute
M = MessageType
STRANGER = ("203.0.113.9", 40000)


# Ties.


class _Tie:
    """An rng whose 8-octet strings (tie breakers) are one value."""

    def __init__(self, seed: int, value: int) -> None:
        self._rng = random.Random(seed)
        self._value = value

    def randrange(self, start: int, stop: int, /) -> int:
        return self._rng.randrange(start, stop)

    def randbytes(self, n: int, /) -> bytes:
        return self._value.to_bytes(8, "big") if n == 8 else self._rng.randbytes(n)


def crossing(ours: int | None, theirs: int | None, parameters: object = OPEN) -> Wire:
    """Two LNSs that open a tunnel to each other at the same moment."""
    ends = []
    for seed, value, host in ((1, ours, "a"), (2, theirs, "b")):
        config = EndpointConfig(
            host_name=host, bearer_capabilities=3, tie_breaker=value is not None
        )
        ends.append(Endpoint(config, _Tie(seed, value or 0)))
    wire = Wire(*ends, delay=0.01)
    there = replace(parameters, host_name="a")
    back = replace(parameters, local=LAC, peer=LNS, host_name="b")
    wire.a.place_call(there, CALL, 0.0)
    wire.b.place_call(back, CALL, 0.0)
    return wire


@pytest.mark.parametrize("parameters", [OPEN, PROVEN])
@pytest.mark.parametrize(
    ("ours", "theirs", "winner"), [(1, 2, "a"), (2, 1, "b"), (2, None, "a"), (None, 2, "b")]
)
def test_tie_leaves_one_tunnel_opened_by_the_winner(
    ours: int | None, theirs: int | None, winner: str, parameters: object
) -> None:
    wire = crossing(ours, theirs, parameters)
    wire.run(1.0)
    live = {
        side: [t for t in end.tunnels() if t.state == "ESTABLISHED"]
        for side, end in (("a", wire.a), ("b", wire.b))
    }
    assert [len(tunnels) for tunnels in live.values()] == [1, 1]
    assert live[winner][0].opened_by_us
    opened = [e for e in wire.events[wire.a] + wire.events[wire.b] if isinstance(e, TunnelOpened)]
    assert len(opened) == 2
    assert not [e for e in wire.events[wire.a] + wire.events[wire.b] if isinstance(e, TunnelClosed)]
    # The loser's waiting call asks for its call over the winner's tunnel.
    for source in (LNS, LAC):
        assert wire.types(source).count("OCRQ") == 1


def test_equal_tie_breakers_drop_both_tunnels() -> None:
    wire = crossing(7, 7)
    wire.run(1.0)
    assert wire.a.tunnels() == wire.b.tunnels() == []
    for end in (wire.a, wire.b):
        closed = [e for e in wire.events[end] if isinstance(e, CallClosed)]
        assert [e.failure.stage for e in closed] == ["tunnel"]
    assert wire.types() == wire.types(LAC) == ["SCCRQ"]


def test_without_tie_breakers_there_are_two_tunnels() -> None:
    wire = crossing(None, None)
    wire.run(1.0)
    assert [t.state for t in wire.a.tunnels()] == ["ESTABLISHED"] * 2
    assert [t.state for t in wire.b.tunnels()] == ["ESTABLISHED"] * 2


def test_tie_is_only_with_a_peer_of_the_expected_name() -> None:
    endpoint = lns()
    endpoint.place_call(replace(OPEN, peer_host_name="lac-1"), CALL, 0.0)
    endpoint.datagrams_to_send()
    peer = Peer(endpoint)
    peer.start(M.SCCRQ, (A.TIE_BREAKER, bytes(8)), host="lac-2")
    assert endpoint.counters.refused_tunnels == 1
    assert endpoint.datagrams_to_send() == []
    assert [t.state for t in endpoint.tunnels()] == ["WAIT_CTL_REPLY"]


def test_tie_that_loses_to_one_of_ours_and_beats_another() -> None:
    endpoint = Endpoint(EndpointConfig(host_name="lns"), random.Random(5))
    for name in ("x", "y", "z"):
        endpoint.place_call(replace(OPEN, assignment_id=name), CALL, 0.0)
    ties = []
    for datagram in endpoint.datagrams_to_send():
        ties.append(decode(datagram.data).value(A.TIE_BREAKER, bytes) or b"")
    middle = sorted(ties)[1]
    theirs = (int.from_bytes(middle, "big") - 1).to_bytes(8, "big")
    Peer(endpoint).start(M.SCCRQ, (A.TIE_BREAKER, theirs))
    # Ours that is lower survives; those that are higher are dropped at both ends.
    assert [t.state for t in endpoint.tunnels()] == ["WAIT_CTL_REPLY"]
    assert len([e for e in events(endpoint) if isinstance(e, CallClosed)]) == 2
    assert endpoint.datagrams_to_send() == []


# Strangers.


def test_lns_takes_no_sccrq_from_a_stranger_and_says_nothing() -> None:
    endpoint = lns()
    peer = Peer(endpoint, address=STRANGER)
    peer.start(M.SCCRQ)
    assert endpoint.datagrams_to_send() == []
    assert endpoint.tunnels() == []
    assert endpoint.counters.refused_tunnels == 1


def test_lns_with_accept_tunnels_takes_a_known_peer_only() -> None:
    policy = {"good": replace(OPEN, host_name="lns")}
    endpoint = lns(accept_tunnels=True, incoming=policy)
    good, bad = Peer(endpoint), Peer(endpoint, address=STRANGER)
    good.start(M.SCCRQ, (A.VENDOR_NAME, "x" * 60), host="good")
    bad.start(M.SCCRQ, host="bad")
    assert [t.peer_host_name for t in endpoint.tunnels()] == ["good"]
    sent = {d.peer: decode(d.data) for d in endpoint.datagrams_to_send()}
    assert sent[LAC].type == M.SCCRP
    assert sent[STRANGER].type == M.STOPCCN
    code = sent[STRANGER].value(A.RESULT_CODE, ResultCode)
    assert code is not None
    assert code.result == 4


def test_policy_may_be_asked() -> None:
    seen = []

    def policy(host: str, peer: tuple[str, int]) -> object:
        seen.append((host, peer))
        return replace(OPEN, host_name="lns")

    endpoint = lns(accept_tunnels=True, incoming=policy)
    Peer(endpoint).start(M.SCCRQ, (A.VENDOR_NAME, "x" * 60))
    assert seen == [("lac", LAC)]
    assert len(endpoint.tunnels()) == 1


@pytest.mark.parametrize(
    ("change", "result"), [({"version": 0x0200}, 5), ({"host": "nobody"}, 4), ({}, 4)]
)
def test_bad_sccrq_is_refused_without_keeping_state(change: dict[str, object], result: int) -> None:
    endpoint = lac(policy=PROVEN, incoming={"lac": replace(PROVEN, secret=b"")})
    peer = Peer(endpoint, address=STRANGER, ours=LAC)
    peer.start(M.SCCRQ, **change)
    (datagram,) = endpoint.datagrams_to_send()
    message = decode(datagram.data)
    code = message.value(A.RESULT_CODE, ResultCode)
    assert code is not None
    assert (message.type, code.result) == (M.STOPCCN, result)
    assert (message.tunnel_id, message.ns, message.nr) == (77, 0, 1)
    assert endpoint.tunnels() == []
    assert endpoint.get_timer() is None


def test_copies_of_an_sccrq_make_one_tunnel() -> None:
    endpoint = lac()
    for _ in range(3):
        peer = Peer(endpoint, address=LNS, ours=LAC)
        peer.start(M.SCCRQ)
    assert len(endpoint.tunnels()) == 1
    assert endpoint.counters.duplicate == 2


def test_peer_that_restarted_with_the_same_id_gets_a_new_tunnel() -> None:
    endpoint = lac()
    for tie in (b"\x01" * 8, b"\x02" * 8):
        Peer(endpoint, address=LNS, ours=LAC).start(M.SCCRQ, (A.TIE_BREAKER, tie))
    assert len(endpoint.tunnels()) == 2


def test_junk_allocates_nothing_and_is_not_answered() -> None:
    endpoint = lns()
    rng = random.Random(1)
    before = endpoint.get_timer()
    for n in range(4000):
        kind = n % 4
        if kind == 0:
            data = rng.randbytes(rng.randrange(0, 60))
        elif kind == 1:
            data = b"\xc8\x02" + rng.randbytes(rng.randrange(0, 60))
        elif kind == 2:
            data = join(Header(rng.randrange(0, 65536), 0, 0, 0), body(M.HELLO))
        else:
            data = join(Header(0, 0, 0, 0), rng.randbytes(rng.randrange(0, 40)))
        endpoint.receive_datagram(data, LNS, STRANGER, float(n))
    counters = endpoint.counters
    assert counters.received == 4000
    assert counters.malformed + counters.unknown_tunnel + counters.refused_tunnels == 4000
    assert endpoint.datagrams_to_send() == []
    assert endpoint.tunnels() == []
    assert endpoint.get_timer() is before is None
    assert len(endpoint._context.deadlines) == 0


def test_guessing_from_a_wrong_address_gets_nothing() -> None:
    endpoint = lns()
    endpoint.place_call(OPEN, CALL, 0.0)
    peer = Peer(endpoint)
    peer.establish()
    state = endpoint.tunnels()
    for tunnel_id in range(65536):
        data = join(Header(tunnel_id, 0, 1, 2), body(M.HELLO))
        endpoint.receive_datagram(data, LNS, STRANGER, 0.0)
    assert endpoint.counters.wrong_peer == 1
    assert endpoint.counters.unknown_tunnel == 65535
    assert endpoint.tunnels() == state


@pytest.mark.parametrize("policy", [OPEN, PROVEN])
@pytest.mark.parametrize("padding", [0, 10, 30, 200])
def test_no_more_octets_go_to_a_stranger_than_came(policy: object, padding: int) -> None:
    endpoint = lac(policy=policy)
    came = gone = 0
    avps = [
        (A.PROTOCOL_VERSION, 0x0100),
        (A.FRAMING_CAPABILITIES, 3),
        (A.HOST_NAME, "x"),
        (A.ASSIGNED_TUNNEL_ID, 5),
    ]
    data = join(Header(0, 0, 0, 0), body(M.SCCRQ, *avps, (A.VENDOR_NAME, "v" * padding)))
    answered = False
    for step in range(40):
        if step in (0, 10, 20):
            endpoint.receive_datagram(data, LAC, STRANGER, float(step))
            came += len(data)
        endpoint.handle_timer(float(step))
        for datagram in endpoint.datagrams_to_send():
            gone += len(datagram.data)
            answered |= decode(datagram.data).type == M.SCCRP
        assert gone <= came
    assert answered


def test_repeated_sccrq_of_a_stranger_gets_no_bare_acknowledgement() -> None:
    # It would silence the peer, and only what the peer sends lets SCCRP be sent again.
    endpoint = lac()

    def sent(sccrq_at: float | None = None, timer_at: float | None = None) -> list[int | None]:
        if sccrq_at is not None:
            long_enough = (A.VENDOR_NAME, "v" * 40)
            Peer(endpoint, address=LNS, ours=LAC).start(M.SCCRQ, long_enough, now=sccrq_at)
        if timer_at is not None:
            endpoint.handle_timer(timer_at)
        return [decode(d.data).type for d in endpoint.datagrams_to_send()]

    assert sent(sccrq_at=0.0) == [M.SCCRP]
    assert sent(sccrq_at=0.5, timer_at=0.7) == []
    assert sent(timer_at=1.0) == [M.SCCRP]
    while M.SCCRP in sent(timer_at=endpoint.get_timer()):
        pass
    late = endpoint.get_timer()
    assert late is not None
    assert sent(sccrq_at=late - 1.0) == [M.SCCRP]


def test_every_refusal_is_no_longer_than_its_question() -> None:
    endpoint = lac(incoming={})
    rng = random.Random(3)
    for kind in (*MessageType, 5, 13, 99):
        for _ in range(20):
            filler = body(kind, (A.ASSIGNED_TUNNEL_ID, 5)) + rng.randbytes(rng.randrange(0, 3))
            data = join(Header(0, 0, 0, 0), filler)
            endpoint.receive_datagram(data, LAC, STRANGER, 0.0)
            assert sum(len(d.data) for d in endpoint.datagrams_to_send()) <= len(data)


def test_known_lns_is_answered_at_once_with_authentication() -> None:
    # Our own SCCRQ is long enough for the LAC's answer.
    wire = Wire(lns(), lac(policy=PROVEN))
    wire.a.place_call(PROVEN, CALL, 0.0)
    wire.settle()
    assert wire.b.counters.withheld == 0
    assert wire.b.counters.calls_connected == 1
