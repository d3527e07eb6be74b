"""Dead servers, Status-Server probes (RFC 5997), late replies, and where requests are sent from."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from radius_wire import FIRST, SECOND, ask, attributes, client, events, reply, run

from control.radius.client import ServerConfig
from control.radius.events import RadiusDatagram, SessionGranted
from control.radius.requests import DialoutRequest, SessionRequest
from control.radius.servers import ANSWERS_TO_ALIVE, PROBE_INTERVAL


def dead_first(**more):
    """A client that knows its first server as dead, at 6 s; the second has answered."""
    c = client(FIRST, SECOND, status_server=True, **more)
    ask(c)
    sent = run(c, 6)
    c.receive_datagram(reply(sent[-1][1]), 6.0)
    assert isinstance(events(c)[0], SessionGranted)
    return c


def probe(c, now):
    c.handle_timer(now)
    (datagram,) = c.datagrams_to_send()
    assert datagram.data[0] == 12
    return datagram


def test_dead_server_stays_last_until_it_answers_probes():
    c = dead_first()
    now = 6.0 + PROBE_INTERVAL
    assert (c.get_timer(), c.counters.died) == (now, 1)
    for _ in range(100):  # it is silent
        probe(c, now)
        assert served_by(c, now) == SECOND.address
        now += PROBE_INTERVAL
    for _ in range(ANSWERS_TO_ALIVE):
        assert served_by(c, now) == SECOND.address
        c.receive_datagram(reply(probe(c, now)), now)
        now += 2.0
    assert served_by(c, now) == FIRST.address
    assert c.counters.revived == 1


def served_by(c, now):
    """The server that is asked, and answers."""
    asked = ask(c, now)
    c.receive_datagram(reply(asked), now)
    return asked.server[0]


def test_probe_is_signed_and_names_us():
    c = dead_first(nas_address="192.0.2.9")
    data = probe(c, 16.0).data
    assert [code for code, _ in attributes(data)] == [80, 32, 4]
    blank = data[:22] + bytes(16) + data[38:]
    assert data[22:38] == hmac.new(FIRST.secret, blank, "md5").digest()


@pytest.mark.parametrize(
    "wrong",
    [{"secret": b"wrong"}, {"key": b"wrong"}, {"code": 3}, {"code": 5}],
)
def test_forged_answer_to_a_probe_revives_nobody(wrong):
    c = dead_first()
    now = 16.0
    for _ in range(ANSWERS_TO_ALIVE + 2):
        c.receive_datagram(reply(probe(c, now), **wrong), now)
        now += PROBE_INTERVAL
    assert ask(c, now).server[0] == SECOND.address
    assert c.counters.revived == 0


def test_answer_to_a_probe_need_not_be_signed():
    c = dead_first()
    now = 16.0
    for _ in range(ANSWERS_TO_ALIVE):
        c.receive_datagram(reply(probe(c, now), signed=False), now)
        now += 2.0
    assert ask(c, now).server[0] == FIRST.address


def test_one_unanswered_probe_begins_the_count_anew():
    c = dead_first()
    now = 16.0
    for _ in range(ANSWERS_TO_ALIVE - 1):
        c.receive_datagram(reply(probe(c, now)), now)
        now += 2.0
    probe(c, now)
    now += PROBE_INTERVAL
    for _ in range(ANSWERS_TO_ALIVE - 1):
        c.receive_datagram(reply(probe(c, now)), now)
        now += 2.0
    assert ask(c, now).server[0] == SECOND.address


def test_any_genuine_reply_ends_probing():
    c = client(status_server=True)
    ask(c)
    run(c, 6)
    assert c.get_timer() == 6.0 + PROBE_INTERVAL
    c.receive_datagram(reply(ask(c, 7.0)), 7.1)
    assert c.get_timer() is None


def test_late_reply_revives_its_server_and_answers_nothing():
    c = client(FIRST, status_server=True)
    first = ask(c)
    run(c, 6)
    events(c)
    c.receive_datagram(reply(first), 6.5)
    assert (events(c), c.counters.late, c.counters.revived) == ([], 1, 1)
    c.receive_datagram(reply(first), 6.6)
    assert (c.counters.late, c.counters.unknown) == (1, 1)


def test_forged_late_reply_revives_nobody():
    c = client(FIRST, status_server=True)
    first = ask(c)
    run(c, 6)
    c.receive_datagram(reply(first, secret=b"wrong"), 6.5)
    assert (c.counters.late, c.counters.unknown, c.counters.revived) == (0, 1, 0)


def test_requests_of_two_virtual_routers_leave_from_their_own_addresses():
    v6 = ServerConfig("2001:db8::1", 1812, b"six")
    c = client(FIRST, v6, retries=1)
    own = ("10.0.0.1", "2001:db8::a"), ("10.0.0.2", "2001:db8::b")
    for sources in (*own, *own):
        c.request_session(SessionRequest("cpe", "1", password=b"pw", sources=sources), 0.0)
    sent = c.datagrams_to_send()
    assert [(d.source, d.socket) for d in sent] == [
        ("10.0.0.1", 0),
        ("10.0.0.2", 1),
        ("10.0.0.1", 0),
        ("10.0.0.2", 1),
    ]
    assert [dict(attributes(d.data))[4] for d in sent[:2]] == [b"\n\0\0\1", b"\n\0\0\2"]
    c.handle_timer(3.0)
    assert {(d.source, d.server[0]) for d in c.datagrams_to_send()} == {
        ("2001:db8::a", v6.address),
        ("2001:db8::b", v6.address),
    }


def test_dial_out_request_may_name_its_source_too():
    c = client(nas_address="10.0.0.9")
    c.request_dialout(DialoutRequest("a@d", "1"), 0.0)
    c.request_dialout(DialoutRequest("a@d", "1", sources=("10.0.0.1", "")), 0.0)
    assert [d.source for d in c.datagrams_to_send()] == ["10.0.0.9", "10.0.0.1"]


def test_reply_needs_no_source_to_be_known():
    c = client(nas_address="10.0.0.9")
    asked = ask(c)
    answer = reply(asked)
    c.receive_datagram(RadiusDatagram(answer.data, asked.server, asked.socket), 1.0)
    assert isinstance(events(c)[0], SessionGranted)


def test_accounting_reply_cannot_revive_the_authentication_port():
    c = dead_first()
    asked = probe(c, 16.0)
    head = bytes((5, asked.data[1])) + b"\0\x14"
    digest = hashlib.md5(head + asked.data[4:20] + FIRST.secret).digest()
    c.receive_datagram(RadiusDatagram(head + digest, asked.server, asked.socket), 16.1)
    assert ask(c, 17.0).server[0] == SECOND.address
