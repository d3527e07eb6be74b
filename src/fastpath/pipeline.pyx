"""The pipeline: what happens to a burst.

A burst goes from stage to stage in chunks: headers, longest match, kind of the adjacency, for what
came out of a session once more in its own table, and then in order of arrival what each verdict
asks for. Each stage prefetches what the next one reads.
"""

cimport cython
from fastpath.adjacency cimport (
    ADJ_DONT_FRAGMENT, ADJ_GLEAN, ADJ_HOLD, ADJ_IP, ADJ_LOCAL, ADJ_PENDING, ADJ_SESSION,
    ADJ_TUNNEL, adjacency_t)
from fastpath.atomic cimport ATOMIC_RELAXED, atomic_and_u8
from fastpath.counters cimport (
    COUNTER_DECAPSULATED, COUNTER_ENCAPSULATED, COUNTER_RECEIVED, COUNTER_RECEIVED_OCTETS,
    add_count, add_verdict)
from fastpath.decap cimport (
    DECAP_CONTROL, DECAP_DROP, DECAP_INNER, DECAP_PPP, decap, decap_ahead, decap_t)
from fastpath.encap cimport decrement_ttl, prepend
from fastpath.epoch cimport epoch_pass
from fastpath.output cimport port_entry_t
from fastpath.packet cimport PKT_DECAPPED, PKT_QUIET_IN, PKT_QUIET_OUT, PKT_READONLY
from fastpath.parse cimport parse_ip, parse_link
from fastpath.parse_quick cimport parse_plain, parse_quick
from fastpath.ports.port cimport port_io
from fastpath.prefetch cimport prefetch_read, prefetch_write
from fastpath.prefix_store cimport store_longest
from fastpath.punting cimport Punting
from fastpath.quick cimport add_session, is_plain, queue, unframe
from fastpath.session cimport (
    policy_t, session_ahead, session_count_t, session_entry_t, session_owns, session_policy)
from fastpath.trigger cimport TRIGGER_GONE
from fastpath.types cimport BURST_MAX, INET, INET6, NH_DROP, SESSION_INVALID
from fastpath.verdict cimport (
    REASON_INNER_SOURCE, REASON_IP6_NOT_FORWARDED, REASON_NONE, REASON_NO_ROUTE,
    REASON_PROHIBITED, REASON_SAME_SESSION, VERDICT_DELIVER, VERDICT_DROP, VERDICT_FORWARD,
    VERDICT_PUNT_L2TP, VERDICT_PUNT_LOCAL, VERDICT_PUNT_PPP, VERDICT_TRIGGER)
from fastpath.wire cimport ICMP_UNREACHABLE, load_be32
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    LINE = 64


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Pipeline(Punting):
    """The part of a worker that touches packets."""

    cdef int take_burst(self, int port, int most, uint64_t until) noexcept nogil:
        """One burst. How many packets were handled, -1 if the port is damaged."""
        cdef port_io* io = self.port[port].io
        cdef int n = io.rx_burst(io.state, self._burst, most, until)
        if n > 0:
            n = self.handle_burst(port, self._burst, n)
            io.rx_consume(io.state, n)
        return n

    cdef int handle_burst(self, int port, packet_t* burst, int n) noexcept nogil:
        """A burst where its descriptors lie. How many packets were handled, of 1 to BURST_MAX."""
        cdef port_entry_t* entry = &self.port[port]
        cdef tally_t tally
        cdef packet_t* following
        cdef int done = 0
        cdef int count, handled
        self._version = epoch_pass(self.forwarding.epoch, self._slot)
        self._events = 0
        memset(&tally, 0, sizeof(tally))
        self._ahead(burst, min(n, 2 * <int>CHUNK))
        self._find(port, burst, min(n, <int>CHUNK))
        while done < n:
            count = min(n - done, <int>CHUNK)
            following = burst + done + count
            self._ahead(following + <int>CHUNK, min(n - done - count - <int>CHUNK, <int>CHUNK))
            self._find(port, following, min(n - done - count, <int>CHUNK))
            self._judge(burst + done, count)
            handled = self._carry_out(burst + done, count, &tally)
            done += handled
            if handled < count:
                break
        self._now = burst[done - 1].ts
        add_count(self._counters, COUNTER_RECEIVED, done)
        add_count(self._counters, COUNTER_RECEIVED_OCTETS, tally.octets)
        add_count(self._counters, COUNTER_ENCAPSULATED, tally.forwarded)
        add_count(self._counters, COUNTER_DECAPSULATED, tally.decapsulated)
        add_verdict(self._counters, VERDICT_FORWARD, tally.forwarded)
        add_verdict(self._counters, VERDICT_DELIVER, tally.delivered)
        entry.rx_packets += done
        entry.rx_octets += tally.octets
        self.flush()
        return done

    cdef int64_t take_bursts(self, int port, uint64_t until, uint64_t limit) noexcept nogil:
        """Bursts from one port until it has no packet, something for control happened, or `limit`
        packets were handled. How many were, -1 if the port is damaged and none was."""
        cdef uint64_t done = 0
        cdef int n
        while done < limit:
            n = self.take_burst(port, <int>min(<uint64_t>BURST_MAX, limit - done), until)
            if n <= 0:
                return n if done == 0 else <int64_t>done
            done += n
            if self._events:
                break
        return <int64_t>done

    cdef void _ahead(self, const packet_t* burst, int n) noexcept nogil:
        """Asks for the line of each header, and for the one before, where the outer one goes."""
        cdef int i
        for i in range(n):
            prefetch_write(burst[i].data)
            if not burst[i].flags & PKT_READONLY:
                prefetch_write(burst[i].data - LINE)

    # Verdicts -------------------------------------------------------------------------------

    cdef void _find(self, int port, packet_t* burst, int n) noexcept nogil:
        """Checks headers and finds next hops; no octet of a packet, no counter, no state changes,
        here nor in what follows up to _carry_out."""
        cdef uint16_t table = self.port[port].table
        cdef const adjacency_t* adjacencies = self._adjacencies
        cdef packet_t* p
        cdef int i
        for i in range(n):
            p = &burst[i]
            p.port = port
            p.table = table
            p.session = SESSION_INVALID
            p.verdict = VERDICT_DROP
            p.reason = REASON_NONE
            if parse_quick(p):
                memcpy(&self._keys[i], p.data + p.l3 + 16, 4)
            else:
                self._keys[i] = self._parse(p)
        self.lookup(table, self._keys, self._found, n)
        for i in range(n):
            burst[i].nh = self._found[i]
            prefetch_read(&adjacencies[self._found[i]])

    cdef void _judge(self, packet_t* burst, int n) noexcept nogil:
        """Gives each packet its verdict, from the kind of its adjacency."""
        cdef session_count_t* sent = self.counts.sent
        cdef const adjacency_t* a
        cdef packet_t* p
        cdef uint32_t filtered = 0
        cdef int inner = 0
        cdef int i
        self._filtered = 0
        for i in range(n):
            p = &burst[i]
            a = &self._adjacencies[p.nh]
            filtered |= a.filter | (a.flags & ADJ_PENDING)
            if p.reason != REASON_NONE:
                continue
            if a.kind == ADJ_SESSION:
                p.verdict = VERDICT_FORWARD
                prefetch_write(&sent[a.session])
            elif a.kind == ADJ_LOCAL and a.flags & ADJ_TUNNEL:
                self._inner[inner] = i
                inner += 1
            else:
                self._enter(p, a)
        if inner:
            self._decapsulate(burst, inner)
        if filtered | self._filtered:
            self.filter(burst, n)

    cdef uint32_t _parse(self, packet_t* p) noexcept nogil:
        """What is wrong with a packet that is not plain, if anything is. Returns its key."""
        cdef uint32_t key = 0
        cdef int reason
        p.family = 0
        reason = parse_link(p)
        if reason == REASON_NONE:
            reason = parse_ip(p)
        if reason == REASON_NONE and p.family == INET6:
            reason = REASON_IP6_NOT_FORWARDED
        if reason == REASON_NONE:
            memcpy(&key, p.data + p.l3 + 16, 4)
        p.reason = <uint8_t>reason
        return key

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
        if kind == DECAP_DROP:
            p.verdict = VERDICT_DROP
        elif kind == DECAP_CONTROL:
            p.verdict = VERDICT_PUNT_L2TP
        elif kind == DECAP_PPP:
            p.verdict = VERDICT_PUNT_PPP
        elif kind == DECAP_INNER:
            prefetch_write(&self.counts.received[p.session])
            p.verdict = VERDICT_DROP
            p.family = INET
            p.reason = REASON_NONE
            if not parse_plain(p, 0):
                p.reason = <uint8_t>parse_ip(p)
            return p.reason == REASON_NONE
        return 0

    cdef void _reclassify(self, packet_t* burst, int n) noexcept nogil:
        """Inner packets, looked up in the tables of their sessions, runs of one table at a time.

        The source is looked up too: it must lead back into the session, or be in a prefix of the
        session whose route another one has taken over (see _feasible).
        """
        cdef const adjacency_t* a
        cdef packet_t* p
        cdef uint16_t table
        cdef int first = 0
        cdef int last, i
        while first < n:
            table = burst[self._inner[first]].table
            last = first
            while last < n and burst[self._inner[last]].table == table:
                p = &burst[self._inner[last]]
                memcpy(&self._keys[2 * (last - first)], p.data + 12, 8)
                last += 1
            self.lookup(table, self._keys, self._found, 2 * (last - first))
            for i in range(last - first):
                prefetch_read(&self._adjacencies[self._found[2 * i + 1]])
            for i in range(last - first):
                p = &burst[self._inner[first + i]]
                p.nh = self._found[2 * i + 1]
                if (self._found[2 * i] != self._sessions.at[p.session].nh
                        and not self._feasible(p, self._found[2 * i])):
                    p.reason = REASON_INNER_SOURCE
                else:
                    a = &self._adjacencies[p.nh]
                    self._filtered |= (a.filter | (a.flags & ADJ_PENDING)
                                       | self._sessions.at[p.session].filtered)
                    self._enter(p, a)
            first = last

    cdef bint _feasible(self, packet_t* p, nh_t found) noexcept nogil:
        """Whether the inner source of p, routed to `found`, may come by p.session all the same: it
        is in one of the session's own prefixes (feasible paths, RFC 3704 2.3), and no longer
        prefix says that it is somewhere else. Our own addresses and home hosts never do.
        """
        cdef const uint8_t* source = p.data + 12
        cdef session_entry_t* session = &self._sessions.at[p.session]
        cdef const policy_t* policy = session_policy(session, self._version.number)
        cdef uint8_t kind = self._adjacencies[found].kind
        cdef int length
        if policy == NULL or policy.count == 0 or kind == ADJ_LOCAL or kind == ADJ_IP:
            return False
        length = store_longest(self.forwarding.table[p.table].exact4, source)
        return session_owns(policy, load_be32(source),
                            <uint32_t> (<uint64_t> 0xFFFFFFFF << (32 - length)))

    # What the verdict asks for --------------------------------------------------------------

    cdef int _carry_out(self, packet_t* burst, int n, tally_t* tally) noexcept nogil:
        """In order of arrival. How many: with stop_on_event, up to the first that control has to
        hear of."""
        cdef const adjacency_t* adjacencies = self._adjacencies
        cdef port_entry_t* ports = self.port
        # With a capture each packet tells its story where it happens.
        cdef uint32_t attached = self.ports if self.capture == NULL else 0
        cdef session_count_t* sent = self.counts.sent
        cdef session_count_t* received = self.counts.received
        cdef const adjacency_t* a
        cdef packet_t* p
        cdef int i
        for i in range(n):
            p = &burst[i]
            a = &adjacencies[p.nh]
            tally.octets += p.wire_len
            if p.verdict <= VERDICT_DELIVER and a.port < attached and is_plain(p, a):
                if ports[a.port].io != NULL:
                    if p.flags & PKT_DECAPPED:
                        add_session(&received[p.session], p, PKT_QUIET_IN)
                        tally.decapsulated += 1
                    decrement_ttl(p.data + p.l3)
                    if p.verdict == VERDICT_FORWARD:
                        add_session(&sent[a.session], p, PKT_QUIET_OUT)
                        tally.forwarded += 1
                        prepend(a, p, 0 if a.flags & ADJ_DONT_FRAGMENT
                                else self._next_identification(a), 0)
                    else:
                        unframe(p)
                        tally.delivered += 1
                    if queue(&ports[a.port], p):
                        self.transmit(&ports[a.port])
                    continue
            self._handle(p)
            if self._stop_on_event and self._events:
                return i + 1
        return n

    cdef void _handle(self, packet_t* p) noexcept nogil:
        """Carries any verdict out."""
        cdef nh_t nh = p.nh
        cdef adjacency_t* a = self.adjacency(&nh)
        cdef uint32_t waiting = self.triggers.total.enqueued
        cdef int outcome = TRIGGER_GONE
        if p.flags & PKT_DECAPPED:
            if p.verdict == VERDICT_DROP:
                self.counts.received[p.session].refused += 1
            else:
                add_count(self._counters, COUNTER_DECAPSULATED, 1)
                add_session(&self.counts.received[p.session], p, PKT_QUIET_IN)
        if p.verdict == VERDICT_FORWARD:
            if a.flags & ADJ_HOLD:
                outcome = self.triggers.offer_tail(p, self.forwarding.adjacencies.side[nh].hold)
            if outcome != TRIGGER_GONE:
                self.trigger(p, outcome, waiting)
                return
            if a.flags & ADJ_HOLD:
                # The key was forgotten, so no flush will end the hold.
                atomic_and_u8(&a.flags, <uint8_t>~ADJ_HOLD, ATOMIC_RELAXED)
            self.forward(p, a)
        elif p.verdict == VERDICT_DELIVER:
            self.deliver(p, a)
        elif p.verdict == VERDICT_DROP:
            if p.reason == REASON_NO_ROUTE:
                self.answer(p, ICMP_UNREACHABLE, 0, 0)
            self.drop(p, p.reason)
        elif p.verdict == VERDICT_TRIGGER:
            self.trigger(p, self.triggers.offer(p, p.nh), waiting)
        else:
            self.punt(p)
