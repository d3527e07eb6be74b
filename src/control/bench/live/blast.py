"""Datagrams as fast as one processor can send them, for a time, many a system call: trains of one
flow by UDP_SEGMENT (udp(7)), or single ones of many flows past the socket and the queue of the
interface (packet(7)), which are thrice as many.

    python -m control.bench.live.blast JSON

sends from a socket of its own and prints how many datagrams it sent.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from control.bench.live.alone import alone
from control.bench.live.network import LNS_STATION, TOWARD_LNS
from control.sim.host import udp_packet

FLOWS: Final = 64
MESSAGES: Final = FLOWS
"""Of one system call: one of each flow."""
UDP_SEGMENT: Final = 103
TRAIN_MOST: Final = 64
TRAIN_OCTETS: Final = 65000
IP_UDP: Final = 20 + 8
"""Octets of the headers before a payload."""
_SOL_PACKET: Final = 263
_QDISC_BYPASS: Final = 20
_IPV4: Final = 0x0800
_LOOK: Final = 8
"""System calls between two looks at the clock."""


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Iovec)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint32))


class Blaster:
    """`payloads` to `to`, a socket address as the kernel has it, by turns. With `train` above 1
    each payload is that many times in one message."""

    def __init__(
        self,
        descriptor: int,
        payloads: Sequence[bytes],
        to: bytes,
        *,
        train: int = 1,
    ) -> None:
        self._descriptor = descriptor
        self._each = train
        self._size = len(payloads[0])
        self._keep: list[Any] = []
        self._messages = (_Message * MESSAGES)()
        for number in range(MESSAGES):
            payload = payloads[number % len(payloads)] * train
            self._describe(self._messages[number].header, payload, to)

    def run(self, seconds: float) -> int:
        """Sends for a time. How many datagrams were sent."""
        library = ctypes.CDLL(None, use_errno=True)
        sock = socket.socket(fileno=os.dup(self._descriptor))
        with sock, alone():
            option = (socket.IPPROTO_UDP, UDP_SEGMENT)
            if self._each > 1:
                sock.setsockopt(*option, self._size)
            sent, until = 0, time.monotonic() + seconds
            while time.monotonic() < until:
                for _ in range(_LOOK):
                    done = library.sendmmsg(self._descriptor, self._messages, MESSAGES, 0)
                    if done < 0 and ctypes.get_errno() not in (11, 105, 111):
                        raise OSError(ctypes.get_errno(), "sendmmsg")
                    sent += max(done, 0)
            if self._each > 1:
                sock.setsockopt(*option, 0)
        return sent * self._each

    def _describe(self, message: _Header, payload: bytes, to: bytes) -> None:
        octets = ctypes.create_string_buffer(payload, len(payload))
        address = ctypes.create_string_buffer(to, len(to))
        vector = _Iovec(ctypes.cast(octets, ctypes.c_void_p), len(payload))
        self._keep += [octets, address, vector]
        message.name = ctypes.cast(address, ctypes.c_void_p)
        message.name_length = len(to)
        message.vectors = ctypes.pointer(vector)
        message.vector_count = 1


def train_of(octets: int) -> int:
    """Datagrams of this many octets in one message, at most."""
    return min(TRAIN_MOST, TRAIN_OCTETS // octets)


def inet(to: tuple[str, int]) -> bytes:
    """struct sockaddr_in."""
    family = socket.AF_INET.to_bytes(2, sys.byteorder)
    return family + to[1].to_bytes(2, "big") + socket.inet_aton(to[0]) + bytes(8)


def station(device: str, address: str) -> bytes:
    """struct sockaddr_ll of an IPv4 packet to a station behind a device."""
    octets = bytes.fromhex(address.replace(":", ""))
    index = socket.if_nametoindex(device)
    head = struct.pack("=H2siHBB", socket.AF_PACKET, _IPV4.to_bytes(2, "big"), index, 0, 0, 6)
    return head + octets + bytes(2)


def packet_socket() -> socket.socket:
    """Sends IP packets to stations, and receives nothing."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    made.setsockopt(_SOL_PACKET, _QDISC_BYPASS, 1)
    return made


def main() -> None:
    told = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {told["processor"]})
    payload = bytes(told["octets"] - IP_UDP)
    if told["train"] > 1:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            to = inet((told["to"], 9))
            blaster = Blaster(sender.fileno(), [payload], to, train=told["train"])
            print(blaster.run(told["seconds"]))
        return
    packets = [
        udp_packet(told["from"], 1000, told["to"], 9 + flow, payload, dont_fragment=True)
        for flow in range(FLOWS)
    ]
    with packet_socket() as sender:
        blaster = Blaster(sender.fileno(), packets, station(TOWARD_LNS, LNS_STATION))
        print(blaster.run(told["seconds"]))


if __name__ == "__main__":
    main()
