"""The endpoint's own rules, and many calls over bad lines."""

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
    SECRET,
    Fault,
    Peer,
    Wire,
    events,
    lac,
    lns,
)

from control.errors import LocalProtocolError
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import ResultCode
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import CallClosed, CallConnected, OutgoingCall
from control.l2tp.message import decode

A = Attribute
M = MessageType


@pytest.mark.parametrize(
    ("parameters", "call"),
    [
        (replace(OPEN, require_tunnel_auth=True), CALL),
        (OPEN, OutgoingCall("1" * 1016)),
        (OPEN, OutgoingCall("1", minimum_bps=1 << 32)),
        (OPEN, OutgoingCall("1", bearer_type=-1)),
        (OPEN, OutgoingCall("\ud800")),
        (replace(OPEN, host_name="h" * 1018), CALL),
    ],
)
def test_call_that_cannot_be_placed_changes_nothing(parameters: object, call: object) -> None:
    endpoint = lns()
    with pytest.raises(LocalProtocolError):
        endpoint.place_call(parameters, call, 0.0)
    assert endpoint.tunnels() == []
    assert endpoint.datagrams_to_send() == []


def test_lac_places_no_calls_and_lns_accepts_none() -> None:
    with pytest.raises(LocalProtocolError):
        lac().place_call(OPEN, CALL, 0.0)
    endpoint = lns()
    call = endpoint.place_call(OPEN, CALL, 0.0)
    with pytest.raises(LocalProtocolError):
        endpoint.accept_call(call, 0.0)
    with pytest.raises(LocalProtocolError):
        endpoint.close_call(call, 0.0, result=70000)
    assert len(endpoint.calls()) == 1


def test_nothing_is_placed_or_accepted_after_shutdown() -> None:
    endpoint = lns(accept_tunnels=True, incoming={"": OPEN})
    endpoint.shutdown(0.0)
    with pytest.raises(LocalProtocolError):
        endpoint.place_call(OPEN, CALL, 0.0)
    Peer(endpoint).start(M.SCCRQ)
    assert endpoint.tunnels() == []


@pytest.mark.parametrize(
    "change",
    [
        {"role": "pac"},
        {"receive_window": 0},
        {"host_name": ""},
        {"incoming": {"": replace(OPEN, host_name="h" * 1018)}},
    ],
)
def test_settings_that_cannot_work_are_our_misuse(change: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        Endpoint(replace(EndpointConfig(), **change), random.Random(1))


def test_handles_are_never_used_again() -> None:
    wire = Wire(lns(), lac())
    handles = []
    for _ in range(20):
        handle = wire.a.place_call(OPEN, CALL, wire.now)
        handles.append(handle)
        wire.run(wire.now + 1)
        wire.a.close_call(handle, wire.now)
        wire.run(wire.now + 1)
    assert handles == list(range(1, 21))
    assert len(wire.a.tunnels()) == 1


def test_tunnel_ids_run_out_with_a_reason() -> None:
    endpoint = lns()
    endpoint._context.tunnel_ids._taken.update(range(1, 65536))
    call = endpoint.place_call(OPEN, CALL, 0.0)
    (closed,) = events(endpoint)
    assert (closed.call, closed.failure.stage, closed.failure.error) == (call, "local", 4)


def test_peer_that_opens_a_tunnel_hears_that_ids_ran_out() -> None:
    endpoint = lac()
    endpoint._context.tunnel_ids._taken.update(range(1, 65536))
    Peer(endpoint, address=LNS, ours=LAC).start(M.SCCRQ)
    (datagram,) = endpoint.datagrams_to_send()
    assert decode(datagram.data).value(A.RESULT_CODE, ResultCode) == ResultCode(
        2, 4, "no tunnel id is free"
    )
    assert endpoint.tunnels() == []


def test_session_ids_run_out_with_a_reason() -> None:
    endpoint = lns()
    endpoint.place_call(OPEN, CALL, 0.0)
    (tunnel,) = endpoint._registry
    tunnel._calls._ids._taken.update(range(1, 65536))
    Peer(endpoint).establish()
    _, closed = events(endpoint)
    assert (closed.failure.stage, closed.failure.error) == ("local", 4)


def test_same_input_gives_the_same_bytes() -> None:
    def run() -> list[bytes]:
        fault = Fault(loss=0.2, duplication=0.1, jitter=0.3)
        wire = Wire(lns(), lac(policy=PROVEN), fault=fault, seed=4)
        for n in range(5):
            wire.a.place_call(replace(PROVEN, assignment_id=str(n % 2)), CALL, 0.0)
        wire.run(60.0)
        return [d.data for _, d in wire.sent]

    assert run() == run()


def test_secret_is_in_no_event_snapshot_or_message() -> None:
    wire = Wire(lns(), lac(policy=PROVEN))
    wire.a.place_call(PROVEN, CALL, 0.0)
    wire.settle()
    shown = repr(
        [wire.events, wire.a.tunnels(), wire.a.calls(), wire.a.config, wire.b.config, PROVEN]
    )
    assert SECRET.decode() not in shown
    assert not any(SECRET in d.data for _, d in wire.sent)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_all_calls_come_up_over_a_bad_line(seed: int, loss: float) -> None:
    fault = Fault(loss=loss, duplication=0.1, jitter=0.4)
    settings = {"max_retransmissions": 12}
    wire = Wire(lns(seed, **settings), lac(seed, policy=PROVEN, **settings), fault=fault, seed=seed)
    for _ in range(8):
        wire.a.place_call(PROVEN, CALL, 0.0)
    wire.run(300.0)
    connected = [e for e in wire.events[wire.a] if isinstance(e, CallConnected)]
    assert sorted(e.call for e in connected) == list(range(1, 9))
    assert len(wire.a.tunnels()) == 1
    for call in range(1, 9):
        wire.a.close_call(call, wire.now)
    wire.run(900.0)
    assert wire.b.calls() == []
    assert wire.a.tunnels() == wire.b.tunnels() == []
    ended = [e for e in wire.events[wire.b] if isinstance(e, CallClosed)]
    assert {e.failure.stage for e in ended} == {"cdn"}


def test_a_thousand_calls_share_one_tunnel() -> None:
    wire = Wire(lns(), lac(), delay=0.005)
    for _ in range(1000):
        wire.a.place_call(OPEN, CALL, 0.0)
    wire.run(10.0)
    assert wire.a.counters.calls_connected == 1000
    assert len({c.session for c in wire.a.calls()}) == 1000
    assert wire.a.counters.retransmitted == 0
