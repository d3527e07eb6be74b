"""The way out of the data plane: encapsulation, delivery, fragments, answers."""

cimport cython
from fastpath.adjacency cimport ADJ_DONT_FRAGMENT, ADJ_IP, ADJ_SEQUENCE, ADJ_SESSION
from fastpath.atomic cimport ATOMIC_RELAXED, atomic_add_u16
from fastpath.counters cimport (
    COUNTER_ENCAPSULATED, COUNTER_FRAGMENTS, COUNTER_ICMP_LIMITED, COUNTER_ICMP_SENT,
    COUNTER_ICMP_UNROUTABLE, add_count, add_verdict)
from fastpath.encap6 cimport decrement_hops, prepend_any, prepend_ppp_any
from fastpath.fragment cimport frag_begin, frag_next, frag_t
from fastpath.icmp cimport bucket_take, icmp_echo_reply, icmp_error
from fastpath.icmp6 cimport icmp6_echo_reply, icmp6_error
from fastpath.ip6 cimport IP6_DESTINATION, is_unspecified
from fastpath.mss cimport cut_mss
from fastpath.packet cimport PKT_DECAPPED, PKT_QUIET_OUT
from fastpath.quick cimport add_session, unframe
from fastpath.types cimport INET, PORT_MASK, nh_t
from fastpath.verdict cimport (
    REASON_NONE, REASON_PORT_GONE, REASON_TOO_BIG, REASON_TTL_EXPIRED, VERDICT_DELIVER,
    VERDICT_FORWARD)
from fastpath.wire cimport (
    ICMP6_NO_ROUTE, ICMP6_PROHIBITED, ICMP6_TIME_EXCEEDED, ICMP6_TOO_BIG, ICMP6_UNREACHABLE,
    ICMP_FRAGMENTATION_NEEDED, ICMP_PROHIBITED, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE,
    ICMP_UNREACHABLE_NET, PROTO_TCP, htobe16)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    ANSWER_MAX = 1280         # octets of an ICMPv6 error; ICMPv4 has fewer

# What each answer is in ICMP and in ICMPv6.
cdef uint8_t[4] TYPE = [ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE, ICMP_UNREACHABLE, ICMP_UNREACHABLE]
cdef uint8_t[4] CODE = [0, ICMP_UNREACHABLE_NET, ICMP_PROHIBITED, ICMP_FRAGMENTATION_NEEDED]
cdef uint8_t[4] TYPE6 = [ICMP6_TIME_EXCEEDED, ICMP6_UNREACHABLE, ICMP6_UNREACHABLE, ICMP6_TOO_BIG]
cdef uint8_t[4] CODE6 = [0, ICMP6_NO_ROUTE, ICMP6_PROHIBITED, 0]


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Output(Transmit):
    """Handlers of packets that leave."""

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
        """Decrements TTL or hop limit; says why and answers if the packet may not go on (RFC 1812
        5.3.1, 4.2.2.7; RFC 8200 3, 5)."""
        cdef uint8_t* ip = p.data + p.l3
        cdef uint32_t length = p.len - p.l3
        cdef frag_t fragments
        cdef int reason = REASON_TOO_BIG
        if a.port & PORT_MASK >= self.ports or self.port[a.port & PORT_MASK].io == NULL:
            return REASON_PORT_GONE
        if ip[8 if p.family == INET else 7] <= 1:
            self.answer(p, ANSWER_EXPIRED, 0)
            return REASON_TTL_EXPIRED
        if length > a.mtu:
            # Of an IPv6 packet only its source makes fragments.
            if p.family == INET:
                reason = frag_begin(&fragments, ip, length, a.mtu)
            if reason == REASON_TOO_BIG:
                self.answer(p, ANSWER_TOO_BIG, a.mtu)
            if reason != REASON_NONE:
                return <uint8_t>reason
        self._own(p)
        decrement_hops(p)
        if p.proto == PROTO_TCP:
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
        """A packet that is ours to change, in fragments if it must be, over an adjacency.
        REASON_NONE, or why it cannot be cut: then nothing was sent."""
        cdef frag_t fragments
        cdef int reason
        cdef packet_t* piece
        cdef uint32_t n
        unframe(p)
        if p.len <= a.mtu:
            self._send_whole(p, a)
            return REASON_NONE
        if p.family != INET:
            return REASON_TOO_BIG
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
            prepend_any(a, p, self._next_identification(a), self._next_sequence(a))
        self._queue(p, a.port)

    cdef void encapsulate(self, packet_t* p, adjacency_t* a) noexcept nogil:
        """A PPP frame that brings its own PPP header, inside a session."""
        prepend_ppp_any(a, p, self._next_identification(a), self._next_sequence(a))
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

    # Answers (RFC 792, RFC 1812 4.3, RFC 4443) ------------------------------------------------

    cdef void answer(self, packet_t* p, int what, uint16_t mtu) noexcept nogil:
        """An ICMP error about a packet that was received, if the rate allows."""
        cdef uint32_t source = self.forwarding.table[p.table].address
        cdef const uint8_t* source6 = self.forwarding.table[p.table].address6
        cdef packet_t* reply
        if source == 0 if p.family == INET else is_unspecified(source6):
            return
        if not bucket_take(&self.errors, p.ts):
            add_count(self._counters, COUNTER_ICMP_LIMITED, 1)
            return
        reply = self.make(ANSWER_MAX, p.ts)
        reply.family = p.family
        if p.family == INET:
            reply.len = icmp_error(reply.data, ANSWER_MAX, p.data + p.l3, p.len - p.l3, source,
                                   TYPE[what], CODE[what], mtu)
        else:
            reply.len = icmp6_error(reply.data, ANSWER_MAX, p.data + p.l3, p.len - p.l3, source6,
                                    TYPE6[what], CODE6[what], mtu)
        if reply.len:
            self._send_generated(reply, p.table)

    cdef int echo(self, packet_t* p) noexcept nogil:
        """Answers a ping to one of our addresses. 0: it was none."""
        cdef packet_t* reply
        cdef uint32_t length = p.len - p.l3
        reply = self.make(length, p.ts)
        reply.family = p.family
        if p.family == INET:
            reply.len = icmp_echo_reply(reply.data, length, p.data + p.l3, length)
        else:
            reply.len = icmp6_echo_reply(reply.data, length, p.data + p.l3, length)
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
        if p.family == INET:
            self.lookup(table, p.data + 16, &nh, 1)
        else:
            self.lookup6(table, p.data + IP6_DESTINATION, &nh, 1)
        a = self.adjacency(&nh)
        if (a.kind != ADJ_IP and a.kind != ADJ_SESSION) or a.port & PORT_MASK >= self.ports:
            add_count(self._counters, COUNTER_ICMP_UNROUTABLE, 1)
            return
        self.comment = b"ICMP answer"
        sent = self.send(p, a) == REASON_NONE
        self.comment = comment
        add_count(self._counters, COUNTER_ICMP_SENT if sent else COUNTER_ICMP_UNROUTABLE, 1)
