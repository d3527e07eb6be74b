"""control.inspection: a capture of an engine that runs, and traces of its packets."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from control.capture_filter import compile_filter
from control.errors import ConfigurationError
from control.inspection import Capture, Tracing, explain, paths
from control.sim.host import ping_packet, udp_packet
from fastpath import Engine, MemPort
from fastpath.ports.pcap import PcapPort

HOME, SITE, NOWHERE = "192.0.2.10", "198.51.100.10", "203.0.113.1"
ENDS = {"local": ("10.88.0.1", 1701), "peer": ("10.88.0.2", 1701)}
IDS = {"tunnel": 1, "session": 2, "peer_tunnel": 3, "peer_session": 4}
EPOCH = 1_700_000_000_000_000_000


class Bench:
    def __init__(self) -> None:
        self.engine = Engine()
        self.home, self.tunnel = MemPort("home"), MemPort("tunnel")
        self.table = self.engine.add_table("default")
        h = self.engine.attach(self.home, self.table)
        u = self.engine.attach(self.tunnel, self.table)
        with self.engine.transaction() as t:
            nh = t.add_session(table=self.table, port=u, **ENDS, **IDS)
            t.add_route(self.table, "198.51.100.0/24", nh)
        assert h == 0

    def pass_on(self, *packets: bytes) -> None:
        for at, packet in enumerate(packets):
            self.home.push(packet, at + 1)
        while self.engine.step():
            pass


def descriptors() -> int:
    gc.collect()  # what other tests left goes now or not at all
    return len(os.listdir("/proc/self/fd"))


def test_a_capture_is_whole_whenever_it_is_looked_at(tmp_path: Path) -> None:
    bench, before = Bench(), descriptors()
    ended: list[int] = []
    capture = Capture(
        bench.engine, ["home", "tunnel"], epoch_ns=EPOCH, ended=lambda: ended.append(1)
    )
    assert capture.take().octets == b""
    octets = capture.header
    for n in range(5):
        bench.pass_on(*(ping_packet(HOME, NOWHERE, sequence=n) for _ in range(10)))
        part = capture.take()
        assert part.packets == 10
        octets += part.octets
        (tmp_path / "c.pcapng").write_bytes(octets)
        assert len(PcapPort(tmp_path / "c.pcapng").read()) == 10 * (n + 1)
    rows = PcapPort(tmp_path / "c.pcapng").read()
    assert rows[0][0] == EPOCH + 1
    assert capture.counts() == {"seen": 50, "taken": 50, "missed": 0}
    capture.close()
    capture.close()
    assert ended == [1]
    assert descriptors() == before


def test_each_part_makes_a_file_of_its_own_with_the_header(tmp_path: Path) -> None:
    bench = Bench()
    capture = Capture(bench.engine, ["home", "tunnel"])
    files = []
    for n, destination in enumerate((SITE, NOWHERE)):
        bench.pass_on(udp_packet(HOME, 1, destination, 2, b"x"))
        files.append(tmp_path / f"{n}.pcapng")
        files[-1].write_bytes(capture.header + capture.take().octets)
    capture.close()
    assert [len(PcapPort(file).read()) for file in files] == [1, 1]


def test_more_than_a_part_is_taken_in_several(tmp_path: Path) -> None:
    bench = Bench()
    capture = Capture(bench.engine, ["home", "tunnel"])
    packets = [udp_packet(HOME, 1, NOWHERE, 2, bytes((n % 256,)) * 1400) for n in range(600)]
    bench.pass_on(*packets)
    octets, parts = capture.header, 0
    while (part := capture.take()).packets:
        octets, parts = octets + part.octets, parts + 1
    capture.close()
    (tmp_path / "c.pcapng").write_bytes(octets)
    port = PcapPort(tmp_path / "c.pcapng")
    found: list[bytes] = []
    while rows := port.read():
        found += [row[3] for row in rows]
    assert found == packets
    assert parts > 1


def test_a_trace_tells_the_steps_and_what_became_of_each_packet() -> None:
    bench = Bench()
    tracing = Tracing(bench.engine, 3)
    bench.pass_on(ping_packet(HOME, SITE), ping_packet(HOME, NOWHERE))
    assert not tracing.full
    bench.pass_on(ping_packet(HOME, SITE), ping_packet(HOME, SITE))
    assert tracing.full
    samples = tracing.close()
    told = [explain(bench.engine, sample, ["home", "tunnel"]) for sample in samples]
    assert [(t["verdict"], t["reason"]) for t in told] == [
        ("FORWARD", "none"),
        ("DROP", "no-route"),
        ("FORWARD", "none"),
    ]
    assert told[0]["route"] == "198.51.100.0/24"
    assert told[0]["steps"][-1] == "FORWARD"
    assert any("L2TP to 10.88.0.2 port 1701, tunnel 3 session 4" in s for s in told[0]["steps"])
    assert told[1]["steps"][-1] == "DROP no-route"
    assert [(p["verdict"], p["packets"]) for p in paths(told)] == [("FORWARD", 2), ("DROP", 1)]


def test_a_trace_says_if_the_tables_have_changed_since() -> None:
    bench = Bench()
    tracing = Tracing(bench.engine, 1)
    bench.pass_on(ping_packet(HOME, NOWHERE))
    with bench.engine.transaction() as t:
        t.add_route(bench.table, "203.0.113.0/24", t.add_adjacency("ip", port=1))
    (sample,) = tracing.close()
    steps = explain(bench.engine, sample, ["home", "tunnel"])["steps"]
    assert steps[-2:] == ["DROP no-route", "now it would be DELIVER: the tables have changed since"]


def test_what_is_too_long_to_be_kept_is_not_guessed_at() -> None:
    bench = Bench()
    tracing = Tracing(bench.engine, 1)
    bench.pass_on(udp_packet(HOME, 1, NOWHERE, 2, bytes(4000)))
    (sample,) = tracing.close()
    told = explain(bench.engine, sample, ["home"])
    assert told["steps"] == ["too long to be kept whole", "DROP no-route"]


@pytest.mark.parametrize("expression", ["x" * 5000, "tcp\n"])
def test_an_expression_that_cannot_be_one_is_refused(expression: str) -> None:
    with pytest.raises(ConfigurationError, match="must be up to 4096 printable"):
        compile_filter(expression, "raw")
