"""The RADIUS client against silent servers: retransmission, failover, dead servers, identifiers."""

from __future__ import annotations

import itertools
import random

import pytest
from radius_wire import FIRST, SECOND, ask, client, events, reply, run

from control.errors import LocalProtocolError
from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.events import RadiusDatagram, SessionGranted, TimedOut
from control.radius.requests import DialoutRequest, SessionRequest


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
    assert (events(c), c.counters.late, c.get_timer(), run(c, 60)) == ([], 1, None, [])


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
    inner = repr(list(c._exchanges._requests.values())) + repr(c._exchanges._pending)
    assert "hunter22" not in repr((request, session, config)) + inner
