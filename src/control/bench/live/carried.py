"""What an LNS carries: packets a second both ways, and processor time for each, beside l2tpns.

The senders, the counters and the network are the same for both. Packets come in trains (64 of one
flow at once, as offloads make them of a TCP connection or of a busy LAC) or one by one, of 64
flows.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from control.bench.context import Context
from control.bench.live.alone import alone
from control.bench.live.blast import IP_UDP, train_of
from control.bench.live.candidates import Candidate, Dialout, FarSide, L2tpns
from control.bench.live.delays import delays
from control.bench.live.network import CORE, SITE, Network, network, run
from control.bench.rows import Row, row

SIZES: Final = (50, 1400)
"""Octets of an inner packet."""
ETHERNET: Final = 14
OUTER: Final = 20 + 8 + 8 + 4
"""Octets that encapsulation puts before a packet."""
WAYS: Final = ("up", "down")
"""From the site to the core, and back."""


@dataclass(slots=True)
class Carried:
    """Of one LNS, one way, one size, trains or not: a value for each repetition."""

    rate: list[float] = field(default_factory=list)
    """Million packets a second that arrived."""
    cost: list[float] = field(default_factory=list)
    """Seconds of processor time for a million packets."""
    lost: list[float] = field(default_factory=list)
    """Percent of what was sent."""


Case = tuple[str, int, bool]
"""Way, octets, in trains."""


@dataclass(frozen=True, slots=True)
class Running:
    candidate: Candidate
    net: Network
    far: FarSide


def io(context: Context) -> Iterator[Row]:
    """Raises ResourceError without root, or if something does not start."""
    with ExitStack() as stack:
        ours = stack.enter_context(_running(context, "dialout", Dialout()))
        lnss = [ours]
        if shutil.which("l2tpns") is not None:
            lnss.append(stack.enter_context(_running(context, "l2tpns", L2tpns())))
        found = _measure(context, lnss)
        yield from _carried(found)
        rate = {way: statistics.median(found[0][way, SIZES[0], False].rate) for way in WAYS}
        with alone(ours.candidate.forwarding()):
            yield from delays(context, ours.net, ours.far, rate)


def _carried(found: list[dict[Case, Carried]]) -> Iterator[Row]:
    for case, mine in found[0].items():
        way, octets, trains = case
        name = f"io {way}, {octets} octets, {'trains' if trains else 'singly'}"
        other = found[1][case] if len(found) > 1 else None
        peer = "l2tpns" if other is not None else None
        yield row(name, "Mpps", mine.rate, peer, other.rate if other is not None else None)
        yield row(f"{name}, CPU for a million", "s", mine.cost, peer,
                  other.cost if other is not None else None)  # fmt: skip
        yield row(f"{name}, lost", "%", mine.lost)


@contextmanager
def _running(context: Context, name: str, candidate: Candidate) -> Iterator[Running]:
    """An LNS with a call, in a network of its own."""
    os.sched_setaffinity(0, set(context.processors))
    with tempfile.TemporaryDirectory(prefix="dialout-bench-") as folder, network(name) as net:
        far: FarSide | None = None
        try:
            far = FarSide(net, _sender(context), brings=candidate.brings)
            candidate.start(net, Path(folder))
            far.wait()
            yield Running(candidate, net, far)
        finally:
            candidate.stop()
            if far is not None:
                far.close()


def _sender(context: Context) -> int:
    """The processor of all that sends and counts: the LNSs have the last one."""
    return min(context.processors)


def _measure(context: Context, lnss: list[Running]) -> list[dict[Case, Carried]]:
    """Both carry the same, by turns."""
    cases = [(way, octets, trains) for octets in SIZES for way in WAYS for trains in (True, False)]
    found = [{case: Carried() for case in cases} for _ in lnss]
    for _ in range(context.sizes.live_runs):
        for case in cases:
            for lns, carried in zip(lnss, found, strict=True):
                seconds, sender = context.sizes.live_seconds, _sender(context)
                _one(lns.net, lns.candidate, lns.far, case, seconds, sender, carried[case])
    return found


def _one(
    net: Network,
    candidate: Candidate,
    far: FarSide,
    case: Case,
    seconds: float,
    processor: int,
    carried: Carried,
) -> None:
    way, octets, trains = case
    train = train_of(octets + OUTER) if trains else 1
    send: Callable[[], int]
    if way == "up":
        behind, payload = "core", octets - IP_UDP
        send = partial(far.send, octets, train, seconds)
    else:
        behind, payload = "lac", octets + OUTER - IP_UDP
        send = partial(_from_core, net, octets, train, seconds, processor)
    with net.dropped_at(behind), alone(candidate.forwarding()):
        packets, size = net.arrived(behind)
        used = candidate.used()
        sent = send()
        later, more = net.arrived(behind)
        used = candidate.used() - used
        net.drained(behind)
    arrived = _datagrams(later - packets, more - size, payload)
    carried.rate.append(arrived / seconds / 1e6)
    carried.cost.append(used / max(arrived, 1.0) * 1e6)
    carried.lost.append(100.0 * max(0.0, 1.0 - arrived / max(sent, 1)))


def _datagrams(packets: int, octets: int, payload: int) -> float:
    """How many datagrams of `payload` octets so many superpackets are."""
    return (octets - packets * (ETHERNET + IP_UDP)) / payload


def _from_core(net: Network, octets: int, train: int, seconds: float, processor: int) -> int:
    told = {
        "from": CORE,
        "to": SITE,
        "octets": octets,
        "train": train,
        "seconds": seconds,
        "processor": processor,
    }
    python = net.inside("core", sys.executable, "-m", "control.bench.live.blast")
    return int(run(*python, json.dumps(told)))
