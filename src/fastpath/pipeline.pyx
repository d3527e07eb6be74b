"""The pipeline: what happens to a burst.

A burst goes from stage to stage in chunks: headers, longest match, kind of the adjacency, for what
came out of a session once more in its own table, and then in order of arrival what each verdict
asks for. Each stage prefetches what the next one reads.
"""

cimport cython
from fastpath.adjacency cimport (
    ADJ_DONT_FRAGMENT, ADJ_HOLD, ADJ_LOCAL, ADJ_PENDING, ADJ_SESSION, ADJ_TUNNEL, adjacency_t)
from fastpath.atomic cimport ATOMIC_RELAXED, atomic_and_u8
from fastpath.counters cimport (
    COUNTER_DECAPSULATED, COUNTER_ENCAPSULATED, COUNTER_RECEIVED, COUNTER_RECEIVED_OCTETS,
    add_count, add_verdict)
from fastpath.encap cimport decrement_ttl, prepend
from fastpath.encap6 cimport decrement_hops, prepend_any
from fastpath.epoch cimport epoch_pass
from fastpath.ip6 cimport IP6_DESTINATION
from fastpath.output cimport ANSWER_NO_ROUTE, ANSWER_PROHIBITED
from fastpath.packet cimport PKT_DECAPPED, PKT_QUIET_IN, PKT_QUIET_OUT, PKT_READONLY
from fastpath.parse cimport parse_ip, parse_link
from fastpath.parse_quick cimport parse_quick, parse_quick6
from fastpath.ports.port cimport port_io
from fastpath.prefetch cimport prefetch_read, prefetch_write
from fastpath.quick cimport add_session, is_plain, is_plain6, queue, unframe
from fastpath.sampler cimport sample_before, sample_behind
from fastpath.session cimport session_count_t
from fastpath.transmit cimport port_entry_t
from fastpath.trigger cimport TRIGGER_GONE
from fastpath.types cimport BURST_MAX, INET, INET6, NH_DROP, PORT_MASK, SESSION_INVALID, nh_t
from fastpath.unwrap cimport CHUNK, Unwrap
from fastpath.verdict cimport (
    REASON_FILTERED, REASON_NONE, REASON_NO_ROUTE, REASON_UNKNOWN_SESSION, VERDICT_DELIVER,
    VERDICT_DROP, VERDICT_FORWARD, VERDICT_TRIGGER)
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    LINE = 64


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Pipeline(Unwrap):
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
        cdef uint8_t sampled[BURST_MAX]
        cdef int samples = 0
        if self._sampler != NULL:
            samples = sample_before(self._sampler, burst, n, port, sampled)
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
        if samples:
            sample_behind(self._sampler, burst, done, sampled, samples)
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
        cdef int six = 0
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
            elif parse_quick6(p):
                self._keys[i] = 0
                six += 1
            else:
                self._keys[i] = self._parse(p)
                six += p.family == INET6
        if six < n:
            self.lookup(table, self._keys, self._found, n)
        if six:
            self._find6(table, burst, n)
        for i in range(n):
            burst[i].nh = self._found[i]
            prefetch_read(&adjacencies[self._found[i]])

    cdef void _find6(self, uint16_t table, const packet_t* burst, int n) noexcept nogil:
        """The next hops of a chunk's IPv6 packets, between those of the others."""
        cdef nh_t found[CHUNK]
        cdef uint16_t at[CHUNK]
        cdef const packet_t* p
        cdef int count = 0
        cdef int i
        for i in range(n):
            p = &burst[i]
            if p.family == INET6:
                at[count] = i
                self._found[i] = NH_DROP
                if p.reason == REASON_NONE:
                    memcpy(&self._keys6[16 * count], p.data + p.l3 + IP6_DESTINATION, 16)
                    count += 1
        if count:
            self.lookup6(table, self._keys6, found, count)
        for i in range(count):
            self._found[at[i]] = found[i]

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
        """What is wrong with a packet that is not plain, if anything is. Returns its IPv4 key."""
        cdef uint32_t key = 0
        cdef int reason
        p.family = 0
        reason = parse_link(p)
        if reason == REASON_NONE:
            reason = parse_ip(p)
        if reason == REASON_NONE and p.family == INET:
            memcpy(&key, p.data + p.l3 + 16, 4)
        p.reason = <uint8_t>reason
        return key

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
        cdef uint32_t port
        cdef int i
        for i in range(n):
            p = &burst[i]
            a = &adjacencies[p.nh]
            tally.octets += p.wire_len
            port = a.port & PORT_MASK
            if p.verdict <= VERDICT_DELIVER and port < attached and ports[port].io != NULL:
                if is_plain(p, a):
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
                    if queue(&ports[port], p, a.port):
                        self.transmit(&ports[port])
                    continue
                if is_plain6(p, a):
                    self._leave6(p, a, tally)
                    continue
            self._handle(p)
            if self._stop_on_event and self._events:
                return i + 1
        return n

    cdef void _leave6(self, packet_t* p, const adjacency_t* a, tally_t* tally) noexcept nogil:
        """The same where IPv6 is inside, outside, or both: apart, so that the loop stays short."""
        if p.flags & PKT_DECAPPED:
            add_session(&self.counts.received[p.session], p, PKT_QUIET_IN)
            tally.decapsulated += 1
        decrement_hops(p)
        if p.verdict == VERDICT_FORWARD:
            add_session(&self.counts.sent[a.session], p, PKT_QUIET_OUT)
            tally.forwarded += 1
            prepend_any(a, p, self._next_identification(a), 0)
        else:
            unframe(p)
            tally.delivered += 1
        if queue(&self.port[a.port & PORT_MASK], p, a.port):
            self.transmit(&self.port[a.port & PORT_MASK])

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
                self.answer(p, ANSWER_NO_ROUTE, 0)
            elif p.reason == REASON_FILTERED:
                self.answer(p, ANSWER_PROHIBITED, 0)
            elif p.reason == REASON_UNKNOWN_SESSION and self.punt_early(p):
                return
            self.drop(p, p.reason)
        elif p.verdict == VERDICT_TRIGGER:
            self.trigger(p, self.triggers.offer(p, p.nh), waiting)
        else:
            self.punt(p)
