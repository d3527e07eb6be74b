"""Transmit queues, memory for packets made here, and the capture of what passed."""

cimport cython
from fastpath.adjacency cimport ADJ_PENDING, adjacency_in
from fastpath.atomic cimport ATOMIC_ACQUIRE, atomic_load_u8
from fastpath.counters cimport (
    COUNTER_SENT, COUNTER_SENT_OCTETS, COUNTER_SEND_REFUSED, add_count, add_reason, add_verdict,
    counters_t)
from fastpath.epoch cimport epoch_give, epoch_offline, epoch_online, epoch_take, WORKERS_MAX
from fastpath.flow cimport family_of
from fastpath.icmp cimport bucket_init
from fastpath.memory cimport unmap
from fastpath.packet cimport LINK_IPV4, LINK_IPV6, PKT_GENERATED, PKT_READONLY
from fastpath.ports.capture_output cimport CaptureWriter
from fastpath.quick cimport queue
from fastpath.types cimport HEADROOM, INET, PORT_MASK, SESSION_INVALID
from fastpath.verdict cimport VERDICT_DROP, verdict_text
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import numpy as np

from fastpath.counters import DTYPE

cdef enum:
    LINES = 128


def _lines_of_its_own() -> np.ndarray:
    """Counters that share no cache line, nor a pair of them, with what another thread writes."""
    octets = np.zeros(DTYPE.itemsize + 2 * LINES, dtype=np.uint8)
    start = -octets.ctypes.data % LINES
    return octets[start:start + DTYPE.itemsize].view(DTYPE)


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Transmit:
    """Owned by one worker and used on its thread only."""

    def __cinit__(self, Forwarding forwarding not None, uint32_t error_rate, uint32_t echo_rate,
                  *_rest):
        self.forwarding = forwarding
        self._adjacencies = forwarding.adjacencies.at
        self._sessions = &forwarding.sessions.map
        self._slot = epoch_take(forwarding.epoch)
        if self._slot == NULL:
            raise MemoryError(f"all {WORKERS_MAX} workers are in use")
        self._arena = <uint8_t*>malloc(ARENA_SIZE)
        if self._arena == NULL:
            raise MemoryError(f"no memory for an arena of {ARENA_SIZE} octets")
        self.record = _lines_of_its_own()
        self._counters = <counters_t*><size_t>self.record.ctypes.data
        memset(self.port, 0, sizeof(self.port))
        forwarding.count_in(&self.counts)
        bucket_init(&self.errors, error_rate, error_rate)
        bucket_init(&self.echoes, echo_rate, echo_rate)
        self.ports = 0
        self.capture = NULL
        self.comment = NULL
        self._arena_used = 0
        self._extra_used = 0

    def __dealloc__(self):
        free(self._arena)
        if self.forwarding is not None:
            self.forwarding.count_out(&self.counts)
            if self._slot != NULL:
                epoch_give(self.forwarding.epoch, self._slot)
        unmap(self.counts.sent, self.counts.size)
        unmap(self.counts.received, self.counts.size)

    def set_capture(self, CaptureWriter recorder) -> None:
        """Records every packet that passes, None: none. The caller keeps the recorder alive."""
        self.capture = NULL if recorder is None else &recorder.io

    cdef void lookup(self, uint16_t table, const void* keys, nh_t* found, int n) noexcept nogil:
        """Next hops of IPv4 addresses in network order."""
        self.forwarding.table[table].v4.lookup(self._version.view[table].v4,
                                               <const uint8_t*>keys, found, n)

    cdef void lookup6(self, uint16_t table, const void* keys, nh_t* found, int n) noexcept nogil:
        """The same of IPv6 addresses."""
        self.forwarding.table[table].v6.lookup(self._version.view[table].v6,
                                               <const uint8_t*>keys, found, n)

    cdef void online(self) noexcept nogil:
        self._version = epoch_online(self.forwarding.epoch, self._slot)

    cdef void offline(self) noexcept nogil:
        epoch_offline(self._slot)

    cdef adjacency_t* adjacency(self, nh_t* nh) noexcept nogil:
        if atomic_load_u8(&self._adjacencies[nh[0]].flags, ATOMIC_ACQUIRE) & ADJ_PENDING:
            nh[0] = adjacency_in(self._adjacencies, self.forwarding.adjacencies.side, nh[0],
                                 self._version.number)
        return &self._adjacencies[nh[0]]

    cdef void drop(self, packet_t* p, uint8_t reason) noexcept nogil:
        """Counts a received packet as dropped. The answer to it, if any, was sent before."""
        p.verdict = VERDICT_DROP
        p.reason = reason
        add_verdict(self._counters, VERDICT_DROP, 1)
        add_reason(self._counters, reason, 1)
        if self.capture != NULL:
            self.record_received(p, verdict_text(VERDICT_DROP, reason))

    # Memory and queues ----------------------------------------------------------------------

    cdef packet_t* make(self, uint32_t size, uint64_t ts) noexcept nogil:
        """A new packet with room for `size` octets and a headroom. Valid until the next flush."""
        cdef uint32_t need = (HEADROOM + size + 63) & ~<uint32_t>63
        cdef packet_t* p
        if self._extra_used == EXTRA_MAX or self._arena_used + need > ARENA_SIZE:
            self.flush()
        p = &self._extra[self._extra_used]
        self._extra_used += 1
        memset(p, 0, sizeof(packet_t))
        p.data = p.frame = self._arena + self._arena_used + HEADROOM
        self._arena_used += need
        p.ts = ts
        p.headroom = HEADROOM
        p.link = LINK_IPV4
        p.family = INET
        p.session = SESSION_INVALID
        p.flags = PKT_GENERATED
        return p

    cdef void _own(self, packet_t* p) noexcept nogil:
        """Makes a received packet writable with headroom: copies it from its IP header on if need
        be."""
        cdef uint32_t length = p.len - p.l3
        cdef uint32_t need = (HEADROOM + length + 63) & ~<uint32_t>63
        if not p.flags & PKT_READONLY and p.headroom + p.l3 >= HEADROOM // 2:
            return
        if self._arena_used + need > ARENA_SIZE:
            self.flush()
        memcpy(self._arena + self._arena_used + HEADROOM, p.data + p.l3, length)
        p.data = self._arena + self._arena_used + HEADROOM
        self._arena_used += need
        p.len = length
        p.l4 -= p.l3
        p.l3 = 0
        p.headroom = HEADROOM
        p.flags &= ~<uint8_t>PKT_READONLY

    cdef void _queue(self, packet_t* p, uint16_t port) noexcept nogil:
        cdef int index = port & PORT_MASK
        cdef port_entry_t* entry = &self.port[index]
        if index >= self.ports or entry.io == NULL:
            add_count(self._counters, COUNTER_SEND_REFUSED, 1)
            return
        if self.capture != NULL:
            self.capture.record(self.capture.state, p.ts, p.data, p.len, p.len,
                                LINK_IPV4 if family_of(p.data) == INET else LINK_IPV6, index, 1,
                                verdict_text(p.verdict, 0) if self.comment == NULL
                                else self.comment)
        if queue(entry, p, port):
            self.transmit(entry)

    cdef void transmit(self, port_entry_t* entry) noexcept nogil:
        cdef int taken = entry.io.tx_burst(entry.io.state, entry.queue, entry.queued)
        cdef int i
        cdef uint64_t octets = 0
        for i in range(taken):
            octets += entry.queue[i].len
        entry.tx_packets += taken
        entry.tx_octets += octets
        entry.tx_refused += entry.queued - taken
        add_count(self._counters, COUNTER_SENT, taken)
        add_count(self._counters, COUNTER_SENT_OCTETS, octets)
        add_count(self._counters, COUNTER_SEND_REFUSED, entry.queued - taken)
        entry.queued = 0

    cdef void flush(self) noexcept nogil:
        """Sends what waits; then the arena and the packets made here are free again."""
        cdef int i
        for i in range(self.ports):
            if self.port[i].queued:
                self.transmit(&self.port[i])
        self._arena_used = 0
        self._extra_used = 0

    cdef void count_punt(self, packet_t* p) noexcept nogil:
        """A packet that went to control, or was answered for it."""
        add_verdict(self._counters, p.verdict, 1)
        if self.capture != NULL:
            self.record_received(p, verdict_text(p.verdict, 0))

    cdef void record_received(self, packet_t* p, const char* comment) noexcept nogil:
        """Captures a packet in the form in which it was received."""
        self.capture.record(self.capture.state, p.ts, p.frame, p.frame_len, p.wire_len, p.link,
                            p.port, 0, comment)
