"""A router of two Ethernet ports and one worker, without a control plane around it.

    python -m control.bench.live.ethernet_router JSON

runs in the LNS's namespace, says `ready`, and ends with its standard input. What comes in for the
site goes into an L2TP session, what comes in for the LAC is forwarded as it is.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

from control.bench.live.network import LAC, LNS, NOBODY, SITES
from control.config_router import Workers as Settings
from control.runtime.workers import Workers
from fastpath.engine import Engine
from fastpath.ports.packet import PacketPort
from fastpath.ports.port import Port
from fastpath.ports.xdp import XdpPort

PORTS: Final[dict[str, type[Port]]] = {"packet": PacketPort, "xdp": XdpPort}
NEIGHBOUR: Final = 1
"""The slot of the station behind."""


def route(told: dict[str, Any]) -> None:
    """Routes until the standard input ends."""
    engine = Engine()
    table = engine.add_table("bench")
    processors = (told["processor"],)
    workers = Workers(engine, Settings(cpus=processors, polling=told["polling"]))
    opened = [PORTS[told["scheme"]].open(name, name=name, queues=1) for name in told["interfaces"]]
    indexes = [engine.attach(sender, table) for sender, _ in opened]
    for index, (_, parts) in zip(indexes, opened, strict=True):
        workers.attach(index, parts)
    inside, outside = (sender for sender, _ in opened)
    outside.set_neighbour(NEIGHBOUR, bytes.fromhex(NOBODY.replace(":", "")))
    with engine.transaction() as t:
        plain = t.add_adjacency("ip", port=indexes[1], neighbour=NEIGHBOUR)
        session = t.add_session(
            table=table, local=(LNS, 1701), peer=(LAC, 1701), tunnel=1, session=2, peer_tunnel=3,
            peer_session=4, port=indexes[1], neighbour=NEIGHBOUR,
        )  # fmt: skip
        t.add_route(table, f"{LAC}/32", plain)
        t.add_route(table, SITES, session)
    inside.steering.cover_all((f"{LAC}/32", SITES))
    workers.start()
    try:
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        workers.close()
        for sender, parts in opened:
            for part in (sender, *parts):
                part.close()


def main() -> None:
    told = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {told["processor"]})
    route(told)


if __name__ == "__main__":
    main()
