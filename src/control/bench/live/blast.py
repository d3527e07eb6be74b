"""Datagrams as fast as one processor can send them, for a time: trains of one flow by UDP_SEGMENT
(udp(7)), or single ones of many flows, many a system call either way.

    python -m control.bench.live.blast JSON

sends from a socket of its own and prints how many datagrams it sent.
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

FLOWS: Final = 64
MESSAGES: Final = FLOWS
"""Of one system call: one of each flow."""
UDP_SEGMENT: Final = 103
TRAIN_MOST: Final = 64
TRAIN_OCTETS: Final = 65000
_LOOK: Final = 8
"""System calls between two looks at the clock."""


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Iovec)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint32),
    )


class Blaster:
    """`payloads` to `destinations` by turns. With `train` above 1 each payload is that many times
    in one message, to the first destination."""

    def __init__(
        self,
        descriptor: int,
        payloads: Sequence[bytes],
        destinations: Sequence[tuple[str, int]],
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
            to = destinations[number % len(destinations) if train == 1 else 0]
            self._describe(self._messages[number], payload, to)

    def run(self, seconds: float) -> int:
        """Sends for a time. How many datagrams were sent."""
        library = ctypes.CDLL(None, use_errno=True)
        sock = socket.socket(fileno=os.dup(self._descriptor))
        with sock:
            option = (socket.IPPROTO_UDP, UDP_SEGMENT)
            sock.setsockopt(*option, self._size if self._each > 1 else 0)
            sent, until = 0, time.monotonic() + seconds
            while time.monotonic() < until:
                for _ in range(_LOOK):
                    done = library.sendmmsg(self._descriptor, self._messages, MESSAGES, 0)
                    if done < 0 and ctypes.get_errno() not in (11, 105, 111):
                        raise OSError(ctypes.get_errno(), "sendmmsg")
                    sent += max(done, 0)
            sock.setsockopt(*option, 0)
        return sent * self._each

    def _describe(self, message: _Message, payload: bytes, to: tuple[str, int]) -> None:
        octets = ctypes.create_string_buffer(payload, len(payload))
        address = ctypes.create_string_buffer(_address(to), 16)
        vector = _Iovec(ctypes.cast(octets, ctypes.c_void_p), len(payload))
        self._keep += [octets, address, vector]
        message.name = ctypes.cast(address, ctypes.c_void_p)
        message.name_length = 16
        message.vectors = ctypes.pointer(vector)
        message.vector_count = 1


def train_of(octets: int) -> int:
    """Datagrams of this many octets in one message, at most."""
    return min(TRAIN_MOST, TRAIN_OCTETS // octets)


def _address(to: tuple[str, int]) -> bytes:
    """struct sockaddr_in."""
    family = socket.AF_INET.to_bytes(2, sys.byteorder)
    return family + to[1].to_bytes(2, "big") + socket.inet_aton(to[0]) + bytes(8)


def main() -> None:
    told = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {told["processor"]})
    payload = bytes(told["octets"])
    ports = range(9, 9 + (1 if told["train"] > 1 else FLOWS))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        to = [(told["to"], port) for port in ports]
        blaster = Blaster(sender.fileno(), [payload], to, train=told["train"])
        print(blaster.run(told["seconds"]))


if __name__ == "__main__":
    main()
