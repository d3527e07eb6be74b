"""Port over a pool of packet slots: what it offers is never copied, and what is sent is counted.

It stands for a card whose buffers are filled by somebody else. Each packet is described where it
lies, with the headroom of its slot, and the engine writes its headers there. Nothing here waits or
keeps time, and no packet is made or changed: who fills the slots does that between two passes.
"""

cimport cython
from fastpath.packet cimport PKT_TRUSTED, packet_t
from fastpath.ports.linktype cimport link_number
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, UINT64_MAX


cdef int _rx_burst(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    cdef pool_t* pool = <pool_t*>state
    cdef uint64_t slot = pool.at
    cdef int n = <int>min(<uint64_t>max, pool.left)
    cdef uint8_t* data
    cdef packet_t* p
    cdef int i
    for i in range(n):
        data = pool.base + slot * pool.stride + pool.headroom
        p = &packets[i]
        p.data = p.frame = data
        p.ts = 0
        p.len = p.frame_len = p.wire_len = pool.length
        p.headroom = <uint16_t>pool.headroom
        p.link = pool.link
        p.flags = pool.flags
        slot += 1
        if slot == pool.slots:
            slot = 0
    return n


cdef void _rx_consume(void* state, int n) noexcept nogil:
    cdef pool_t* pool = <pool_t*>state
    pool.at = (pool.at + n) % pool.slots
    pool.left -= n


cdef uint64_t _next_ns(void* state) noexcept nogil:
    return 0 if (<pool_t*>state).left else UINT64_MAX


cdef int _tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    cdef pool_t* pool = <pool_t*>state
    cdef int i
    for i in range(n):
        pool.tx_octets += packets[i].len
    pool.tx_packets += n
    return n


@cython.final
cdef class PoolPort(Port):
    """A port whose packets are those that lie in `memory`, a writable buffer of octets.

    Slot i begins at octet i * stride; its packet of `length` octets follows `headroom` octets, of
    which the engine wants 128. `slots` are taken in turn, from the first again behind the last, as
    many packets as offer() says. `trusted`: transport checksums of the packets have been verified.
    Raises ValueError for slots that are not inside the buffer.
    """

    def __cinit__(self, uint8_t[::1] memory not None, *, uint64_t slots, uint64_t stride,
                  uint64_t headroom, uint32_t length, str name="pool", str link="raw",
                  bint trusted=False):
        if slots < 1 or headroom > 0xFFFF or headroom + length > stride:
            raise ValueError(f"{slots} slots of {stride} octets for {headroom} + {length}")
        if slots > <uint64_t>memory.shape[0] // stride:
            raise ValueError(f"{slots} slots of {stride} octets are not inside"
                             f" {memory.shape[0]} octets")
        self.name = name
        self.memory = memory
        self.c.base = &memory[0]
        self.c.slots = slots
        self.c.stride = stride
        self.c.headroom = headroom
        self.c.length = length
        self.c.link = link_number(link)
        self.c.flags = PKT_TRUSTED if trusted else 0
        self.io.state = &self.c
        self.io.rx_burst = _rx_burst
        self.io.rx_consume = _rx_consume
        self.io.next_ns = _next_ns
        self.io.tx_burst = _tx_burst

    def offer(self, uint64_t packets) -> None:
        """Lets the engine take so many packets, from the first slot on."""
        self.c.at = 0
        self.c.left = packets

    def __len__(self) -> int:
        """Packets that may still be taken."""
        return self.c.left

    @property
    def tx_packets(self) -> int:
        """Packets sent."""
        return self.c.tx_packets

    @property
    def tx_octets(self) -> int:
        """Octets of the packets sent."""
        return self.c.tx_octets

    def close(self) -> None:
        """Offers nothing any more; the memory is its owner's."""
        self.c.left = 0
