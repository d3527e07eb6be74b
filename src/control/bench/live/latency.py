"""How long single packets take through the LNS: one process sends them on one side, at a steady
rate, and takes them on the other, with one clock.

    python -m control.bench.live.latency < JSON

prints their latencies at 50 % and 99 % in microseconds, and how many arrived, as a JSON list. It
asks its sockets again and again, so that nobody has to wake it. A packet is told by the source port
of the UDP datagram that it is, or that is inside, so at most as many as `packets` are on the way
at one time.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from control.bench.live.alone import alone
from control.bench.live.network import LNS_STATION, TOWARD_LNS
from control.bench.namespace import CLONE_NEWNET

PORTS: Final = range(1000, 2000)
"""Source ports."""
_IPV4: Final = 0x0800
_SOURCE_PORT: Final = 20
"""Offset of it in an IPv4 packet."""
_LATE: Final = 1_000_000
"""Nanoseconds that the sender may be late by and still send what it missed."""
_GRACE: Final = 50_000_000
"""Nanoseconds for what is still on the way."""
_LONGEST: Final = 65_536


def inside(namespace: str) -> socket.socket:
    """A packet socket at the device toward the LNS in a namespace that has a name."""
    library = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home:
        with open(f"/run/netns/{namespace}", "rb") as there:
            if library.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), namespace)
        try:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            made.bind((TOWARD_LNS, _IPV4))
        finally:
            library.setns(home.fileno(), CLONE_NEWNET)
    made.setblocking(False)
    return made


def measure(
    sender: socket.socket,
    receiver: socket.socket,
    frames: Sequence[bytes],
    octets: int,
    rate: float,
    seconds: float,
) -> list[int]:
    """Latencies in nanoseconds of the frames, sent by turns; `octets`: of an inner packet, which
    ends each frame that arrives."""
    where = slice(_SOURCE_PORT - octets, _SOURCE_PORT - octets + 2)
    gap = int(1e9 / rate)
    sent_at = [0] * len(frames)
    found: list[int] = []
    at, clock = 0, time.perf_counter_ns
    due = clock()
    end = due + int(seconds * 1e9)
    while (now := clock()) < end + _GRACE:
        if due <= now < end:
            due = due + gap if now - due < _LATE else now + gap
            sent_at[at] = now
            sender.send(frames[at])
            at = (at + 1) % len(frames)
        try:
            frame = receiver.recv(_LONGEST)
        except BlockingIOError:
            continue
        number = int.from_bytes(frame[where], "big") - PORTS.start
        if 0 <= number < len(frames) and sent_at[number]:
            found.append(clock() - sent_at[number])
            sent_at[number] = 0
    return found


def quantile(values: Sequence[int], part: float) -> float:
    """Of nanoseconds, in microseconds."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)] / 1000


def measured(told: dict[str, Any]) -> list[float]:
    with inside(told["from"]) as sender, inside(told["to"]) as receiver, alone():
        station = bytes.fromhex(LNS_STATION.replace(":", ""))
        head = station + sender.getsockname()[4] + _IPV4.to_bytes(2, "big")
        frames = [head + bytes.fromhex(packet) for packet in told["packets"]]
        how = told["octets"], told["rate"], told["seconds"]
        found = measure(sender, receiver, frames, *how) or [0]
    return [quantile(found, 0.5), quantile(found, 0.99), len(found)]


def main() -> None:
    told = json.load(sys.stdin)
    os.sched_setaffinity(0, {told["processor"]})
    print(json.dumps(measured(told)))


if __name__ == "__main__":
    main()
