"""control.sim.network: addresses, ports, services, and what becomes of junk."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from control import config as settings
from control.errors import LocalProtocolError
from control.l2tp.events import SocketAddress
from control.sim import host
from control.sim.clock import VirtualClock
from control.sim.network import SimNetwork

LAC = "192.0.2.9"
LNS = "192.0.2.1"
RADIUS = ("192.0.2.20", 1812)
CLIENT = ("192.0.2.1", 40000)


@dataclass
class Answer:
    data: bytes
    destination: SocketAddress


class Mirror:
    """A service that sends everything back a second later."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Answer]] = []
        self.ready: list[Answer] = []

    def receive_datagram(self, data: bytes, source: SocketAddress, now: float) -> None:
        self.due.append((now + 1.0, Answer(data[::-1], source)))

    def handle_timer(self, now: float) -> None:
        self.ready += [answer for due, answer in self.due if due <= now]
        self.due = [item for item in self.due if item[0] > now]

    def get_timer(self) -> float | None:
        return min((due for due, _ in self.due), default=None)

    def datagrams_to_send(self) -> list[Answer]:
        ready, self.ready = self.ready, []
        return ready


def network(*lacs: settings.SimLac) -> SimNetwork:
    config = settings.Sim(lac=lacs or (settings.SimLac(LAC),))
    return SimNetwork(config, VirtualClock(), to_router=lambda packet: None)


def test_a_service_answers_a_bound_socket_when_its_timer_says_so() -> None:
    world = network()
    heard: list[tuple[float, bytes, SocketAddress]] = []
    world.attach(*RADIUS, Mirror())
    world.bind(CLIENT, lambda data, source: heard.append((world.clock.now, data, source)))
    world.send_udp(CLIENT, RADIUS, b"abc")
    world.clock.run_until(0.5)
    world.send_udp(CLIENT, RADIUS, b"def")
    assert heard == []
    world.clock.run_until(5.0)
    assert heard == [(1.0, b"cba", RADIUS), (1.5, b"fed", RADIUS)]
    assert world.counters.datagrams == 4


def test_datagrams_without_a_listener_are_counted_both_ways() -> None:
    world = network()
    world.attach(*RADIUS, Mirror())
    world.send_udp(CLIENT, (RADIUS[0], 1813), b"abc")
    world.send_udp(CLIENT, RADIUS, b"abc")
    world.clock.run_until(5.0)
    assert world.counters.no_service == 2


def test_an_address_is_given_only_once() -> None:
    world = network()
    world.attach(*RADIUS, Mirror())
    world.bind(CLIENT, lambda data, source: None)
    with pytest.raises(LocalProtocolError):
        world.attach(*RADIUS, Mirror())
    with pytest.raises(LocalProtocolError):
        world.bind(CLIENT, lambda data, source: None)
    with pytest.raises(LocalProtocolError):
        network(settings.SimLac(LAC), settings.SimLac(LAC))


def test_lacs_are_found_by_address() -> None:
    world = network(settings.SimLac(LAC), settings.SimLac("192.0.2.10", host_name="other"))
    assert world.lac("192.0.2.10").config.host_name == "other"
    with pytest.raises(LocalProtocolError):
        world.lac("192.0.2.11")


@pytest.mark.parametrize("wrong", [{"address": "lac"}, {"loss": 2.0}, {"outcome": "maybe"}])
def test_an_impossible_lac_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        network(replace(settings.SimLac(LAC), **wrong))


GOOD = host.udp_packet(LNS, 1701, LAC, 1701, b"\x00\x02\0\1\0\1")


@pytest.mark.parametrize(
    ("packet", "where", "counter"),
    [
        (b"", "network", "malformed"),
        (b"\x45" + bytes(18), "network", "malformed"),
        (b"\x60" + bytes(38), "network", "malformed"),
        (b"\x70" + bytes(39), "network", "malformed"),
        (b"\x60" + bytes(39), "network", "unknown_address"),
        (host.udp_packet(LNS, 1701, "192.0.2.99", 1701, b""), "network", "unknown_address"),
        (
            host.ip_packet(*map(host.pack_address, (LNS, LAC)), host.TCP, bytes(20)),
            "host",
            "not_udp",
        ),
        (GOOD[:-1], "host", "damaged"),
        (GOOD[:-1] + b"X", "host", "damaged"),
        (GOOD[:10] + b"\0\0" + GOOD[12:], "host", "damaged"),
        (host.udp_packet(LNS, 1701, LAC, 1702, b""), "host", "closed_port"),
        (GOOD, "lac", "unknown_session"),
        (host.udp_packet(LNS, 1701, LAC, 1701, b""), "lac", "malformed"),
        (host.udp_packet(LNS, 1701, LAC, 1701, b"\x00\x03\0\1\0\1"), "lac", "malformed"),
    ],
)
def test_junk_from_the_router_is_counted_by_reason(packet: bytes, where: str, counter: str) -> None:
    world = network()
    world.from_router(packet)
    world.clock.run_until(1.0)
    lac = world.report()["lac"][0]
    counters = {"network": world.report(), "host": lac["host"], "lac": lac}[where]
    assert counters[counter] == 1
    assert world.counters.from_router == 1


def test_a_fragment_is_counted_apart() -> None:
    parts = (*map(host.pack_address, (LNS, LAC)), host.UDP, bytes(40))
    raw = bytearray(host.ip_packet(*parts))
    raw[6] = 0x20
    raw[10:12] = bytes(2)
    raw[10:12] = host.checksum(bytes(raw[:20])).to_bytes(2, "big")
    world = network()
    world.from_router(bytes(raw))
    world.clock.run_until(1.0)
    assert world.report()["lac"][0]["host"]["fragments"] == 1


def test_the_line_to_a_lac_has_its_delay() -> None:
    world = network(settings.SimLac(LAC, delay=0.25))
    world.from_router(GOOD)
    world.clock.run_until(0.24)
    assert world.lac(LAC).counters.data_in == 0
    world.clock.run_until(0.25)
    assert world.lac(LAC).counters.data_in == 1
