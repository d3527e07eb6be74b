"""The LAC of a live benchmark: it answers calls or brings one, and sends into it what it is told.

    python -m control.bench.live.far_side JSON

Runs in the LAC's namespace. It says `ready`, then `up` once a call's IPCP is open; each line that
comes in is a JSON object, what to send, and is answered by how many datagrams were sent; or it asks
for packets of so many flows, and gets them. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from typing import Any, Final

from control.bench.live.blast import FLOWS, IP_UDP, Blaster, inet, packet_socket, station
from control.bench.live.network import LNS_STATION, TOWARD_LNS
from control.config import SimCpe, SimLac
from control.config_sim import Sim
from control.sim.data_header import DataHeader, encode
from control.sim.host import udp_packet
from control.sim.lac_call import LacCall
from control.sim.serve import Simulators

IP: Final = b"\xff\x03\x00\x21"
AGAIN: Final = 5.0
"""Seconds after which a call that did not come up is brought again."""


def simulated(told: dict[str, Any]) -> Sim:
    lac = SimLac(
        address=told["lac"],
        host_name="lac",
        secret=told["secret"].encode(),
        dial_delay=0.0,
        delay=0.0,
    )
    site = SimCpe(
        number="*",
        username="site",
        password=b"site-secret",
        authentication=(),
        address=told["site"],
        delay=0.0,
        echo=False,
    )
    return Sim(lac=(lac,), cpe=(site,))


async def _serve(told: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    simulators = Simulators(simulated(told), ("lac",))
    server = simulators.lacs[0]
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    counters = simulators.sites[0].counters
    asked = 0.0
    while not counters.opened:
        if told["brings"] and loop.time() > asked:
            asked = loop.time() + AGAIN
            with simulators.time.input():
                server.lac.bring_call((told["lns"], 1701), "5551234")
        await asyncio.sleep(0.05)
    print("up", flush=True)
    while line := await reader.readline():
        call = server.lac.connected[0]
        print(answer(call, server.descriptor, json.loads(line)), flush=True)
    simulators.stop()
    await asyncio.sleep(0.2)
    simulators.close()


def inside(call: LacCall, told: dict[str, Any], flows: int) -> list[bytes]:
    """Packets of the site to the core, one of each flow, as messages of the call."""
    link = call.link
    assert link is not None
    header = DataHeader(link.peer_tunnel, link.peer_session, None, has_length=True)
    body = bytes(told["octets"] - IP_UDP)
    # As the kernel makes the datagrams of a socket, on the other way: with Don't Fragment.
    packets = (
        udp_packet(told["site"], 1000 + n, told["core"], 9, body, dont_fragment=True)
        for n in range(flows)
    )
    return [encode(header, IP + packet) for packet in packets]


def outside(call: LacCall, descriptor: int, told: dict[str, Any], flows: int) -> list[bytes]:
    """The same as packets of the LAC."""
    link = call.link
    assert link is not None
    with socket.socket(fileno=os.dup(descriptor)) as ours:
        here = told["lac"], ours.getsockname()[1]
    messages = inside(call, told, flows)
    return [udp_packet(*here, *link.peer, octets, dont_fragment=True) for octets in messages]


def blast(call: LacCall, descriptor: int, told: dict[str, Any]) -> int:
    """Sends packets of the site to the core, inside its call. How many."""
    link = call.link
    assert link is not None
    if told["train"] > 1:
        payloads, to = inside(call, told, 1), inet(link.peer)
        return Blaster(descriptor, payloads, to, train=told["train"]).run(told["seconds"])
    with packet_socket() as sender:
        packets, to = outside(call, descriptor, told, FLOWS), station(TOWARD_LNS, LNS_STATION)
        return Blaster(sender.fileno(), packets, to).run(told["seconds"])


def answer(call: LacCall, descriptor: int, told: dict[str, Any]) -> str:
    """Packets in hexadecimal if some of `flows` are asked for, else how many were sent."""
    if "flows" in told:
        return json.dumps([p.hex() for p in outside(call, descriptor, told, told["flows"])])
    return str(blast(call, descriptor, told))


def main() -> None:
    told = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {told["processor"]})
    asyncio.run(_serve(told))


if __name__ == "__main__":
    main()
