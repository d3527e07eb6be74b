"""tshark reads the captures that replays write: the demonstration's, and those of real traffic as a
home site's, with dial-out targets over its real destinations.

Everything we put around a packet must be without a remark, and a packet inside must get exactly the
remarks that it gets without us.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import captures
import pytest
import tshark
import written
from captures import Record
from home_site import Run, configuration, remote_prefixes, replay
from tshark import Remark
from written import Packet

from control.cli import main

SPREAD = 20_000_000
"""Nanoseconds between packets of a capture whose time stamps are all the same."""
NO_SEQUENCES = {"tcp.analyze_sequence_numbers": "FALSE"}
LINKS = ("eth", "vlan", "raw")
"""Layers of a frame that a router takes off."""


@dataclass
class Case:
    name: str
    home: Path
    run: Run
    records: list[Record]
    odd: set[int]
    """Indexes of those that tshark gives up on, whole IPv4 packets only."""
    packets: list[Packet]


TARGETS = 40
ICMP = 1
REAL = {
    "tcpreplay": ("gen-tcpreplay-test.pcap", 32, {}),
    "snabb": ("gen-snabb-sanitized4k.pcap", 24, {}),
    "snabb-other-forms": (
        "gen-snabb-sanitized4k.pcap",
        24,
        {"sequencing": True, "compressed": True, "hidden": True},
    ),
    "snabb-fragmented": ("gen-snabb-sanitized4k.pcap", 24, {"mru": 296}),
}


@pytest.fixture(scope="module", params=["demo", *REAL])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("replay")
    odd: set[int] = set()
    if request.param == "demo":
        assert main(["demo", "-q", "--output", str(folder)]) == 0
        home, run = folder / "home-site.pcap", Run.of(folder)
    else:
        name, length, options = REAL[request.param]
        real = request.getfixturevalue("real_captures") / name
        home = folder / "home.pcap"
        records = spread(captures.read(real))
        captures.write(home, records[0].link, ((r.time, r.data) for r in records))
        odd = malformed(home, records)
        prefixes = remote_prefixes(records, TARGETS, length, [records[i] for i in odd])
        run = replay(home, configuration(prefixes, **options), folder)
    records = captures.read(home)
    packets = written.read(run.written, records)
    return Case(request.param, home, run, records, odd, packets)


def spread(records: list[Record]) -> list[Record]:
    """The same packets one after the other, if the capture does not tell when they came."""
    if records[0].time != records[-1].time:
        return records
    return [
        Record(10**18 + number * SPREAD, record.link, record.data)
        for number, record in enumerate(records)
    ]


def malformed(path: Path, records: list[Record]) -> set[int]:
    frames = tshark.frames(path)
    found = {i for i, frame in enumerate(frames) if "_ws.malformed" in frame.names}
    return {i for i in found if records[i].ip() is not None}


def test_calls_are_placed_and_traffic_goes_both_ways(case: Case) -> None:
    events = Counter(event["event"] for event in case.run.report["timeline"])
    assert events["CallPlaced"] == events["CallAnswered"] == events["AccessRouteInstalled"] > 0
    assert events["TunnelUp"] >= 1
    assert events["CallFailed"] == 0
    comments = Counter(packet.comment for packet in case.packets)
    assert comments["FORWARD"] > 0
    assert comments["TRIGGER flushed"] > 0
    counters = case.run.report["counters"]
    assert counters["fragments"] > 0 or "fragmented" not in case.name
    assert counters["decapsulated"] > 0


def test_answers_are_echoes_of_what_was_forwarded(case: Case) -> None:
    """Octet by octet, and each once: sites answer pings and UDP."""
    sent = Counter(
        exchange(p.carried, echoed=True)
        for p in case.packets
        if p.tunnelled and p.source is not None and p.carried is not None
    )
    received = Counter(
        exchange(p.carried)
        for p in case.packets
        if p.source is None and not p.generated and not p.tunnelled and p.carried is not None
    )
    assert received.total() > 0
    assert received <= sent


def exchange(packet: bytes, *, echoed: bool = False) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Addresses, ports or ICMP type, and what follows the checksum; `echoed`: of the answer."""
    header = (packet[0] & 15) * 4
    first, second = packet[header : header + 2], packet[header + 2 : header + 4]
    rest = packet[header + 8 :]
    if packet[9] == ICMP:
        first, second, rest = bytes(2) if echoed else first, b"", packet[header + 4 :]
    source, destination = packet[12:16], packet[16:20]
    if echoed:
        source, destination = destination, source
        first, second = (first, second) if packet[9] == ICMP else (second, first)
    return source, destination, first, second, rest


def test_every_packet_of_the_home_site_is_there_once(case: Case) -> None:
    seen = Counter(p.source for p in case.packets if p.last and p.source is not None)
    assert seen == Counter(range(len(case.records)))


def test_what_we_put_around_packets_is_without_a_remark(case: Case) -> None:
    ours = [p for p in case.packets if p.tunnelled or p.generated]
    assert len(ours) > 50
    assert {p.comment for p in ours} >= {"control", "PUNT_L2TP", "PUNT_PPP", "FORWARD"}
    assert [(p.number, p.comment, p.outer) for p in ours if p.outer] == []
    assert [(p.number, p.comment, p.faults) for p in ours if p.faults] == []
    protocols = {name for p in ours for name in p.names}
    assert protocols >= {"ip", "udp", "l2tp", "ppp", "lcp", "chap", "ipcp"}


def test_odd_packets_of_the_input_go_through_a_tunnel(case: Case) -> None:
    tunnelled = {p.source for p in case.packets if p.tunnelled}
    assert case.odd <= tunnelled
    assert case.odd or "snabb" not in case.name


def test_packets_get_the_remarks_of_the_input_capture(case: Case) -> None:
    """What other packets have to do with is in the next test: buffering changes their order."""
    before = [
        Counter(stripped(tshark.remarks(frame.layers)))
        for frame in tshark.frames(case.home, preferences=NO_SEQUENCES)
    ]
    after: dict[int, Counter[Remark]] = defaultdict(Counter)
    again = written.read(case.run.written, case.records, preferences=NO_SEQUENCES)
    for packet in again:
        if packet.source is not None:
            after[packet.source].update(stripped(packet.inner))
    differ = [
        (index, before[index] - after[index], after[index] - before[index])
        for index in range(len(case.records))
        if before[index] != after[index]
    ]
    assert differ == []


def test_packets_get_the_remarks_that_they_get_without_tunnels(case: Case, tmp_path: Path) -> None:
    """The same packets at the same times in one capture, as the input has them: with fragments put
    together, before the TTL was changed, in no tunnel."""
    groups: list[tuple[bytes, list[Packet]]] = []
    pieces: list[Packet] = []
    for packet in case.packets:
        if packet.carried is None or (packet.generated and packet.comment != "ICMP answer"):
            continue
        pieces.append(packet)
        if packet.last:
            groups.append((original(case, packet), pieces))
            pieces = []
    bare = tmp_path / "bare.pcap"
    captures.write(bare, captures.RAW, ((g[-1].record.time, data) for data, g in groups))
    differ = []
    for frame, (_, group) in zip(tshark.frames(bare), groups, strict=True):
        expected = Counter(stripped(tshark.remarks(frame.layers)))
        found = Counter(stripped(r for packet in group for r in packet.inner))
        if found != expected:
            differ.append((group[-1].number, expected - found, found - expected))
    assert differ == []


def original(case: Case, packet: Packet) -> bytes:
    source = packet.carried if packet.source is None else case.records[packet.source].ip()
    assert source is not None
    return source


def stripped(remarks: Iterable[Remark]) -> list[Remark]:
    """Without those on layers that a router takes off."""
    return [remark for remark in remarks if remark.layer not in LINKS]
