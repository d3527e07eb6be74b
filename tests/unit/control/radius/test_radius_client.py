"""The RADIUS client against hand-made replies and a fake clock: retries, failover, identifiers, and
replies that must not count (threat T14)."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import random
import struct

import pytest

from control.errors import LocalProtocolError
from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.codec import dictionary
from control.radius.events import Denied, RadiusDatagram, SessionGranted, TimedOut
from control.radius.requests import DialoutRequest, SessionRequest

FIRST = ServerConfig("192.0.2.1", 1812, b"first secret")
SECOND = ServerConfig("192.0.2.2", 1645, b"second secret")
SECRETS = {(s.address, s.port): s.secret for s in (FIRST, SECOND)}


class HalfWay(random.Random):
    """No jitter; everything else as random.Random."""

    def random(self) -> float:
        return 0.5


def client(*servers: ServerConfig, rng=None, **more) -> Client:
    config = ClientConfig(servers or (FIRST,), nas_identifier="lns", **more)
    return Client(config, rng or HalfWay(1))


def ask(c: Client, now: float = 0.0, name: str = "cpe") -> RadiusDatagram:
    c.request_session(SessionRequest(name, "1", password=b"pw"), now)
    (datagram,) = c.datagrams_to_send()
    return datagram


def attributes(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    at = 20
    while at < len(data):
        found.append((data[at], data[at + 2 : at + data[at + 1]]))
        at += data[at + 1]
    return found


def reply(request: RadiusDatagram, code: int = 2, body: bytes = b"", **more) -> RadiusDatagram:
    """A reply made by hand: `secret`, `identifier`, `signed` can be made wrong."""
    secret = more.get("secret", SECRETS[request.server])
    vector = request.data[4:20]
    if more.get("signed", True):
        body = b"\x50\x12" + bytes(16) + body
    head = struct.pack("!BBH", code, more.get("identifier", request.data[1]), 20 + len(body))
    if more.get("signed", True):
        digest = hmac.new(more.get("key", secret), head + vector + body, "md5").digest()
        body = body[:2] + digest + body[18:]
    response = hashlib.md5(head + vector + body + secret).digest()
    return RadiusDatagram(head + response + body, request.server, request.socket)


def events(c: Client) -> list[object]:
    found = []
    while (event := c.next_event()) is not None:
        found.append(event)
    return found


def run(c: Client, until: float) -> list[tuple[float, RadiusDatagram]]:
    """Everything sent by timers up to a time."""
    sent = []
    while (due := c.get_timer()) is not None and due <= until:
        c.handle_timer(due)
        sent += [(round(due, 6), datagram) for datagram in c.datagrams_to_send()]
    return sent


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
        (lambda r: RadiusDatagram(reply(r).data, ("192.0.2.1", 1813), 0), "unknown"),
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
    assert (events(c), c.counters.forged) == ([], 1)


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


def test_request_is_sent_three_times_two_seconds_apart_then_times_out():
    c = client()
    first = ask(c)
    assert run(c, 60) == [(2.0, first), (4.0, first)]
    assert events(c) == [TimedOut(1)]
    assert (c.pending, c.get_timer()) == (0, None)
    assert (c.counters.sent, c.counters.retransmitted, c.counters.given_up) == (1, 2, 1)


def test_jitter_is_within_a_tenth():
    c = client(rng=random.Random(3), retries=10, timeout=1.0)
    ask(c)
    times = [0.0] + [when for when, _ in run(c, 60)]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert all(0.9 <= gap <= 1.1 for gap in gaps)
    assert len(set(gaps)) == len(gaps) == 9


def test_next_server_is_asked_with_its_own_secret_and_a_new_authenticator():
    c = client(FIRST, SECOND)
    first = ask(c)
    sent = run(c, 9)
    assert [(when, d.server[0]) for when, d in sent] == [
        (2.0, "192.0.2.1"),
        (4.0, "192.0.2.1"),
        (6.0, "192.0.2.2"),
        (8.0, "192.0.2.2"),
    ]
    second = sent[2][1]
    assert first.data[4:20] != second.data[4:20]
    c.receive_datagram(reply(second), 9.0)
    assert isinstance(events(c)[0], SessionGranted)


def test_late_answer_of_the_first_server_counts_while_the_second_is_asked():
    c = client(FIRST, SECOND)
    first = ask(c)
    run(c, 7)
    c.receive_datagram(reply(first), 7.0)
    assert isinstance(events(c)[0], SessionGranted)
    assert run(c, 60) == []


def test_all_servers_silent_times_out():
    c = client(FIRST, SECOND)
    ask(c)
    assert len(run(c, 60)) == 5
    assert events(c) == [TimedOut(1)]


def test_dead_server_is_asked_last_until_its_time_is_over():
    c = client(FIRST, SECOND, dead_time=60.0)
    ask(c)
    sent = run(c, 6)
    c.receive_datagram(reply(sent[-1][1]), 6.0)
    assert ask(c, 7.0).server[0] == "192.0.2.2"
    assert ask(c, 65.9).server[0] == "192.0.2.2"
    assert ask(c, 66.0).server[0] == "192.0.2.1"


def test_dead_server_that_answers_is_first_again():
    c = client(FIRST, SECOND)
    first = ask(c)
    run(c, 7)
    c.receive_datagram(reply(first), 7.0)
    assert ask(c, 8.0).server[0] == "192.0.2.1"


def test_server_that_answers_others_is_not_dead():
    c = client(FIRST, SECOND)
    ask(c)
    run(c, 3)
    other = ask(c, 3.0)
    c.receive_datagram(reply(other), 3.1)
    run(c, 6)
    assert ask(c, 7.0).server[0] == "192.0.2.1"


def test_dead_servers_are_still_asked_when_there_is_no_other():
    c = client(FIRST)
    ask(c)
    run(c, 60)
    assert ask(c, 61.0).server[0] == "192.0.2.1"


def test_257th_pending_request_goes_through_a_second_socket():
    c = client()
    sent = [ask(c, name=f"cpe{n}") for n in range(600)]
    keys = {(d.socket, d.data[1]) for d in sent}
    assert len(keys) == 600
    assert [d.socket for d in sent] == [0] * 256 + [1] * 256 + [2] * 88
    for datagram in reversed(sent):
        c.receive_datagram(reply(datagram), 1.0)
    assert len(events(c)) == 600
    assert c.pending == 0
    assert ask(c).socket == 0


def test_identifiers_are_not_in_sequence():
    c = client()
    identifiers = [ask(c).data[1] for _ in range(64)]
    steps = {(b - a) % 256 for a, b in itertools.pairwise(identifiers)}
    assert len(steps) > 30


def test_authenticators_never_repeat():
    c = client()
    assert len({ask(c).data[4:20] for _ in range(500)}) == 500


def test_no_free_identifier_anywhere_times_out_at_once(monkeypatch):
    monkeypatch.setattr("control.radius.identifiers._MAXIMUM_SOCKETS", 1)
    c = client()
    for _ in range(256):
        ask(c)
    number = c.request_session(SessionRequest("cpe", "1", password=b"pw"), 0.0)
    assert events(c) == [TimedOut(number)]
    assert c.counters.no_identifier == 1
    c.cancel(1)
    ask(c)


def test_cancelled_request_has_no_event_and_frees_its_identifier():
    c = client()
    request = ask(c)
    c.cancel(1)
    c.cancel(1)
    c.cancel(99)
    c.receive_datagram(reply(request), 0.5)
    assert (events(c), c.counters.unknown, c.get_timer(), run(c, 60)) == ([], 1, None, [])


def test_handle_timer_before_anything_is_due_does_nothing():
    c = client()
    c.handle_timer(0.0)
    ask(c)
    c.handle_timer(1.999)
    assert c.datagrams_to_send() == []


def test_same_seed_gives_the_same_octets():
    def story() -> list[RadiusDatagram]:
        c = client(FIRST, SECOND, rng=random.Random(11))
        sent = [ask(c, name=f"cpe{n}") for n in range(20)]
        return sent + [datagram for _, datagram in run(c, 100)]

    assert story() == story()


def test_group_without_servers_is_our_own_mistake():
    with pytest.raises(LocalProtocolError):
        Client(ClientConfig(()), random.Random(1))


def test_secrets_do_not_show_in_repr():
    request = DialoutRequest("a@d", "1", "configured", b"hunter22")
    session = SessionRequest("cpe", "1", password=b"hunter22")
    config = ClientConfig((ServerConfig("192.0.2.1", 1812, b"hunter22"),))
    c = Client(config, random.Random(1))
    c.request_dialout(request, 0.0)
    c.request_session(session, 0.0)
    inner = repr(list(c._requests.values())) + repr(list(c._pending.values()))
    assert "hunter22" not in repr((request, session, config)) + inner
