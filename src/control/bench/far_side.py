"""The other side of signalling benchmarks: LACs, sites and RADIUS in a process of their own, on
loopback sockets and on another processor than the LNS.

Run by signalling.py as `python -m control.bench.far_side`; its argument is JSON. It says `ready`
and the RADIUS port, lives until its standard input ends, and then says what it counted.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
from typing import Any, Final

from control.bench.load_config import LoadRadius, load_config
from control.sim.cpe import SimCpe
from control.sim.real_time import RealTime
from control.sim.serve import LacServer, UdpServer

START: Final = 60.0
"""Seconds it may take to begin."""


class FarSide:
    """The process, as its user sees it. A context manager."""

    def __init__(self, *, processor: int, lacs: int, half: str, radius: bool = True) -> None:
        options = {"processor": processor, "lacs": lacs, "half": half, "radius": radius}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "control.bench.far_side", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            # Ctrl-C is for the benchmark: this ends when its standard input does.
            process_group=0,
        )
        self.report: dict[str, Any] = {}

    def __enter__(self) -> FarSide:
        assert self._process.stdout is not None
        word, _, port = self._process.stdout.readline().partition(" ")
        if word != "ready":
            self._process.wait(START)
            raise OSError("the simulators did not start")
        self.radius_port = int(port)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            out, _ = self._process.communicate(timeout=START)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return
        if out:
            self.report = json.loads(out)


async def _serve(options: dict[str, Any]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    config = load_config(lacs=options["lacs"], sessions=1, half=options["half"], radius_port=0).sim
    time = RealTime(loop)
    site = SimCpe(config.cpe[0], time.clock, random.Random(1))
    servers: list[LacServer | UdpServer] = [LacServer(each, (site,), time) for each in config.lac]
    port = 0
    if options["radius"]:
        server = config.radius[0]
        radius = LoadRadius(server, random.Random(2))
        asked = UdpServer(radius, server.address, 0, time)
        port = asked.port
        servers.append(asked)
    over = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), over.set)
    gc.collect()
    gc.freeze()
    print(f"ready {port}", flush=True)
    await over.wait()
    for each in servers:
        each.close()
    used = os.times()
    return {
        "cpu": used.user + used.system,
        "opened": site.counters.opened,
        "calls": site.counters.calls,
    }


def main() -> None:
    options = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {options["processor"]})
    # Sessions live long: the collector would look at all of them again and again.
    gc.set_threshold(100_000, 50, 1000)
    print(json.dumps(asyncio.run(_serve(options))))


if __name__ == "__main__":
    main()
