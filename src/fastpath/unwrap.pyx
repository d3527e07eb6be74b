"""Packets out of sessions (contract in unwrap.pxd).

Decapsulated packets are classified again in the table of their session, and that verdict counts.
"""

cimport cython
from fastpath.adjacency cimport (
    ADJ_GLEAN, ADJ_IP, ADJ_LOCAL, ADJ_PENDING, ADJ_SESSION, ADJ_TUNNEL, adjacency_t)
from fastpath.decap cimport (
    DECAP_CONTROL, DECAP_DROP, DECAP_INNER, DECAP_PPP, decap, decap_ahead, decap_t)
from fastpath.flow cimport flow_addresses
from fastpath.ip6 cimport IP6_SOURCE
from fastpath.packet cimport packet_t
from fastpath.parse cimport parse_ip
from fastpath.parse_quick cimport parse_plain, parse_plain6
from fastpath.prefetch cimport prefetch_read, prefetch_write
from fastpath.prefix_store cimport store_longest
from fastpath.punting cimport Punting
from fastpath.session cimport (
    policy_t, session_ahead, session_entry_t, session_is_old, session_owns, session_policy)
from fastpath.types cimport INET, NH_DROP, addr_t, nh_t
from fastpath.verdict cimport (
    REASON_INNER_SOURCE, REASON_NONE, REASON_NO_ROUTE, REASON_PROHIBITED, REASON_SAME_SESSION,
    REASON_SEQUENCE_OLD,
    VERDICT_DELIVER, VERDICT_DROP, VERDICT_FORWARD, VERDICT_PUNT_L2TP, VERDICT_PUNT_LOCAL,
    VERDICT_PUNT_PPP, VERDICT_TRIGGER)
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Unwrap(Punting):
    """The part of a worker that takes packets out of tunnels."""

    cdef void _enter(self, packet_t* p, const adjacency_t* a) noexcept nogil:
        """Verdict from the kind of the adjacency."""
        cdef nh_t nh = p.nh
        if a.flags & ADJ_PENDING:
            a = self.adjacency(&nh)
        if a.kind == ADJ_SESSION:
            if p.session == a.session:
                p.reason = REASON_SAME_SESSION
            else:
                p.verdict = VERDICT_FORWARD
        elif a.kind == ADJ_IP:
            p.verdict = VERDICT_DELIVER
        elif a.kind == ADJ_GLEAN:
            p.verdict = VERDICT_TRIGGER
        elif a.kind == ADJ_LOCAL:
            p.verdict = VERDICT_PUNT_LOCAL
            if a.flags & ADJ_TUNNEL:
                # Only an inner packet comes here: in the tunnel nobody may open another one.
                self._unwrap(p)
        else:
            p.reason = REASON_NO_ROUTE if p.nh == NH_DROP else REASON_PROHIBITED

    cdef void _decapsulate(self, packet_t* burst, int n) noexcept nogil:
        """Packets for tunnel addresses: those whose numbers are in _inner."""
        cdef uint64_t key[CHUNK]
        cdef packet_t* p
        cdef int inner = 0
        cdef int i
        for i in range(n):
            p = &burst[self._inner[i]]
            key[i] = decap_ahead(p)
            session_ahead(self._sessions, key[i], 0)
        for i in range(n):
            session_ahead(self._sessions, key[i], 1)
        for i in range(n):
            p = &burst[self._inner[i]]
            p.verdict = VERDICT_PUNT_LOCAL
            if self._unwrap(p):
                self._inner[inner] = self._inner[i]
                inner += 1
        if inner:
            self._reclassify(burst, inner)

    cdef int _unwrap(self, packet_t* p) noexcept nogil:
        """1: p is an inner packet now, whose verdict is open. 0: it has its verdict."""
        cdef decap_t d
        cdef int kind = decap(p, self._sessions, self._version.number, &d)
        if (kind in (DECAP_PPP, DECAP_INNER) and d.l2tp.has_ns
                and session_is_old(&self._sessions.at[p.session], d.l2tp.ns)):
            p.reason = REASON_SEQUENCE_OLD
            p.verdict = VERDICT_DROP
        elif kind == DECAP_DROP:
            p.verdict = VERDICT_DROP
        elif kind == DECAP_CONTROL:
            p.verdict = VERDICT_PUNT_L2TP
        elif kind == DECAP_PPP:
            p.verdict = VERDICT_PUNT_PPP
        elif kind == DECAP_INNER:
            prefetch_write(&self.counts.received[p.session])
            p.verdict = VERDICT_DROP
            p.reason = REASON_NONE
            if not (parse_plain(p, 0) if p.family == INET else parse_plain6(p, 0)):
                p.reason = <uint8_t>parse_ip(p)
            return p.reason == REASON_NONE
        return 0

    cdef void _reclassify(self, packet_t* burst, int n) noexcept nogil:
        """Inner packets, looked up in the tables of their sessions, runs of one table and family
        at a time.

        The source is looked up too: it must lead back into the session, or be in a prefix of the
        session whose route another one has taken over (see _feasible).
        """
        cdef packet_t* p
        cdef uint16_t table
        cdef uint8_t family
        cdef int first = 0
        cdef int last, i
        while first < n:
            table = burst[self._inner[first]].table
            family = burst[self._inner[first]].family
            last = first
            while last < n:
                p = &burst[self._inner[last]]
                if p.table != table or p.family != family:
                    break
                if family == INET:
                    memcpy(&self._keys[2 * (last - first)], p.data + 12, 8)
                else:
                    memcpy(&self._keys6[32 * (last - first)], p.data + IP6_SOURCE, 32)
                last += 1
            if family == INET:
                self.lookup(table, self._keys, self._found, 2 * (last - first))
            else:
                self.lookup6(table, self._keys6, self._found, 2 * (last - first))
            for i in range(last - first):
                prefetch_read(&self._adjacencies[self._found[2 * i + 1]])
            for i in range(last - first):
                self._admit(&burst[self._inner[first + i]], self._found[2 * i],
                            self._found[2 * i + 1])
            first = last

    cdef void _admit(self, packet_t* p, nh_t source, nh_t nh) noexcept nogil:
        """Verdict of an inner packet, whose source and destination lead to these next hops."""
        cdef const adjacency_t* a = &self._adjacencies[nh]
        p.nh = nh
        if (source != self._sessions.at[p.session].nh and not self._feasible(p, source)):
            p.reason = REASON_INNER_SOURCE
            return
        self._filtered |= (a.filter | (a.flags & ADJ_PENDING)
                           | self._sessions.at[p.session].filtered)
        self._enter(p, a)

    cdef bint _feasible(self, packet_t* p, nh_t found) noexcept nogil:
        """Whether the inner source of p, routed to `found`, may come by p.session all the same: it
        is in one of the session's own prefixes (feasible paths, RFC 3704 2.3), and no longer
        prefix says that it is somewhere else. Our own addresses and home hosts never do.
        """
        cdef session_entry_t* session = &self._sessions.at[p.session]
        cdef const policy_t* policy = session_policy(session, self._version.number)
        cdef uint8_t kind = self._adjacencies[found].kind
        cdef addr_t source, destination
        cdef int length
        if policy == NULL or policy.count == 0 or kind == ADJ_LOCAL or kind == ADJ_IP:
            return False
        flow_addresses(p, &source, &destination)
        if p.family == INET:
            length = 96 + store_longest(self.forwarding.table[p.table].exact4, source.octet + 12)
        else:
            length = store_longest(self.forwarding.table[p.table].exact6, source.octet)
        return session_owns(policy, &source, length)
