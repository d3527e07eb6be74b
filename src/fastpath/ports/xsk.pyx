"""AF_XDP sockets by the kernel's own interface (Documentation/networking/af_xdp.rst), no library.

Zero-copy is asked for first, which the driver may refuse; then the kernel copies frames. The kernel
is woken only when it says that it has to be.
"""

cimport cython
from libc.errno cimport EAGAIN, EBUSY, EINTR, ENETDOWN, ENXIO, errno
from libc.string cimport memset

import os
import socket
import struct

cdef extern from "<sys/mman.h>" nogil:
    enum: PROT_READ
    enum: PROT_WRITE
    enum: MAP_SHARED
    enum: MAP_PRIVATE
    enum: MAP_ANONYMOUS
    enum: MAP_POPULATE
    void* MAP_FAILED
    void* mmap(void* at, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* at, size_t size)

cdef extern from "<sys/socket.h>" nogil:
    struct sockaddr:
        pass
    enum: MSG_DONTWAIT
    int bind(int fd, const sockaddr* address, unsigned int size)
    ssize_t sendto(int fd, const void* data, size_t len, int flags, const sockaddr* to,
                   unsigned int size)
    ssize_t recvfrom(int fd, void* data, size_t len, int flags, sockaddr* source, void* size)

cdef enum:
    AF_XDP = 44
    SOL_XDP = 283
    XDP_MMAP_OFFSETS = 1
    XDP_RX_RING = 2
    XDP_TX_RING = 3
    XDP_UMEM_REG = 4
    XDP_UMEM_FILL_RING = 5
    XDP_UMEM_COMPLETION_RING = 6
    XDP_STATISTICS = 7
    XDP_COPY = 2
    XDP_ZEROCOPY = 4
    XDP_USE_NEED_WAKEUP = 8
    SENDS = 256               # tries of one xsk_send: copying, the kernel sends 32 at a time

cdef packed struct sockaddr_xdp_t:
    unsigned short family
    unsigned short flags
    uint32_t interface
    uint32_t queue
    uint32_t shared


cdef void xsk_give_back(xsk_t* x) noexcept nogil:
    cdef uint32_t at = x.rx.consumer[0]
    cdef uint32_t to = x.empty.producer[0]
    cdef uint32_t i
    if x.taken == 0:
        return
    for i in range(x.taken):
        x.empty.places[(to + i) & XSK_MASK] = (x.rx.frames[(at + i) & XSK_MASK].addr
                                               & ~<uint64_t>(x.chunk - 1))
    atomic_store_u32(x.empty.producer, to + x.taken, ATOMIC_RELEASE)
    atomic_store_u32(x.rx.consumer, at + x.taken, ATOMIC_RELEASE)
    x.taken = 0


cdef void xsk_collect(xsk_t* x) noexcept nogil:
    cdef uint32_t at = x.sent.consumer[0]
    cdef uint32_t end = atomic_load_u32(x.sent.producer, ATOMIC_ACQUIRE)
    if at == end:
        return
    while at != end:
        x.free[x.spare] = x.sent.places[at & XSK_MASK]
        x.spare += 1
        at += 1
    atomic_store_u32(x.sent.consumer, at, ATOMIC_RELEASE)


cdef int xsk_send(xsk_t* x) noexcept nogil:
    cdef int i, error
    atomic_store_u32(x.tx.producer, x.queued, ATOMIC_RELEASE)
    for i in range(SENDS):
        if not atomic_load_u32(x.tx.flags, ATOMIC_ACQUIRE) & XDP_RING_NEED_WAKEUP:
            break
        if sendto(x.fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0:
            break
        if errno != EAGAIN and errno != EINTR and errno != EBUSY:
            error = errno
            x.down = error == ENETDOWN or error == ENXIO
            return error
        if atomic_load_u32(x.tx.consumer, ATOMIC_ACQUIRE) == x.queued:
            break
        if errno != EINTR:
            xsk_collect(x)
    x.down = False
    return 0


cdef void xsk_wake(xsk_t* x) noexcept nogil:
    if atomic_load_u32(x.empty.flags, ATOMIC_ACQUIRE) & XDP_RING_NEED_WAKEUP:
        recvfrom(x.fd, NULL, 0, MSG_DONTWAIT, NULL, NULL)


@cython.final
cdef class Xsk:
    """Bound to a queue of an interface. Raises OSError: PermissionError without CAP_NET_RAW, EBUSY
    where another one is bound, ENOBUFS above RLIMIT_MEMLOCK."""

    def __cinit__(self, uint32_t interface, uint32_t queue, uint32_t chunk):
        cdef size_t octets = <size_t>XSK_FRAMES * chunk
        cdef void* memory
        cdef uint64_t offsets[16]
        cdef int i
        self.c.fd = -1
        self.c.chunk = chunk
        made = self._socket = socket.socket(AF_XDP, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        memory = mmap(NULL, octets, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
        if memory == MAP_FAILED:
            raise MemoryError(f"no memory for {XSK_FRAMES} frames of {chunk} octets")
        self.c.memory = <uint8_t*>memory
        made.setsockopt(SOL_XDP, XDP_UMEM_REG, struct.pack(
            "=QQIIII", <size_t>memory, octets, chunk, XSK_ROOM, 0, 0))
        for option in (XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING):
            made.setsockopt(SOL_XDP, option, struct.pack("=I", XSK_RING))
        found = struct.unpack("=16Q", made.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
        for i in range(16):
            offsets[i] = found[i]
        self._map(&self.c.rx, offsets, sizeof(xdp_desc), 0)
        self._map(&self.c.tx, offsets + 4, sizeof(xdp_desc), 0x80000000)
        self._map(&self.c.empty, offsets + 8, 8, 0x100000000)
        self._map(&self.c.sent, offsets + 12, 8, 0x180000000)
        for i in range(XSK_RING):
            self.c.empty.places[i] = <uint64_t>i * chunk
            self.c.free[i] = <uint64_t>(XSK_RING + i) * chunk
        self.c.spare = XSK_RING
        atomic_store_u32(self.c.empty.producer, XSK_RING, ATOMIC_RELEASE)
        self._bind(interface, queue)
        self.c.fd = made.fileno()

    def __dealloc__(self):
        cdef xsk_ring_t* rings[4]
        cdef int i
        rings[0], rings[1], rings[2], rings[3] = (
            &self.c.rx, &self.c.tx, &self.c.empty, &self.c.sent)
        for i in range(4):
            if rings[i].mapping != NULL:
                munmap(rings[i].mapping, rings[i].octets)
        if self.c.memory != NULL:
            munmap(self.c.memory, <size_t>XSK_FRAMES * self.c.chunk)

    cdef _map(self, xsk_ring_t* ring, const uint64_t* offsets, size_t entry, int64_t page):
        """`offsets`: of producer, consumer, entries and flags."""
        cdef size_t octets = offsets[2] + XSK_RING * entry
        cdef void* at = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                             self._socket.fileno(), page)
        if at == MAP_FAILED:
            raise OSError(errno, os.strerror(errno))
        ring.mapping = at
        ring.octets = octets
        ring.producer = <uint32_t*>(<uint8_t*>at + offsets[0])
        ring.consumer = <uint32_t*>(<uint8_t*>at + offsets[1])
        ring.frames = <xdp_desc*>(<uint8_t*>at + offsets[2])
        ring.places = <uint64_t*>(<uint8_t*>at + offsets[2])
        ring.flags = <uint32_t*>(<uint8_t*>at + offsets[3])

    def _bind(self, uint32_t interface, uint32_t queue) -> None:
        cdef sockaddr_xdp_t address
        cdef int mode
        memset(&address, 0, sizeof(address))
        address.family = AF_XDP
        address.interface = interface
        address.queue = queue
        for mode in (XDP_ZEROCOPY, XDP_COPY):
            address.flags = mode | XDP_USE_NEED_WAKEUP
            if bind(self._socket.fileno(), <const sockaddr*>&address, sizeof(address)) == 0:
                self.c.zero_copy = mode == XDP_ZEROCOPY
                return
            error = errno
        raise OSError(error, os.strerror(error))

    @property
    def zero_copy(self) -> bool:
        return self.c.zero_copy

    def fileno(self) -> int:
        return self.c.fd

    def counts(self) -> dict[str, int]:
        """What the kernel counts; nothing once it is closed."""
        if self.c.fd < 0:
            return {}
        found = struct.unpack("=6Q", self._socket.getsockopt(SOL_XDP, XDP_STATISTICS, 48))
        return {"rx_dropped": found[0], "rx_ring_full": found[3], "rx_no_room": found[4]}

    def close(self) -> None:
        """Memory stays until nobody refers to this any more: packets may lie there."""
        self.c.fd = -1
        self._socket.close()
