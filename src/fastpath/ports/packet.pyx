"""AF_PACKET on an Ethernet interface (packet(7)): any card, no change to its driver.

Frames are described where the kernel wrote them, with room for a tunnel's headers in front, and a
block of the ring goes back when all of its packets are done with. An eBPF filter lets in what is
ours (fastpath.ebpf), and the kernel's stack gets nothing of that. Frames leave as frames.pxd says.
The kernel gives a block away when it is full or RETIRE_MS old: at a low rate packets wait so long.
Superpackets (of GRO, or a local sender's) are cut into copies.
"""

cimport cython
from fastpath.atomic cimport ATOMIC_ACQUIRE, ATOMIC_RELEASE, atomic_load_u32, atomic_store_u32
from fastpath.checksum cimport fold_16, sum_octets
from fastpath.packet cimport LINK_ETHERNET, LINK_IPV4, LINK_IPV6, PKT_TRUSTED, packet_t
from fastpath.ports.frames cimport frames_begin, send_frames
from fastpath.ports.neighbours cimport Neighbours
from fastpath.ports.offload cimport VNET_DATA_VALID, VNET_HEADER, VNET_NEEDS_CSUM, vnet_h
from fastpath.ports.tun_split cimport split_begin, split_length, split_more, split_next
from fastpath.types cimport BURST_MAX, HEADROOM
from fastpath.wire cimport store_16
from libc.errno cimport errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, UINT64_MAX
from libc.stdlib cimport free, malloc

import os
import socket
import struct

from fastpath.ports.interface import Attachment, interface_name

cdef extern from "<sys/mman.h>" nogil:
    enum: PROT_READ
    enum: PROT_WRITE
    enum: MAP_SHARED
    enum: MAP_POPULATE
    void* MAP_FAILED
    void* mmap(void* at, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* at, size_t size)

cdef extern from "<linux/if_packet.h>" nogil:
    enum: TP_STATUS_USER
    enum: TP_STATUS_KERNEL
    enum: PACKET_HOST
    struct tpacket_hdr_v1:
        uint32_t block_status
        uint32_t num_pkts
        uint32_t offset_to_first_pkt
    union tpacket_bd_header_u:
        tpacket_hdr_v1 bh1
    struct tpacket_block_desc:
        tpacket_bd_header_u hdr
    struct tpacket3_hdr:
        uint32_t tp_next_offset
        uint32_t tp_snaplen
        uint32_t tp_len
        uint32_t tp_status
        uint16_t tp_mac
        uint16_t tp_net
    struct sockaddr_ll:
        uint8_t sll_pkttype
    enum: TPACKET3_HDRLEN

cdef enum:
    BLOCK = 1 << 17           # octets of a block: a superpacket of 64 KB finds room
    BLOCKS = 32
    RETIRE_MS = 1
    ROOM = 128                # octets that the kernel leaves in front of a frame beside its own
    SOCKADDR_AT = 48          # of sockaddr_ll in a frame's header
    PACKET_RX_RING = 5
    PACKET_STATISTICS = 6
    PACKET_VERSION = 10
    PACKET_RESERVE = 12
    PACKET_VNET_HDR = 15
    PACKET_FANOUT = 18
    PACKET_QDISC_BYPASS = 20
    PACKET_IGNORE_OUTGOING = 23
    TPACKET_V3 = 2
    FANOUT_HASH = 0
    FANOUT_UNIQUE = 0x2000
    SOL_PACKET = 263
    ETH_P_ALL = 3


# Receiving ----------------------------------------------------------------------------------------

cdef inline tpacket_block_desc* _block(ring_t* r) noexcept nogil:
    return <tpacket_block_desc*>(r.at + <size_t>r.block * BLOCK)


cdef bint _open_block(ring_t* r) noexcept nogil:
    """Gives the block back that is done with and begins with the next. False: none is ready."""
    cdef tpacket_block_desc* block
    cdef timespec now
    if r.held:
        block = _block(r)
        atomic_store_u32(&block.hdr.bh1.block_status, TP_STATUS_KERNEL, ATOMIC_RELEASE)
        r.block = (r.block + 1) % BLOCKS
        r.held = False
    block = _block(r)
    if not atomic_load_u32(&block.hdr.bh1.block_status, ATOMIC_ACQUIRE) & TP_STATUS_USER:
        return False
    r.held = True
    r.left = block.hdr.bh1.num_pkts
    r.frame = <uint8_t*>block + block.hdr.bh1.offset_to_first_pkt
    clock_gettime(CLOCK_MONOTONIC, &now)
    r.ts = <uint64_t>now.tv_sec * 1000000000 + <uint64_t>now.tv_nsec - r.base_ns
    r.counts.rx_blocks += 1
    return True


cdef bint _complete(vnet_h* header, uint8_t* frame, uint32_t len) noexcept nogil:
    """The checksum that a local sender left to the card. False: it lies outside the frame."""
    cdef uint32_t start = header.csum_start
    cdef uint32_t at = start + header.csum_offset
    cdef uint16_t checksum
    if at + 2 > len:
        return False
    checksum = <uint16_t>~fold_16(sum_octets(frame + start, len - start, 0))
    store_16(frame + at, checksum if checksum else 0xFFFF)
    # It may be described again.
    header.flags = VNET_DATA_VALID
    return True


cdef bint _describe(ring_t* r, const tpacket3_hdr* header, packet_t* p) noexcept nogil:
    """False: the frame is not for us, or nothing can be made of it."""
    cdef uint8_t* frame = r.frame + header.tp_mac
    cdef vnet_h* vnet = <vnet_h*>(frame - VNET_HEADER)
    if (<const sockaddr_ll*>(r.frame + SOCKADDR_AT)).sll_pkttype != PACKET_HOST:
        return False
    if header.tp_snaplen < header.tp_len:
        r.counts.rx_cut += 1
        return False
    if vnet.flags & VNET_NEEDS_CSUM and not _complete(vnet, frame, header.tp_snaplen):
        r.counts.rx_malformed += 1
        return False
    p.data = p.frame = frame
    p.len = p.frame_len = header.tp_snaplen
    p.wire_len = header.tp_len
    p.ts = r.ts
    p.headroom = header.tp_mac - TPACKET3_HDRLEN
    p.link = LINK_ETHERNET
    p.flags = PKT_TRUSTED if vnet.flags & VNET_DATA_VALID else 0
    return True


cdef int _rx_burst(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    """Packets of one block at the most: what lies in it stays until the next call."""
    cdef ring_t* r = <ring_t*>state
    cdef int n = 0
    if r.at == NULL:
        return 0
    max = min(max, <int>BURST_MAX)
    while n == 0:
        if r.head < r.count or r.splitting:
            n = _describe_pieces(r, packets, max)
            break
        if r.left == 0 and not _open_block(r):
            break
        if r.ts > until_ns:
            break
        n = _describe_block(r, packets, max)
    r.described = n
    return n


cdef void _begin_split(ring_t* r, const tpacket3_hdr* header) noexcept nogil:
    """A superpacket is the next frame; the block stays until all of it is cut."""
    cdef uint8_t* frame = r.frame + header.tp_mac
    cdef vnet_h* vnet = <vnet_h*>(frame - VNET_HEADER)
    cdef uint32_t link = header.tp_net - header.tp_mac
    cdef bint whole = header.tp_snaplen == header.tp_len and header.tp_snaplen > link
    # The kernel counts from the Ethernet header on.
    vnet.csum_start -= min(<uint16_t>link, vnet.csum_start)
    if ((<const sockaddr_ll*>(r.frame + SOCKADDR_AT)).sll_pkttype == PACKET_HOST):
        if not whole:
            r.counts.rx_cut += 1
        elif split_begin(&r.split, vnet, frame + link, header.tp_snaplen - link):
            r.splitting = True
            r.counts.rx_split += 1
        else:
            r.counts.rx_malformed += 1
    r.frame += header.tp_next_offset
    r.left -= 1


cdef int _describe_pieces(ring_t* r, packet_t* packets, int max) noexcept nogil:
    """Packets of a superpacket, in memory of our own."""
    cdef uint8_t* out = r.arena + HEADROOM
    cdef packet_t* p
    cdef int i, n
    if r.head == r.count:
        r.head = r.count = 0
        while (r.count < BURST_MAX and split_more(&r.split)
                and out + split_length(&r.split) <= r.arena + PACKET_ARENA):
            r.piece[r.count] = out
            r.length[r.count] = split_next(&r.split, out)
            out += (r.length[r.count] + HEADROOM + 63) & ~<uint32_t>63
            r.count += 1
        r.splitting = split_more(&r.split)
    n = min(max, r.count - r.head)
    for i in range(n):
        p = &packets[i]
        p.data = p.frame = r.piece[r.head + i]
        p.len = p.frame_len = p.wire_len = r.length[r.head + i]
        p.ts = r.ts
        p.headroom = HEADROOM
        p.link = LINK_IPV4 if p.data[0] >> 4 == 4 else LINK_IPV6
        p.flags = PKT_TRUSTED
    return n


cdef int _describe_block(ring_t* r, packet_t* packets, int max) noexcept nogil:
    cdef uint8_t* first = r.frame
    cdef uint32_t left = r.left
    cdef const tpacket3_hdr* header
    cdef int n = 0
    cdef bint ours
    while r.left and n < max:
        header = <const tpacket3_hdr*>r.frame
        if (<const vnet_h*>(r.frame + header.tp_mac - VNET_HEADER)).gso_type:
            if n == 0:
                _begin_split(r, header)
                return 0
            break
        ours = _describe(r, header, &packets[n])
        r.frame += header.tp_next_offset
        r.left -= 1
        if ours:
            r.next_frame[n] = r.frame
            r.next_left[n] = r.left
            n += 1
    if n:
        # Nothing is consumed yet.
        r.frame = first
        r.left = left
    return n


cdef void _rx_consume(void* state, int n) noexcept nogil:
    cdef ring_t* r = <ring_t*>state
    if r.head < r.count:
        r.head += min(n, r.count - r.head)
        r.counts.rx_packets += n
    elif n > 0 and n <= r.described:
        r.frame = r.next_frame[n - 1]
        r.left = r.next_left[n - 1]
        r.counts.rx_packets += n
        r.described = 0


cdef uint64_t _next_ns(void* state) noexcept nogil:
    cdef ring_t* r = <ring_t*>state
    cdef packet_t packets[1]
    return r.ts if _rx_burst(state, packets, 1, UINT64_MAX) else UINT64_MAX


# Sending ------------------------------------------------------------------------------------------

cdef int _tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    return send_frames(&(<ring_t*>state).out, packets, n)


# The port -----------------------------------------------------------------------------------------

@cython.final
cdef class PacketPort(Port):
    """A part of a port on an interface. `receives` False: it only sends.

    Times of packets are those of the monotonic clock less `base_ns`. Raises PermissionError without
    CAP_NET_RAW, OSError for what else is not to be had.
    """

    def __cinit__(self, attachment not None, *, str name="packet", uint64_t base_ns=0,
                  bint receives=True):
        self.name = name
        self.c.out.fd = -1
        self.c.base_ns = base_ns
        self._kernel = KernelPath(attachment.interface.name)
        self._tx = _socket(attachment.interface.index, 0)
        self._tx.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        self._prepare(attachment.neighbours)
        if receives:
            self._map_ring()
        self.attachment = attachment
        attachment.join()
        self.c.out.fd = self._tx.fileno()
        self.io.state = &self.c
        self.io.rx_burst = _rx_burst
        self.io.rx_consume = _rx_consume
        self.io.next_ns = _next_ns
        self.io.tx_burst = _tx_burst

    def __dealloc__(self):
        free(self.c.arena)
        if self.c.at != NULL:
            munmap(self.c.at, <size_t>BLOCK * BLOCKS)

    @classmethod
    def open(cls, str rest, *, str name, uint64_t base_ns=0, int queues=1):
        """Parts on the interface `rest` (see Port.open). Frames are spread over several by a hash
        of their flows."""
        attachment = Attachment(interface_name(rest))
        index = attachment.interface.index
        made = []
        try:
            made.append(cls(attachment, name=name, base_ns=base_ns, receives=False))
            group = None
            for _ in range(queues):
                part = cls(attachment, name=name, base_ns=base_ns)
                made.append(part)
                group = part.start(group, queues > 1)
            attachment.steering.drop(index)
        except BaseException:
            for part in made:
                part.close()
            attachment.steering.close()
            raise
        return made[0], made[1:]

    def _prepare(self, Neighbours neighbours) -> None:
        self.c.out.slots = neighbours.slot
        self.c.out.own = &neighbours.own
        self.c.out.kernel = &self._kernel.c
        frames_begin(&self.c.out)

    cdef _map_ring(self):
        cdef void* at
        made = self._rx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        made.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        made.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        made.setsockopt(SOL_PACKET, PACKET_RESERVE, ROOM)
        made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        made.setsockopt(SOL_PACKET, PACKET_RX_RING, struct.pack(
            "=7I", BLOCK, BLOCKS, 2048, BLOCK // 2048 * BLOCKS, RETIRE_MS, 0, 0))
        at = mmap(NULL, <size_t>BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                  made.fileno(), 0)
        if at == MAP_FAILED:
            raise OSError(errno, os.strerror(errno))
        self.c.at = <uint8_t*>at
        self.c.arena = <uint8_t*>malloc(PACKET_ARENA)
        if self.c.arena == NULL:
            raise MemoryError

    def start(self, group=None, bint shared=False):
        """Lets frames in that are ours. Returns the number of the fanout group."""
        steering, index = self.attachment.steering, self.attachment.interface.index
        steering.filter(self._rx.fileno())
        self._rx.bind((self.attachment.interface.name, ETH_P_ALL))
        if shared:
            wanted = FANOUT_HASH << 16 if group is not None else FANOUT_UNIQUE << 16
            self._rx.setsockopt(SOL_PACKET, PACKET_FANOUT, struct.pack("=I", (group or 0) | wanted))
            group = self._rx.getsockopt(SOL_PACKET, PACKET_FANOUT) & 0xFFFF
        self.io.fd = self._rx.fileno()
        return group

    @property
    def steering(self):
        """Which packets are ours: fastpath.ebpf.steering.Steering, of all parts."""
        return self.attachment.steering

    def set_neighbour(self, slot: int, mac: bytes | None) -> None:
        """Where packets of a slot go from now on, by all parts (see Neighbours.set)."""
        self.attachment.neighbours.set(slot, mac)

    def counts(self) -> dict[str, int]:
        """Frames each way, and errors by kind (see packet.pxd, frames.pxd); `rx_lost`: the ring was
        full."""
        if self._rx is not None and self._rx.fileno() >= 0:
            found = self._rx.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12)
            self._lost += struct.unpack("=III", found)[1]
            # A pending error, the interface's end among them, would keep it readable for ever.
            self._rx.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return {**self.c.counts, "rx_lost": self._lost, **self.c.out.counts,
                **self._kernel.counts()}

    def close(self) -> None:
        """Closes its sockets; with the last part the interface is the kernel's again."""
        if self.c.out.fd < 0:
            return
        self.c.out.fd = self.io.fd = -1
        self.c.left = self.c.head = self.c.count = 0
        self.c.splitting = False
        if self.c.at != NULL:
            munmap(self.c.at, <size_t>BLOCK * BLOCKS)
            self.c.at = NULL
        for made in (self._rx, self._tx):
            if made is not None:
                made.close()
        self._kernel.close()
        self.attachment.leave()


def _socket(int index, int protocol):
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        made.bind((socket.if_indextoname(index), protocol))
    except OSError:
        made.close()
        raise
    return made
