"""Accounting, CoA, Disconnect and pools as a RADIUS server sees them (specification 1.14, 2.7)."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest
from dialout_network import LNS, RADIUS, site_user, tunnels
from watched import INTERIM, OFF, ON, SECRET, START, STOP, Watched

from control.config import Lac, Pool, Profile
from control.dialout.session_table import SessionState as S

LAC = "10.9.0.1"
SITE = "10.1.2.3"
DISCONNECT, DISCONNECT_ACK, DISCONNECT_NAK, COA, COA_ACK, COA_NAK = range(40, 46)


def watched(**more) -> Watched:
    more.setdefault("site", site_user(Framed_IP_Address=SITE, Class="blue"))
    accounting = {"accounting": True, **more.pop("accounting", {})}
    net = Watched(tunnels(LAC), accounting=accounting, flush_delay=0, **more)
    net.add_lac(LAC)
    return net


def up(**more) -> Watched:
    net = watched(**more)
    assert net.dial() is S.IN_SERVICE
    return net


def test_nothing_is_told_by_default() -> None:
    net = Watched(tunnels(LAC), flush_delay=0)
    net.add_lac(LAC)
    net.dial()
    net.shutdown()
    net.run(5)
    assert list(net.radius.records) == []


def test_boot_and_end_are_told_around_everything_else() -> None:
    net = up()
    net.shutdown()
    net.run(5)
    assert [r.status for r in net.radius.records] == [ON, START, STOP, OFF]
    assert net.lns.stopped


def test_start_and_stop_name_the_session_the_user_the_address_and_the_class() -> None:
    net = up()
    net.run(30)
    net.hang_up_all()
    (start,), (stop,) = net.told(START), net.told(STOP)
    for name in ("Acct-Session-Id", "User-Name", "Framed-IP-Address", "Class", "NAS-Identifier"):
        assert start[name] == stop[name], name
    assert start["User-Name"] == "site"
    assert str(start["Framed-IP-Address"]) == SITE
    assert stop["Acct-Session-Time"] == pytest.approx(30, abs=5)


def ended_by_site(net: Watched) -> None:
    net.close_ppp()


def ended_by_reset(net: Watched) -> None:
    net.lns.reset("home", SITE, net.now)


def ended_by_delete(net: Watched) -> None:
    net.lns.delete("home", SITE, net.now)


def ended_by_line(net: Watched) -> None:
    net.hang_up_all()


def ended_by_deaf_site(net: Watched) -> None:
    net.site().deaf = True
    net.run(200)


def ended_by_dead_lac(net: Watched) -> None:
    net.lacs[LAC].silent = True
    net.run(200)


def ended_by_stop(net: Watched) -> None:
    net.shutdown()


def ended_by_target(net: Watched) -> None:
    net.lns.reload(replace(net.config, target=()), net.now)


def ended_by_lac_shutdown(net: Watched) -> None:
    net.lns.shutdown_lac(LAC, net.now)


def ended_by_freeze(net: Watched) -> None:
    net.lns.freeze(True, net.now, hangup=True)


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (ended_by_site, {1}),
        (ended_by_reset, {6}),
        (ended_by_delete, {6}),
        (ended_by_line, {2, 10}),
        (ended_by_deaf_site, {10}),
        (ended_by_dead_lac, {10}),
        (ended_by_stop, {7}),
        (ended_by_target, {6}),
        (ended_by_lac_shutdown, {6, 10}),
        (ended_by_freeze, {6}),
    ],
)
def test_each_end_has_one_stop_with_its_cause(
    end: Callable[[Watched], None], cause: set[int]
) -> None:
    net = up(profile=Profile("p", idle_timeout=0, echo_interval=10))
    end(net)
    net.settle()
    net.run(10)
    stops = net.told(STOP)
    assert len(stops) == len(net.told(START)) == 1
    assert stops[0]["Acct-Terminate-Cause"] in cause
    assert net.plane.sessions == {}


def test_a_call_that_never_came_in_service_is_not_told() -> None:
    net = watched()
    net.lacs[LAC].outcome = lambda number: 7
    net.dial()
    net.shutdown()
    net.run(5)
    assert [r.status for r in net.radius.records] == [ON, OFF]


@pytest.mark.parametrize("who", ["group", "accept"])
def test_interims_come_at_their_interval(who: str) -> None:
    site = {"Framed_IP_Address": SITE}
    if who == "accept":
        site["Acct_Interim_Interval"] = "120"
    keys = {"interim_interval": 120} if who == "group" else {}
    net = up(site=site_user(**site), accounting=keys)
    net.run(1250)
    assert 9 <= len(net.told(INTERIM)) <= 11
    times = [record["Acct-Session-Time"] for record in net.told(INTERIM)]
    assert times == sorted(times)


def test_octets_beyond_32_bits_are_told_in_gigawords() -> None:
    net = up()
    (nh,) = net.plane.sessions
    net.plane.traffic[nh] = (7, 5 * 2**32 + 3, 9, 2**32 - 1)
    net.hang_up_all()
    (stop,) = net.told(STOP)
    assert (stop["Acct-Input-Octets"], stop["Acct-Input-Gigawords"]) == (3, 5)
    assert stop["Acct-Output-Octets"] == 2**32 - 1
    assert stop.get("Acct-Output-Gigawords", 0) == 0
    assert (stop["Acct-Input-Packets"], stop["Acct-Output-Packets"]) == (7, 9)


def test_records_wait_for_a_server_that_is_away_and_come_once() -> None:
    net = watched()
    net.books_silent = True
    net.dial()
    net.run(60)
    net.hang_up_all()
    net.run(120)
    assert list(net.radius.records) == []
    net.books_silent = False
    net.run(900)
    assert [r.status for r in net.radius.records] == [ON, START, STOP]


# CoA and Disconnect.


def request(
    code: int, *rows: tuple[int, bytes], secret: bytes = SECRET, when: float = 0.0, number: int = 1
) -> bytes:
    """RFC 5176 2.3, with Event-Timestamp and Message-Authenticator."""
    rows = (*rows, (55, struct.pack(">I", int(when))))
    body = b"\x50\x12" + bytes(16) + b"".join(bytes((t, 2 + len(v))) + v for t, v in rows)
    head = struct.pack(">BBH", code, number, 20 + len(body)) + bytes(16)
    proof = hmac.new(secret, head + body, "md5").digest()
    body = b"\x50\x12" + proof + body[18:]
    return head[:4] + hashlib.md5(head + body + secret).digest() + body


def ask(net: Watched, data: bytes, source: str = RADIUS) -> list[int]:
    """Codes of what comes back."""
    net.lns.receive_dynauth(data, (LNS, 3799), (source, 40000), net.now)
    answers = [datagram.data[0] for datagram in net.lns.dynauth_to_send()]
    net.settle()
    net.run(1)
    return answers


def names(net: Watched) -> tuple[tuple[int, bytes], ...]:
    return ((44, str(net.told(START)[-1]["Acct-Session-Id"]).encode()),)


def test_disconnect_is_ignored_by_default() -> None:
    net = up()
    assert ask(net, request(DISCONNECT, *names(net), when=net.wall + net.now)) == []
    assert net.state() is S.IN_SERVICE


AUTHORIZED = {"dynamic_authorization": True}


def test_disconnect_ends_the_call_once_and_its_replay_ends_nothing() -> None:
    net = up(accounting=AUTHORIZED)
    data = request(DISCONNECT, *names(net), when=net.wall + net.now)
    assert ask(net, data) == [DISCONNECT_ACK]
    assert net.state() is S.DORMANT
    assert [stop["Acct-Terminate-Cause"] for stop in net.told(STOP)] == [6]
    net.run(400)
    assert net.dial() is S.IN_SERVICE
    ask(net, data)
    assert net.state() is S.IN_SERVICE
    assert len(net.told(STOP)) == 1


@pytest.mark.parametrize("wrong", ["source", "secret", "old", "future"])
def test_disconnect_of_a_stranger_gets_no_answer(wrong: str) -> None:
    net = up(accounting=AUTHORIZED)
    when = net.wall + net.now + {"old": -3600, "future": 3600}.get(wrong, 0)
    secret = b"guessed" if wrong == "secret" else SECRET
    source = "203.0.113.9" if wrong == "source" else RADIUS
    data = request(DISCONNECT, *names(net), secret=secret, when=when)
    assert ask(net, data, source) == []
    assert net.state() is S.IN_SERVICE


def test_disconnect_for_nobody_is_refused() -> None:
    net = up(accounting=AUTHORIZED)
    assert ask(net, request(DISCONNECT, (44, b"nobody"), when=net.wall + net.now)) == [
        DISCONNECT_NAK
    ]
    assert net.state() is S.IN_SERVICE


def test_coa_shortens_the_session() -> None:
    net = up(accounting=AUTHORIZED)
    change = (*names(net), (27, struct.pack(">I", 100)))
    assert ask(net, request(COA, *change, when=net.wall + net.now)) == [COA_ACK]
    net.run(90)
    assert net.state() is S.IN_SERVICE
    net.run(20)
    assert net.state() is S.DORMANT
    assert [stop["Acct-Terminate-Cause"] for stop in net.told(STOP)] == [5]


def test_coa_with_what_cannot_be_changed_is_refused_whole() -> None:
    net = up(accounting=AUTHORIZED)
    change = (*names(net), (27, struct.pack(">I", 5)), (64, b"\0\0\0\3"))
    assert ask(net, request(COA, *change, when=net.wall + net.now)) == [COA_NAK]
    net.run(60)
    assert net.state() is S.IN_SERVICE


# Pools.


def test_framed_pool_gives_an_address_and_takes_it_back() -> None:
    pool = Pool("blue", ("10.1.2.3/32",))
    net = watched(site=site_user(Framed_Pool="blue"), change={"pool": (pool,)})
    net.site_address = ""
    assert net.dial() is S.IN_SERVICE
    assert str(net.told(START)[0]["Framed-IP-Address"]) == SITE
    assert f"{SITE}/32" in net.plane.routes[1]
    net.dial("10.1.2.4", 10)
    assert net.state("10.1.2.4") is not S.IN_SERVICE
    net.hang_up_all()
    net.run(400)
    assert net.dial() is S.IN_SERVICE


def test_pool_that_is_not_there_is_a_clean_failure() -> None:
    net = watched(site=site_user(Framed_Pool="green"))
    assert net.dial(seconds=30) in (S.INHIBITED, S.POST_INHIBITED)
    assert net.plane.sessions == {}
    assert Lac(LAC).incoming_calls is False
