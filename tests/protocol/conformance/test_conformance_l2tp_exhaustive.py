"""Everything that can be said to an endpoint in every state, guesses of ids, reflection of every
message, and loss (threats T1, T5, T6 and T9).

`DIALOUT_LONG=1` asks for all of it: 65,536 words in each place, a million guesses.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from raw_l2tp import (
    BODIES,
    CDN,
    HELLO,
    ICCN,
    ICRQ,
    LAC,
    LNS,
    OCCN,
    OCRP,
    OCRQ,
    SCCCN,
    SCCRP,
    SCCRQ,
    SLI,
    STOPCCN,
    WEN,
    avp,
    control,
    parse,
    start_body,
    u16,
)

from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import (
    CallArrived,
    CallConnected,
    CallRequested,
    IncomingCall,
    OutgoingCall,
    TunnelParameters,
)

LONG = os.environ.get("DIALOUT_LONG") == "1"
GUESSES = 1_000_000 if LONG else 20_000
STRANGER = ("203.0.113.9", 1701)
TO_LAC = TunnelParameters(LNS, LAC, "lns", require_tunnel_auth=False)
TO_LNS = replace(TO_LAC, local=LAC, peer=LNS, host_name="lac")
RESERVED, UNKNOWN = 13, 99
TYPES = (*BODIES, RESERVED, UNKNOWN)


class Scripted:
    """An endpoint in some state and the peer that brought it there."""

    def __init__(self, role: str, *, incoming: bool = False) -> None:
        self.ours, self.theirs = (LNS, LAC) if role == "lns" else (LAC, LNS)
        config = EndpointConfig(
            role,
            "ours",
            bearer_capabilities=3,
            accept_tunnels=incoming or None,
            incoming_calls=incoming,
            incoming={"": TO_LAC if role == "lns" else TO_LNS},
        )
        self.endpoint = Endpoint(config, random.Random(5))
        self.tunnel = self.session = self.ns = self.nr = 0
        self.now = 0.0

    def hear(self) -> list[int]:
        """Types of what it sent; learns its ids."""
        kinds = []
        for datagram in self.endpoint.datagrams_to_send():
            heard = parse(datagram.data)
            if heard.kind:
                self.nr = heard.ns + 1
                kinds.append(heard.kind)
            if 9 in heard.values:
                self.tunnel = heard.number(9)
            if 14 in heard.values:
                self.session = heard.number(14)
        return kinds

    def say(self, body: bytes, session: int = 0) -> None:
        data = control(self.tunnel, session, self.ns, self.nr, body)
        self.ns += bool(body)
        self.endpoint.receive_datagram(data, self.ours, self.theirs, self.now)

    def call(self) -> int:
        """Handle of the newest call."""
        return max(call.call for call in self.endpoint.calls())


def opening(role: str) -> Scripted:
    end = Scripted(role)
    if role == "lns":
        end.endpoint.place_call(TO_LAC, OutgoingCall("1"), 0.0)
    else:
        end.endpoint.offer_call(TO_LNS, IncomingCall("1"), 0.0)
    assert end.hear() == [SCCRQ]
    return end


def opened(role: str) -> Scripted:
    """Its tunnel is open, and its call asked for."""
    end = opening(role)
    end.say(BODIES[SCCRP])
    end.hear()
    return end


def accepted(role: str) -> Scripted:
    """The peer opens the tunnel; SCCRP has been sent."""
    end = Scripted(role, incoming=True)
    end.say(start_body(SCCRQ, avp(8, b"v" * 60, m=0)))
    assert end.hear() == [SCCRP]
    return end


def taken(role: str) -> Scripted:
    """The peer's call waits for the owner."""
    end = accepted(role)
    end.say(BODIES[SCCCN])
    end.say(BODIES[ICRQ if role == "lns" else OCRQ])
    end.hear()
    return end


def answered(role: str) -> Scripted:
    end = taken(role)
    end.endpoint.accept_call(end.call(), 0.0)
    end.hear()
    return end


def connected(role: str) -> Scripted:
    end = answered(role)
    if role == "lns":
        end.say(BODIES[ICCN], end.session)
    else:
        end.endpoint.connect_call(end.call(), 0.0)
    end.hear()
    return end


def placed(upto: int) -> Scripted:
    """The LNS's own call after OCRP, or after OCCN."""
    end = opened("lns")
    for kind in (OCRP, OCCN)[:upto]:
        end.say(BODIES[kind], end.session)
    end.hear()
    return end


def offered() -> Scripted:
    end = opened("lac")
    end.say(BODIES[11], end.session)
    end.hear()
    return end


def closed(role: str) -> Scripted:
    end = opened(role)
    end.endpoint.close_tunnel(end.endpoint.tunnels()[0].tunnel, 0.0)
    end.hear()
    return end


def drained() -> Scripted:
    end = placed(2)
    end.endpoint.drain_peer(LAC[0], 0.0)
    return end


STATES: dict[str, Callable[[], Scripted]] = {
    "lns nothing": lambda: Scripted("lns"),
    "lns accepts": lambda: Scripted("lns", incoming=True),
    "lns wait-ctl-reply": lambda: opening("lns"),
    "lns wait-reply": lambda: opened("lns"),
    "lns wait-connect": lambda: placed(1),
    "lns established": lambda: placed(2),
    "lns closed": lambda: closed("lns"),
    "lns draining": drained,
    "lns wait-ctl-conn": lambda: accepted("lns"),
    "lns incoming wait-accept": lambda: taken("lns"),
    "lns incoming wait-connect": lambda: answered("lns"),
    "lns incoming established": lambda: connected("lns"),
    "lac nothing": lambda: Scripted("lac"),
    "lac wait-ctl-reply": lambda: opening("lac"),
    "lac incoming wait-reply": lambda: opened("lac"),
    "lac incoming established": offered,
    "lac closed": lambda: closed("lac"),
    "lac wait-ctl-conn": lambda: accepted("lac"),
    "lac wait-accept": lambda: taken("lac"),
    "lac wait-cs-answer": lambda: answered("lac"),
    "lac established": lambda: connected("lac"),
}


def bodies(kind: int) -> Iterator[bytes]:
    """A good message of a type, and in how many ways it is none."""
    head = avp(0, u16(kind))
    good = BODIES.get(kind, head)
    yield good
    yield head
    yield avp(0, u16(kind), m=0)
    yield good + avp(200, b"x")
    yield good + avp(200, b"x", m=0)
    yield good + avp(1, b"x", vendor=9)
    yield good + avp(10, b"", m=0)
    yield good + good
    yield good[:-1]
    yield good + avp(21, b"1", reserved=4)
    yield good + struct.pack(">HHH", 0xC000 | 8, 0, 14) + b"xx"


def finish(end: Scripted) -> None:
    """Whatever happened: when all of it is closed and time goes by, nothing is left."""
    endpoint = end.endpoint
    for call in endpoint.calls():
        endpoint.close_call(call.call, end.now)
    endpoint.shutdown(end.now)
    steps = 0
    while (when := endpoint.get_timer()) is not None:
        end.now = max(when, end.now)
        endpoint.handle_timer(end.now)
        endpoint.datagrams_to_send()
        steps += 1
        assert steps < 200
    assert endpoint.tunnels() == []
    assert endpoint.calls() == []
    assert end.now <= 31.0 + 31.0


@pytest.mark.parametrize("state", STATES)
def test_every_message_in_every_state_is_understood_or_refused_and_leaves_nothing(
    state: str,
) -> None:
    for kind in TYPES:
        for body in bodies(kind):
            for which in ("none", "ours", "another"):
                end = STATES[state]()
                session = {"none": 0, "ours": end.session, "another": end.session ^ 1}[which]
                end.say(body, session)
                sent = end.endpoint.datagrams_to_send()
                assert len(sent) <= 3, (state, kind, body, which)
                finish(end)


@pytest.mark.parametrize("state", STATES)
def test_stopccn_ends_the_tunnel_in_every_state_and_is_acknowledged(state: str) -> None:
    end = STATES[state]()
    knows = bool(end.tunnel)
    end.say(BODIES[STOPCCN])
    end.endpoint.handle_timer(0.05)
    alive = [t for t in end.endpoint.tunnels() if t.state != "IDLE"]
    assert alive == []
    assert end.endpoint.calls() == []
    if knows:
        assert any(parse(d.data).nr >= end.ns for d in end.endpoint.datagrams_to_send())
    finish(end)


@pytest.mark.parametrize("kind", [SCCRP, OCRP, OCCN, CDN, ICRQ, ICCN, WEN, SLI])
def test_any_flags_and_length_of_an_avp_in_any_message_do_no_harm(kind: int) -> None:
    state = {SCCRP: "lns wait-ctl-reply", OCRP: "lns wait-reply", OCCN: "lns wait-connect"}.get(
        kind, "lns incoming wait-connect" if kind == ICCN else "lns established"
    )
    if kind == ICRQ:
        state = "lns incoming established"
    step = 1 if LONG else 97
    for word in range(0, 1 << 16, step):
        end = STATES[state]()
        end.say(BODIES[kind] + struct.pack(">HHH", word, 0, 21) + b"5551234", end.session)
        assert len(end.endpoint.datagrams_to_send()) <= 2, hex(word)


def test_guesses_from_a_wrong_address_are_all_counted_and_none_accepted() -> None:
    end = placed(2)
    endpoint, rng = end.endpoint, random.Random(9)
    before, calls = replace(endpoint.counters), endpoint.calls()
    kinds = (CDN, STOPCCN, HELLO, WEN)
    for guess in range(GUESSES):
        # Half of them know the tunnel id, as if they had seen a message.
        tunnel = end.tunnel if guess % 2 else rng.randrange(1 << 16)
        session = rng.randrange(1 << 16)
        body = BODIES[kinds[guess % len(kinds)]]
        data = control(tunnel, session, end.ns, end.nr, body)
        endpoint.receive_datagram(data, LNS, STRANGER, 0.0)
    after = endpoint.counters
    assert after.accepted == before.accepted
    assert after.wrong_peer + after.unknown_tunnel + after.refused_tunnels == GUESSES
    assert endpoint.calls() == calls
    assert endpoint.datagrams_to_send() == []


def test_guesses_from_the_right_address_find_the_expected_share_and_all_are_counted() -> None:
    end = placed(2)
    endpoint, rng = end.endpoint, random.Random(10)
    before = replace(endpoint.counters)
    for _ in range(GUESSES):
        ids = (rng.randrange(1 << 16), rng.randrange(1 << 16))
        numbers = (rng.randrange(1 << 16), rng.randrange(1 << 16))
        data = control(*ids, *numbers, BODIES[HELLO])
        endpoint.receive_datagram(data, LNS, LAC, 0.0)
    after = endpoint.counters
    found = GUESSES - (after.unknown_tunnel - before.unknown_tunnel)
    assert found <= 6 * max(1, GUESSES / (1 << 16))
    kept = after.duplicate + after.out_of_window + after.out_of_order + after.accepted
    assert kept - before.accepted == found
    assert after.accepted - before.accepted <= 1


@pytest.mark.parametrize("kind", [STOPCCN, CDN])
def test_forged_ends_are_taken_at_no_sequence_number_that_is_not_next(kind: int) -> None:
    """The peer's address, both ids known; Ns is what is left to guess."""
    end = placed(2)
    ahead = end.endpoint.config.receive_window
    for offset in range(1, 1 << 16, 1 if LONG else 7):
        ns = (end.ns + offset) % (1 << 16)
        if 0 < offset < ahead:
            continue  # kept until what is missing comes, and then dropped as the copy it is
        data = control(end.tunnel, end.session, ns, end.nr, BODIES[kind])
        end.endpoint.receive_datagram(data, LNS, LAC, 0.0)
        end.endpoint.datagrams_to_send()
    assert [call.state for call in end.endpoint.calls()] == ["ESTABLISHED"]


@pytest.mark.parametrize("incoming", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_reflection_ratio_of_no_message_is_above_one(kind: int, incoming: bool) -> None:
    for body in bodies(kind):
        for tunnel, session in ((0, 0), (0, 5), (77, 0), (77, 5)):
            end = Scripted("lns", incoming=incoming)
            came = gone = 0
            for repeat in range(12):
                data = control(tunnel, session, 0, 0, body)
                came += len(data)
                end.endpoint.receive_datagram(data, LNS, STRANGER, float(repeat))
                while (when := end.endpoint.get_timer()) is not None and when <= repeat + 0.9:
                    end.endpoint.handle_timer(when)
                gone += sum(len(d.data) for d in end.endpoint.datagrams_to_send())
                assert gone <= came, (kind, body)


@pytest.mark.parametrize("seed", range(40 if LONG else 10))
@pytest.mark.parametrize("role", ["lns", "lac"])
def test_calls_of_both_directions_come_up_within_their_retry_budget_at_ten_percent_loss(
    role: str, seed: int
) -> None:
    """Delays of up to 0.4 s reorder what is sent; a message is repeated five times at most."""
    rng = random.Random(seed)
    takes = EndpointConfig(accept_tunnels=True, incoming_calls=True, incoming={"": TO_LAC})
    offers = EndpointConfig("lac", bearer_capabilities=3, incoming={"": TO_LNS})
    lns, lac = Endpoint(takes, random.Random(seed)), Endpoint(offers, random.Random(seed + 1))
    for _ in range(20):
        if role == "lns":
            lns.place_call(TO_LAC, OutgoingCall("1"), 0.0)
        else:
            lac.offer_call(TO_LNS, IncomingCall("1"), 0.0)
    up = {lns: 0, lac: 0}
    flying: list[tuple[float, int, Endpoint, bytes]] = []
    order, now = 0, 0.0
    while now < 200.0:
        for source, target in ((lns, lac), (lac, lns)):
            while (event := source.next_event()) is not None:
                up[source] += isinstance(event, CallConnected)
                if isinstance(event, CallRequested | CallArrived):
                    source.accept_call(event.call, now)
                if isinstance(event, CallRequested):
                    source.connect_call(event.call, now)
            for datagram in source.datagrams_to_send():
                order += 1
                if rng.random() >= 0.1:
                    flying.append((now + rng.random() * 0.4, order, target, datagram.data))
        flying.sort(key=lambda item: item[:2])
        times = [t for t in (lns.get_timer(), lac.get_timer()) if t is not None]
        times += [flying[0][0]] if flying else []
        if up[lns] == up[lac] == 20 or not times:
            break
        now = max(now, min(times))
        while flying and flying[0][0] <= now:
            _, _, target, data = flying.pop(0)
            ours, theirs = (LNS, LAC) if target is lns else (LAC, LNS)
            target.receive_datagram(data, ours, theirs, now)
        lns.handle_timer(now)
        lac.handle_timer(now)
    assert up == {lns: 20, lac: 20}
