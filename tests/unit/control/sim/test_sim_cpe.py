"""control.sim.cpe: a site's line against a PPP link, without L2TP between."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest

from control import config as settings
from control.ppp.config import LinkConfig
from control.ppp.events import (
    AuthenticatedToPeer,
    AuthenticationRequested,
    Event,
    LinkClosed,
    NetworkOpened,
    PeerAuthenticated,
)
from control.ppp.link import Link
from control.sim import host
from control.sim.clock import Alarm, VirtualClock
from control.sim.cpe import Line, SimCpe, credentials_match, ip_prefix

HOME, REMOTE = "10.1.0.5", "10.9.3.4"
SITE = settings.SimCpe(
    number="*",
    username="site",
    password=b"site secret",
    peer_username="home",
    peer_password=b"home secret",
    address="10.9.0.1",
    delay=0.1,
)
CALLER = LinkConfig(
    authenticate_peer=("chap",),
    answer_protocols=("chap", "pap"),
    username="home",
    password=b"home secret",
    local_address="10.0.0.1",
)


class Caller:
    """The other end of the line: frames take no time to the site."""

    def __init__(
        self, site: settings.SimCpe = SITE, config: LinkConfig = CALLER, seed: int = 1
    ) -> None:
        self.clock = VirtualClock()
        self.site = SimCpe(site, self.clock, random.Random(seed))
        self.link = Link(config, random.Random(seed + 1))
        self.alarm = Alarm(self.clock, self.ring)
        self.events: list[Event] = []
        self.frames: list[tuple[float, bytes]] = []
        self.hung_up: list[tuple[float, str]] = []
        self.line: Line = self.site.answer(
            send=self.receive,
            hang_up=lambda reason: self.hung_up.append((self.clock.now, reason)),
        )
        self.line.start()
        self.link.open(0.0)
        self.pump()

    def receive(self, frame: bytes) -> None:
        self.frames.append((self.clock.now, frame))
        self.link.receive_frame(frame, self.clock.now)
        self.pump()

    def ring(self) -> None:
        self.link.handle_timer(self.clock.now)
        self.pump()

    def pump(self) -> None:
        while (event := self.link.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, AuthenticationRequested):
                good = credentials_match(event, "site", b"site secret")
                self.link.authentication_result(event.request, good, self.clock.now)
        for frame in self.link.frames_to_send():
            self.line.receive_frame(frame)
        self.alarm.set(self.link.get_timer())

    def kinds(self) -> set[type]:
        return {type(event) for event in self.events}

    def open(self) -> Caller:
        self.clock.run_until(10.0)
        assert self.line.open
        assert NetworkOpened in self.kinds()
        self.frames.clear()
        return self


def test_a_line_opens_with_both_sides_authenticated() -> None:
    caller = Caller().open()
    assert {AuthenticatedToPeer, PeerAuthenticated} <= caller.kinds()
    assert caller.site.counters.opened == 1


def test_every_answer_takes_the_delay_of_the_line() -> None:
    caller = Caller().open()
    start = caller.clock.now
    caller.line.receive_frame(b"\xff\x03\x00\x21" + host.ping_packet(HOME, REMOTE))
    caller.line.receive_frame(b"\x21" + host.udp_packet(HOME, 1, REMOTE, 2, b"x"))
    caller.clock.run_until(start + 1.0)
    assert [when for when, _ in caller.frames] == pytest.approx([start + 0.1] * 2)


@pytest.mark.parametrize("prefix", ["ff030021", "0021", "21", "ff0321"])
def test_every_form_of_an_ip_frame_is_understood(prefix: str) -> None:
    caller = Caller().open()
    caller.line.receive_frame(bytes.fromhex(prefix) + host.ping_packet(HOME, REMOTE))
    assert caller.site.counters.pings == 1


def test_ip_before_the_network_is_open_is_counted_and_dropped() -> None:
    caller = Caller()
    caller.line.receive_frame(b"\x00\x21" + host.ping_packet(HOME, REMOTE))
    assert caller.site.counters.not_open == 1


@pytest.mark.parametrize(
    ("packet", "counter"),
    [
        (host.ping_packet(HOME, REMOTE), "pings"),
        (host.udp_packet(HOME, 1, REMOTE, 2, b"x"), "echoes"),
        (host.udp_echo(host.udp_packet(HOME, 1, REMOTE, 2, b"x")), "ignored"),
        (host.ping_reply(host.ping_packet(HOME, REMOTE)), "ignored"),
        (host.udp_packet(HOME, 1, "239.1.1.1", 2, b"x"), "ignored"),
        (host.ping_packet(HOME, REMOTE)[:-1] + b"\xff", "bad_payload"),
        (host.udp_packet(HOME, 1, REMOTE, 2, b"x")[:-1] + b"y", "bad_payload"),
        (host.ping_packet(HOME, REMOTE)[:10] + b"\0\0" + bytes(20), "bad_header"),
        (b"", "bad_header"),
        (b"\x60" + bytes(39), "bad_header"),
        (host.ip_packet(bytes([10] * 4), bytes([11] * 4), 1, b""), "ignored"),
        (host.ip_packet(bytes([10] * 4), bytes([11] * 4), 17, b"\0"), "bad_payload"),
        (host.ip_packet(bytes([10] * 4), bytes([11] * 4), host.TCP, b""), "ignored"),
    ],
)
def test_each_packet_counts_once_for_its_reason(packet: bytes, counter: str) -> None:
    caller = Caller().open()
    caller.line.receive_frame(b"\x00\x21" + packet)
    caller.clock.run_until(11.0)
    counters = caller.site.report()
    reasons = ("pings", "echoes", "ignored", "fragments", "not_open", "bad_header", "bad_payload")
    assert {name: counters[name] for name in reasons if counters[name]} == {counter: 1}
    assert counters["packets"] == 1
    assert len(caller.frames) == (counter in ("pings", "echoes"))


def test_a_fragment_is_not_answered() -> None:
    raw = bytearray(host.udp_packet(HOME, 1, REMOTE, 2, b"x"))
    raw[6] = 0x20
    raw[10:12] = bytes(2)
    raw[10:12] = host.checksum(bytes(raw[:20])).to_bytes(2, "big")
    caller = Caller().open()
    caller.line.receive_frame(b"\x00\x21" + bytes(raw))
    assert caller.site.counters.fragments == 1


def test_an_answer_beyond_the_callers_mru_is_not_sent() -> None:
    caller = Caller(config=replace(CALLER, mru=576)).open()
    for size in (576, 577):
        packet = host.udp_packet(HOME, 1, REMOTE, 2, bytes(size - 28))
        caller.line.receive_frame(b"\x00\x21" + packet)
    assert (caller.site.counters.echoes, caller.site.counters.too_big) == (1, 1)


def test_two_sites_do_not_throw_one_packet_to_and_fro() -> None:
    first, second = Caller().open(), Caller(seed=9).open()
    first.line.receive_frame(b"\x00\x21" + host.udp_packet(HOME, 1, REMOTE, 2, b"x"))
    first.clock.run_until(20.0)
    second.line.receive_frame(first.frames[0][1])
    second.clock.run_until(20.0)
    assert second.frames == []


def test_terminate_from_the_caller_ends_the_line_behind_the_last_frame() -> None:
    caller = Caller().open()
    caller.link.close(caller.clock.now, "done")
    caller.pump()
    caller.clock.run_until(30.0)
    assert isinstance(caller.events[-1], LinkClosed)
    assert len(caller.hung_up) == 1
    assert caller.hung_up[0][0] >= caller.frames[-1][0]
    assert not caller.line.open


def test_a_site_that_hangs_up_tells_the_caller_first() -> None:
    caller = Caller().open()
    caller.line.close()
    caller.clock.run_until(30.0)
    closed = caller.events[-1]
    assert isinstance(closed, LinkClosed)
    assert closed.stage == "peer"
    assert len(caller.hung_up) == 1


def test_nothing_is_sent_after_the_carrier_is_gone() -> None:
    caller = Caller().open()
    caller.line.receive_frame(b"\x00\x21" + host.ping_packet(HOME, REMOTE))
    caller.line.drop()
    caller.line.drop()
    caller.line.receive_frame(b"\x00\x21" + host.ping_packet(HOME, REMOTE))
    caller.alarm.cancel()
    caller.clock.run_until(1000.0)
    assert caller.frames == []
    assert caller.hung_up == []
    assert caller.clock.next_deadline() is None


def test_a_caller_with_a_wrong_secret_is_hung_up_on() -> None:
    caller = Caller(config=replace(CALLER, password=b"wrong"))
    caller.clock.run_until(30.0)
    assert caller.site.counters.authentication_failures == 1
    assert NetworkOpened not in caller.kinds()
    assert len(caller.hung_up) == 1


def test_calls_of_one_site_are_independent() -> None:
    caller = Caller()
    frames: list[bytes] = []
    other = caller.site.answer(send=frames.append, hang_up=lambda reason: None)
    other.start()
    caller.clock.run_until(0.1)
    # Two Configure-Requests, told apart by their magic numbers.
    assert frames[0] != caller.frames[0][1]
    caller.open()
    assert not other.open
    assert caller.site.counters.calls == 2


def request(**changes: object) -> AuthenticationRequested:
    return AuthenticationRequested(**{"request": 1, "protocol": "pap", "username": "u"} | changes)


def test_credentials_are_compared_whole() -> None:
    digest = hashlib.md5(b"\x07" + b"secret" + b"challenge").digest()
    chap = {"protocol": "chap", "chap_identifier": 7, "chap_challenge": b"challenge"}
    assert credentials_match(request(**chap, chap_response=digest), "u", b"secret")
    assert not credentials_match(request(**chap, chap_response=digest[:-1]), "u", b"secret")
    assert not credentials_match(request(**chap, chap_response=digest), "v", b"secret")
    assert not credentials_match(request(**chap, chap_response=digest), "u", b"Secret")
    assert credentials_match(request(password=b"secret"), "u", b"secret")
    assert not credentials_match(request(password=b"secret"), "v", b"secret")
    assert not credentials_match(request(password=b""), "u", b"secret")


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(SITE)
    assert "secret" not in str(SimCpe(SITE, VirtualClock(), random.Random(1)).report())


def test_the_four_ways_to_begin_an_ip_frame() -> None:
    assert ip_prefix(acfc=False, pfc=False) == b"\xff\x03\x00\x21"
    assert ip_prefix(acfc=True, pfc=False) == b"\x00\x21"
    assert ip_prefix(acfc=False, pfc=True) == b"\xff\x03\x21"
    assert ip_prefix(acfc=True, pfc=True) == b"\x21"


class Wire:
    """Stands for a site's device."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def write(self, packet: bytes) -> None:
        self.packets.append(packet)


def test_packets_for_a_site_with_a_device_go_to_its_hosts_untouched() -> None:
    caller = Caller()
    caller.site.hosts = wire = Wire()  # type: ignore[assignment]
    early = host.udp_packet(HOME, 1, REMOTE, 2, b"early")
    caller.line.receive_frame(ip_prefix(acfc=False, pfc=False) + early)
    caller.clock.run_until(5.0)
    assert caller.line.open
    ping = host.ping_packet(HOME, REMOTE)
    broken = ping[:-1] + b"\xff"
    for packet in (ping, broken):
        caller.line.receive_frame(ip_prefix(acfc=False, pfc=False) + packet)
    assert wire.packets == [ping, broken]
    counters = caller.site.counters
    assert (counters.packets, counters.to_hosts, counters.not_open, counters.pings) == (3, 2, 1, 0)


def test_packets_of_the_hosts_leave_by_the_call_that_is_up() -> None:
    caller = Caller()
    answer = host.udp_packet(REMOTE, 1, HOME, 2, b"answer")
    caller.site.receive_from_hosts(answer)
    assert caller.site.counters.without_call == 1
    caller.clock.run_until(5.0)
    before = len(caller.frames)
    caller.site.receive_from_hosts(answer)
    caller.site.receive_from_hosts(b"")
    caller.site.receive_from_hosts(b"\x60" + answer[1:])  # IPV6CP is not open
    caller.clock.run_until(6.0)
    assert [frame[-len(answer) :] for _, frame in caller.frames[before:]] == [answer]
    counters = caller.site.counters
    assert (counters.from_hosts, counters.without_call) == (1, 3)
    caller.line.drop()
    caller.site.receive_from_hosts(answer)
    assert caller.site.counters.without_call == 4
