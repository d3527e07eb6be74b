"""The pipeline: what happens to a burst.

A burst is classified as a whole (parse, longest match, kind of the adjacency; what came out of a
session once more, in its own table), then handled in order of arrival. Several workers, and buckets
by verdict, are not here.
"""

from fastpath.adjacency cimport (
    ADJ_GLEAN, ADJ_HOLD, ADJ_IP, ADJ_LOCAL, ADJ_SESSION, ADJ_TUNNEL, adjacency_t)
from fastpath.counters cimport (
    COUNTER_DECAPSULATED, COUNTER_PUNTED, COUNTER_RECEIVED, COUNTER_RECEIVED_OCTETS,
    COUNTER_TRIGGERS_ADMITTED, add_count, add_verdict)
from fastpath.decap cimport (
    DECAP_CONTROL, DECAP_DROP, DECAP_INNER, DECAP_PPP, decap, decap_t)
from fastpath.output cimport port_entry_t
from fastpath.packet cimport PKT_DECAPPED
from fastpath.parse cimport parse_ip, parse_link
from fastpath.ports.port cimport port_io
from fastpath.ring cimport punt_t
from fastpath.session cimport session_count_t, session_entry_t, session_owns
from fastpath.trigger cimport TRIGGER_ADMITTED, TRIGGER_MISSED
from fastpath.prefix_store cimport prefix_store_t, store_cover, store_get
from fastpath.types cimport BURST_MAX, INET, INET6, NH_DROP, NH_INVALID, SESSION_INVALID
from fastpath.verdict cimport (
    REASON_INNER_SOURCE, REASON_IP6_NOT_FORWARDED, REASON_NONE, REASON_NO_ROUTE,
    REASON_PROHIBITED, REASON_PUNT_FULL, REASON_SAME_SESSION, VERDICT_COUNT, VERDICT_DELIVER,
    VERDICT_DROP, VERDICT_FORWARD, VERDICT_PUNT_L2TP, VERDICT_PUNT_LOCAL, VERDICT_PUNT_PPP,
    VERDICT_TRIGGER, verdict_text)
from fastpath.wire cimport ICMP_UNREACHABLE, PROTO_ICMP, load_be32
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef class Pipeline:
    """The part of an engine that touches packets."""

    cdef int _poll(self, int port, int most, uint64_t until) noexcept nogil:
        cdef port_entry_t* entry = &self._output.port[port]
        cdef port_io* io = entry.io
        cdef int n = io.rx_burst(io.state, self._burst, most, until)
        cdef uint64_t octets = 0
        cdef int i
        if n <= 0:
            return n
        self._events = 0
        self._classify(port, n)
        for i in range(n):
            self._now = self._burst[i].ts
            octets += self._burst[i].wire_len
            self._handle(&self._burst[i])
            if self._stop_on_event and self._events:
                n = i + 1
                break
        add_count(self._output.counters, COUNTER_RECEIVED, n)
        add_count(self._output.counters, COUNTER_RECEIVED_OCTETS, octets)
        entry.rx_packets += n
        entry.rx_octets += octets
        self._output.flush()
        io.rx_consume(io.state, n)
        return n

    cdef int64_t _run(self, int port, uint64_t until, uint64_t limit) noexcept nogil:
        """Bursts from one port until it has no packet, something for control happened, or `limit`
        packets were handled. How many were, -1 if the port is damaged and none was."""
        cdef uint64_t done = 0
        cdef int n
        while done < limit:
            n = self._poll(port, <int>min(<uint64_t>BURST_MAX, limit - done), until)
            if n <= 0:
                return n if done == 0 else <int64_t>done
            done += n
            if self._events:
                break
        return <int64_t>done

    cdef void _classify(self, int port, int n) noexcept nogil:
        """Gives each packet its verdict; no octet of a packet, no counter and no state changes."""
        cdef uint16_t table = self._output.port[port].table
        cdef packet_t* p
        cdef int i, reason
        cdef int keys = 0
        cdef int inner = 0
        for i in range(n):
            p = &self._burst[i]
            p.port = port
            p.table = table
            p.session = SESSION_INVALID
            p.family = 0
            p.verdict = VERDICT_DROP
            reason = parse_link(p)
            if reason == REASON_NONE:
                reason = parse_ip(p)
            if reason == REASON_NONE and p.family == INET6:
                reason = REASON_IP6_NOT_FORWARDED
            p.reason = reason
            if reason == REASON_NONE:
                memcpy(self._keys + 4 * keys, p.data + p.l3 + 16, 4)
                keys += 1
        self.forwarding.table[table].v4.lookup(self.forwarding.table[table].v4.version, self._keys,
                                               self._found, keys)
        keys = 0
        for i in range(n):
            p = &self._burst[i]
            if p.reason != REASON_NONE:
                continue
            p.nh = self._found[keys]
            keys += 1
            self._enter(p)
            if p.verdict == VERDICT_COUNT:
                self._inner[inner] = i
                inner += 1
        if inner:
            self._reclassify(inner)

    cdef void _enter(self, packet_t* p) noexcept nogil:
        """Verdict from the kind of the adjacency; VERDICT_COUNT: p is an inner packet now."""
        cdef adjacency_t* a = &self.forwarding.adjacencies.at[p.nh]
        cdef decap_t d
        cdef int kind, reason
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
            if not a.flags & ADJ_TUNNEL:
                return
            kind = decap(p, &self.forwarding.sessions.map, &d)
            if kind == DECAP_DROP:
                p.verdict = VERDICT_DROP
            elif kind == DECAP_CONTROL:
                p.verdict = VERDICT_PUNT_L2TP
            elif kind == DECAP_PPP:
                p.verdict = VERDICT_PUNT_PPP
            elif kind == DECAP_INNER:
                p.verdict = VERDICT_DROP
                p.family = INET
                reason = parse_ip(p)
                p.reason = reason
                if reason == REASON_NONE:
                    p.verdict = VERDICT_COUNT
        else:
            p.reason = REASON_NO_ROUTE if p.nh == NH_DROP else REASON_PROHIBITED

    cdef void _reclassify(self, int n) noexcept nogil:
        """Inner packets, looked up in the tables of their sessions, runs of one table at a time.

        The source is looked up too: it must lead back into the session, or be in a prefix of the
        session whose route another one has taken over (see _feasible).
        """
        cdef packet_t* p
        cdef uint16_t table
        cdef int first = 0
        cdef int last, i
        while first < n:
            table = self._burst[self._inner[first]].table
            last = first
            while last < n and self._burst[self._inner[last]].table == table:
                p = &self._burst[self._inner[last]]
                memcpy(self._keys + 8 * (last - first), p.data + 12, 8)
                last += 1
            self.forwarding.table[table].v4.lookup(self.forwarding.table[table].v4.version,
                                                   self._keys, self._found, 2 * (last - first))
            for i in range(last - first):
                p = &self._burst[self._inner[first + i]]
                p.verdict = VERDICT_DROP
                p.nh = self._found[2 * i + 1]
                if (self._found[2 * i] != self.forwarding.sessions.map.at[p.session].nh
                        and not self._feasible(p, self._found[2 * i])):
                    p.reason = REASON_INNER_SOURCE
                else:
                    self._enter(p)
            first = last

    cdef bint _feasible(self, packet_t* p, nh_t found) noexcept nogil:
        """Whether the inner source of p, routed to `found`, may come by p.session all the same: it
        is in one of the session's own prefixes (feasible paths, RFC 3704 2.3), and no longer
        prefix says that it is somewhere else. Our own addresses and home hosts never do.
        """
        cdef const uint8_t* source = p.data + 12
        cdef session_entry_t* session = &self.forwarding.sessions.map.at[p.session]
        cdef const prefix_store_t* routes = self.forwarding.table[p.table].exact4
        cdef uint8_t kind = self.forwarding.adjacencies.at[found].kind
        cdef int length = 32
        if session.sources == NULL or kind == ADJ_LOCAL or kind == ADJ_IP:
            return False
        if store_get(routes, source, length) == NH_INVALID:
            store_cover(routes, source, length, &length)
        return session_owns(session, load_be32(source),
                            <uint32_t> (<uint64_t> 0xFFFFFFFF << (32 - length)))

    cdef void _handle(self, packet_t* p) noexcept nogil:
        """Carries the verdict out."""
        cdef adjacency_t* a = &self.forwarding.adjacencies.at[p.nh]
        cdef uint32_t waiting = self.triggers.total.enqueued
        cdef uint64_t hold
        cdef session_count_t* count
        if p.flags & PKT_DECAPPED:
            count = &self._output.counts.received[p.session]
            if p.verdict == VERDICT_DROP:
                count.refused += 1
            else:
                add_count(self._output.counters, COUNTER_DECAPSULATED, 1)
                count.packets += 1
                count.octets += p.len
                count.last_ns = p.ts
        if p.verdict == VERDICT_FORWARD:
            hold = self.forwarding.adjacencies.side[p.nh].hold if a.flags & ADJ_HOLD else 0
            if a.flags & ADJ_HOLD and not self.triggers.is_live(hold):
                # The key was forgotten, so no flush will end the hold.
                a.flags &= ~<uint8_t>ADJ_HOLD
            if a.flags & ADJ_HOLD:
                self._trigger(p, self.triggers.offer_tail(p, hold), waiting)
            else:
                self._output.forward(p, a)
        elif p.verdict == VERDICT_DELIVER:
            self._output.deliver(p, a)
        elif p.verdict == VERDICT_DROP:
            if p.reason == REASON_NO_ROUTE:
                self._output.answer(p, ICMP_UNREACHABLE, 0, 0)
            self._output.drop(p, p.reason)
        elif p.verdict == VERDICT_TRIGGER:
            self._trigger(p, self.triggers.offer(p, p.nh), waiting)
        else:
            self._punt(p)

    cdef void _trigger(self, packet_t* p, int outcome, uint32_t waiting) noexcept nogil:
        """Counts a trigger; `waiting` packets were buffered before it was offered."""
        add_verdict(self._output.counters, VERDICT_TRIGGER, 1)
        add_count(self._output.counters, COUNTER_TRIGGERS_ADMITTED + outcome, 1)
        if outcome == TRIGGER_ADMITTED:
            self._events += 1
        # A buffered packet is captured when it leaves the buffer.
        if self._output.capture != NULL and self.triggers.total.enqueued == waiting:
            self._output.record_received(
                p, b"TRIGGER admitted" if outcome == TRIGGER_ADMITTED
                else b"TRIGGER missed" if outcome == TRIGGER_MISSED else b"TRIGGER discarded")

    cdef void _punt(self, packet_t* p) noexcept nogil:
        """Hands a packet to the control plane; pings to our addresses are answered here."""
        cdef punt_t record
        cdef decap_t d
        cdef uint8_t* ip = p.data + p.l3
        cdef uint8_t* data = ip
        record.ts = p.ts
        record.len = p.len - p.l3
        record.source = load_be32(ip + 12)
        record.destination = load_be32(ip + 16)
        record.source_port = record.destination_port = 0
        record.nh = 0
        record.table = p.table
        record.verdict = p.verdict
        if p.verdict != VERDICT_PUNT_LOCAL:
            decap(p, &self.forwarding.sessions.map, &d)
            record.source_port = d.udp.source
            record.destination_port = d.udp.destination
            data = d.datagram
            record.len = d.udp.payload_len
            if p.verdict == VERDICT_PUNT_PPP:
                record.nh = self.forwarding.sessions.map.at[p.session].nh
                record.table = self.forwarding.sessions.map.at[p.session].table
                data = d.ppp
                record.len = d.ppp_len
        elif p.proto == PROTO_ICMP and self._output.echo(p):
            self._count_punt(p)
            return
        if not self._punts.push(&record, data):
            self._output.drop(p, REASON_PUNT_FULL)
            return
        self._events += 1
        add_count(self._output.counters, COUNTER_PUNTED, 1)
        self._count_punt(p)

    cdef void _count_punt(self, packet_t* p) noexcept nogil:
        add_verdict(self._output.counters, p.verdict, 1)
        if self._output.capture != NULL:
            self._output.record_received(p, verdict_text(p.verdict, 0))
