"""The RADIUS client: what it asks, what an answer means, and replies that must not count (threat
T14)."""

from __future__ import annotations

import hashlib
import random

import pytest
from radius_wire import FIRST, ask, attributes, client, events, reply

from control.radius.codec import dictionary
from control.radius.events import Denied, RadiusDatagram, SessionGranted
from control.radius.requests import DialoutRequest, SessionRequest


def test_first_request_holds_the_attributes_of_the_specification():
    c = client(nas_address="192.0.2.9")
    c.request_dialout(DialoutRequest("0.0.0.0:65000/10.10.1.1@L2TP-dial-out.de.dt", "a1"), 0.0)
    (datagram,) = c.datagrams_to_send()
    names = {a.code: a.name for a in dictionary().attributes.values() if not a.vendor}
    found = attributes(datagram.data)
    hidden = hashlib.md5(FIRST.secret + datagram.data[4:20]).digest()
    assert datagram.data[0] == 1
    assert (datagram.server, datagram.socket) == (("192.0.2.1", 1812), 0)
    assert [(names[code], value) for code, value in found[1:]] == [
        ("User-Name", b"0.0.0.0:65000/10.10.1.1@L2TP-dial-out.de.dt"),
        ("User-Password", hidden),
        ("Service-Type", b"\0\0\0\5"),
        ("Framed-Protocol", b"\0\0\0\1"),
        ("NAS-Identifier", b"lns"),
        ("NAS-IP-Address", bytes((192, 0, 2, 9))),
        ("NAS-Port-Type", b"\0\0\0\5"),
        ("Acct-Session-Id", b"a1"),
    ]
    assert found[0][0] == 80


@pytest.mark.parametrize(
    ("mode", "password", "clear"),
    [("none", b"x", None), ("empty", b"x", bytes(16)), ("configured", b"pw", b"pw" + bytes(14))],
)
def test_password_modes(mode, password, clear):
    c = client()
    c.request_dialout(DialoutRequest("a@d", "1", mode, password), 0.0)
    (datagram,) = c.datagrams_to_send()
    key = hashlib.md5(FIRST.secret + datagram.data[4:20]).digest()
    hidden = [v for code, v in attributes(datagram.data) if code == 2]
    assert [bytes(a ^ b for a, b in zip(v, key, strict=True)) for v in hidden] == (
        [] if clear is None else [clear]
    )


def test_pap_request_hides_the_password_and_says_framed():
    found = dict(attributes(ask(client()).data))
    assert found[6] == b"\0\0\0\2"
    assert found[7] == b"\0\0\0\1"
    assert len(found[2]) == 16
    assert b"pw" not in found[2]


def test_chap_request_carries_identifier_response_and_challenge():
    c = client()
    request = SessionRequest(
        "cpe",
        "1",
        chap_identifier=7,
        chap_challenge=b"0x3132",
        chap_response=bytes(range(16)),
        called_station_id="5551234",
        calling_station_id="555",
    )
    c.request_session(request, 0.0)
    found = dict(attributes(c.datagrams_to_send()[0].data))
    assert found[3] == b"\7" + bytes(range(16))
    assert found[60] == b"0x3132"
    assert 2 not in found
    assert (found[30], found[31]) == (b"5551234", b"555")


@pytest.mark.parametrize(
    "request_",
    [
        SessionRequest("", "1", password=b"pw"),
        SessionRequest("x" * 254, "1", password=b"pw"),
        SessionRequest("cpe", "1", password=b"x" * 129),
        SessionRequest("cpe", "1", chap_challenge=b"c", chap_response=b"short"),
        SessionRequest("cpe", "1", chap_challenge=b"", chap_response=bytes(16)),
        SessionRequest("cpe", "1", chap_challenge=b"c" * 254, chap_response=bytes(16)),
    ],
)
def test_what_a_peer_names_and_radius_cannot_carry_is_denied(request_):
    c = client()
    number = c.request_session(request_, 0.0)
    (event,) = events(c)
    assert isinstance(event, Denied)
    assert event.request == number
    assert (c.pending, c.get_timer(), c.datagrams_to_send()) == (0, None, [])


def test_unknown_password_mode_is_denied():
    c = client()
    c.request_dialout(DialoutRequest("a@d", "1", "maybe"), 0.0)
    assert isinstance(events(c)[0], Denied)


def test_accept_grants_and_reject_and_challenge_deny():
    message = b"\x12\x05no!"
    rows = [
        (2, SessionGranted),
        (3, Denied(2, "Access-Reject: no!")),
        (11, Denied(3, "Access-Challenge: no!")),
    ]
    c = client()
    for code, expected in rows:
        c.receive_datagram(reply(ask(c), code, message), 1.0)
        (event,) = events(c)
        assert event == expected or isinstance(event, expected)
    assert c.counters.accepted == 3
    assert (c.pending, c.get_timer()) == (0, None)


def test_accept_for_dial_out_without_a_number_is_denied():
    c = client()
    c.request_dialout(DialoutRequest("a@d", "1"), 0.0)
    c.receive_datagram(reply(c.datagrams_to_send()[0]), 1.0)
    assert events(c) == [Denied(1, "no ERX-Dial-Out-Number")]


def test_accept_of_a_service_we_lack_is_denied():
    c = client()
    c.receive_datagram(reply(ask(c), 2, b"\x06\x06\0\0\0\6"), 1.0)
    assert events(c) == [Denied(1, "Service-Type 6 is not provided")]


def test_ignored_attributes_are_counted():
    c = client()
    c.receive_datagram(reply(ask(c), 2, b"\x08\x03\1" + b"\x16\x03x"), 1.0)
    assert isinstance(events(c)[0], SessionGranted)
    assert c.counters.ignored_attributes == 2


@pytest.mark.parametrize(
    ("make", "counter"),
    [
        (lambda r: RadiusDatagram(b"", r.server, 0), "malformed"),
        (lambda r: RadiusDatagram(b"\2", r.server, 0), "malformed"),
        (lambda r: RadiusDatagram(reply(r).data[:19], r.server, 0), "malformed"),
        (lambda r: RadiusDatagram(reply(r).data[:-1], r.server, 0), "malformed"),
        (lambda r: RadiusDatagram(reply(r).data, ("192.0.2.7", 1812), 0), "unknown"),
        (lambda r: RadiusDatagram(reply(r).data, ("192.0.2.1", 1814), 0), "unknown"),
        (lambda r: RadiusDatagram(reply(r).data, r.server, 1), "unknown"),
        (lambda r: reply(r, identifier=(r.data[1] + 1) % 256), "unknown"),
        (lambda r: reply(r, code=5), "unexpected"),
        (lambda r: reply(r, code=1), "unexpected"),
        (lambda r: reply(r, secret=b"wrong"), "forged"),
        (lambda r: reply(r, key=b"wrong"), "forged"),
        (lambda r: reply(r, signed=False), "unsigned"),
        (lambda r: reply(r, signed=False, secret=b"wrong"), "forged"),
        (lambda r: reply(r, body=b"\x50\x12" + bytes(16)), "forged"),
        (lambda r: reply(r, body=b"\x50\x03\0", signed=False), "forged"),
        (lambda r: reply(r, body=b"\x21\x04st"), "forged"),
    ],
)
def test_reply_that_is_not_proved_changes_nothing(make, counter):
    c = client()
    request = ask(c)
    due = c.get_timer()
    c.receive_datagram(make(request), 0.5)
    assert getattr(c.counters, counter) == 1
    assert (c.pending, c.get_timer(), events(c), c.datagrams_to_send()) == (1, due, [], [])
    c.receive_datagram(reply(request), 0.6)
    assert isinstance(events(c)[0], SessionGranted)


def test_unsigned_reply_counts_when_configuration_says_so():
    c = client(require_message_authenticator=False)
    c.receive_datagram(reply(ask(c), signed=False), 0.5)
    assert isinstance(events(c)[0], SessionGranted)


def test_wrong_message_authenticator_never_counts():
    c = client(require_message_authenticator=False)
    c.receive_datagram(reply(ask(c), key=b"wrong"), 0.5)
    assert (events(c), c.counters.forged) == ([], 1)


def test_reply_counts_once():
    c = client()
    answer = reply(ask(c))
    c.receive_datagram(answer, 0.5)
    c.receive_datagram(answer, 0.6)
    assert (len(events(c)), c.counters.accepted, c.counters.unknown) == (1, 1, 1)


def test_reply_to_an_earlier_request_does_not_answer_a_later_one():
    c = client()
    first = ask(c)
    c.cancel(1)
    for _ in range(256):  # until the identifier comes again
        later = ask(c)
        if later.data[1] == first.data[1]:
            break
    c.receive_datagram(reply(first), 0.5)
    c.receive_datagram(reply(first), 0.6)
    assert (events(c), c.counters.late, c.counters.forged) == ([], 1, 1)


def test_ten_thousand_forged_replies_are_not_accepted():
    c = client()
    request = ask(c)
    good = reply(request, 2, b"\x12\x05yes").data
    rng = random.Random(5)
    for _ in range(10_000):
        data = bytearray(good)
        kind = rng.randrange(4)
        if kind == 0:
            data[4:20] = rng.randbytes(16)
        elif kind == 1:
            data[22:38] = rng.randbytes(16)
        elif kind == 2:
            data[20:] = rng.randbytes(len(data) - 20)
        else:
            data[0] = rng.choice((2, 3, 11))
            data[4:20], data[22:38] = rng.randbytes(16), rng.randbytes(16)
        c.receive_datagram(RadiusDatagram(bytes(data), request.server, 0), 0.5)
    assert (c.counters.accepted, c.pending, events(c)) == (0, 1, [])
    assert c.counters.forged + c.counters.malformed == 10_000


def test_every_flipped_bit_of_a_good_reply_is_not_accepted():
    c = client()
    request = ask(c)
    good = reply(request, 2, b"\x12\x05yes").data
    for bit in range(8 * len(good)):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        c.receive_datagram(RadiusDatagram(bytes(data), request.server, 0), 0.5)
    assert (c.counters.accepted, c.pending, events(c)) == (0, 1, [])
    c.receive_datagram(RadiusDatagram(good, request.server, 0), 0.5)
    assert c.counters.accepted == 1
