"""The small LNS of sim_lns.py on a real UDP socket, for tests of simulators in real time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

from sim_lns import GOOD_CPE, GOOD_PPP, SECRET, Lns, Session

from control import config as settings
from control.ppp.config import LinkConfig
from control.sim.real_time import RealTime, UdpSocket
from control.sim.serve import Simulators

_addresses = random.SystemRandom()


def loopback() -> str:
    """An address of this machine that nobody else uses: UDP port 1701 is one for all."""
    one, two, three = (_addresses.randrange(1, 255) for _ in range(3))
    return f"127.{one}.{two}.{three}"


def fast_lac(**changes: object) -> settings.SimLac:
    """A LAC that answers at once."""
    lac = settings.SimLac(loopback(), secret=SECRET, dial_delay=0.0, delay=0.0)
    return replace(lac, **changes)


FAST_CPE = replace(GOOD_CPE, delay=0.0)


class SocketLns(Lns):
    """An LNS of the running loop that calls one LAC."""

    def __init__(
        self,
        peer: tuple[str, int],
        ppp_config: LinkConfig = GOOD_PPP,
        *,
        time: RealTime | None = None,
        site_secret: bytes = b"site secret",
    ) -> None:
        self.time = time or RealTime(asyncio.get_running_loop())
        self.address = loopback()
        self.socket = UdpSocket(self.time, self.address, 0, self.receive_datagram)
        local = (self.address, self.socket.port)
        self._begin(self.time.clock, local, peer, ppp_config, 1, site_secret)

    def place(self, number: str = "5551000") -> Session:
        with self.time.input():
            return super().place(number)

    def send_datagram(self, peer: tuple[str, int], data: bytes) -> None:
        self.socket.send(data, peer)

    def close(self) -> None:
        self.time.stop()
        self.socket.close()


async def until(done: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for what other callbacks of the loop bring about; `seconds` only end a failed test."""
    async with asyncio.timeout(seconds):
        while not done():
            await asyncio.sleep(0.005)


def simulators(
    *lacs: settings.SimLac, cpe: settings.SimCpe = FAST_CPE, **more: object
) -> Simulators:
    return Simulators(settings.Sim(lac=lacs, cpe=(cpe,)), **more)
