"""What bpf(2) makes: maps, programs and links. Each is a descriptor, gone when it is closed.

A link detaches its program when its last descriptor goes, so nothing of ours stays in the kernel
after the process, however it ends.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import Final, Self

from fastpath.ebpf.syscall import address_of, bpf

# Numbers of <linux/bpf.h>.
MAP_HASH: Final = 1
MAP_LPM_TRIE: Final = 11
MAP_XSKMAP: Final = 17
PROGRAM_SOCKET_FILTER: Final = 1
PROGRAM_SCHED_CLS: Final = 3
PROGRAM_XDP: Final = 6
ATTACH_XDP: Final = 37
ATTACH_TCX_INGRESS: Final = 46
XDP_GENERIC: Final = 1 << 1
XDP_NATIVE: Final = 1 << 2
LIVE_FRAMES: Final = 1 << 1

_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _NEXT_KEY, _PROGRAM_LOAD = range(6)
_TEST_RUN: Final = 10
_UPDATE_BATCH: Final = 26
_LINK_CREATE: Final = 28
_NO_PREALLOCATION: Final = 1
_ATTRIBUTES: Final = 144
_LOG: Final = 1 << 16
_LICENSE: Final = b"GPL\0"


def _attributes(form: str, *values: int | bytes) -> bytearray:
    made = bytearray(_ATTRIBUTES)
    struct.pack_into(form, made, 0, *values)
    return made


class _Object:
    """Owner of a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        descriptor, self.descriptor = getattr(self, "descriptor", -1), -1
        if descriptor >= 0:
            os.close(descriptor)


class Map(_Object):
    """Octets by octets. Raises OSError for what the kernel does not allow or have room for."""

    def __init__(self, kind: int, name: str, key: int, value: int, entries: int) -> None:
        flags = _NO_PREALLOCATION if kind in (MAP_LPM_TRIE, MAP_HASH) else 0
        made = _attributes(
            "=IIIIIII16s", kind, key, value, entries, flags, 0, 0, name.encode()[:15]
        )
        super().__init__(bpf(_MAP_CREATE, made))
        self.key = key
        self.value = value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._check(key, value)
        at, octets = address_of(key), address_of(value)
        bpf(_UPDATE, _attributes("=IxxxxQQQ", self.descriptor, at, octets, 0))

    def __delitem__(self, key: bytes) -> None:
        """Raises KeyError for one that is not there."""
        self._check(key, bytes(self.value))
        try:
            bpf(_DELETE, _attributes("=IxxxxQQQ", self.descriptor, address_of(key), 0, 0))
        except FileNotFoundError:
            raise KeyError(key) from None

    def __contains__(self, key: bytes) -> bool:
        """Whether a look-up finds something: of a trie, a prefix that holds the key."""
        room = bytearray(self.value)
        self._check(key, room)
        attributes = _attributes("=IxxxxQQQ", self.descriptor, address_of(key), address_of(room), 0)
        try:
            bpf(_LOOKUP, attributes)
        except FileNotFoundError:
            return False
        return True

    def update(self, keys: bytes, values: bytes) -> None:
        """Many at once: keys back to back, and so values."""
        count = len(keys) // self.key
        if len(keys) != count * self.key or len(values) != count * self.value:
            raise ValueError(f"{len(keys)} octets of keys, {len(values)} of values do not match")
        if count:
            bpf(
                _UPDATE_BATCH,
                _attributes(
                    "=QQQQIIQQ",
                    *(0, 0, address_of(keys), address_of(values), count, self.descriptor, 0, 0),
                ),
            )

    def _check(self, key: bytes, value: bytes | bytearray) -> None:
        if (len(key), len(value)) != (self.key, self.value):
            raise ValueError(
                f"key and value of {len(key)} and {len(value)} octets, not"
                f" {self.key} and {self.value}"
            )


class Program(_Object):
    """Instructions the kernel has accepted. Raises OSError, with the verifier's last words."""

    def __init__(self, kind: int, name: str, instructions: bytes, attach: int = 0) -> None:
        super().__init__(self._load(kind, name, instructions, attach))

    @staticmethod
    def _load(kind: int, name: str, instructions: bytes, attach: int) -> int:
        def attributes(log: bytearray | None) -> bytearray:
            return _attributes(
                "=IIQQIIQII16sII",
                *(kind, len(instructions) // 8, address_of(instructions), address_of(_LICENSE)),
                *((0, 0, 0) if log is None else (1, len(log), address_of(log))),
                *(0, 0, name.encode()[:15], 0, attach),
            )

        try:
            return bpf(_PROGRAM_LOAD, attributes(None))
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EINVAL):
                raise
        log = bytearray(_LOG)
        try:
            return bpf(_PROGRAM_LOAD, attributes(log))
        except OSError as error:
            words = log.rstrip(b"\0").decode(errors="replace").strip().splitlines()[-3:]
            text = f"{os.strerror(error.errno or 0)}: {' / '.join(words)}"
            raise OSError(error.errno, f"program {name}: {text}") from None

    def run(self, frame: bytes, *, repeat: int = 1) -> int:
        """What it returns for a frame, as a signed number. Nothing is sent or counted."""
        attributes = _attributes(
            "=IIIIQQIIIIQQIII",
            *(self.descriptor, 0, len(frame), 0, address_of(frame), 0, repeat, 0, 0, 0, 0, 0),
            *(0, 0, 0),
        )
        bpf(_TEST_RUN, attributes)
        result: int = struct.unpack_from("=i", attributes, 4)[0]
        return result

    def generate(self, frame: bytes, interface: int, count: int, *, batch: int = 64) -> None:
        """Lets the kernel send `count` copies of a frame that an XDP program returns XDP_TX or a
        redirection for, as if they had arrived at the interface. For load generators."""
        context = struct.pack("=IIIIII", 0, len(frame), 0, interface, 0, 0)
        bpf(
            _TEST_RUN,
            _attributes(
                "=IIIIQQIIIIQQIII",
                *(self.descriptor, 0, len(frame), 0, address_of(frame), 0, count, 0),
                *(len(context), 0, address_of(context), 0, LIVE_FRAMES, 0, batch),
            ),
        )


class Link(_Object):
    """A program at an interface, as long as this is open. Raises OSError."""

    def __init__(self, program: Program, interface: int, attach: int, flags: int = 0) -> None:
        made = _attributes("=IIII", program.descriptor, interface, attach, flags)
        super().__init__(bpf(_LINK_CREATE, made))
