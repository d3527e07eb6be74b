"""The way out of the data plane: encapsulation, delivery, fragments, ICMP answers, transmit
queues."""

cimport cython
from fastpath.adjacency cimport (
    ADJ_DONT_FRAGMENT, ADJ_IP, ADJ_PENDING, ADJ_SEQUENCE, ADJ_SESSION, adjacency_in)
from fastpath.atomic cimport ATOMIC_ACQUIRE, ATOMIC_RELAXED, atomic_add_u16, atomic_load_u8
from fastpath.counters cimport (
    COUNTER_ENCAPSULATED, COUNTER_FRAGMENTS, COUNTER_ICMP_LIMITED, COUNTER_ICMP_SENT,
    COUNTER_ICMP_UNROUTABLE, COUNTER_SENT, COUNTER_SENT_OCTETS, COUNTER_SEND_REFUSED,
    add_count, add_reason, add_verdict)
from fastpath.encap cimport decrement_ttl, prepend, prepend_ppp
from fastpath.epoch cimport epoch_give, epoch_offline, epoch_online, epoch_take, WORKERS_MAX
from fastpath.fragment cimport frag_begin, frag_next, frag_t
from fastpath.icmp cimport bucket_init, bucket_take, icmp_echo_reply, icmp_error
from fastpath.memory cimport unmap
from fastpath.mss cimport cut_mss
from fastpath.packet cimport (
    LINK_IPV4, PKT_DECAPPED, PKT_GENERATED, PKT_QUIET_OUT, PKT_READONLY)
from fastpath.ports.capture_output cimport CaptureWriter
from fastpath.quick cimport add_session, queue, unframe
from fastpath.types cimport HEADROOM, INET, SESSION_INVALID
from fastpath.verdict cimport (
    REASON_NONE, REASON_PORT_GONE, REASON_TOO_BIG, REASON_TTL_EXPIRED, VERDICT_DELIVER,
    VERDICT_DROP, VERDICT_FORWARD, verdict_text)
from fastpath.wire cimport (
    ICMP_FRAGMENTATION_NEEDED, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE, PROTO_TCP,
    htobe16)
from fastpath.counters cimport counters_t
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
cdef class Output:
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

    cdef void online(self) noexcept nogil:
        self._version = epoch_online(self.forwarding.epoch, self._slot)

    cdef void offline(self) noexcept nogil:
        epoch_offline(self._slot)

    cdef adjacency_t* adjacency(self, nh_t* nh) noexcept nogil:
        if atomic_load_u8(&self._adjacencies[nh[0]].flags, ATOMIC_ACQUIRE) & ADJ_PENDING:
            nh[0] = adjacency_in(self._adjacencies, self.forwarding.adjacencies.side, nh[0],
                                 self._version.number)
        return &self._adjacencies[nh[0]]

    # Packets that leave ---------------------------------------------------------------------

    cdef void forward(self, packet_t* p, adjacency_t* a) noexcept nogil:
        """A received packet over a session: TTL, MTU, encapsulation."""
        cdef uint8_t reason = self._pass(p, a)
        if reason != REASON_NONE:
            self.drop(p, reason)
            return
        add_verdict(self._counters, VERDICT_FORWARD, 1)
        self.send(p, a)

    cdef void deliver(self, packet_t* p, adjacency_t* a) noexcept nogil:
        """A received packet to a plain next hop."""
        cdef uint8_t reason = self._pass(p, a)
        if reason != REASON_NONE:
            self.drop(p, reason)
            return
        add_verdict(self._counters, VERDICT_DELIVER, 1)
        self.send(p, a)

    cdef int forward_held(self, packet_t* p, adjacency_t* a, uint64_t now) noexcept nogil:
        """A packet that waited in a trigger buffer, counted when it came. 0: it may not go on."""
        p.table = self._sessions.at[a.session].table
        p.ts = now
        if self._pass(p, a) != REASON_NONE:
            return 0
        self.send(p, a)
        return 1

    cdef uint8_t _pass(self, packet_t* p, adjacency_t* a) noexcept nogil:
        """Decrements TTL; says why and answers if the packet may not go on (RFC 1812 5.3.1,
        4.2.2.7)."""
        cdef uint8_t* ip = p.data + p.l3
        cdef uint32_t length = p.len - p.l3
        cdef frag_t fragments
        cdef int reason
        if a.port >= self.ports or self.port[a.port].io == NULL:
            return REASON_PORT_GONE
        if ip[8] <= 1:
            self.answer(p, ICMP_TIME_EXCEEDED, 0, 0)
            return REASON_TTL_EXPIRED
        if length > a.mtu:
            reason = frag_begin(&fragments, ip, length, a.mtu)
            if reason == REASON_TOO_BIG:
                self.answer(p, ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, a.mtu)
            if reason != REASON_NONE:
                return <uint8_t>reason
        self._own(p)
        ip = p.data + p.l3
        decrement_ttl(ip)
        if ip[9] == PROTO_TCP:
            self._clamp(p, a)
        return REASON_NONE

    cdef void _clamp(self, packet_t* p, const adjacency_t* a) noexcept nogil:
        """Cuts the MSS of a SYN to what fits the session it leaves by, and the one it came by."""
        cdef uint16_t mss = a.mss
        cdef nh_t nh
        if mss:
            cut_mss(p.data + p.l3, p.len - p.l3, mss)
        if p.flags & PKT_DECAPPED:
            nh = self._sessions.at[p.session].nh
            mss = self.adjacency(&nh).mss
            if mss:
                cut_mss(p.data + p.l3, p.len - p.l3, mss)

    cdef int send(self, packet_t* p, adjacency_t* a) noexcept nogil:
        """An IPv4 packet that is ours to change, in fragments if it must be, over an adjacency.
        REASON_NONE, or why it cannot be cut: then nothing was sent."""
        cdef frag_t fragments
        cdef int reason
        cdef packet_t* piece
        cdef uint32_t n
        unframe(p)
        if p.len <= a.mtu:
            self._send_whole(p, a)
            return REASON_NONE
        # From a copy: making the pieces may start the arena over, and the packet lies in it.
        memcpy(self._whole, p.data, p.len)
        reason = frag_begin(&fragments, self._whole, p.len, a.mtu)
        while reason == REASON_NONE:
            piece = self.make(a.mtu, p.ts)
            n = frag_next(&fragments, piece.data)
            if n == 0:
                break
            piece.len = n
            piece.verdict = p.verdict
            add_count(self._counters, COUNTER_FRAGMENTS, 1)
            self._send_whole(piece, a)
        return reason

    cdef void _send_whole(self, packet_t* p, adjacency_t* a) noexcept nogil:
        if a.kind == ADJ_SESSION:
            add_session(&self.counts.sent[a.session], p, PKT_QUIET_OUT)
            add_count(self._counters, COUNTER_ENCAPSULATED, 1)
            prepend(a, p, self._next_identification(a), self._next_sequence(a))
        self._queue(p, a.port)

    cdef void encapsulate(self, packet_t* p, adjacency_t* a) noexcept nogil:
        """A PPP frame that brings its own PPP header, inside a session."""
        prepend_ppp(a, p, self._next_identification(a), self._next_sequence(a))
        self._queue(p, a.port)

    cdef uint16_t _next_identification(self, const adjacency_t* a) noexcept nogil:
        """In network order. A packet that nobody may cut needs none (RFC 6864 4.1)."""
        if a.flags & ADJ_DONT_FRAGMENT:
            return 0
        self._identification += 1
        return htobe16(<uint16_t>(self._identification - 1))

    cdef uint16_t _next_sequence(self, const adjacency_t* a) noexcept nogil:
        """Ns in network order: the only thing that workers share and all write."""
        if not a.flags & ADJ_SEQUENCE:
            return 0
        return htobe16(atomic_add_u16(&self._sessions.at[a.session].sequence, 1, ATOMIC_RELAXED))

    cdef void drop(self, packet_t* p, uint8_t reason) noexcept nogil:
        """Counts a received packet as dropped. The answer to it, if any, was sent before."""
        p.verdict = VERDICT_DROP
        p.reason = reason
        add_verdict(self._counters, VERDICT_DROP, 1)
        add_reason(self._counters, reason, 1)
        if self.capture != NULL:
            self.record_received(p, verdict_text(VERDICT_DROP, reason))

    # Answers (RFC 792, RFC 1812 4.3) ---------------------------------------------------------

    cdef void answer(self, packet_t* p, uint8_t type, uint8_t code, uint16_t mtu) noexcept nogil:
        """An ICMP error about a packet that was received, if the rate allows."""
        cdef uint32_t source = self.forwarding.table[p.table].address
        cdef packet_t* reply
        if source == 0:
            return
        if not bucket_take(&self.errors, p.ts):
            add_count(self._counters, COUNTER_ICMP_LIMITED, 1)
            return
        reply = self.make(576, p.ts)
        reply.len = icmp_error(reply.data, 576, p.data + p.l3, p.len - p.l3, source, type, code,
                               mtu)
        if reply.len:
            self._send_generated(reply, p.table)

    cdef int echo(self, packet_t* p) noexcept nogil:
        """Answers a ping to one of our addresses. 0: it was none."""
        cdef packet_t* reply
        cdef uint32_t length = p.len - p.l3
        reply = self.make(length, p.ts)
        reply.len = icmp_echo_reply(reply.data, length, p.data + p.l3, length)
        if reply.len == 0:
            return 0
        if bucket_take(&self.echoes, p.ts):
            self._send_generated(reply, p.table)
        else:
            add_count(self._counters, COUNTER_ICMP_LIMITED, 1)
        return 1

    cdef void _send_generated(self, packet_t* p, uint16_t table) noexcept nogil:
        """Routes a packet of our own; it never causes another one."""
        cdef const char* comment = self.comment
        cdef bint sent
        cdef nh_t nh
        cdef adjacency_t* a
        self.lookup(table, p.data + 16, &nh, 1)
        a = self.adjacency(&nh)
        if (a.kind != ADJ_IP and a.kind != ADJ_SESSION) or a.port >= self.ports:
            add_count(self._counters, COUNTER_ICMP_UNROUTABLE, 1)
            return
        self.comment = b"ICMP answer"
        sent = self.send(p, a) == REASON_NONE
        self.comment = comment
        add_count(self._counters, COUNTER_ICMP_SENT if sent else COUNTER_ICMP_UNROUTABLE, 1)

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
        cdef port_entry_t* entry
        if port >= self.ports or self.port[port].io == NULL:
            add_count(self._counters, COUNTER_SEND_REFUSED, 1)
            return
        entry = &self.port[port]
        if self.capture != NULL:
            self.capture.record(self.capture.state, p.ts, p.data, p.len, p.len, LINK_IPV4, port, 1,
                                verdict_text(p.verdict, 0) if self.comment == NULL
                                else self.comment)
        if queue(entry, p):
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
