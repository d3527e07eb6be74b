"""The player: what of a port is sent, when, and what is counted of the rest."""

from __future__ import annotations

import time

import pytest
from packets import datagram

from fastpath import MemPort
from fastpath.player import Player
from fastpath.ports.pcap import PcapPort
from fastpath.ports.pcapng_writer import PcapngWriter
from fastpath.ports.port import Port

MS = 1_000_000


def ethernet(packet: bytes) -> bytes:
    return bytes(range(12)) + b"\x08\x00" + packet


def play(player: Player, source: Port, limit: int | None = None) -> None:
    player.begin()
    while player.step(source, limit):
        pass


def source(*frames: bytes, link: str = "ethernet", every: int = 0) -> MemPort:
    port = MemPort(link=link)
    for number, frame in enumerate(frames):
        port.push(frame, number * every)
    return port


def counts(packets: int, octets: int, refused: int = 0, skipped: int = 0) -> dict[str, int]:
    return {"packets": packets, "octets": octets, "refused": refused, "skipped": skipped}


def test_ip_packets_are_sent_without_what_the_frame_puts_around_them():
    packets = [datagram(bytes(n)) for n in range(600)]
    sink = MemPort()
    player = Player(sink)
    play(player, source(*(ethernet(p).ljust(60, b"\0") for p in packets)))
    assert [octets for _, octets in sink.pop_all()] == packets
    assert player.counts() == counts(600, sum(map(len, packets)))


def test_frames_are_sent_whole():
    frames = [ethernet(datagram(bytes(n))) for n in range(300)]
    sink = MemPort()
    player = Player(sink, frames=True)
    play(player, source(*frames))
    assert [octets for _, octets in sink.pop_all()] == frames


@pytest.mark.parametrize("frames", [False, True])
def test_what_cannot_be_sent_is_skipped(frames):
    good = ethernet(datagram(b"x"))
    port = source(good)
    port.push(good[:40], 0, len(good))  # captured short
    if not frames:
        port.push(good[:12] + b"\x08\x06" + bytes(46), 0)  # ARP
        port.push(good[:-1], 0)  # its own length says more
    player = Player(MemPort(), frames=frames)
    play(player, port)
    assert player.counts()["packets"] == 1
    assert player.counts()["skipped"] == (1 if frames else 3)


def test_frames_of_another_link_are_no_ethernet():
    player = Player(MemPort(), frames=True)
    play(player, source(datagram(b"x"), link="ipv4"))
    assert player.counts() == counts(0, 0, skipped=1)


def test_capture_gets_every_frame(tmp_path):
    frames = [ethernet(datagram(b"x")), b"no IP at all, but a frame"]
    writer = PcapngWriter(tmp_path / "out.pcapng")
    player = Player(writer)
    play(player, source(*frames))
    writer.close()
    assert [row[3] for row in PcapPort(str(tmp_path / "out.pcapng")).read()] == frames
    assert player.counts() == counts(2, sum(map(len, frames)))


def test_what_a_full_sink_refuses_is_counted():
    player = Player(MemPort(tx_limit=10), rate=1e9)
    play(player, source(*[datagram(b"x")] * 15, link="ipv4"))
    assert player.counts() == counts(10, 290, refused=5)


def test_no_more_than_the_limit_is_offered_and_laps_add_up():
    sink = MemPort()
    player = Player(sink, rate=1e6)
    for _ in range(3):
        play(player, source(*[datagram(b"x")] * 15, link="ipv4"), 10)
    assert player.counts()["packets"] == 30


def test_packets_leave_no_sooner_than_the_speed_allows():
    # 20 packets, 10 ms apart, at ten times the speed: the last one after 19 ms, of each of 2 laps.
    player = Player(MemPort(), speed=10.0)
    start = time.monotonic_ns()
    for _ in range(2):
        play(player, source(*[datagram(b"x")] * 20, link="ipv4", every=10 * MS))
    assert time.monotonic_ns() - start >= 2 * 19 * MS
    assert player.counts()["packets"] == 40


def test_packets_leave_no_sooner_than_the_rate_allows():
    player = Player(MemPort(), rate=1000.0)
    start = time.monotonic_ns()
    play(player, source(*[datagram(b"x")] * 50, link="ipv4"))
    assert time.monotonic_ns() - start >= 49 * MS


def test_step_comes_back_though_the_next_packet_is_far():
    player = Player(MemPort(), speed=1.0)
    port = source(datagram(b"x"), datagram(b"x"), link="ipv4", every=10**15)
    player.begin()
    assert player.step(port)
    assert player.counts()["packets"] == 1


def test_damaged_source_ends_it(tmp_path):
    path = tmp_path / "in.pcap"
    writer = PcapngWriter(path)
    play(Player(writer), source(ethernet(datagram(b"x")), ethernet(datagram(b"x"))))
    writer.close()
    path.write_bytes(path.read_bytes()[:-7])
    port = PcapPort(str(path))
    player = Player(MemPort())
    play(player, port)
    assert player.counts()["packets"] == 1
    assert port.error() is not None
