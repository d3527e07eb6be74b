"""PPP frames on an asynchronous line: HDLC-like framing with octet stuffing and FCS-16 (RFC 1662 4
and appendix C). Bits and parity are the line's business.

The work of each octet is left to bytes.replace, translate, re and binascii, so that a frame of
1,500 octets takes microseconds without code of our own in C.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from dataclasses import dataclass
from typing import Final

FLAG: Final = b"\x7e"
ESCAPE: Final = b"\x7d"
ALL_CONTROL: Final = 0xFFFFFFFF
"""The Async-Control-Character-Map with which every link begins (RFC 1662 7.1)."""
LONGEST: Final = 2 * (65535 + 8)
"""Octets of a frame as it is on the line; what is longer is none."""

_GOOD: Final = 0x1D0F
"""What crc_hqx makes of a whole frame, FCS included: 0xF0B8 (RFC 1662 C.1) read backwards."""
_REVERSED: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
_ESCAPED: Final = re.compile(rb"\x7d(.)", re.DOTALL)
_PLAIN: Final = {bytes((octet,)): bytes((octet ^ 0x20,)) for octet in range(256)}


def fcs(octets: bytes) -> bytes:
    """The two octets of the FCS-16 that follow these (RFC 1662 C.2).

    The FCS is a CRC whose bits come least significant first; crc_hqx is the same one most
    significant first. So each octet is reversed before, and the result after."""
    register = crc_hqx(octets.translate(_REVERSED), 0xFFFF) ^ 0xFFFF
    return register.to_bytes(2, "big").translate(_REVERSED)


def encode(frame: bytes, accm: int = ALL_CONTROL) -> bytes:
    """A frame as it goes on the line, between two flags. `accm` has a bit for each control
    character, 0 to 31, that the peer wants escaped."""
    octets = frame + fcs(frame)
    octets = octets.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
    for octet in range(32):
        if accm >> octet & 1:
            octets = octets.replace(_SINGLE[octet], _STUFFED[octet])
    return FLAG + octets + FLAG


_SINGLE: Final = tuple(bytes((octet,)) for octet in range(32))
_STUFFED: Final = tuple(bytes((0x7D, octet ^ 0x20)) for octet in range(32))


@dataclass(slots=True)
class HdlcCounters:
    frames: int = 0
    octets: int = 0
    """On the line, flags and escapes included."""
    bad_fcs: int = 0
    short: int = 0
    """Fewer than four octets and their FCS: no PPP frame."""
    aborted: int = 0
    """Ended by the sender in the middle (RFC 1662 4.3)."""
    too_long: int = 0


class Decoder:
    """Octets of a line in, frames out. Control characters that the line adds are dropped if `accm`
    has their bit; 0 is right for lines that are known to add none."""

    def __init__(self, accm: int = 0, longest: int = LONGEST) -> None:
        self.counters = HdlcCounters()
        self._added = bytes(octet for octet in range(32) if accm >> octet & 1)
        self._longest = longest
        self._rest = b""
        self._skipping = False
        """In a frame that is too long: until the next flag."""

    def feed(self, octets: bytes) -> list[bytes]:
        """The frames that these octets end. Whatever they are, it does not raise."""
        self.counters.octets += len(octets)
        *ended, rest = (self._rest + octets).split(FLAG)
        frames: list[bytes] = []
        for stuffed in ended:
            if self._skipping:
                self._skipping = False
            elif stuffed:
                self._take(stuffed, frames)
        self._rest = rest
        if len(rest) > self._longest or self._skipping:
            if not self._skipping:
                self.counters.too_long += 1
            self._skipping, self._rest = True, b""
        return frames

    def _take(self, stuffed: bytes, frames: list[bytes]) -> None:
        counters = self.counters
        if len(stuffed) > self._longest:
            counters.too_long += 1
            return
        if self._added:
            stuffed = stuffed.translate(None, self._added)
        if ESCAPE in stuffed:
            whole = _ESCAPED.sub(lambda match: _PLAIN[match[1]], stuffed)
            # An escape in front of the flag escapes nothing: the sender gave up.
            if stuffed.endswith(ESCAPE) and _is_open(stuffed):
                counters.aborted += 1
                return
            stuffed = whole
        if len(stuffed) < 4:
            counters.short += 1
        elif crc_hqx(stuffed.translate(_REVERSED), 0xFFFF) != _GOOD:
            counters.bad_fcs += 1
        else:
            counters.frames += 1
            frames.append(stuffed[:-2])


def _is_open(stuffed: bytes) -> bool:
    """Whether the last of the escapes at the end has nothing to escape."""
    run = len(stuffed) - len(stuffed.rstrip(ESCAPE))
    return run % 2 == 1
