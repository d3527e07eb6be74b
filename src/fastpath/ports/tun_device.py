"""A TUN device made, configured and watched (Linux, Documentation/networking/tuntap.rst).

Several queues, a virtio-net header before each packet, and as many offloads as the kernel has. The
device goes with its last queue unless it was there before and is persistent. Two programs never
share one. No addresses and no routes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import time
from dataclasses import dataclass

_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_SIOCSIFTXQLEN = 0x8943
QUEUE_LENGTH = 2000
"""Packets that wait in the kernel for each queue of a device that is ours."""
_TUNSETVNETHDRSZ = 0x400454D8
_TUNSETQUEUE = 0x400454D9
_TUNSETVNETLE = 0x400454DC

_IFF_TUN = 0x0001
_IFF_MULTI_QUEUE = 0x0100
_IFF_DETACH_QUEUE = 0x0400
_IFF_NO_PI = 0x1000
_IFF_VNET_HDR = 0x4000
_IFF_TUN_EXCL = 0x8000
FLAGS = _IFF_TUN | _IFF_MULTI_QUEUE | _IFF_NO_PI | _IFF_VNET_HDR

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFMTU = 0x8913, 0x8914, 0x8922
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_RTM_GETLINK, _NLM_F_REQUEST = 18, 1

_NAME_MAX = 15
VNET_HEADER = 10
_PATIENCE, _STEP = 0.5, 0.05

OFFLOADS = {"csum": 0x01, "tso4": 0x02, "tso6": 0x04, "tso-ecn": 0x08, "uso4": 0x20, "uso6": 0x40}
"""What the kernel may leave to us, by the bits of TUNSETOFFLOAD."""

_STEPS = (0x6F, 0x0F, 0x07, 0x01, 0)
"""Tried in this order: kernels before 6.2 have no USO."""


@dataclass(slots=True)
class Device:
    """A device that is there, or was when it was opened."""

    name: str
    offloads: tuple[str, ...]
    """What the kernel leaves to us, see OFFLOADS."""
    mtu: int = 1500

    @property
    def bits(self) -> int:
        """The same as the kernel has them."""
        return sum(OFFLOADS[word] for word in self.offloads)

    @property
    def udp(self) -> bool:
        """Whether the kernel knows UDP superpackets."""
        return "uso4" in self.offloads

    def link(self) -> str:
        """ "up", "down" or "gone"."""
        try:
            return "up" if _interface_flags(self.name) & _IFF_UP else "down"
        except OSError:
            return "gone"

    def set_mtu(self, mtu: int) -> None:
        """Raises OSError if the kernel does not want it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", self.name.encode(), mtu))
        self.mtu = mtu

    def bring_up(self) -> None:
        """Raises OSError if it is not there."""
        flags = _interface_flags(self.name) & 0xFFFF | _IFF_UP
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = struct.pack("16sH22x", self.name.encode(), flags)
            fcntl.ioctl(control, _SIOCSIFFLAGS, request)


def open_device(name: str, queues: int) -> tuple[Device, list[int]]:
    """The device and descriptors of its queues: one that only sends, then `queues` others.

    Raises ValueError for a name that no interface can have, OSError that says what is missing.
    """
    check_name(name)
    persistent = _wait_until_free(name)
    descriptors: list[int] = []
    try:
        for at in range(queues + 1):
            descriptors.append(os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
            _attach(descriptors[-1], name, 0 if persistent or at else _IFF_TUN_EXCL)
            offloads = _configure(descriptors[-1])
        _detach(descriptors[0])
        if not persistent:
            _lengthen(name)
        device = Device(name, offloads)
        device.bring_up()
    except OSError as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise OSError(error.errno, _reason(error, name)) from error
    return device, descriptors


def _lengthen(name: str) -> None:
    """The kernel's 500 packets are there within a millisecond."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16si20x", name.encode(), QUEUE_LENGTH)
        fcntl.ioctl(control, _SIOCSIFTXQLEN, request)


def check_name(name: str) -> None:
    """Raises ValueError if no interface can have that name."""
    if not 1 <= len(name.encode()) <= _NAME_MAX:
        raise ValueError(f"tun:{name}: an interface's name has 1 to {_NAME_MAX} octets")
    if name in (".", "..") or any(c in "/:%" or c.isspace() or not c.isprintable() for c in name):
        raise ValueError(f"tun:{name}: an interface's name has no blanks, '/', ':' or '%'")


def _reason(error: OSError, name: str) -> str:
    """What a user can do about it."""
    reasons = {
        errno.EPERM: "CAP_NET_ADMIN is needed for a TUN device",
        errno.EBUSY: f"{name} is in use by another program",
        errno.EINVAL: f"{name} is no TUN device with several queues "
        f"(ip tuntap add {name} mode tun multi_queue vnet_hdr)",
        errno.ENOENT: "/dev/net/tun is missing: the kernel has no TUN devices (modprobe tun)",
        errno.ENODEV: "the kernel has no TUN devices (modprobe tun)",
        errno.E2BIG: f"{name} has as many queues as the kernel allows",
    }
    return reasons.get(error.errno or 0, error.strerror or str(error))


def _attach(descriptor: int, name: str, flags: int = 0) -> None:
    request = struct.pack("16sH22x", name.encode(), FLAGS | flags)
    fcntl.ioctl(descriptor, _TUNSETIFF, request)


def _detach(descriptor: int) -> None:
    """From now on the queue only sends."""
    fcntl.ioctl(descriptor, _TUNSETQUEUE, struct.pack("16xH22x", _IFF_DETACH_QUEUE))


def _configure(descriptor: int) -> tuple[str, ...]:
    """Sets the header's form and the offloads. Which the kernel has."""
    fcntl.ioctl(descriptor, _TUNSETVNETHDRSZ, struct.pack("i", VNET_HEADER))
    fcntl.ioctl(descriptor, _TUNSETVNETLE, struct.pack("i", 1))
    for bits in _STEPS:
        try:
            fcntl.ioctl(descriptor, _TUNSETOFFLOAD, bits)
        except OSError as error:
            if error.errno != errno.EINVAL or bits == 0:
                raise
        else:
            return tuple(word for word, bit in OFFLOADS.items() if bits & bit)
    return ()


def _interface_flags(name: str) -> int:
    """All flags of an interface (RTM_GETLINK): the ioctl has neither those above 16 bits nor, for
    up to a second, a change of the carrier. Raises OSError if there is none of that name."""
    attribute = struct.pack("HH", 4 + len(name.encode()) + 1, 3) + name.encode() + b"\0"
    attribute += bytes(-len(attribute) % 4)
    message = struct.pack("BxHiII", 0, 0, 0, 0, 0) + attribute
    head = struct.pack("IHHII", 16 + len(message), _RTM_GETLINK, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as route:
        route.send(head + message)
        answer = route.recv(65536)
    if struct.unpack_from("H", answer, 4)[0] != _RTM_GETLINK - 2:
        code = -struct.unpack_from("i", answer, 16)[0]
        raise OSError(code, os.strerror(code))
    return int(struct.unpack_from("I", answer, 16 + 8)[0])


def _wait_until_free(name: str) -> bool:
    """Whether there is a persistent device of that name. Raises OSError EBUSY if another program
    has it; one that ends gets a moment for it."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            flags = _interface_flags(name)
        except OSError:
            return False
        # A TUN device that nobody has attached has no carrier.
        if not flags & _IFF_LOWER_UP:
            return True
        if time.monotonic() > end:
            raise OSError(errno.EBUSY, _reason(OSError(errno.EBUSY, ""), name))
        time.sleep(_STEP)
