"""A router that is killed, started twice, started without rights, or told to reload often."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from fault_net import TARGET, network, no_capability, until

pytestmark = pytest.mark.interop

RELOADS = 1000 if "DIALOUT_LONG" in os.environ else 20


def test_router_that_is_killed_leaves_routes_that_the_next_one_takes_in_hand(
    tmp_path: Path,
) -> None:
    """A persistent TUN device keeps the routes; those of calls that are gone are taken away."""
    with network(tmp_path, hello=1) as net:
        net.lac(), net.radius()
        net.lns.run("ip", "tuntap", "add", "dial0", "mode", "tun", "multi_queue", "vnet_hdr")
        router, home = net.router(), net.home()
        home.dial()
        home.exchange(64)
        before = net.calls_today()
        router.end(signal.SIGKILL)
        # One that only the dead router would want.
        net.lns.run("ip", "route", "add", "203.0.113.0/24", "dev", "dial0", "proto", "171")
        again = net.router()
        until(lambda: set(net.routes()) == {TARGET}, again.said)
        assert net.routes()[TARGET]["metric"] == 252
        # The state directory's lock went with the process, and what it counted did not.
        assert net.calls_today() == before == 1
        home.missing.clear()
        home.reach()
        home.exchange(64)
        assert net.calls_today() == 2
        # The LAC hears from nobody whether the old tunnel lives: HELLO ends it there.
        assert again.end() == 0
        assert net.routes() == {}


def test_router_that_is_killed_and_not_started_again_leaves_nothing_in_the_kernel(
    tmp_path: Path,
) -> None:
    with network(tmp_path) as net:
        net.lac(), net.radius()
        router, home = net.router(), net.home()
        home.dial()
        router.end(signal.SIGKILL)
        until(lambda: not net.routes())
        assert "dial0" not in net.lns.run("ip", "link")


def test_second_router_by_mistake_is_refused_whatever_it_shares(tmp_path: Path) -> None:
    with network(tmp_path, workers=2) as net:
        net.lac(), net.radius()
        router, home = net.router(), net.home()
        home.dial()
        said = net.refused(*net.command())
        assert "another dialout answers here" in said
        assert str(router.pid) in said
        config = ("run", "--config", str(tmp_path / "router.toml"))
        other = ("--socket", str(tmp_path / "other.sock"))
        said = net.refused(*config, *other, "--state", str(tmp_path / "router.state"))
        assert "another dialout uses this state directory" in said
        assert str(router.pid) in said
        said = net.refused(*config, *other)
        assert "port home: tun:dial0: dial0 is in use by another program" in said
        net.configure(home="tun:dial1")
        said = net.refused(*config, *other)
        assert "port tunnel 10.88.0.1: udp:10.88.0.1: Address already in use" in said
        # None of them has hurt the first.
        assert "dial1" not in net.lns.run("ip", "link")
        home.exchange(64)
        assert set(net.routes()) == {TARGET, "198.51.100.1"}
        assert router.said().count("answered:") == 1


@pytest.mark.parametrize(
    ("home", "lacking", "told"),
    [
        ("tun:dial0", ["net_admin"], "tun:dial0 needs CAP_NET_ADMIN, which"),
        ("packet:homeward", ["net_raw"], "packet:homeward needs CAP_NET_RAW, which"),
        ("packet:homeward", ["net_admin", "net_raw", "bpf"],
         "packet:homeward needs CAP_NET_ADMIN and CAP_NET_RAW and CAP_BPF, which"),
    ],
)  # fmt: skip
def test_capability_that_is_missing_is_named_with_the_port(
    tmp_path: Path, home: str, lacking: list[str], told: str
) -> None:
    with network(tmp_path, home=home) as net:
        said = net.refused(*net.command(), before=no_capability(*lacking))
        assert f"port home: {told}" in said


def test_kernel_routes_without_the_capability_for_them_are_told_in_clear_words(
    tmp_path: Path,
) -> None:
    with network(tmp_path, home="mem:") as net:
        said = net.refused(*net.command(), before=no_capability("net_admin"))
        assert "kernel_table" in said
        assert "CAP_NET_ADMIN" in said


def test_rights_that_were_given_up_do_not_come_back(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        net.lac(), net.radius()
        router, home = net.router(), net.home()
        home.dial()
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{router.pid}/status").read_text().splitlines()
        )
        assert status["NoNewPrivs"] == "1"
        for words in Path(f"/proc/{router.pid}/task").iterdir():
            thread = (words / "status").read_text()
            for kind in ("CapPrm", "CapEff"):
                (bits,) = (
                    int(line.split()[1], 16)
                    for line in thread.splitlines()
                    if line.startswith(kind)
                )
                assert bits == 1 << 12 | 1 << 13
        # The routes, the device and the socket are still its own to change.
        net.lns.run("ip", "link", "delete", "dial0")
        until(lambda: len(net.routes()) == 2, router.said)
        home.reach()
        assert router.end() == 0
        assert net.routes() == {}


@pytest.mark.parametrize("jump", [3600, -3600])
def test_wall_clock_that_jumps_ends_no_call(tmp_path: Path, jump: int) -> None:
    """The wall clock of this process alone: it says another hour from a signal on."""
    warp = (
        "import signal, time; "
        "real = time.time; leap = [0]; "
        "time.time = lambda: real() + leap[0]; "
        f"signal.signal(signal.SIGALRM, lambda *_: leap.__setitem__(0, {jump}))"
    )
    with network(tmp_path, hello=1) as net:
        net.lac(), net.radius()
        router, home = net.router(patch=warp), net.home()
        home.dial()
        before = net.calls_today()
        router.tell(signal.SIGALRM)
        home.exchange(128)
        assert net.calls_today() == before
        until(lambda: net.ask("show counters")["l2tp"]["hello_sent"] > 1)
        assert net.sessions() == ["inService"]
        net.drop_sessions()
        home.reach()
        assert router.said().count("answered:") == 2
        hours = {line[11:13] for line in router.said().splitlines() if line[4:5] == "-"}
        assert len(hours) >= 2, "the log tells the time of the wall"
        assert router.end() == 0


def test_reloads_under_traffic_lose_no_session_and_no_packet(tmp_path: Path) -> None:
    """SIGHUP again and again, with targets, limits and networks that change."""
    with network(tmp_path) as net:
        net.lac(), net.radius()
        router, home = net.router(), net.home()
        home.dial()
        begun = time.monotonic()
        for number in range(RELOADS):
            extra = EXTRA.format(number=number % 250)
            net.configure(more=extra, chassis=f"max_pending = {number + 1}")
            home.send(16)
            router.tell(signal.SIGHUP)
            home.send(16)
            until(
                lambda n=number: net.ask("show chassis")["max_pending"] == n + 1,
                router.said,
            )
            home.send(16)
            if number % 2:
                home.all_back()
        home.all_back()
        assert home.sent == 1 + 48 * RELOADS
        assert net.sessions() == ["inService"]
        assert router.said().count("answered:") == 1
        assert "not reloaded" not in router.said()
        seconds = time.monotonic() - begun
        print(f"{RELOADS} reloads in {seconds:.1f} s, {home.sent} packets, none lost")


EXTRA = """
[[target]]
prefix = "203.0.{number}.0/24"
virtual_router = "default"
domain = "dialout.example"
profile = "modem"
"""
