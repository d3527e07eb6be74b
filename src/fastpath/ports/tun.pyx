"""A TUN device as the home side: the kernel, its firewall and its routing daemons stay in use.

Each read brings one packet or one superpacket of up to 64 KB, each write takes one; tun_split and
tun_merge make packets of the one and the other of packets, so that what the rest of the data plane
sees is what a wire would carry. Nothing here waits: what finds no room is refused and counted. An
interface that is down, and a device that is deleted, are counted and looked for again at each
burst, where the device is made again if need be (tun_attach.pyx). It does not give it addresses
or routes, nor make it the first time (tun_device.py).
"""

cimport cython
from fastpath.packet cimport LINK_IPV4, LINK_IPV6, LINK_RAW, PKT_READONLY, PKT_TRUSTED, packet_t
from fastpath.ports.offload cimport (
    TCP_CHECKSUM, UDP_CHECKSUM, VNET_DATA_VALID, VNET_GSO_NONE, VNET_HEADER, VNET_NEEDS_CSUM,
    find_segment, le16toh, segment_t, vnet_h)
from fastpath.ports.tun_attach cimport Shape, tun_attach
from fastpath.ports.tun_merge cimport group_t, merge_burst, merge_seal
from fastpath.ports.tun_split cimport (
    complete_checksum, split_begin, split_length, split_more, split_next)
from fastpath.types cimport BURST_MAX, HEADROOM
from libc.errno cimport EAGAIN, EINTR, EIO, ENOBUFS, ENODEV, ENOMEM, errno
from libc.stdint cimport UINT64_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy
from posix.unistd cimport close, read, write

from fastpath.ports import tun_device

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    _LINE = 64
    _READ_MAX = TUN_READ - _LINE + VNET_HEADER
    _RETRY_NS = 100000000     # between two attempts to make a device again


# Receiving ----------------------------------------------------------------------------------------

cdef uint64_t _now(const tun_t* u) noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <uint64_t>at.tv_sec * 1000000000 + <uint64_t>at.tv_nsec - u.base_ns


cdef inline uint8_t* _room(tun_t* u, uint32_t octets) noexcept nogil:
    """Where the next packet goes, NULL: not into this burst."""
    cdef uint32_t need = (HEADROOM + octets + _LINE - 1) & ~<uint32_t>(_LINE - 1)
    if u.count == BURST_MAX or u.used + need > TUN_ARENA:
        return NULL
    u.at[u.count] = u.used + HEADROOM
    u.length[u.count] = octets
    u.used += need
    return u.store + TUN_READ + u.at[u.count]


cdef inline void _add(tun_t* u, uint8_t flags) noexcept nogil:
    u.flags[u.count] = flags
    u.count += 1


cdef void _cut(tun_t* u, int most) noexcept nogil:
    """Packets of the superpacket that was begun, as many as are wanted and find room."""
    cdef uint8_t* out
    while split_more(&u.split) and u.count < most:
        out = _room(u, split_length(&u.split))
        if out == NULL:
            break
        split_next(&u.split, out)
        _add(u, PKT_TRUSTED)
    u.splitting = split_more(&u.split)


cdef bint _is_transport_sum(const vnet_h* header, const uint8_t* ip, uint32_t len) noexcept nogil:
    """Whether the sum that is completed is that of the packet's own transport header."""
    cdef segment_t where
    return (find_segment(ip, len, &where) and le16toh(header.csum_start) == where.l4
            and le16toh(header.csum_offset) == (TCP_CHECKSUM if where.tcp else UDP_CHECKSUM))


cdef void _take(tun_t* u, uint32_t len, int most) noexcept nogil:
    """What one read brought, `len` octets behind the virtio-net header."""
    cdef uint8_t* ip = u.store + _LINE
    cdef const vnet_h* header = <const vnet_h*>(ip - VNET_HEADER)
    cdef uint8_t flags = 0
    cdef uint8_t* out
    if header.gso_type != VNET_GSO_NONE:
        if not split_begin(&u.split, header, ip, len):
            u.counts.rx_malformed += 1
            return
        u.counts.rx_split += 1
        _cut(u, most)
        return
    if header.flags & VNET_NEEDS_CSUM:
        if not complete_checksum(header, ip, len):
            u.counts.rx_malformed += 1
            return
        flags = PKT_TRUSTED if _is_transport_sum(header, ip, len) else 0
    elif header.flags & VNET_DATA_VALID:
        flags = PKT_TRUSTED
    # There is room: a read is made only if the longest packet finds some.
    out = _room(u, len)
    memcpy(out, ip, len)
    _add(u, flags)


cdef int _fill(tun_t* u, int most) noexcept nogil:
    """Reads if nothing waits here, until there are `most` packets. How many packets wait."""
    cdef ssize_t n
    if u.head < u.count or not u.receives or u.fd < 0:
        return u.count - u.head
    u.head = u.count = 0
    u.used = 0
    if u.splitting:
        _cut(u, most)
    while u.count < most and not u.splitting and u.used + TUN_READ + HEADROOM <= TUN_ARENA:
        n = read(u.fd, u.store + _LINE - VNET_HEADER, _READ_MAX)
        if n > VNET_HEADER:
            u.gone = False
            u.counts.rx_reads += 1
            _take(u, <uint32_t>n - VNET_HEADER, most)
        elif n > 0:
            u.counts.rx_malformed += 1
        elif n == 0 or errno != EINTR:
            _read_failed(u, n)
            break
    if u.count:
        u.ts = _now(u)
        u.counts.rx_packets += u.count
    return u.count


cdef bint _revive(tun_t* u) noexcept nogil:
    """The device was deleted: tries to make it again, but not all the time. Whether it is there."""
    cdef uint64_t now = _now(u) + u.base_ns
    u.gone = True
    if u.shape == NULL or now < u.retry_ns:
        return False
    u.retry_ns = now + _RETRY_NS
    u.gone = not tun_attach(u.fd, u.shape, u.receives)
    u.counts.restored += not u.gone
    return not u.gone


cdef void _read_failed(tun_t* u, ssize_t n) noexcept nogil:
    if n == 0:
        return
    if errno == EBADFD:
        _revive(u)
    elif errno != EAGAIN:
        u.counts.rx_errors += 1


cdef int _rx_burst(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    cdef tun_t* u = <tun_t*>state
    cdef int n = min(max, _fill(u, min(max, <int>BURST_MAX)))
    cdef packet_t* p
    cdef uint8_t version
    cdef int i
    if n == 0:
        return -1 if u.gone else 0
    if u.ts > until_ns:
        return 0
    for i in range(n):
        p = &packets[i]
        p.data = p.frame = u.store + TUN_READ + u.at[u.head + i]
        p.ts = u.ts
        p.len = p.frame_len = p.wire_len = u.length[u.head + i]
        p.headroom = HEADROOM
        version = p.data[0] >> 4
        p.link = LINK_IPV4 if version == 4 else LINK_IPV6 if version == 6 else LINK_RAW
        p.flags = u.flags[u.head + i]
    return n


cdef void _rx_consume(void* state, int n) noexcept nogil:
    cdef tun_t* u = <tun_t*>state
    u.head = min(u.head + n, u.count)


cdef uint64_t _next_ns(void* state) noexcept nogil:
    cdef tun_t* u = <tun_t*>state
    return u.ts if _fill(u, BURST_MAX) else UINT64_MAX


# Sending ------------------------------------------------------------------------------------------

cdef int _gather(tun_t* u, const group_t* g, packet_t** packets) noexcept nogil:
    """Lists what belongs together in u.pieces, and returns how many there are. The header goes
    right before the first packet if that has room: one piece less to copy."""
    cdef packet_t* p = packets[g.first]
    cdef int at = u.merge.following[g.first]
    cdef int count = 0
    merge_seal(g, p.data, &u.header)
    u.pieces[0].iov_base = p.data - VNET_HEADER
    u.pieces[0].iov_len = p.len + VNET_HEADER
    if p.headroom >= VNET_HEADER and not p.flags & PKT_READONLY:
        memcpy(p.data - VNET_HEADER, &u.header, VNET_HEADER)
    else:
        u.pieces[0].iov_base = &u.header
        u.pieces[0].iov_len = VNET_HEADER
        count = 1
        u.pieces[1].iov_base = p.data
        u.pieces[1].iov_len = p.len
    while at >= 0:
        count += 1
        u.pieces[count].iov_base = packets[at].data + g.where.payload
        u.pieces[count].iov_len = packets[at].len - g.where.payload
        at = u.merge.following[at]
    return count + 1


cdef bint _write(tun_t* u, const group_t* g, packet_t** packets) noexcept nogil:
    """Writes what belongs together. False: the kernel has no room; nothing was written."""
    cdef int count = _gather(u, g, packets)
    cdef ssize_t n
    while True:
        if count == 1:
            n = write(u.fd, u.pieces[0].iov_base, u.pieces[0].iov_len)
        else:
            n = writev(u.fd, u.pieces, count)
        if n >= 0:
            break
        if errno == EBADFD and _revive(u):
            continue
        if errno != EINTR:
            return _write_failed(u, g.count, errno)
    u.gone = False
    u.counts.tx_writes += 1
    u.counts.tx_packets += g.count
    u.counts.tx_merged += g.count > 1
    return True


cdef bint _write_failed(tun_t* u, int packets, int error) noexcept nogil:
    """Counts it. True: only these packets are at fault, and done with."""
    if error == EIO:
        u.counts.down += packets
    elif error == EBADFD:
        u.counts.gone += packets
    elif error == EAGAIN or error == ENOBUFS or error == ENOMEM:
        u.counts.no_buffers += packets
    else:
        u.counts.invalid += packets
        return True
    return False


cdef int _tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    """What is refused goes behind what was taken, so that the caller counts the right octets."""
    cdef tun_t* u = <tun_t*>state
    cdef packet_t* refused[BURST_MAX]
    cdef packet_t* taken[BURST_MAX]
    cdef const group_t* g
    cdef int count = min(n, <int>BURST_MAX)
    cdef int good = 0
    cdef int bad = 0
    cdef int i, at
    cdef bint open = u.fd >= 0
    merge_burst(&u.merge, packets, count)
    for i in range(u.merge.groups):
        g = &u.merge.group[i]
        at = g.first
        if open and _write(u, g, packets):
            while at >= 0:
                taken[good] = packets[at]
                good += 1
                at = u.merge.following[at]
            continue
        while at >= 0:
            refused[bad] = packets[at]
            bad += 1
            at = u.merge.following[at]
    if bad:
        memcpy(packets, taken, good * sizeof(packet_t*))
        memcpy(packets + good, refused, bad * sizeof(packet_t*))
    if bad == 0 and n > count:
        return count + _tx_burst(state, packets + count, n - count)
    return good


# The port -----------------------------------------------------------------------------------------

@cython.final
cdef class TunPort(Port):
    """One queue of a TUN device, whose descriptor it owns from now on; anything that keeps message
    boundaries does, if a virtio-net header goes before each message.

    `udp`: the kernel takes UDP superpackets. `receives`: False for a part that only sends. Times of
    packets are those of the monotonic clock less `base_ns`. One thread at a time may use it.
    """

    def __cinit__(self, int fd, *, str name="tun", uint64_t base_ns=0, bint udp=True,
                  bint receives=True, device=None, Shape shape=None):
        self.name = name
        self.c.fd = -1
        self.c.store = <uint8_t*>aligned_alloc(_LINE, TUN_READ + TUN_ARENA)
        if self.c.store == NULL:
            raise MemoryError
        self.c.fd = fd
        self.c.base_ns = base_ns
        self.c.receives = receives
        self.c.merge.udp = udp
        self.device = device
        if device is not None:
            self._shape = Shape(device) if shape is None else shape
            self.c.shape = &self._shape.c
        self.io.state = &self.c
        self.io.rx_burst = _rx_burst
        self.io.rx_consume = _rx_consume
        self.io.next_ns = _next_ns
        self.io.tx_burst = _tx_burst
        self.io.fd = fd if receives else -1

    @classmethod
    def open(cls, str rest, *, str name, uint64_t base_ns=0, int queues=1):
        """See Port.open. `rest` is the name of the device: it is made, or taken if it is there,
        persistent and of nobody, and brought up. The kernel spreads flows over the queues."""
        device, descriptors = tun_device.open_device(rest, queues)
        shape = Shape(device)
        parts = [cls(fd, name=name, base_ns=base_ns, udp=device.udp, receives=at > 0,
                     device=device, shape=shape) for at, fd in enumerate(descriptors)]
        return parts[0], parts[1:]

    def __dealloc__(self):
        self._release()
        free(self.c.store)

    cdef _release(self):
        if self.c.fd >= 0:
            close(self.c.fd)
        self.c.fd = self.io.fd = -1
        self.c.head = self.c.count = 0

    def __len__(self) -> int:
        """Packets that were read from the kernel and not consumed yet."""
        return self.c.count - self.c.head

    @property
    def link(self) -> str:
        """See Port.link."""
        if self.c.fd < 0 or self.device is None:
            return "gone" if self.c.fd < 0 or self.c.gone else "up"
        return self.device.link()

    def set_mtu(self, int mtu) -> None:
        """See Port.set_mtu."""
        if self.device is not None:
            self.device.set_mtu(mtu)
            self._shape.set_mtu(mtu)

    def error(self):
        """See Port.error: an OSError while its device is deleted and cannot be made again."""
        if not self.c.gone or self.device is None:
            return None
        return OSError(ENODEV, f"{self.device.name} was deleted and cannot be made again")

    def counts(self) -> dict[str, int]:
        """Packets, system calls and superpackets each way, and losses by cause (tun.pxd has their
        meaning)."""
        return self.c.counts

    def close(self) -> None:
        """Closes the queue; the device goes with its last one, unless it is persistent. Nothing is
        received or sent any more; counts stay."""
        self._release()
