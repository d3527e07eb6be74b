"""Ports on interfaces hear what is ours: routes that come and go, and addresses of tunnels."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from control.config import Config, Port, VirtualRouter
from control.runtime.ports import tunnel_ports
from control.runtime.steering import PortSteering


class Steering:
    """Stands for the kernel's tables, with room for a number of prefixes."""

    def __init__(self, room: int = 100) -> None:
        self.covered: set[str] = set()
        self.addresses: set[str] = set()
        self.room = room

    def cover(self, prefix: str) -> None:
        self.cover_all((prefix,))

    def cover_all(self, prefixes: Any) -> None:
        if len(self.covered | set(prefixes)) > self.room:
            raise OSError(28, "no room")
        self.covered |= set(prefixes)

    def uncover(self, prefix: str) -> None:
        self.covered.remove(prefix)

    def address(self, address: str) -> None:
        self.addresses.add(address)


CONFIG = Config(
    virtual_router=(
        VirtualRouter("a", 1, local_address="10.0.0.1"),
        VirtualRouter("b", 2, local_address="10.0.0.2", local_address_ipv6="2001:db8::2"),
    )
)


def port(name: str, router: str, steering: Steering | None) -> Any:
    part = SimpleNamespace() if steering is None else SimpleNamespace(steering=steering)
    return SimpleNamespace(config=Port(name, "xdp:x", "home", router), port=part)


class Fib:
    def __init__(self) -> None:
        self.observers: list[Any] = []
        self.routes: dict[tuple[int, str], Any] = {}

    def observe(self, observer: Any) -> Any:
        self.observers.append(observer)
        observer([(*key, kind) for key, kind in self.routes.items() if kind is not None])
        return lambda: self.observers.remove(observer)

    def set(self, *changes: Any) -> None:
        for table, prefix, kind in changes:
            self.routes[table, prefix] = kind
        for observer in self.observers:
            observer(list(changes))


def test_routes_of_a_port_s_table_are_covered_while_they_are_there() -> None:
    fib, mine, other = Fib(), Steering(), Steering()
    fib.set((1, "198.51.100.0/24", "dial-out"), (2, "203.0.113.0/24", "dial-out"))
    steered = PortSteering(fib.observe)
    steered.configure(CONFIG, [port("p", "a", mine), port("q", "b", other), port("u", "a", None)])
    assert mine.covered == {"198.51.100.0/24"}
    assert other.covered == {"203.0.113.0/24"}
    assert mine.addresses == {"10.0.0.1"}
    assert other.addresses == {"10.0.0.2", "2001:db8::2"}
    fib.set((1, "198.51.100.7/32", "access"), (1, "2001:db8:7::/48", "access"))
    fib.set((1, "198.51.100.0/24", "access"))
    fib.set((1, "198.51.100.7/32", None), (2, "203.0.113.0/24", None))
    assert mine.covered == {"198.51.100.0/24", "2001:db8:7::/48"}
    assert other.covered == set()


def test_without_a_port_on_an_interface_nobody_looks_at_routes() -> None:
    fib = Fib()
    PortSteering(fib.observe).configure(CONFIG, [port("u", "a", None)])
    assert fib.observers == []


def test_a_port_that_a_reload_brings_hears_of_all_routes_there_are() -> None:
    fib, first, later = Fib(), Steering(), Steering()
    steered = PortSteering(fib.observe)
    one = port("p", "a", first)
    steered.configure(CONFIG, [one])
    fib.set((1, "198.51.100.0/24", "dial-out"))
    steered.configure(CONFIG, [one, port("q", "a", later)])
    assert later.covered == {"198.51.100.0/24"}
    steered.configure(CONFIG, [one])
    fib.set((1, "192.0.2.0/24", "access"))
    assert later.covered == {"198.51.100.0/24"}
    assert first.covered == {"198.51.100.0/24", "192.0.2.0/24"}


def test_prefixes_without_room_are_counted_and_forgotten_without_a_word() -> None:
    fib, full = Fib(), Steering(room=1)
    steered = PortSteering(fib.observe)
    steered.configure(CONFIG, [port("p", "a", full)])
    fib.set((1, "198.51.100.0/24", "dial-out"))
    fib.set((1, "192.0.2.0/24", "access"), (1, "192.0.2.1/32", "access"))
    assert steered.refused == 2
    fib.set((1, "192.0.2.0/24", None), (1, "198.51.100.0/24", None))
    assert full.covered == set()


def urls(*ports: Port) -> list[str]:
    config = Config(virtual_router=CONFIG.virtual_router, port=ports)
    return [found.url for found in tunnel_ports(config)]


def test_beside_ports_on_interfaces_each_address_has_a_socket_for_control_messages() -> None:
    sockets = ["udp:10.0.0.1", "udp:10.0.0.2", "udp:2001:db8::2"]
    eth = Port("eth", "xdp:eth1", "tunnel", "a")
    assert urls() == sockets
    assert urls(eth) == ["xdp:eth1", "udp:10.0.0.1"]
    other, own = Port("x", "packet:x", "tunnel", "b"), Port("o", "udp:10.0.0.2:0", "tunnel", "b")
    assert urls(eth, other, own) == [
        "xdp:eth1", "packet:x", "udp:10.0.0.2:0", "udp:10.0.0.1", "udp:2001:db8::2",
    ]  # fmt: skip
    assert urls(own) == ["udp:10.0.0.2:0"]
    assert urls(Port("m", "mem:", "tunnel", "a")) == ["mem:"]
