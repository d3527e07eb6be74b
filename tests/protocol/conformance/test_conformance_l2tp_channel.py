"""The L2TP channel on the wire: what we send, message order, strangers and forgers (specification
2.1 to 2.4; threats T1, T5, T6, T9)."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest
from raw_l2tp import (
    BODIES,
    CDN,
    HELLO,
    ICRQ,
    LAC,
    LNS,
    OCCN,
    OCRP,
    OCRQ,
    OUR_SESSION,
    PARAMETERS,
    SCCCN,
    SCCRP,
    SCCRQ,
    SECRET,
    STOPCCN,
    ZLB,
    Far,
    avp,
    control,
    kinds,
    lac_end,
    lns_end,
    response,
    start_body,
    u16,
    u32,
)

from control.errors import LocalProtocolError
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint

PROVEN = replace(PARAMETERS, secret=SECRET, require_tunnel_auth=True)

# Specification 2.3: `message | must | may`, and `attribute: value octets, M bit`.
MESSAGES = {
    SCCRQ: ({0, 2, 3, 7, 9}, {4, 5, 6, 8, 10, 11}),
    SCCRP: ({0, 2, 3, 7, 9}, {4, 6, 8, 10, 11, 13}),
    SCCCN: ({0}, {13}),
    STOPCCN: ({0, 9, 1}, set()),
    HELLO: ({0}, set()),
    OCRQ: ({0, 14, 15, 16, 17, 18, 19, 21}, {23}),
    OCRP: ({0, 14}, {25}),
    OCCN: ({0, 24, 19}, {38, 39}),
    CDN: ({0, 1, 14}, {12, 46}),
}
OCTETS = {0: 2, 2: 2, 3: 4, 4: 4, 5: 8, 6: 2, 9: 2, 10: 2, 13: 16, 14: 2, 15: 4, 16: 4, 17: 4}
OCTETS |= {18: 4, 19: 4, 24: 4, 25: 4, 38: 4, 39: 0}
OPTIONAL = {5, 6, 8, 25, 26, 27, 28, 29, 30, 31, 32, 33, 37, 38, 46}


def opened(far: Far, *more: bytes) -> Far:
    """The LNS's tunnel is open and its first OCRQ has come."""
    if not far.tunnel:
        far.hear()
    far.say(SCCRP, body=start_body(SCCRP, *more))
    far.acknowledge()
    return far


def calling(calls: int = 1) -> Far:
    far = opened(lns_end(calls=calls))
    far.acknowledge()
    return far


def test_everything_we_send_has_the_avps_lengths_and_m_bits_of_the_table() -> None:
    far, sent = lns_end(PROVEN), []
    sent += far.endpoint.datagrams_to_send()
    challenge = sent[0].data[sent[0].data.index(bytes((0x80, 38, 0, 0, 0, 11))) + 6 :][:32]
    far.tunnel = far.endpoint.tunnels()[0].tunnel
    far.nr = 1
    proof = response(2, challenge)

    def take(kind: int, session: int = 0, body: bytes | None = None) -> None:
        data = control(far.tunnel, session, far.ns, far.nr, body or BODIES[kind])
        far.ns += 1
        far.endpoint.receive_datagram(data, LNS, LAC, far.now)
        out = far.endpoint.datagrams_to_send()
        far.nr += sum(len(one.data) > 12 for one in out)
        sent.extend(out)

    take(SCCRP, body=start_body(SCCRP, proof, avp(11, b"their challenge")))
    take(HELLO)
    session = far.endpoint.calls()[0].session
    take(OCRP, session)
    take(OCCN, session)
    far.endpoint.close_call(far.endpoint.calls()[0].call, far.now, q931_cause=16, message="bye")
    far.endpoint.close_tunnel(far.tunnel, far.now)
    take(HELLO)
    take(HELLO)
    seen = set()
    for datagram in sent:
        body, at, found = datagram.data[12:], 0, set()
        if not body:
            continue
        kind = int.from_bytes(body[6:8], "big")
        while at < len(body):
            word = int.from_bytes(body[at : at + 2], "big")
            attribute = int.from_bytes(body[at + 4 : at + 6], "big")
            size = word & 0x3FF
            assert not word & 0x7C00
            assert bool(word & 0x8000) == (attribute not in OPTIONAL), attribute
            assert OCTETS.get(attribute, size - 6) == size - 6
            found.add(attribute)
            at += size
        must, may = MESSAGES[kind]
        assert must <= found <= must | may
        seen.add(kind)
    assert seen == {SCCRQ, SCCCN, OCRQ, CDN, STOPCCN}


def test_both_proofs_are_those_of_the_rfc() -> None:
    far = lns_end(PROVEN)
    (sccrq,) = far.hear()
    heard = far.say(
        SCCRP, body=start_body(SCCRP, response(2, sccrq.values[11]), avp(11, b"their challenge"))
    )
    assert heard[0].kind == SCCCN
    assert heard[0].values[13] == response(3, b"their challenge")[6:]


def hidden(attribute: int, value: bytes, vector: bytes, padding: bytes = b"") -> bytes:
    """RFC 2661 4.3, written out again."""
    plain = u16(len(value)) + value + padding
    out, key = b"", hashlib.md5(u16(attribute) + SECRET + vector).digest()
    for at in range(0, len(plain), 16):
        part = bytes(a ^ b for a, b in zip(plain[at : at + 16], key, strict=False))
        out += part
        key = hashlib.md5(SECRET + part).digest()
    return u16(0xC000 | 6 + len(out)) + u16(0) + u16(attribute) + out


def test_hidden_avps_of_a_foreign_implementation_are_read() -> None:
    far = lns_end(PROVEN)
    (sccrq,) = far.hear()
    first, second = b"one vector", b"a second random vector"
    body = b"".join(
        (
            avp(0, u16(SCCRP)),
            avp(2, u16(0x0100)),
            avp(7, b"foreign"),
            avp(36, first),
            hidden(3, u32(3), first),
            hidden(9, u16(0x4D4D), first, b"\xaa" * 11),
            avp(36, second),
            hidden(4, u32(2), second, b"padding that reaches into a third block"),
            hidden(13, response(2, sccrq.values[11])[6:], second),
        )
    )
    scccn, ocrq = far.say(SCCRP, body=body)
    assert (scccn.kind, scccn.tunnel) == (SCCCN, 0x4D4D)
    assert (ocrq.tunnel, ocrq.number(18)) == (0x4D4D, 2)


def test_reply_and_connect_that_change_places_on_the_way_make_a_call() -> None:
    far = calling()
    ns = far.ns
    occn = control(far.tunnel, far.session, ns + 1, far.nr, BODIES[OCCN])
    ocrp = control(far.tunnel, far.session, ns, far.nr, BODIES[OCRP])
    assert far.put(occn) == []
    assert far.put(ocrp) == []
    assert far.endpoint.calls()[0].state == "ESTABLISHED"
    assert [one.nr for one in far.wait(0.1)] == [ns + 2]


@pytest.mark.parametrize("kind", [OCRP, OCCN])
def test_copy_of_a_message_is_acknowledged_and_not_taken_again(kind: int) -> None:
    far = calling()
    far.say(OCRP, session=far.session)
    far.say(OCCN, session=far.session)
    far.wait(0.2)
    copy = control(far.tunnel, far.session, far.ns - (2 if kind == OCRP else 1), 0, BODIES[kind])
    assert far.put(copy) == []
    assert [(one.kind, one.nr) for one in far.wait(0.1)] == [(ZLB, far.ns)]
    assert far.endpoint.calls()[0].state == "ESTABLISHED"


@pytest.mark.parametrize("kind", [CDN, STOPCCN])
def test_forged_end_counts_at_one_of_65536_sequence_numbers(kind: int) -> None:
    """T6: address, port and both ids are right, the number is guessed. Those in the window wait for
    the messages before them, as numbers ahead do."""
    far = calling()
    ended = []
    for ns in [*range(far.ns + 16, 65536), *range(far.ns)]:
        far.put(control(far.tunnel, far.session, ns, far.nr, BODIES[kind]))
        if far.names()[-1] in ("CallClosed", "TunnelClosed"):
            ended.append(ns)
            break
    assert ended == []
    assert [call.state for call in far.endpoint.calls()] == ["WAIT_REPLY"]
    assert far.endpoint.tunnels()[0].state == "ESTABLISHED"
    far.put(control(far.tunnel, far.session, far.ns, far.nr, BODIES[kind]))
    assert far.endpoint.calls() == []


def test_message_that_acknowledges_the_future_is_not_taken() -> None:
    for ahead in (1, 2, 1000, 32767):
        far = calling()
        far.put(control(far.tunnel, 0, far.ns, (far.nr + ahead) & 0xFFFF, BODIES[STOPCCN]))
        assert far.endpoint.tunnels()[0].state == "ESTABLISHED"


# Strangers (T4, T9).


def octets(endpoint: Endpoint, now: float = 0.0, until: float = 40.0) -> int:
    """All that an endpoint sends, timers included, until everything has run out."""
    total = sum(len(one.data) for one in endpoint.datagrams_to_send())
    while (when := endpoint.get_timer()) is not None and when <= until:
        now = max(now, when)
        endpoint.handle_timer(now)
        total += sum(len(one.data) for one in endpoint.datagrams_to_send())
    return total


def stranger_bodies() -> list[bytes]:
    found = [b"", *BODIES.values()]
    found += [body[:8] for body in BODIES.values()] + [body[:-1] for body in BODIES.values()]
    found += [start_body(SCCRQ, avp(5, bytes(8)))]
    found += [start_body(SCCRQ, avp(8, b"v" * size)) for size in (1, 20, 60, 300)]
    found += [start_body(SCCRQ, avp(11, b"challenge"), avp(8, b"v" * size)) for size in (1, 300)]
    return [*found, avp(0, u16(5)), avp(0, u16(99), m=0)]


@pytest.mark.parametrize("repeats", [1, 2, 7])
@pytest.mark.parametrize("who", ["lns", "open lac", "proving lac", "closed lac"])
def test_no_message_makes_us_send_a_stranger_more_than_it_sent(who: str, repeats: int) -> None:
    for body in stranger_bodies():
        for tunnel in (0, 1):
            if who == "lns":
                endpoint = Endpoint(EndpointConfig("lns"), random.Random(1))
            elif who == "closed lac":
                config = EndpointConfig("lac", bearer_capabilities=3, accept_tunnels=False)
                endpoint = Endpoint(config, random.Random(1))
            else:
                endpoint = lac_end(PROVEN if who == "proving lac" else PARAMETERS).endpoint
            data = control(tunnel, 0, 0, 0, body)
            now, out = 0.0, 0
            for step in range(repeats):
                now = step * 0.7
                endpoint.receive_datagram(data, LAC, ("203.0.113.5", 999), now)
                out += octets(endpoint, now, now + 0.6)
            out += octets(endpoint, now, 1000.0)
            assert out <= repeats * len(data)
            if who in ("lns", "closed lac"):
                assert out == 0
            assert endpoint.tunnels() == []
            assert endpoint.get_timer() is None


@pytest.mark.parametrize("tie", [True, False])
def test_the_address_we_call_gains_nothing_by_asking_either(tie: bool) -> None:
    """An SCCRQ is taken from an address that ours went to; its sender may still be forged."""
    quiet = octets(lns_end(tie_breaker=tie).endpoint, until=1000.0)
    for more in (b"", avp(5, bytes(8)), avp(5, b"\xff" * 8), avp(8, b"v" * 100)):
        endpoint = lns_end(tie_breaker=tie).endpoint
        data = control(0, 0, 0, 0, start_body(SCCRQ, more))
        endpoint.receive_datagram(data, LNS, LAC, 0.0)
        assert octets(endpoint, until=1000.0) <= quiet + len(data)


def test_strangers_leave_no_trace_in_an_lns() -> None:
    far = calling()
    state = (far.endpoint.tunnels(), far.endpoint.calls(), far.endpoint.get_timer())
    rng = random.Random(5)
    for number in range(20_000):
        body = rng.choice([*BODIES.values(), b""])
        tunnel = far.tunnel if number % 2 else rng.randrange(65536)
        session = rng.choice((0, far.session))
        data = control(tunnel, session, far.ns, far.nr, body)
        source = rng.choice((("203.0.113.5", 1701), (LAC[0], 1702)))
        assert far.put(data, source) == []
    assert (far.endpoint.tunnels(), far.endpoint.calls(), far.endpoint.get_timer()) == state


def test_peer_that_asks_and_never_acknowledges_fills_no_queue() -> None:
    far = opened(lns_end())
    nr = far.nr
    for _ in range(5000):
        far.endpoint.receive_datagram(
            control(far.tunnel, 0, far.ns, nr, BODIES[ICRQ]), LNS, LAC, far.now
        )
        far.ns += 1
    counters = far.endpoint.counters
    assert counters.refused_calls == 5000
    assert counters.withheld > 4000
    # It was only this: the tunnel lives, and a call that ends is still told.
    heard = []
    while (more := far.acknowledge()) or len(heard) < 250:
        heard += kinds(more)
    assert 250 <= heard.count(CDN) <= 260
    far.endpoint.close_call(far.endpoint.calls()[0].call, far.now)
    assert kinds(far.hear()) == [CDN]


def test_retransmission_interval_may_not_be_capped_below_eight_seconds() -> None:
    with pytest.raises(LocalProtocolError):
        Endpoint(EndpointConfig("lns", rto_cap=7.9), random.Random(1))


def test_hello_after_a_silent_minute_and_the_end_half_a_minute_later() -> None:
    far = opened(lns_end(replace(PARAMETERS, hello_interval=60.0)))
    far.acknowledge()
    heard = [(one.kind, one.session) for one in far.wait(60.1) if one.kind != ZLB]
    assert heard == [(HELLO, 0)]
    far.events.clear()
    again = far.wait(30.7)
    assert kinds(again) == [HELLO] * 5
    assert {one.ns for one in again} == {3}
    assert far.names() == []
    far.wait(0.3)
    assert far.names() == ["CallClosed", "TunnelClosed"]


def test_scripted_session_id_is_what_our_messages_carry() -> None:
    far = calling()
    far.say(OCRP, session=far.session)
    far.endpoint.close_call(far.endpoint.calls()[0].call, far.now)
    assert [(one.kind, one.session) for one in far.hear()] == [(CDN, OUR_SESSION)]
