"""examples/lac-emulator.toml does what its comments say."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from sim_lns import GOOD_PPP, Session
from socket_lns import SocketLns, loopback, until

from control.config_file import read_config
from control.l2tp import events as l2tp
from control.l2tp.events import CallClosed
from control.sim.serve import Simulators

EXAMPLE = Path(__file__).parents[2] / "examples" / "lac-emulator.toml"
SECRET = b"tunnel-secret"
PPP = replace(GOOD_PPP, username="lns", password=b"lns-secret")


class ExampleLns(SocketLns):
    """Knows the example's secrets."""

    def credentials_are_good(self, event: object) -> bool:
        return True

    def place(self, number: str = "1") -> Session:
        tunnel = l2tp.TunnelParameters(self.local, self.peer, "lns", secret=SECRET)
        with self.time.input():
            request = l2tp.OutgoingCall(number)
            call = self.endpoint.place_call(tunnel, request, self.clock.now)
            session = self.sessions[call] = Session(call)
            self.pump()
        return session


def test_the_emulator_goes_through_its_phases_and_measures_each() -> None:
    """A tenth as long as in the file."""

    async def story() -> None:
        config = read_config(EXAMPLE).sim
        names = ["good", "bad line", "all busy", "reboot", "gone", "good again"]
        assert [phase.name for phase in config.phase] == names
        lac = replace(config.lac[0], address=loopback(), dial_delay=0.0, delay=0.0, jitter=0.0)
        phases = tuple(replace(phase, duration=phase.duration / 10) for phase in config.phase)
        sims = Simulators(replace(config, lac=(lac,), phase=phases))
        over = asyncio.Event()
        told: list[str] = []
        sims.play(phases, told.append, over.set)
        lns = ExampleLns((lac.address, 1701), PPP)
        try:
            good, busy, rejected = lns.place("1"), lns.place("5551"), lns.place("999")
            await until(lambda: good.is_open)
            failure = busy.last(CallClosed).failure, rejected.last(CallClosed).failure
            assert [(f.result, f.error) for f in failure] == [(8, 0), (2, 4)]
            await until(lambda: told[-1].startswith("phase all busy"))
            late = lns.place("2")
            await until(lambda: "CallClosed" in late.kinds())
            assert late.last(CallClosed).failure.result == 8
            await until(lambda: told[-1].startswith("phase reboot"))
            assert sims.lacs[0].lac.calls == 0
            await asyncio.wait_for(over.wait(), 30)
            report = sims.report()
            assert [phase["name"] for phase in report["phases"]] == names
            assert report["phases"][0]["opened_per_second"]["count"] == 1
            assert sims.meter().ends["our CDN 8/0"] >= 2
        finally:
            lns.close()
            sims.close()

    asyncio.run(story())
