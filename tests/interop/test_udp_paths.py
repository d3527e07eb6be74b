"""The UDP port on a path with an MTU, and frames sent by an interface, on networks of their own."""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
import threading
from collections.abc import Callable

from control.sim import host
from fastpath import MemPort, UdpPort
from fastpath.player import Player
from fastpath.ports.raw_frames import FramePort

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCSIFMTU, IFF_UP = 0x8914, 0x8922, 1
PATIENCE = 30.0
MTU = 1500


def alone(work: Callable[[], None]) -> None:
    """Calls that on a thread whose network is a loopback with an Ethernet's MTU."""
    failure: list[BaseException] = []

    def run() -> None:
        try:
            assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0, "needs root"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
                name = b"lo".ljust(16, b"\0")
                fcntl.ioctl(made, SIOCSIFFLAGS, struct.pack("16sH14x", name, IFF_UP))
                fcntl.ioctl(made, SIOCSIFMTU, struct.pack("16si12x", name, MTU))
            work()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def waiting_at(lac: socket.socket) -> list[bytes]:
    found = []
    while select.select([lac], [], [], 0.2)[0]:
        found.append(lac.recv(70000))
    return found


def test_of_a_train_too_big_for_its_path_only_the_shorter_one_at_its_end_arrives():
    def work() -> None:
        port = UdpPort("127.0.0.1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lac:
            lac.bind(("127.0.0.2", 0))
            sizes = [100, 100, 1473, 1473, 1473, 1000, 1472, 1472]
            packets = [
                host.udp_packet("127.0.0.1", 1701, *lac.getsockname(), bytes(size))
                for size in sizes
            ]
            for _ in range(2):
                assert port.send_many(packets) == len(sizes)
                assert [len(data) for data in waiting_at(lac)] == [100, 100, 1000, 1472, 1472]
            counts = port.counts()
            assert (counts["tx_packets"], counts["too_big"]) == (10, 6)
            assert (counts["trains_refused"], counts["other_errors"]) == (0, 0)
            assert port.path_mtus == {"127.0.0.2": MTU}
        port.close()

    alone(work)


def test_frames_leave_an_interface_as_they_are_and_too_long_ones_are_counted():
    def work() -> None:
        frames = [
            bytes(12) + b"\x88\xb5" + bytes([n]) * size for n, size in enumerate(range(46, 96))
        ]
        source = MemPort(link="ethernet")
        source.push_many([*frames[:20], bytes(12) + b"\x88\xb5" + bytes(MTU + 1), *frames[20:]])
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5)) as other:
            other.bind(("lo", 0x88B5))
            port = FramePort("lo")
            player = Player(port, frames=True)
            player.begin()
            assert not player.step(source)
            assert waiting_at(other) == frames
            counts = port.counts()
            assert (counts["tx_packets"], counts["too_big"]) == (50, 1)
            port.close()
            source.push_many(frames[:3])
            player.begin()
            player.step(source)
            assert player.counts()["refused"] == 3, "a closed port takes nothing"

    assert os.geteuid() == 0, "needs root"
    alone(work)
