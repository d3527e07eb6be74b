"""Faults of interfaces, addresses and the kernel's routes, beside a router that goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_net import LAC, TARGET, Home, Net, Program, network, until

TINY = (
    "from control.runtime.netlink_socket import NetlinkSocket as n; "
    "n.__init__.__defaults__ = ((), 4096)"
)
"""Octets that the kernel keeps of notices and answers, instead of 64 MiB."""

pytestmark = pytest.mark.interop


Living = tuple[Net, Program, Home]


@pytest.fixture(scope="module")
def network_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with network(tmp_path_factory.mktemp("faults")) as net:
        net.lac(), net.radius()
        router, home = net.router(), net.home()
        home.dial()
        yield net, router, home
        assert router.end() == 0
        assert net.routes() == {}


@pytest.fixture
def living(network_of_all: Living) -> Iterator[Living]:
    """A router with a call, and after each fault it is the same call."""
    net, router, home = network_of_all
    home.missing.clear()
    home.exchange(64)
    yield network_of_all
    home.exchange(64)
    assert net.sessions() == ["inService"]
    assert router.said().count("answered:") == 1


def test_tunnel_interface_goes_down_and_up_and_the_call_is_still_there(living: Living) -> None:
    net, _router, home = living
    net.lns.run("ip", "link", "set", "tunnelward", "down")
    home.send(10)
    assert len(home.hear()) == 10
    net.lns.run("ip", "link", "set", "tunnelward", "up")
    home.reach()
    home.exchange(64)


def test_home_interface_goes_down_and_up_and_the_call_is_still_there(living: Living) -> None:
    net, _router, home = living
    net.lns.run("ip", "link", "set", "homeward", "down")
    net.lns.run("ip", "link", "set", "homeward", "up")
    home.reach()
    home.exchange(64)


def test_tun_goes_down_and_its_routes_come_back_with_it(living: Living) -> None:
    net, router, home = living
    net.lns.run("ip", "link", "set", "dial0", "down")
    router.says("dial0: the interface is down")
    until(lambda: not net.routes())
    net.lns.run("ip", "link", "set", "dial0", "up")
    router.says("dial0: the interface is up")
    home.reach()
    home.exchange(64)


def test_tun_that_is_deleted_is_made_again_with_its_routes(living: Living) -> None:
    net, router, home = living
    for times in (1, 2):
        net.lns.run("ip", "link", "delete", "dial0")
        router.says("dial0: the interface is gone", times)
        until(lambda: len(net.routes()) == 2, router.said)
        home.reach()
        home.exchange(64)


def test_mtu_of_the_tun_changes_under_traffic(living: Living) -> None:
    net, router, home = living
    for mtu in (1280, 9000, 1500):
        net.lns.run("ip", "link", "set", "dial0", "mtu", str(mtu))
        router.says(f"-> {mtu}")
        home.exchange(64, octets=1200)


def test_mtu_of_the_tunnels_path_shrinks_and_grows(living: Living) -> None:
    """What fits goes on; what does not is refused and counted, and passes again afterwards."""
    net, _router, home = living
    home.exchange(64, octets=1400)
    net.lns.run("ip", "link", "set", "tunnelward", "mtu", "1300")
    home.exchange(64, octets=1100)
    home.send(10, octets=1400)
    assert len(home.hear()) == 10
    assert net.backend("tunnel 10.88.0.1")["too_big"] >= 10
    net.lns.run("ip", "link", "set", "tunnelward", "mtu", "1500")
    home.missing.clear()
    home.exchange(64, octets=1400)


def test_address_of_the_tunnels_is_taken_away_and_given_back(living: Living) -> None:
    net, _router, home = living
    net.lns.run("ip", "addr", "del", "10.88.0.1/24", "dev", "tunnelward")
    home.send(10)
    assert len(home.hear()) == 10
    net.lns.run("ip", "addr", "add", "10.88.0.1/24", "dev", "tunnelward")
    home.reach()
    home.exchange(64)


def test_route_to_the_lac_vanishes_and_comes_back(living: Living) -> None:
    net, _router, home = living
    net.lns.run("ip", "route", "add", "unreachable", LAC)
    home.send(10)
    assert len(home.hear()) == 10
    net.lns.run("ip", "route", "delete", "unreachable", LAC)
    home.reach()
    home.exchange(64)


def test_routes_of_others_are_left_alone_and_told(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        net.lac(), net.radius()
        foreign = "198.51.100.1", "dev", "homeward", "metric", "2", "proto", "static"
        net.lns.run("ip", "route", "add", *foreign)
        router, home = net.router(), net.home()
        home.dial()
        router.says("198.51.100.1/32")
        assert TARGET in net.routes()
        assert "198.51.100.1" not in net.routes()
        assert router.end() == 0
        assert net.routes() == {}
        (kept,) = net.lns.ip("route", "show", "198.51.100.1")
        assert kept["protocol"] == "static"


def test_lost_notices_and_answers_are_made_up_for(tmp_path: Path) -> None:
    """The router stands still while the kernel has more to tell than its buffers hold."""
    with network(tmp_path) as net:
        net.lac(), net.radius()
        router, home = net.router(patch=TINY), net.home()
        home.dial()
        router.tell(signal.SIGSTOP)
        batch = [f"route {what} 10.{n >> 8}.{n & 255}.0/24 dev homeward"
                 for what in ("add", "delete") for n in range(0x6400, 0x6400 + 2000)]  # fmt: skip
        batch += ["route flush proto 171", "route add 203.0.113.0/24 via 192.0.2.10"]
        net.write("batch", "\n".join(batch) + "\n")
        net.lns.run("ip", "-batch", str(tmp_path / "batch"))
        assert net.routes() == {}
        router.tell(signal.SIGCONT)
        until(lambda: len(net.routes()) == 2, router.said)
        until(lambda: net.ask("explain", destination="203.0.113.1")["verdict"] == "deliver")
        home.exchange(64)
        assert net.sessions() == ["inService"]
        assert router.said().count("answered:") == 1
