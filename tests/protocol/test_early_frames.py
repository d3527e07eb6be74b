"""A LAC with nothing to dial: its OCRP, OCCN and the first PPP frames come in one burst."""

from __future__ import annotations

import pytest

from control.bench.load_config import LoadRadius, load_config, site
from control.bench.world import World
from control.dialout.events import Event, SessionStateChanged
from control.dialout.session_table import SessionState
from control.sim.host import udp_packet

RESTART = 3.0
"""Seconds after which the site's PPP says again what was lost."""


class Bursts(World):
    """What the network has for the LNS at one time arrives before any of it is looked at."""

    _arrived: list[bytes]

    def _from_network(self, packet: bytes) -> None:
        if not getattr(self, "_arrived", None):
            self._arrived = []
            self.clock.call_at(self.clock.now, self._deliver)
        self._arrived.append(packet)

    def _deliver(self) -> None:
        packets, self._arrived = self._arrived, []
        for packet in packets:
            self._tunnel.push(packet, self._now_ns())
        while len(self._tunnel):
            self.engine.poll(self._tunnel_index)
        self.settle()


@pytest.mark.parametrize("kind", [World, Bursts])
def test_no_first_frame_is_lost(kind: type[World]) -> None:
    started: dict[str, float] = {}
    took: list[float] = []

    def on_event(fact: Event) -> None:
        if isinstance(fact, SessionStateChanged) and fact.new is SessionState.IN_SERVICE:
            took.append(fact.time - started[fact.destination])

    config = load_config(lacs=2, sessions=100)
    world = kind(config, 1, on_event=on_event, new_radius=LoadRadius)
    for number in range(10):
        started[site(number)] = world.clock.now
        world.send([udp_packet("192.0.2.1", 1024, site(number), 53, b"early")])
        world.run(0.5)
    world.run(2 * RESTART)
    assert len(took) == 10
    assert max(took) < RESTART / 2
