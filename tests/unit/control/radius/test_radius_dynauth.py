"""CoA and Disconnect requests: who may ask, replay, what each answer is (RFC 5176, threat T16)."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from control.radius import signed
from control.radius.dynauth import (
    REMEMBERED,
    AuthorizationClient,
    AuthorizationServer,
    Changes,
    ErrorCause,
)

SECRET = b"testing123"
CLIENT = ("192.0.2.9", 40000)
LOCAL = ("192.0.2.1", 3799)
TIME = 1_700_000_000
NAS = (("NAS-Identifier", "lns"), ("NAS-IP-Address", "192.0.2.1"))
SESSION = ("Acct-Session-Id", "A1")
NOW = ("Event-Timestamp", TIME)
DISCONNECT, COA = 40, 43


def server(**more) -> AuthorizationServer:
    client = AuthorizationClient(CLIENT[0], "home", SECRET, **more)
    return AuthorizationServer((client,), NAS, lambda: TIME)


def request(code=DISCONNECT, *rows, identifier=1, secret=SECRET, sign=True) -> bytes:
    attributes = signed.encode_attributes(rows or (SESSION, NOW))
    return signed.seal_request(code, identifier, secret, attributes, signed=sign)


def give(s: AuthorizationServer, data: bytes, peer=CLIENT, now: float = 0.0):
    """The event, or the answer's code and Error-Cause, or None."""
    s.receive_datagram(data, LOCAL, peer, now)
    event = s.next_event()
    return event if event is not None else answer(s, data)


def answer(s: AuthorizationServer, data: bytes):
    sent = s.datagrams_to_send()
    if not sent:
        return None
    (datagram,) = sent
    assert (datagram.local, datagram.peer) == (LOCAL, CLIENT)
    assert signed.reply_is_genuine(datagram.data, data[1], data[4:20], SECRET)
    assert signed.is_signed(datagram.data)
    found = dict(signed.raw_attributes(datagram.data))
    return datagram.data[0], int.from_bytes(found.get(101, b""), "big")


def test_disconnect_names_its_session_and_is_acknowledged():
    s = server()
    data = request(DISCONNECT, SESSION, ("User-Name", "site"), *NAS, NOW)
    event = give(s, data)
    assert (event.group, event.changes) == ("home", None)
    assert dict(event.keys) == {"session_id": "A1", "user_name": "site"}
    s.answer(event.number, None, 0.0)
    assert answer(s, data) == (41, 0)
    assert s.counters.accepted == 1


def test_coa_tells_what_to_change_and_may_be_refused():
    s = server()
    rows = (
        SESSION,
        ("Session-Timeout", 600),
        ("Idle-Timeout", 0),
        ("Filter-Id", "web"),
        ("Acct-Interim-Interval", 300),
        NOW,
    )
    data = request(COA, *rows)
    event = give(s, data)
    assert event.changes == Changes(600, 0, "web", 300)
    s.answer(event.number, ErrorCause.SESSION_CONTEXT_NOT_FOUND, 0.0)
    assert answer(s, data) == (45, 503)


def test_policies_of_one_way_are_changes_and_ipv6_names_a_session():
    s = server()
    rows = (
        ("Framed-IPv6-Prefix", "2001:db8::/64"),
        ("Framed-Interface-Id", "0:0:0:5"),
        ("ERX-Ingress-Policy-Name", "in"),
        ("ERX-Egress-Policy-Name", "out"),
        NOW,
    )
    event = give(s, request(COA, *rows))
    assert event.changes == Changes(ingress_policy="in", egress_policy="out")
    assert dict(event.keys) == {
        "framed_ipv6_prefixes": "2001:db8::/64",
        "framed_interface_id": "0:0:0:5",
    }


def test_proxy_state_comes_back_in_order():
    s = server()
    data = request(DISCONNECT, SESSION, NOW, ("Proxy-State", b"one"), ("Proxy-State", b"two"))
    s.receive_datagram(data, LOCAL, CLIENT, 0.0)
    s.answer(s.next_event().number, None, 0.0)
    (sent,) = s.datagrams_to_send()
    assert [v for k, v in signed.raw_attributes(sent.data) if k == 33] == [b"one", b"two"]


REFUSED = {
    "no session is named": (DISCONNECT, (NOW,), (42, 402)),
    "nothing is changed": (COA, (SESSION, NOW), (45, 402)),
    "another NAS is meant": (DISCONNECT, (SESSION, ("NAS-Identifier", "other"), NOW), (42, 403)),
    "another NAS by address": (COA, (SESSION, ("NAS-IP-Address", "192.0.2.7"), NOW), (45, 403)),
    "authorize only": (COA, (SESSION, ("Service-Type", 8), NOW), (45, 405)),
    "a change with disconnect": (DISCONNECT, (SESSION, ("Idle-Timeout", 5), NOW), (42, 401)),
    "what cannot be changed": (COA, (SESSION, ("Framed-Route", "10.0.0.0/8"), NOW), (45, 401)),
}


@pytest.mark.parametrize(("code", "rows", "expected"), REFUSED.values(), ids=REFUSED)
def test_request_that_cannot_be_carried_out_is_refused_with_its_cause(code, rows, expected):
    s = server()
    assert give(s, request(code, *rows)) == expected
    assert s.counters.refused == 1


def test_unknown_attribute_and_malformed_value_have_their_causes():
    s = server()
    attributes = signed.encode_attributes((SESSION, NOW))
    for extra, cause in ((b"\xc8\x03x", 401), (b"\x1b\x03x", 407), (b"\x1a\x08\0\0\0\x09ab", 401)):
        data = signed.seal_request(COA, 1, SECRET, attributes + extra, signed=True)
        assert give(s, data) in ((45, cause), (45, 407))


SILENT = {
    "unknown_client": {"peer": ("192.0.2.10", 40000)},
    "malformed": {"cut": True},
    "unexpected": {"code": 1},
    "forged": {"secret": b"wrong"},
    "unsigned": {"sign": False},
    "untimed": {"rows": (SESSION,)},
    "replayed": {"rows": (SESSION, ("Event-Timestamp", TIME - 301))},
}


@pytest.mark.parametrize(("counter", "wrong"), SILENT.items(), ids=SILENT)
def test_request_that_is_not_proved_is_counted_and_not_answered(counter, wrong):
    s = server()
    data = request(
        wrong.get("code", DISCONNECT),
        *wrong.get("rows", (SESSION, NOW)),
        secret=wrong.get("secret", SECRET),
        sign=wrong.get("sign", True),
    )
    if wrong.get("cut"):
        data = data[:-1]
    assert give(s, data, wrong.get("peer", CLIENT)) is None
    assert getattr(s.counters, counter) == 1
    assert s.counters.accepted == 0


def test_wrong_message_authenticator_is_forged_even_if_none_is_required():
    s = server(signed=False)
    good = request()
    attributes = good[20:22] + bytes(16) + good[38:]
    data = signed.seal_request(DISCONNECT, 1, SECRET, attributes)
    assert give(s, data) is None
    assert s.counters.forged == 1


def test_configuration_may_take_unsigned_and_untimed_requests():
    s = server(signed=False, timed=False)
    data = request(DISCONNECT, SESSION, sign=False)
    assert give(s, data).keys == (("session_id", "A1"),)


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_clocks_may_differ_by_the_window(late):
    assert give(server(), request(DISCONNECT, SESSION, ("Event-Timestamp", TIME + late))).keys


def test_retransmission_gets_the_same_octets_and_is_not_done_again():
    s = server()
    data = request()
    s.answer(give(s, data).number, None, 0.0)
    (first,) = s.datagrams_to_send()
    for now in (0.1, 299.0, 600.0):
        s.receive_datagram(data, LOCAL, ("192.0.2.9", 50000), now)
        assert s.next_event() is None
        (again,) = s.datagrams_to_send()
        assert again.data == first.data
    assert (s.counters.accepted, s.counters.repeated) == (1, 3)


def test_a_thousand_recorded_requests_replayed_later_do_nothing():
    clock = [float(TIME)]
    client = AuthorizationClient(CLIENT[0], "home", SECRET)
    s = AuthorizationServer((client,), NAS, lambda: clock[0])
    recorded = [
        request(DISCONNECT, ("Acct-Session-Id", f"A{n}"), NOW, identifier=n % 256)
        for n in range(1000)
    ]
    for data in recorded:
        s.answer(give(s, data).number, None, 0.0)
    s.datagrams_to_send()
    for after in (1.0, 300.0, 301.0, 599.0, 601.0, 1e6):
        clock[0] = TIME + after
        for data in recorded:
            s.receive_datagram(data, LOCAL, CLIENT, after)
            assert s.next_event() is None
    assert s.counters.accepted == 1000


def test_hundred_thousand_forged_requests_are_not_accepted():
    s = server()
    good = request(DISCONNECT, SESSION, ("User-Name", "site"), NOW)
    rng = random.Random(7)
    for number in range(100_000):
        data = bytearray(good)
        kind = number % 4
        if kind == 0:  # one octet changed
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 1:  # another identifier, or code
            data[rng.randrange(2)] ^= rng.randrange(1, 256)
        elif kind == 2:  # random authenticator
            data[4:20] = rng.randbytes(16)
        else:  # made without the secret
            data = bytearray(request(identifier=number % 256, secret=rng.randbytes(8)))
        s.receive_datagram(bytes(data), LOCAL, CLIENT, 0.0)
        assert s.next_event() is None
    assert (s.counters.accepted, s.counters.refused, s.datagrams_to_send()) == (0, 0, [])


def test_memory_of_answers_is_bounded_and_a_full_one_refuses(monkeypatch):
    assert REMEMBERED == 65536
    monkeypatch.setattr("control.radius.dynauth.REMEMBERED", 3)
    s = server()
    for n in range(3):
        s.answer(give(s, request(DISCONNECT, ("Acct-Session-Id", f"{n}"), NOW)).number, None, 0.0)
        s.datagrams_to_send()
    data = request(DISCONNECT, ("Acct-Session-Id", "3"), NOW)
    assert give(s, data) == (42, 506)
    assert give(s, data, now=601.0).keys


@given(st.binary(max_size=300))
@example(b"\x00\x03\x00!\x02")  # a Proxy-State without octets
def test_any_octets_behind_a_good_signature_are_answered_or_carried_out(body):
    s = server(timed=False)
    data = signed.seal_request(COA, 9, SECRET, body, signed=True)
    s.receive_datagram(data, LOCAL, CLIENT, 0.0)
    event = s.next_event()
    if event is not None:
        s.answer(event.number, ErrorCause.INVALID_REQUEST, 0.0)
    counters = s.counters
    counted = counters.malformed + counters.forged + counters.replayed
    assert len(s.datagrams_to_send()) + counted == 1


@given(st.binary(max_size=200))
def test_any_octets_are_counted(data):
    s = server()
    s.receive_datagram(data, LOCAL, CLIENT, 0.0)
    assert (s.next_event(), s.datagrams_to_send()) == (None, [])


def test_secrets_do_not_show():
    assert "testing123" not in repr(AuthorizationClient(CLIENT[0], "home", SECRET))
