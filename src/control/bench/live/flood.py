"""Frames as fast as the kernel itself can make them, for a time (BPF_PROG_RUN with live frames).

    python -m control.bench.live.flood JSON

runs in the sender's namespace and prints how many frames left, in how many seconds, and the
processor time that it took, all that the kernel did with them on this processor included.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from typing import Any, Final

from fastpath.ebpf.assembler import assemble
from fastpath.ebpf.objects import ATTACH_XDP, PROGRAM_XDP, Program

XDP_TX: Final = 3
AT_ONCE: Final = 1 << 13
"""Frames of one system call: some milliseconds."""
_REWRITTEN: Final = (0, 4, 8, 22)
"""Words of a frame that a router changes, addresses and TTL: frames are used again."""
_SHORTEST: Final = 34


def program(frame: bytes) -> bytes:
    """Instructions that make a frame what it was, and send it."""
    if len(frame) < _SHORTEST:
        raise ValueError(f"a frame of {len(frame)} octets has no IPv4 header")
    words = [("stw", 2, at, struct.unpack_from("<i", frame, at)[0]) for at in _REWRITTEN]
    return assemble(
        (
            ("ldxw", 2, 1, 0),
            ("ldxw", 3, 1, 4),
            ("movx", 4, 2),
            ("add", 4, _SHORTEST),
            ("jgtx", 4, 3, "send"),
            *words,
            ("send:",),
            ("mov", 0, XDP_TX),
            ("exit",),
        )
    )


def flood(interface: str, frame: bytes, seconds: float) -> dict[str, float]:
    """Raises OSError without the rights or in a kernel that cannot (before Linux 5.18)."""
    index = socket.if_nametoindex(interface)
    sent = 0
    with Program(PROGRAM_XDP, "flood", program(frame), ATTACH_XDP) as made:
        begin, used = time.monotonic(), time.thread_time()
        while time.monotonic() < begin + seconds:
            made.generate(frame, index, AT_ONCE)
            sent += AT_ONCE
        spent = time.monotonic() - begin
        return {"sent": sent, "seconds": spent, "used": time.thread_time() - used}


def main() -> None:
    told: dict[str, Any] = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {told["processor"]})
    frame = bytes.fromhex(told["frame"])
    print(json.dumps(flood(told["interface"], frame, told["seconds"])))


if __name__ == "__main__":
    main()
