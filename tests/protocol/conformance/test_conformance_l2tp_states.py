"""The state tables of RFC 2661 7.2.1, 7.5.1 and 7.5.2, copied as printed and played on the wire:
each row is a state reached with real octets, one message, and what has to come back."""

from __future__ import annotations

import pytest
from raw_l2tp import (
    BODIES,
    CDN,
    HELLO,
    ICCN,
    ICRP,
    ICRQ,
    OCCN,
    OCRP,
    OCRQ,
    SCCCN,
    SCCRP,
    SCCRQ,
    SLI,
    STOPCCN,
    WEN,
    ZLB,
    Far,
    kinds,
    lac_end,
    lns_end,
    start_body,
)

NAMES = {
    "SCCRQ": SCCRQ,
    "SCCRP": SCCRP,
    "SCCCN": SCCCN,
    "StopCCN": STOPCCN,
    "OCRQ": OCRQ,
    "OCRP": OCRP,
    "OCCN": OCCN,
    "CDN": CDN,
}
OTHER_VERSION = start_body(SCCRP, version=0x0200)
NOBODY = 0x1111
"""A session id that no call has (the generators are seeded)."""


def row_ids(table: str) -> list[str]:
    return [" ".join(line.split()) for line in table.strip().splitlines()]


# 7.2.1: state, received, sent, new state. The RFC's "idle" is here a tunnel whose id is still known
# because its peer has closed it a moment ago; an id never known gets silence (specification 2.4).
CONTROL = """
idle            SCCRP        StopCCN  idle
idle            SCCCN        -        idle
idle            StopCCN      -        idle
wait-ctl-reply  SCCRP        SCCCN    established
wait-ctl-reply  SCCRP:bad    StopCCN  idle
wait-ctl-reply  SCCCN        StopCCN  idle
wait-ctl-reply  StopCCN      -        idle
wait-ctl-conn   SCCCN        -        established
wait-ctl-conn   SCCRP        StopCCN  idle
wait-ctl-conn   SCCRQ        StopCCN  idle
wait-ctl-conn   StopCCN      -        idle
established     SCCRQ        StopCCN  idle
established     SCCRP        StopCCN  idle
established     SCCCN        StopCCN  idle
established     StopCCN      -        idle
"""


def tunnel_in(state: str) -> Far:
    """A tunnel in this state, the scripted end having heard all of it."""
    far = lac_end() if state == "wait-ctl-conn" else lns_end()
    if state == "wait-ctl-conn":
        far.say(SCCRQ, body=start_body(SCCRQ, b"\x00\x4c\x00\x00\x00\x08" + bytes(70)))
        return far
    far.hear()
    if state != "wait-ctl-reply":
        far.say(SCCRP)
        far.acknowledge()
    if state == "idle":
        far.say(STOPCCN)
    return far


@pytest.mark.parametrize("row", row_ids(CONTROL))
def test_control_connection_row(row: str) -> None:
    state, message, sent, after = row.split()
    far = tunnel_in(state)
    far.events.clear()
    name, _, bad = message.partition(":")
    heard = far.say(NAMES[name], body=OTHER_VERSION if bad else None)
    answers = [kind for kind in kinds(heard) if kind != OCRQ]
    assert answers == ([] if sent == "-" else [NAMES[sent]])
    (tunnel,) = far.endpoint.tunnels()
    assert tunnel.state == after.upper().replace("-", "_")
    assert ("TunnelClosed" in far.names()) == (after == "idle" != state)
    # Whatever it was, it is acknowledged: at once with the answer, or by a ZLB soon (5.8).
    nrs = [one.nr for one in heard + far.wait(0.1)]
    assert nrs
    assert nrs[-1] == far.ns


@pytest.mark.parametrize("state", ["idle", "wait-ctl-reply", "wait-ctl-conn", "established"])
def test_hello_is_only_acknowledged(state: str) -> None:
    far = tunnel_in(state)
    before = far.endpoint.tunnels()[0].state
    assert kinds(far.say(HELLO)) == []
    assert [one.kind for one in far.wait(0.1)] == [ZLB]
    assert far.endpoint.tunnels()[0].state == before


def test_local_open_sends_sccrq_and_a_second_call_waits_for_the_same_tunnel() -> None:
    far = lns_end(calls=2)
    assert kinds(far.hear()) == [SCCRQ]
    assert kinds(far.say(SCCRP))[0] == SCCCN
    heard = far.acknowledge() + far.acknowledge()
    assert len(far.endpoint.tunnels()) == 1
    assert {call.state for call in far.endpoint.calls()} == {"WAIT_REPLY"}
    assert kinds(heard) == [OCRQ]


@pytest.mark.parametrize("state", ["wait-ctl-conn", "established"])
def test_admin_close_sends_stopccn_with_our_id_to_theirs(state: str) -> None:
    far = tunnel_in(state)
    far.acknowledge()
    far.endpoint.close_tunnel(far.tunnel, far.now)
    stop = far.hear()[-1]
    assert (stop.kind, stop.tunnel, stop.session) == (STOPCCN, 0x4D4D, 0)
    assert stop.number(9) == far.tunnel
    assert stop.result == (1, 0)


@pytest.mark.parametrize("kind", sorted(set(BODIES) - {SCCRQ}))
def test_message_for_an_unknown_tunnel_gets_silence(kind: int) -> None:
    for far in (lns_end(), lac_end()):
        far.hear()
        far.tunnel = (far.tunnel + 1) & 0xFFFF or 1
        assert far.say(kind) == []
        assert far.wait(0.2) == []
        assert far.endpoint.counters.unknown_tunnel == 1


# 7.5.2. Here "idle" is a session id that no call has.
LNS_CALL = """
idle          OCRP      -    idle
idle          OCCN      -    idle
idle          CDN       -    idle
wait-reply    OCRP      -    wait-connect
wait-reply    OCRP:bad  CDN  idle
wait-reply    OCCN      CDN  idle
wait-reply    OCRQ      CDN  idle
wait-reply    CDN       -    idle
wait-reply    close     CDN  idle
wait-connect  OCCN      -    established
wait-connect  OCRQ      CDN  idle
wait-connect  OCRP      CDN  idle
wait-connect  CDN       -    idle
wait-connect  close     CDN  idle
established   OCRQ      CDN  idle
established   OCRP      CDN  idle
established   OCCN      CDN  idle
established   CDN       -    idle
established   close     CDN  idle
"""


def lns_call_in(state: str) -> Far:
    far = tunnel_in("established")
    if state in ("wait-connect", "established"):
        far.say(OCRP, session=far.session)
    if state == "established":
        far.say(OCCN, session=far.session)
    far.acknowledge()
    far.events.clear()
    return far


def states_of_calls(far: Far) -> list[str]:
    return [call.state.lower().replace("_", "-") for call in far.endpoint.calls()]


@pytest.mark.parametrize("row", row_ids(LNS_CALL))
def test_lns_call_row(row: str) -> None:
    state, message, sent, after = row.split()
    far = lns_call_in(state if state != "idle" else "established")
    name, _, bad = message.partition(":")
    if name == "close":
        far.endpoint.close_call(far.endpoint.calls()[0].call, far.now)
        heard = far.hear()
    else:
        # A reply without the session id that it must assign.
        body = BODIES[OCRP][:8] if bad else None
        session = NOBODY if state == "idle" else far.session
        heard = far.say(NAMES[name], session=session, body=body)
    assert kinds(heard) == ([] if sent == "-" else [CDN])
    untouched = ["established"] if state == "idle" else []
    assert states_of_calls(far) == untouched + ([after] if after != "idle" else [])
    closed = after == "idle" != state and name != "close"
    assert far.names().count("CallClosed") == closed
    assert far.endpoint.tunnels()[0].state == "ESTABLISHED"
    for one in heard:
        # The ids in a header are the receiver's; before OCRP there is none.
        known = state in ("wait-connect", "established")
        assert one.session == (0x5E5E if known else 0)
        assert one.number(14) == far.session


@pytest.mark.parametrize("kind", [ICRP, ICCN])
@pytest.mark.parametrize("state", ["wait-reply", "wait-connect", "established"])
def test_message_of_an_incoming_call_ends_an_outgoing_one(state: str, kind: int) -> None:
    far = lns_call_in(state)
    assert kinds(far.say(kind, session=far.session)) == [CDN]
    assert states_of_calls(far) == []


@pytest.mark.parametrize("kind", [WEN, SLI])
@pytest.mark.parametrize("state", ["wait-reply", "wait-connect", "established"])
def test_information_about_a_line_changes_nothing(state: str, kind: int) -> None:
    far = lns_call_in(state)
    assert kinds(far.say(kind, session=far.session)) == []
    assert states_of_calls(far) == [state]


def test_call_in_wait_tunnel_is_closed_without_a_message_about_it() -> None:
    far = lns_end(calls=2)
    far.hear()
    far.endpoint.close_call(far.endpoint.calls()[0].call, 0.0)
    assert far.hear() == []
    assert states_of_calls(far) == ["wait-tunnel"]


# 7.5.1. Bearer answer and failure are the owner's accept, connect and close.
LAC_CALL = """
idle            OCRQ    OCRP  wait-cs-answer
idle            OCRQ:bad  CDN  idle
idle            OCRP    CDN   idle
idle            OCCN    -     idle
idle            CDN     -     idle
wait-cs-answer  answer  OCCN  established
wait-cs-answer  fails   CDN   idle
wait-cs-answer  OCRQ    CDN   idle
wait-cs-answer  OCRP    CDN   idle
wait-cs-answer  OCCN    CDN   idle
wait-cs-answer  CDN     -     idle
established     OCRQ    CDN   idle
established     OCRP    CDN   idle
established     OCCN    CDN   idle
established     CDN     -     idle
established     fails   CDN   idle
"""


def lac_call_in(state: str) -> Far:
    far = tunnel_in("wait-ctl-conn")
    far.say(SCCCN)
    if state != "idle":
        far.say(OCRQ)
        far.endpoint.accept_call(far.endpoint.calls()[0].call, far.now)
        far.hear()
    if state == "established":
        far.endpoint.connect_call(far.endpoint.calls()[0].call, far.now)
        far.hear()
    far.acknowledge()
    return far


@pytest.mark.parametrize("row", row_ids(LAC_CALL))
def test_lac_call_row(row: str) -> None:
    state, message, sent, after = row.split()
    far = lac_call_in(state)
    name, _, bad = message.partition(":")
    if name == "answer":
        far.endpoint.connect_call(far.endpoint.calls()[0].call, far.now)
        heard = far.hear()
    elif name == "fails":
        far.endpoint.close_call(far.endpoint.calls()[0].call, far.now, result=7)
        heard = far.hear()
        assert heard[0].result == (7, 0)
    else:
        # An OCRQ without a called number.
        body = BODIES[OCRQ][: -len(b"5551000") - 6] if bad else None
        new = state == "idle" and name == "OCRQ"
        session = 0 if new else far.session or NOBODY
        heard = far.say(NAMES[name], session=session, body=body)
        if new and not bad:
            far.endpoint.accept_call(far.endpoint.calls()[0].call, far.now)
            heard += far.hear()
    assert kinds(heard) == ([] if sent == "-" else [NAMES[sent]])
    assert states_of_calls(far) == ([after] if after != "idle" else [])
    assert far.endpoint.tunnels()[0].state == "ESTABLISHED"


def test_lns_refuses_incoming_and_outgoing_calls_of_its_lac_with_cdn_to_the_assigned_id() -> None:
    for kind in (ICRQ, OCRQ):
        far = tunnel_in("established")
        far.acknowledge()
        (cdn,) = [one for one in far.say(kind) if one.kind != ZLB]
        assert (cdn.kind, cdn.session) == (CDN, 0x5E5E)
        assert states_of_calls(far) == ["wait-reply"]
