"""The `udp:` port over loopback sockets: with trains beside one by one, in one process, in turns.

    python benchmarks/udp_path.py [--seconds 1] [--runs 5] [--sizes 50 1400] [--json]

`port`: a thread that sends, a thread that receives. `encap`: packets of a home site through the
engine into a session, to a socket that receives them. `decap`: the other way, from a socket that
sends. One thread sends, one receives, each on its processor where there are two; what is counted is
what arrived. CPU is that of the thread with the engine (of `port`: the one that receives, and that
of the sender beside it), in seconds for a million packets. A ratio above 1 means that trains are
better. `plain` is the same port without trains: sendmmsg and recvmmsg of single datagrams.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

from control.sim import data_header, host
from control.sim.data_header import DataHeader
from fastpath import Engine, MemPort, UdpPort
from fastpath.player import Player

US, LAC = "127.0.0.1", "127.0.0.2"
BURST = 256
PPP_IP = b"\xff\x03\x00\x21"
FOREVER = 1 << 62


def inner(size: int, source: str, destination: str) -> bytes:
    """An IP packet of so many octets in all."""
    return host.udp_packet(source, 4000, destination, 5000, bytes(size - 28))


def looped(packets: list[bytes]) -> MemPort:
    port = MemPort(link="ipv4", loop=FOREVER)
    port.push_many(packets)
    return port


class Load:
    """Threads that run until the time is over, and the CPU time that each took."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.cpu: dict[str, float] = {}
        self.threads: list[threading.Thread] = []

    def run(self, name: str, step: Callable[[], Any], processor: int) -> None:
        def body() -> None:
            if (os.cpu_count() or 1) > 1:
                os.sched_setaffinity(0, {processor})
            while time.monotonic() < self.end:
                step()
            self.cpu[name] = time.thread_time()

        self.threads.append(threading.Thread(target=body))

    def wait(self) -> None:
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()


def drained(port: UdpPort) -> Callable[[], None]:
    def step() -> None:
        if not port.drain():
            select.select([port], [], [], 0.01)

    return step


def sent_by(player: Player, source: MemPort) -> Callable[[], None]:
    player.begin()
    return lambda: player.step(source)


def port_to_port(size: int, trains: bool, seconds: float) -> dict[str, float]:
    sender, receiver = (UdpPort(at, 0, trains=trains) for at in (US, LAC))
    packet = host.udp_packet(*sender.address, *receiver.address, bytes(size + 12))
    load = Load(seconds)
    load.run("send", sent_by(Player(sender), looped([packet] * BURST)), 0)
    load.run("receive", drained(receiver), 1)
    load.wait()
    return result(load, "receive", receiver.counts()["rx_packets"], seconds, sender, receiver)


def router(port: UdpPort, lac: UdpPort, home: MemPort) -> tuple[Engine, int, int]:
    engine = Engine()
    table = engine.add_table("red")
    inside, outside = engine.attach(home, table), engine.attach(port, table)
    with engine.transaction() as t:
        session = t.add_session(
            table=table, port=outside, local=port.address, peer=lac.address, tunnel=1, session=2,
            peer_tunnel=3, peer_session=4, udp_checksum=False,
        )  # fmt: skip
        t.add_route(table, "198.51.100.0/24", session)
        t.add_route(table, "192.0.2.0/24", t.add_adjacency("ip", port=inside))
        t.add_route(table, f"{US}/32", t.add_adjacency("local", tunnel=True))
    return engine, inside, outside


def encap(size: int, trains: bool, seconds: float) -> dict[str, float]:
    port, lac = UdpPort(US, 0, trains=trains), UdpPort(LAC, 0, trains=trains)
    home = looped([inner(size, "192.0.2.1", "198.51.100.7")] * BURST)
    engine, inside, _ = router(port, lac, home)
    load = Load(seconds)
    load.run("engine", lambda: engine.run(inside, limit=1 << 14), 0)
    load.run("receive", drained(lac), 1)
    load.wait()
    return result(load, "engine", port.counts()["tx_packets"], seconds, port, lac)


def decap(size: int, trains: bool, seconds: float) -> dict[str, float]:
    port, lac = UdpPort(US, 0, trains=trains), UdpPort(LAC, 0, trains=trains)
    home = MemPort(discard_tx=True)
    engine, _, outside = router(port, lac, home)
    frame = PPP_IP + inner(size, "198.51.100.7", "192.0.2.1")
    message = data_header.encode(DataHeader(1, 2), frame)
    packet = host.udp_packet(*lac.address, *port.address, message)

    def step() -> None:
        if not engine.run(outside, limit=1 << 14):
            select.select([port], [], [], 0.01)

    load = Load(seconds)
    load.run("send", sent_by(Player(lac), looped([packet] * BURST)), 0)
    load.run("engine", step, 1)
    load.wait()
    return result(load, "engine", home.tx_packets, seconds, port, lac)


def result(
    load: Load, name: str, packets: int, seconds: float, *ports: UdpPort
) -> dict[str, float]:
    for port in ports:
        port.close()
    return {"mpps": packets / seconds / 1e6, "cpu": load.cpu[name] / max(packets, 1) * 1e6}


PATHS = {"port": port_to_port, "encap": encap, "decap": decap}


def measure(seconds: float, runs: int, sizes: list[int]) -> list[dict[str, Any]]:
    rows = []
    for name, path in PATHS.items():
        for size in sizes:
            pairs = [(path(size, True, seconds), path(size, False, seconds)) for _ in range(runs)]

            def middle(key: str, which: int, pairs: list = pairs) -> float:
                return statistics.median(pair[which][key] for pair in pairs)

            rows.append({
                "path": name, "octets": size,
                "mpps": middle("mpps", 0), "plain_mpps": middle("mpps", 1),
                "cpu_per_million": middle("cpu", 0), "plain_cpu_per_million": middle("cpu", 1),
                "ratio": statistics.median(a["mpps"] / b["mpps"] for a, b in pairs),
                "cpu_ratio": statistics.median(b["cpu"] / a["cpu"] for a, b in pairs),
            })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 1400])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments.seconds, arguments.runs, arguments.sizes)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'path':<8}{'octets':>7}{'Mpps':>9}{'plain':>9}{'ratio':>8}{'CPU s/M':>10}{'plain':>9}"
          f"{'ratio':>8}")  # fmt: skip
    for row in rows:
        print(
            f"{row['path']:<8}{row['octets']:>7}{row['mpps']:>9.3f}{row['plain_mpps']:>9.3f}"
            f"{row['ratio']:>7.1f}x{row['cpu_per_million']:>10.3f}"
            f"{row['plain_cpu_per_million']:>9.3f}{row['cpu_ratio']:>7.1f}x"
        )


if __name__ == "__main__":
    main()
