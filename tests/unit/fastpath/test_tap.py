"""fastpath.tap and fastpath.sampler: copies of what passes, and what became of it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from control.sim.host import ping_packet, udp_packet
from fastpath import Engine, MemPort
from fastpath.packet_filter import PacketFilter
from fastpath.ports.pcap import PcapPort
from fastpath.ports.pcapng_writer import PcapngWriter
from fastpath.sampler import Sampler
from fastpath.tap import Tap, drain, sample_workers, tap_workers
from fastpath.worker import Stop

HOME, SITE, NOWHERE = "192.0.2.10", "198.51.100.10", "203.0.113.1"
UDP_ONLY = PacketFilter([(0x30, 0, 0, 9), (0x15, 0, 1, 17), (6, 0, 0, 65535), (6, 0, 0, 0)])
"""Of bare IPv4 packets those whose protocol is UDP."""
ENDS = {"local": ("10.88.0.1", 1701), "peer": ("10.88.0.2", 1701)}
IDS = {"tunnel": 1, "session": 2, "peer_tunnel": 3, "peer_session": 4}


class Bench:
    """A home port, a tunnel port, and one session that leads to the site."""

    def __init__(self, link: str = "raw") -> None:
        self.engine = Engine()
        self.home, self.tunnel = MemPort("home", link), MemPort("tunnel")
        table = self.engine.add_table("default")
        self.h = self.engine.attach(self.home, table)
        self.u = self.engine.attach(self.tunnel, table)
        with self.engine.transaction() as t:
            self.nh = t.add_session(table=table, port=self.u, **ENDS, **IDS)
            t.add_route(table, "198.51.100.0/24", self.nh)

    def pass_on(self, *packets: bytes) -> None:
        for at, packet in enumerate(packets):
            self.home.push(packet, at + 1)
        while self.engine.step():
            pass

    def written(self, tap: Tap, path: Path, most: int = 1024) -> list[tuple[int, str, int, bytes]]:
        names = [("home", "raw"), ("home ethernet", "ethernet"), ("tunnel", "raw")]
        with PcapngWriter(path, names) as writer:
            drain([tap], writer, most)
        return PcapPort(path).read()


def udp(destination: str, payload: bytes = b"x") -> bytes:
    return udp_packet(HOME, 5000, destination, 53, payload)


def test_each_packet_is_taken_once_as_it_left_or_as_it_came(tmp_path: Path) -> None:
    bench, tap = Bench(), Tap()
    tap_workers(bench.engine, [tap])
    bench.pass_on(udp(SITE), udp(NOWHERE))
    rows = bench.written(tap, tmp_path / "tap.pcapng")
    sent = bench.tunnel.pop_all()
    assert [row[3] for row in rows] == [sent[0][1], udp(NOWHERE)]
    assert tap.counts() == {"seen": 2, "taken": 2, "missed": 0}
    text = (tmp_path / "tap.pcapng").read_bytes()
    assert b"FORWARD" in text
    assert b"no-route" in text


def test_a_filter_takes_what_it_fits_and_a_packet_without_a_known_header_never(
    tmp_path: Path,
) -> None:
    bench, tap = Bench(), Tap(filters=(UDP_ONLY, UDP_ONLY))
    tap_workers(bench.engine, [tap])
    bench.pass_on(ping_packet(HOME, NOWHERE), udp(NOWHERE))
    assert [row[3] for row in bench.written(tap, tmp_path / "a.pcapng")] == [udp(NOWHERE)]
    cooked = Bench("sll")
    tap = Tap(filters=(UDP_ONLY, UDP_ONLY))
    tap_workers(cooked.engine, [tap])
    cooked.pass_on(bytes(14) + b"\x08\x00" + udp(NOWHERE))
    assert tap.counts() == {"seen": 1, "taken": 0, "missed": 0}


def test_ports_that_are_not_looked_at_are_left_out(tmp_path: Path) -> None:
    bench = Bench()
    tap = Tap(ports=[bench.u])
    tap_workers(bench.engine, [tap])
    bench.pass_on(udp(SITE), udp(NOWHERE))
    assert [row[3] for row in bench.written(tap, tmp_path / "t.pcapng")] == [
        bench.tunnel.pop_all()[0][1]
    ]


def test_only_the_beginning_is_kept_and_the_length_told(tmp_path: Path) -> None:
    bench, tap = Bench(), Tap(snaplen=20)
    tap_workers(bench.engine, [tap])
    bench.pass_on(udp(NOWHERE, bytes(100)))
    assert [row[2:] for row in bench.written(tap, tmp_path / "s.pcapng")] == [
        (128, udp(NOWHERE, bytes(100))[:20])
    ]


def test_what_finds_no_room_is_missed_and_counted(tmp_path: Path) -> None:
    bench, tap = Bench(), Tap(ring=4096)
    tap_workers(bench.engine, [tap])
    packets = [udp(NOWHERE, bytes((n,)) * 400) for n in range(20)]
    bench.pass_on(*packets)
    counts = tap.counts()
    assert counts["seen"] == 20
    assert counts["taken"] + counts["missed"] == 20
    assert counts["missed"] > 0
    rows = bench.written(tap, tmp_path / "m.pcapng")
    assert [row[3] for row in rows] == packets[: counts["taken"]]
    bench.pass_on(packets[0])
    assert tap.counts()["taken"] == counts["taken"] + 1


def test_packets_of_several_taps_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    first, second = Bench(), Bench()
    taps = [Tap(), Tap()]
    for bench, tap in zip((first, second), taps, strict=True):
        tap_workers(bench.engine, [tap])
    for at in range(10):
        bench = (first, second)[at % 3 == 0]
        bench.home.push(udp(NOWHERE, bytes((at,))), 10 + at)
    for bench in (first, second):
        while bench.engine.step():
            pass
    with PcapngWriter(tmp_path / "o.pcapng", [("home", "raw")]) as writer:
        assert drain(taps, writer, 4) == 4
        assert drain(taps, writer, 100) == 6
        assert drain(taps, writer, 100) == 0
    times = [row[0] for row in PcapPort(tmp_path / "o.pcapng").read()]
    assert times == list(range(10, 20))


def test_after_it_is_taken_away_nothing_is_recorded() -> None:
    bench, tap = Bench(), Tap()
    tap_workers(bench.engine, [tap])
    tap_workers(bench.engine, None)
    bench.pass_on(udp(NOWHERE))
    assert tap.counts()["seen"] == 0


def test_taps_come_and_go_while_a_worker_runs() -> None:
    bench, stop = Bench(), Stop()
    worker = bench.engine.add_worker()
    queue = MemPort("queue", loop=1 << 40, discard_tx=True)
    queue.push(udp(NOWHERE), 1)
    worker.attach(bench.h, queue)
    thread = threading.Thread(target=worker.run_until, args=(stop,))
    thread.start()
    try:
        for _ in range(50):
            taps, samplers = [Tap(ring=4096), Tap(ring=4096)], [Sampler(5), Sampler(5)]
            tap_workers(bench.engine, taps)
            sample_workers(bench.engine, samplers)
            while not taps[1].counts()["seen"] or samplers[1].used < 5:
                pass
            tap_workers(bench.engine, None)
            sample_workers(bench.engine, None)
            seen = taps[1].counts()["seen"]
            assert taps[1].counts()["seen"] == seen
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    "arguments", [{"snaplen": 0}, {"snaplen": 1 << 20}, {"ports": [64]}, {"ring": 5000}]
)
def test_a_tap_refuses_numbers_out_of_range(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is not"):
        Tap(**arguments)


def test_samples_tell_the_frame_as_it_came_and_what_became_of_it() -> None:
    bench, sampler = Bench(), Sampler(10)
    sample_workers(bench.engine, [sampler])
    bench.pass_on(udp(SITE), udp(NOWHERE), b"junk")
    forwarded, dropped, junk = sampler.samples()
    assert (forwarded.frame, forwarded.verdict, forwarded.nh) == (udp(SITE), "FORWARD", bench.nh)
    assert (dropped.frame, dropped.verdict, dropped.reason) == (udp(NOWHERE), "DROP", "no-route")
    assert (junk.frame, junk.verdict) == (b"junk", "DROP")
    assert [s.ts for s in sampler.samples(1)] == [2, 3]
    assert (forwarded.port, forwarded.link, forwarded.wire_len) == (bench.h, "raw", 29)


def test_samples_end_when_the_room_is_full_and_a_filter_counts_what_it_takes() -> None:
    bench, sampler = Bench(), Sampler(3, filters=(UDP_ONLY, UDP_ONLY))
    sample_workers(bench.engine, [sampler])
    for n in range(300):
        bench.home.push(ping_packet(HOME, NOWHERE) if n % 2 else udp(NOWHERE, bytes((n % 256,))), n)
    while bench.engine.step():
        pass
    assert sampler.used == sampler.room == 3
    assert [s.frame[-1] for s in sampler.samples()] == [0, 2, 4]


def test_a_burst_that_ends_early_leaves_no_sample_of_what_was_not_handled() -> None:
    bench = Bench()
    bench.engine = engine = Engine(stop_on_event=True)
    table = engine.add_table("default")
    h = engine.attach(bench.home, table)
    with engine.transaction() as t:
        t.add_route(table, "198.51.100.0/24", t.add_adjacency("glean", table=table))
    sampler = Sampler(10)
    sample_workers(engine, [sampler])
    for n, packet in enumerate((udp(NOWHERE), udp(SITE), udp("198.51.100.11"), udp(NOWHERE))):
        bench.home.push(packet, n)
    assert engine.poll(h) == 2
    assert [s.verdict for s in sampler.samples()] == ["DROP", "TRIGGER"]
    while engine.poll(h):
        pass
    assert [s.ts for s in sampler.samples()] == [0, 1, 2, 3]
