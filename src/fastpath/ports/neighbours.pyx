"""Neighbours of a port on Ethernet, and packets whose neighbour is not known.

Such a packet is handed to the kernel, which finds its route, asks for the neighbour and sends it,
so that the first packets toward a new neighbour are not lost. The rate is bounded: it is no way for
much traffic.
"""

from fastpath.atomic cimport ATOMIC_RELEASE, atomic_store_u64
from fastpath.icmp cimport bucket_init, bucket_take
from fastpath.packet cimport packet_t
from fastpath.types cimport NEIGHBOURS_MAX
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy, memset

import socket

cdef extern from "<sys/socket.h>" nogil:
    enum: AF_INET
    enum: AF_INET6
    enum: MSG_DONTWAIT
    struct sockaddr:
        pass
    ssize_t sendto(int fd, const void* data, size_t len, int flags, const sockaddr* to,
                   unsigned int size)

cdef enum:
    KERNEL_RATE = 10_000      # packets a second
    SOCKET_ADDRESS = 28       # sockaddr_in6, the larger of both


cdef class Neighbours:
    """MAC addresses by slot; slot 0 is never known. One writer at a time, any number of readers."""

    def __cinit__(self):
        memset(self.slot, 0, sizeof(self.slot))
        self.own = 0

    def set(self, slot: int, mac: bytes | None) -> None:
        """None: not known any more. Raises ValueError for a slot outside 1..1023 or a MAC that has
        not six octets or is a group's."""
        if not 1 <= slot < <int>NEIGHBOURS_MAX:
            raise ValueError(f"neighbour {slot} is not 1..{NEIGHBOURS_MAX - 1}")
        atomic_store_u64(&self.slot[<int>slot], 0 if mac is None else _word(mac), ATOMIC_RELEASE)

    def get(self, slot: int) -> bytes | None:
        """Raises ValueError for a slot outside 0..1023."""
        if not 0 <= slot < <int>NEIGHBOURS_MAX:
            raise ValueError(f"neighbour {slot} is not 0..{NEIGHBOURS_MAX - 1}")
        word = self.slot[<int>slot].to_bytes(8, "little")
        return word[:6] if word[7] else None

    def set_own(self, mac: bytes) -> None:
        """The interface's own address, the source of all frames."""
        atomic_store_u64(&self.own, _word(mac), ATOMIC_RELEASE)


cdef uint64_t _word(bytes mac) except? 0:
    if len(mac) != 6 or mac[0] & 1:
        raise ValueError(f"{mac.hex(':')} is no MAC address of one station")
    return int.from_bytes(mac + bytes((0, NEIGHBOUR_VALID)), "little")


cdef void kernel_send(kernel_path_t* path, const packet_t* p, uint64_t now) noexcept nogil:
    cdef uint8_t to[SOCKET_ADDRESS]
    cdef bint six = p.data[0] >> 4 == 6
    cdef uint16_t family = AF_INET6 if six else AF_INET
    if not bucket_take(&path.rate, now):
        path.limited += 1
        return
    memset(to, 0, sizeof(to))
    memcpy(to, &family, sizeof(family))
    if six:
        memcpy(to + 8, p.data + 24, 16)
    else:
        memcpy(to + 4, p.data + 16, 4)
    if sendto(path.fd6 if six else path.fd4, p.data, p.len, MSG_DONTWAIT,
              <const sockaddr*>to, 28 if six else 16) < 0:
        path.failed += 1
    else:
        path.sent += 1


cdef class KernelPath:
    """Raw sockets that send by one interface. Raises OSError (EPERM) without CAP_NET_RAW."""

    def __cinit__(self, str interface, int rate=KERNEL_RATE):
        self.c.fd4 = self.c.fd6 = -1
        bucket_init(&self.c.rate, rate, rate // 10)
        self._sockets = []
        for family in (socket.AF_INET, socket.AF_INET6):
            made = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                                 socket.IPPROTO_RAW)
            self._sockets.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            # It only sends; whatever it would receive, it would keep.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        self.c.fd4 = self._sockets[0].fileno()
        self.c.fd6 = self._sockets[1].fileno()

    def counts(self) -> dict[str, int]:
        return {"kernel_sent": self.c.sent, "kernel_limited": self.c.limited,
                "kernel_failed": self.c.failed}

    def close(self) -> None:
        self.c.fd4 = self.c.fd6 = -1
        for made in self._sockets:
            made.close()
