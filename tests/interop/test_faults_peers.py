"""LAC and RADIUS that die, fall silent, forget everything, and come back."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from fault_net import network, until

QUICK = (
    "from control.l2tp.config import EndpointConfig as c; names = list(c.__dataclass_fields__); "
    "d = list(c.__init__.__defaults__); d[names.index('rto_initial') - len(names)] = 0.05; "
    "c.__init__.__defaults__ = tuple(d)"
)
"""The first retransmission of a control message after 50 ms, instead of a second."""

pytestmark = pytest.mark.interop


def test_lac_that_is_killed_is_noticed_and_called_again_once_it_is_back(tmp_path: Path) -> None:
    """Reboot with lost state: it knows nothing of the tunnel."""
    with network(tmp_path, hello=1) as net:
        lac, _ = net.lac(), net.radius()
        router, home = net.router(patch=QUICK), net.home()
        home.dial()
        lac.end(signal.SIGKILL)
        net.lac()
        # Data to a tunnel that it does not know is dropped there; HELLO tells that it is gone.
        until(lambda: net.sessions() != ["inService"], router.said)
        until(lambda: len(net.routes()) == 1)
        net.drop_sessions()
        home.reach()
        assert net.sessions() == ["inService"]
        assert router.said().count("answered:") == 2


def test_lac_that_is_silent_for_a_while_keeps_its_calls(tmp_path: Path) -> None:
    with network(tmp_path, hello=1) as net:
        lac, _ = net.lac(), net.radius()
        router, home = net.router(), net.home()
        home.dial()
        lac.tell(signal.SIGSTOP)
        until(lambda: net.ask("show counters")["l2tp"]["retransmitted"] > 1, router.said)
        lac.tell(signal.SIGCONT)
        home.reach()
        home.exchange(64)
        assert router.said().count("answered:") == 1


def test_radius_that_is_killed_and_silent_is_asked_again_once_it_is_back(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        net.lac()
        radius = net.radius()
        router, home = net.router(), net.home()
        radius.end(signal.SIGKILL)
        home.send()
        router.says("INHIBITED")
        assert "answered:" not in router.said()
        radius = net.radius()
        net.drop_sessions()
        home.reach()
        radius.tell(signal.SIGSTOP)
        # Calls that are up need no RADIUS.
        home.exchange(64)
        net.drop_sessions()
        home.send()
        router.says("AUTHENTICATING -> ", 3)
        radius.tell(signal.SIGCONT)
        net.drop_sessions()
        home.reach()
        assert net.sessions() == ["inService"]


def test_lac_and_radius_that_nobody_has_ever_seen_do_no_harm(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        router, home = net.router(), net.home()
        home.send(20)
        router.says("INHIBITED")
        net.lac(), net.radius()
        net.drop_sessions()
        home.reach()
        assert router.end() == 0
