"""The simulated RADIUS server, asked by our own client over a fake clock."""

from __future__ import annotations

import hashlib
import random

import pytest

from control.config import SimRadius, SimUser
from control.radius import accounting, codec, signed
from control.radius.accounting import AccountingRequest
from control.radius.client import Client, ClientConfig, ServerConfig
from control.radius.events import Denied, DialoutGranted, RadiusDatagram, SessionGranted
from control.radius.requests import DialoutRequest, SessionRequest
from control.sim.radius import SimDatagram, SimRadiusServer

SECRET = b"testing123"
SOURCE = ("192.0.2.1", 40000)
TUNNEL = (
    ("Tunnel-Type:1", "L2TP"),
    ("Tunnel-Medium-Type:1", "IPv4"),
    ("Tunnel-Server-Endpoint:1", "10.88.0.2"),
    ("Tunnel-Password:1", "a tunnel secret of more than 15 octets"),
    ("ERX-Dial-Out-Number", "5551234"),
)


def server(*users: SimUser, **more) -> SimRadiusServer:
    config = SimRadius("192.0.2.2", 1812, SECRET, users=users, **more)
    return SimRadiusServer(config, random.Random(1))


def client(secret: bytes = SECRET) -> Client:
    config = ClientConfig((ServerConfig("192.0.2.2", 1812, secret),), nas_identifier="lns")
    return Client(config, random.Random(2))


def exchange(sim: SimRadiusServer, c: Client, request) -> object:
    """The event that answers a request, None if the server keeps silent."""
    if isinstance(request, DialoutRequest):
        c.request_dialout(request, 0.0)
    else:
        c.request_session(request, 0.0)
    (datagram,) = c.datagrams_to_send()
    sim.receive_datagram(datagram.data, SOURCE, 0.0)
    sim.handle_timer(1.0)
    for reply in sim.datagrams_to_send():
        assert reply.destination == SOURCE
        c.receive_datagram(RadiusDatagram(reply.data, datagram.server, datagram.socket), 1.0)
    return c.next_event()


def chap(name: str = "cpe", password: bytes = b"pw") -> SessionRequest:
    digest = hashlib.md5(b"\7" + password + b"challenge").digest()
    return SessionRequest(
        name, "1", chap_identifier=7, chap_challenge=b"challenge", chap_response=digest
    )


def test_dial_out_user_gets_the_tunnel_with_its_secret():
    event = exchange(server(SimUser("*@domain", reply=TUNNEL)), client(), dial())
    assert isinstance(event, DialoutGranted)
    assert event.grant.candidates[0].password == b"a tunnel secret of more than 15 octets"
    assert event.grant.number == "5551234"


def dial(name: str = "10.10.1.1@domain") -> DialoutRequest:
    return DialoutRequest(name, "1")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("0.0.0.0:65000/10.10.1.1@domain", "10.10.1.1"),
        ("10.10.1.1@domain", "10.10.1.1"),
    ],
)
def test_reply_may_hold_the_trigger_address(name, address):
    user = SimUser("*@domain", reply=(("Framed-IP-Address", "{address}"),))
    event = exchange(server(user), client(), SessionRequest(name, "1", password=b""))
    assert isinstance(event, SessionGranted)
    assert event.grant.framed_address == address


def test_trigger_address_where_there_is_none_rejects():
    user = SimUser("cpe", reply=(("Framed-IP-Address", "{address}"),))
    event = exchange(server(user), client(), SessionRequest("cpe", "1", password=b""))
    assert event == Denied(
        1, "Access-Reject: Framed-IP-Address has a value that is not of type ipaddr"
    )


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("cpe", "cpe", True),
        ("cpe", "cpe1", False),
        ("cpe*", "cpe1", True),
        ("*@domain", "10.1.1.1@domain", True),
        ("*@domain", "10.1.1.1@domain2", False),
        ("*", "anybody", True),
    ],
)
def test_user_is_matched_by_name_or_wildcard(pattern, name, matches):
    event = exchange(server(SimUser(pattern)), client(), SessionRequest(name, "1", password=b"x"))
    assert isinstance(event, SessionGranted if matches else Denied)


def test_first_matching_user_counts():
    users = (SimUser("cpe", reject=True), SimUser("*"))
    assert exchange(server(*users), client(), chap()) == Denied(1, "Access-Reject: rejected")
    assert isinstance(exchange(server(*users[::-1]), client(), chap()), SessionGranted)


@pytest.mark.parametrize(
    ("request_", "granted"),
    [
        (SessionRequest("cpe", "1", password=b"pw"), True),
        (SessionRequest("cpe", "1", password=b"wrong"), False),
        (SessionRequest("cpe", "1", password=b""), False),
        (chap(), True),
        (chap(password=b"wrong"), False),
        (DialoutRequest("cpe", "1", "none"), False),
    ],
)
def test_password_is_checked_when_the_user_has_one(request_, granted):
    event = exchange(server(SimUser("cpe", password=b"pw")), client(), request_)
    assert isinstance(event, SessionGranted if granted else Denied)
    if not granted:
        assert event == Denied(1, "Access-Reject: wrong password")


@pytest.mark.parametrize("password", [b"x" * 15, b"x" * 16, b"x" * 17, b"x" * 128, b"\xff\xfe"])
def test_pap_passwords_of_any_length_are_right(password):
    user = SimUser("cpe", password=password)
    event = exchange(server(user), client(), SessionRequest("cpe", "1", password=password))
    assert isinstance(event, SessionGranted)


def test_request_with_another_secret_is_not_answered():
    sim = server(SimUser("*"))
    assert exchange(sim, client(b"another"), chap()) is None
    assert sim.counters.dropped == 1


@pytest.mark.parametrize("data", [b"", b"\1\0\0\x14" + bytes(16), b"\4\0\0\x14" + bytes(16)])
def test_what_is_no_signed_access_request_is_not_answered(data):
    sim = server(SimUser("*"))
    sim.receive_datagram(data, SOURCE, 0.0)
    assert (sim.counters.dropped, sim.get_timer()) == (1, None)


def test_answer_comes_after_the_delay():
    sim = server(SimUser("*"), delay=0.25)
    c = client()
    c.request_session(chap(), 0.0)
    sim.receive_datagram(c.datagrams_to_send()[0].data, SOURCE, 10.0)
    sim.handle_timer(10.2)
    assert (sim.datagrams_to_send(), sim.get_timer()) == ([], 10.25)
    sim.handle_timer(10.25)
    assert (len(sim.datagrams_to_send()), sim.get_timer()) == (1, None)


def test_retransmission_gets_the_same_octets_and_one_while_it_waits():
    sim = server(SimUser("*@domain", reply=TUNNEL), delay=0.5)
    c = client()
    c.request_dialout(dial(), 0.0)
    (datagram,) = c.datagrams_to_send()

    def answers(now: float) -> list[SimDatagram]:
        sim.receive_datagram(datagram.data, SOURCE, now)
        sim.handle_timer(now + 0.5)
        return sim.datagrams_to_send()

    sim.receive_datagram(datagram.data, SOURCE, 0.0)
    first = answers(0.1)
    assert len(first) == 1
    assert answers(2.0) == first
    assert sim.counters.duplicate == 2
    assert sim.counters.accepted == 1
    assert answers(60.0) != first  # forgotten: a new answer has new salt


def test_salts_of_one_reply_differ_and_have_the_high_bit():
    rows = tuple((f"Tunnel-Password:{tag}", "pw") for tag in range(1, 12))
    sim = server(SimUser("*", reply=rows))
    c = client()
    c.request_session(chap(), 0.0)
    sim.receive_datagram(c.datagrams_to_send()[0].data, SOURCE, 0.0)
    sim.handle_timer(1.0)
    reply = codec.parse_packet(sim.datagrams_to_send()[0].data, SECRET)
    salts = [value[1:3] for value in reply.get(69)]
    assert len(set(salts)) == 11
    assert all(salt[0] & 0x80 for salt in salts)


def test_reply_that_does_not_fit_is_a_reject():
    rows = (("Reply-Message", "x" * 250),) * 20
    event = exchange(server(SimUser("*", reply=rows)), client(), chap())
    assert event == Denied(1, "Access-Reject: the reply does not fit into a packet")


def test_same_seed_gives_the_same_octets():
    def octets() -> bytes:
        sim = server(SimUser("*@domain", reply=TUNNEL))
        c = client()
        c.request_dialout(dial(), 0.0)
        sim.receive_datagram(c.datagrams_to_send()[0].data, SOURCE, 0.0)
        sim.handle_timer(1.0)
        return sim.datagrams_to_send()[0].data

    assert octets() == octets()


# Accounting, Status-Server, faults, and requests of the server's own.


def told(sim: SimRadiusServer, c: Client, request: AccountingRequest) -> None:
    c.account(request, 0.0)
    for datagram in c.datagrams_to_send():
        sim.receive_datagram(datagram.data, SOURCE, 0.0)
    sim.handle_timer(1.0)
    for reply in sim.datagrams_to_send():
        accounting = ("192.0.2.2", 1813)
        c.receive_datagram(RadiusDatagram(reply.data, accounting, datagram.socket), 1.0)


def test_accounting_is_kept_once_and_answered():
    sim, c = server(), client()
    facts = accounting.SessionFacts("A1", "site", called_number="4930")
    told(sim.for_accounting(), c, accounting.start(facts, 1000, ("", "")))
    (record,) = sim.records
    assert (record.status, record.session_id) == (1, "A1")
    assert (record.values["User-Name"], record.values["Called-Station-Id"]) == ("site", "4930")
    assert (len(c.accounting), sim.counters.accounted) == (0, 1)


def test_accounting_with_a_wrong_secret_is_neither_kept_nor_answered():
    sim, c = server(), client(b"wrong")
    told(sim, c, accounting.on_off(accounting.Status.ON, "B", 1))
    assert (len(sim.records), sim.counters.dropped, len(c.accounting)) == (0, 1, 1)


FAULTS = {
    "drop": ("unknown", 0),
    "reject": ("accepted", 1),
    "wrong-secret": ("forged", 1),
    "unsigned": ("unsigned", 1),
    "malformed": ("malformed", 1),
}


@pytest.mark.parametrize(("fault", "counter", "count"), [(f, *c) for f, c in FAULTS.items()])
def test_answer_is_spoiled_when_it_is_its_turn(fault, counter, count):
    sim = server(SimUser("*"), faults=(fault, "answer"))
    c = client()
    first = exchange(sim, c, SessionRequest("cpe", "1", password=b"pw"))
    assert isinstance(first, Denied) if fault == "reject" else first is None
    assert getattr(c.counters, counter) == count
    second = exchange(sim, c, SessionRequest("cpe", "1", password=b"pw"))
    assert isinstance(second, SessionGranted)
    assert sim.counters.faults == 1


def test_slow_answer_comes_later_and_behind_others():
    sim, c = server(SimUser("*"), faults=("slow", "answer")), client()
    for _ in range(2):
        c.request_session(SessionRequest("cpe", "1", password=b"pw"), 0.0)
    slow, fast = c.datagrams_to_send()
    for datagram in (slow, fast):
        sim.receive_datagram(datagram.data, SOURCE, 0.0)
    sim.handle_timer(1.0)
    assert [d.data[1] for d in sim.datagrams_to_send()] == [fast.data[1]]
    sim.handle_timer(6.0)
    assert [d.data[1] for d in sim.datagrams_to_send()] == [slow.data[1]]


def test_status_server_is_answered_and_a_forged_one_is_not():
    sim = server()
    good = signed.status_server(7, b"a" * 16, SECRET, b"")
    for data in (good, signed.status_server(7, b"a" * 16, b"wrong", b"")):
        sim.receive_datagram(data, SOURCE, 0.0)
    sim.handle_timer(1.0)
    (answer,) = sim.datagrams_to_send()
    assert answer.data[0] == codec.ACCESS_ACCEPT
    assert signed.reply_is_genuine(answer.data, 7, b"a" * 16, SECRET)
    assert signed.is_signed(answer.data)
    assert (sim.counters.probed, sim.counters.dropped) == (1, 1)


def test_server_sends_coa_and_disconnect_and_hears_what_becomes_of_them():
    sim = server()
    lns = ("192.0.2.1", 3799)
    asked = sim.request_authorization(40, (("Acct-Session-Id", "A1"),), lns)
    assert sim.datagrams_to_send() == [SimDatagram(asked, lns)]
    assert signed.request_is_genuine(asked, SECRET)
    assert signed.signature_is_right(asked, bytes(16), SECRET)
    cause = signed.encode_attributes((("Error-Cause", 503),))
    for secret in (b"wrong", SECRET):
        data = signed.seal_reply(42, asked[1], asked[4:20], secret, cause, signed=True)
        sim.receive_datagram(data, lns, 0.0)
    assert (sim.authorization_answers, sim.counters.dropped) == ([(42, 503)], 1)


def test_a_request_without_message_authenticator_is_answered_if_that_is_allowed():
    unsigned = bytearray(strip_signature(client_request()))
    strict = server(SimUser("cpe", b"pw"))
    strict.receive_datagram(bytes(unsigned), ("192.0.2.1", 1), 0.0)
    assert strict.counters.dropped == 1
    lax = server(SimUser("cpe", b"pw"), require_message_authenticator=False)
    lax.receive_datagram(bytes(unsigned), ("192.0.2.1", 1), 0.0)
    lax.handle_timer(10.0)
    assert len(lax.datagrams_to_send()) == 1
    forged = bytearray(client_request())
    forged[forged.index(b"\x50\x12") + 2] ^= 1
    lax.receive_datagram(bytes(forged), ("192.0.2.1", 1), 20.0)
    assert lax.counters.dropped == 1


def client_request() -> bytes:
    c = client()
    c.request_session(chap(), 0.0)
    return c.datagrams_to_send()[0].data


def strip_signature(data: bytes) -> bytes:
    at = data.index(b"\x50\x12")
    rest = data[:at] + data[at + 18 :]
    return rest[:2] + len(rest).to_bytes(2, "big") + rest[4:]
