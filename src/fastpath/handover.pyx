"""The queues of a worker whose packets an embedder hands over (contract in handover.pxd).

A packet of the burst leaves where it lies: its list holds a pointer to the embedder's descriptor.
What the engine makes itself lies in memory that it uses again, so a list holds a copy of it. There
are two sets of lists: one is filled while the embedder works through the other.
"""

cimport cython
from fastpath.packet cimport packet_t
from fastpath.ports.port cimport Port
from fastpath.types cimport HEADROOM
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from posix.stdlib cimport posix_memalign


cdef packet_t* _copy(sent_t* sent, const packet_t* p) noexcept nogil:
    """The packet in memory that stays as long as the list; NULL if there is no room."""
    cdef uint32_t need = (HEADROOM + p.len + 63) & ~<uint32_t>63
    cdef packet_t* q = &sent.copies[sent.copied]
    if sent.copied == COPIES_MAX or need > COPIES_OCTETS - sent.used:
        return NULL
    q[0] = p[0]
    q.data = q.frame = sent.octets + sent.used + HEADROOM
    q.headroom = HEADROOM
    memcpy(q.data, p.data, p.len)
    sent.used += need
    sent.copied += 1
    return q


cdef inline bint _in_place(const packet_t* p) noexcept nogil:
    # Headers go at most HEADROOM octets before the frame; a packet that was copied for want of
    # room is elsewhere altogether.
    return p.frame - HEADROOM <= p.data and p.data < p.frame + p.frame_len


cdef int _tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    cdef lane_t* lane = <lane_t*>state
    cdef Bursts_t* all = lane.all
    cdef sent_t* sent = &all.sent[all.turn]
    cdef list_t* out = &sent.list[lane.port]
    cdef packet_t* p
    cdef int i
    for i in range(n):
        p = packets[i]
        if not (p >= all.packets and p < all.packets + all.n and _in_place(p)):
            p = _copy(sent, p)
        if p == NULL or out.count == LIST_MAX:
            out.refused += n - i
            return i
        out.packets[out.count] = p
        out.count += 1
    return n


cdef void _release(slots_t* slots) noexcept nogil:
    if not slots.lent:
        free(slots.packets)
    memset(slots, 0, sizeof(slots_t))


@cython.final
cdef class Bursts:
    """One worker's. Used on its thread only."""

    def __cinit__(self):
        cdef int i, turn
        self._queues = []
        self.c = <Bursts_t*>calloc(1, sizeof(Bursts_t))
        if self.c == NULL:
            raise MemoryError("no memory for the queues of a worker")
        for i in range(LANES):
            self.c.lane[i].all = self.c
            self.c.lane[i].port = i
        for turn in range(2):
            # calloc: what is never used is never mapped.
            self.c.sent[turn].copies = <packet_t*>calloc(COPIES_MAX, sizeof(packet_t))
            self.c.sent[turn].octets = <uint8_t*>calloc(COPIES_OCTETS, 1)
            if self.c.sent[turn].copies == NULL or self.c.sent[turn].octets == NULL:
                raise MemoryError("no memory for the queues of a worker")
            for i in range(LANES):
                self.c.sent[turn].list[i].packets = <packet_t**>calloc(LIST_MAX, sizeof(void*))
                if self.c.sent[turn].list[i].packets == NULL:
                    raise MemoryError("no memory for the queues of a worker")

    def __dealloc__(self):
        cdef int i, turn
        if self.c == NULL:
            return
        for turn in range(2):
            free(self.c.sent[turn].copies)
            free(self.c.sent[turn].octets)
            for i in range(LANES):
                free(self.c.sent[turn].list[i].packets)
        for i in range(LANES):
            _release(&self.c.lane[i].slots)
        free(self.c)

    cdef packet_t* attach_slots(self, int port, slots_t slots) except NULL:
        cdef void* block = NULL
        if slots.base == NULL:
            raise ValueError("base is NULL")
        if not 1 <= slots.slots <= SLOTS_MAX:
            raise ValueError(f"slots {slots.slots} is not 1..{SLOTS_MAX}")
        if slots.stride <= slots.headroom:
            raise ValueError(f"a stride of {slots.stride} octets leaves no room behind a headroom"
                             f" of {slots.headroom}")
        slots.lent = slots.packets != NULL
        if not slots.lent:
            if posix_memalign(&block, 64, slots.slots * sizeof(packet_t)):
                raise MemoryError(f"no memory for {slots.slots} descriptors")
            memset(block, 0, slots.slots * sizeof(packet_t))
            slots.packets = <packet_t*>block
        _release(&self.c.lane[port].slots)
        self.c.lane[port].slots = slots
        return slots.packets

    cdef bint describe(self, int port, uint32_t first, const uint32_t* lengths, int n,
                       uint64_t now_ns) noexcept nogil:
        cdef slots_t* slots = &self.c.lane[port].slots
        cdef uint8_t* data = slots.base + <size_t>first * slots.stride + slots.headroom
        cdef uint32_t room = slots.stride - slots.headroom
        cdef packet_t* p = slots.packets + first
        cdef int i
        for i in range(n):
            if lengths[i] > room:
                return False
            p.data = p.frame = data
            p.ts = now_ns
            p.len = p.frame_len = p.wire_len = lengths[i]
            p.headroom = slots.headroom
            p.link = slots.link
            p.flags = 0
            data += slots.stride
            p += 1
        return True

    cdef bint is_copy(self, const packet_t* p) noexcept nogil:
        cdef int turn
        for turn in range(2):
            if self.c.sent[turn].copies <= p < self.c.sent[turn].copies + COPIES_MAX:
                return True
        return False

    cdef list_t* hand_over(self, int ports) noexcept nogil:
        cdef sent_t* handed = &self.c.sent[self.c.turn]
        cdef sent_t* next = &self.c.sent[self.c.turn ^ 1]
        cdef int i
        for i in range(ports):
            next.list[i].count = next.list[i].refused = 0
        next.copied = next.used = 0
        self.c.turn ^= 1
        self.c.packets = NULL
        self.c.n = 0
        return handed.list

    cdef BurstQueue queue(self, int port):
        cdef BurstQueue queue = BurstQueue()
        queue.link(&self.c.lane[port])
        self._queues.append((port, queue))
        return queue

    cdef int restore(self) except -1:
        cdef int i
        for port, queue in self._queues:
            (<BurstQueue>queue).link(&self.c.lane[<int>port])
        for i in range(LANES):
            _release(&self.c.lane[i].slots)
        return 0


cdef class BurstQueue(Port):
    """A worker's queue of one port. It receives nothing by itself: bursts are handed over."""

    cdef void link(self, lane_t* lane) noexcept:
        cdef Port nothing = Port()
        self.io = nothing.io
        self.io.state = lane
        self.io.tx_burst = _tx_burst
