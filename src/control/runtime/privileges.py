"""Privileges of the running router: what it needs is kept, all else is given up for good (threat
T23).

Capabilities are Linux's (capabilities(7)), by their numbers in <linux/capability.h>. Which ports
need which is a table here.
"""

from __future__ import annotations

import ctypes
import os
import pwd
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from control.errors import ConfigurationError, ResourceError

NET_ADMIN: Final = 12
NET_RAW: Final = 13
BPF: Final = 39
IPC_LOCK: Final = 14
"""Locked memory beyond RLIMIT_MEMLOCK, which AF_XDP needs where nobody has raised that."""
NAMES: Final = {NET_ADMIN: "CAP_NET_ADMIN", NET_RAW: "CAP_NET_RAW", BPF: "CAP_BPF"}

NEEDS: Final = {
    "mem": frozenset[int](),
    "pcap": frozenset[int](),
    "udp": frozenset[int](),
    "tun": frozenset({NET_ADMIN}),
    "packet": frozenset({NET_ADMIN, NET_RAW, BPF}),
    "xdp": frozenset({NET_ADMIN, NET_RAW, BPF}),
}
"""Capabilities by scheme of a port's URL."""

_VERSION_3: Final = 0x20080522
_PR_SET_KEEPCAPS: Final = 8
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_LAST: Final = 63
"""Highest number asked for: the kernel says EINVAL from its own last one on."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    """One of two: capabilities 0 to 31, and from 32 on."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def held() -> frozenset[int]:
    """Capabilities that this process may use."""
    words = _get()
    return frozenset(n for n in range(64) if words[n // 32].permitted >> n % 32 & 1)


def needed(schemes: Iterable[str]) -> frozenset[int]:
    """What ports of these schemes need."""
    return frozenset(capability for scheme in schemes for capability in NEEDS.get(scheme, ()))


def missing(wanted: Iterable[int]) -> list[str]:
    """Names of those that this process does not have."""
    mine = held()
    return [NAMES[number] for number in sorted(wanted) if number not in mine]


def drop(keep: Iterable[int], user: str = "") -> None:
    """Keeps of what is held only these capabilities, as `user` from now on if one is named.

    Neither a program that is started later nor set-user-id files give any back. To be called before
    other threads are started: capabilities are a thread's own. Raises ConfigurationError for a user
    that does not exist, ResourceError if the kernel refuses or a thread was there before.
    """
    kept = held() & frozenset(keep)
    bounded = 8 in held()  # CAP_SETPCAP, which the bounding set takes
    if user:
        _become(user)
    if bounded and not user:
        _empty_bounding_set(kept)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    # A service manager that gave no more may not let us ask for less.
    if held() != kept:
        _set(kept)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "privileges cannot be given up for good")
    _look_at_threads(kept)


def _look_at_threads(kept: frozenset[int]) -> None:
    """Whoever takes over a thread that kept more has it all back."""
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # it has just ended
            status = (task / "status").read_text()
            permitted = int(status.partition("\nCapPrm:")[2].split(maxsplit=1)[0], 16)
            if permitted & ~sum(1 << number for number in kept):
                name = (task / "comm").read_text().strip()
                raise ResourceError(f"thread {task.name} ({name}) keeps privileges: started early")


def _become(user: str) -> None:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ConfigurationError(f"--user {user}: there is no such user") from None
    if os.getuid() == entry.pw_uid:
        return
    mine = held()
    _check(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "capabilities cannot be kept")
    if 8 in mine:
        _empty_bounding_set(frozenset(NAMES))
    try:
        os.initgroups(user, entry.pw_gid)
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    except OSError as error:
        raise ResourceError(f"--user {user}: {error.strerror}") from None


def _empty_bounding_set(kept: frozenset[int]) -> None:
    for number in range(_LAST + 1):
        if number not in kept and _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) < 0:
            return  # the kernel knows no more


def _get() -> ctypes.Array[_Data]:
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    _check(_libc.capget(ctypes.byref(header), data), "capabilities cannot be read")
    return data


def _set(kept: frozenset[int]) -> None:
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    for number in kept:
        data[number // 32].permitted |= 1 << number % 32
        data[number // 32].effective |= 1 << number % 32
    _check(_libc.capset(ctypes.byref(header), data), "capabilities cannot be given up")


def _check(result: int, what: str) -> None:
    if result < 0:
        raise ResourceError(f"{what}: {os.strerror(ctypes.get_errno())}")
