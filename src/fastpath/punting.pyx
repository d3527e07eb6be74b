"""What goes to control: triggers, and packets that are its business (contract in punting.pxd)."""

cimport cython
from fastpath.counters cimport (
    COUNTER_PUNTED, COUNTER_TRIGGERS_ADMITTED, add_count, add_verdict)
from fastpath.decap cimport decap, decap_t
from fastpath.filtering cimport Filtering
from fastpath.flow cimport flow_addresses
from fastpath.icmp cimport bucket_take
from fastpath.packet cimport packet_t
from fastpath.ring cimport punt_t
from fastpath.parse cimport parse_ppp
from fastpath.trigger cimport TRIGGER_ADMITTED, TRIGGER_MISSED
from fastpath.types cimport INET, INET6
from fastpath.verdict cimport (
    REASON_NONE, REASON_PUNT_FULL, REASON_UNKNOWN_SESSION, VERDICT_PUNT_LOCAL, VERDICT_PUNT_PPP,
    VERDICT_TRIGGER)
from fastpath.wire cimport PPP_LCP, PROTO_ICMP, PROTO_ICMP6
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Punting(Filtering):
    """The part of a worker that control hears of."""

    cdef void trigger(self, packet_t* p, int outcome, uint32_t waiting) noexcept nogil:
        """Counts a trigger; `waiting` packets were buffered before it was offered."""
        add_verdict(self._counters, VERDICT_TRIGGER, 1)
        add_count(self._counters, COUNTER_TRIGGERS_ADMITTED + outcome, 1)
        if outcome == TRIGGER_ADMITTED:
            self._events += 1
        # A buffered packet is captured when it leaves the buffer.
        if self.capture != NULL and self.triggers.total.enqueued == waiting:
            self.record_received(
                p, b"TRIGGER admitted" if outcome == TRIGGER_ADMITTED
                else b"TRIGGER missed" if outcome == TRIGGER_MISSED else b"TRIGGER discarded")

    cdef void punt(self, packet_t* p) noexcept nogil:
        """Hands a packet to the control plane; pings to our addresses are answered here."""
        cdef punt_t record
        cdef decap_t d
        cdef uint8_t* ip = p.data + p.l3
        cdef uint8_t* data = ip
        record.ts = p.ts
        record.len = p.len - p.l3
        flow_addresses(p, &record.source, &record.destination)
        record.source_port = record.destination_port = 0
        record.nh = 0
        record.table = p.table
        record.verdict = p.verdict
        if p.verdict != VERDICT_PUNT_LOCAL:
            memset(&d, 0, sizeof(d))
            decap(p, self._sessions, self._version.number, &d)
            record.source_port = d.udp.source
            record.destination_port = d.udp.destination
            data = d.datagram
            record.len = d.udp.payload_len
            if p.verdict == VERDICT_PUNT_PPP:
                record.nh = self._sessions.at[p.session].nh
                record.table = self._sessions.at[p.session].table
                data = d.ppp
                record.len = d.ppp_len
        elif p.proto == (PROTO_ICMP if p.family == INET else PROTO_ICMP6) and self.echo(p):
            self.count_punt(p)
            return
        if not self._punts.push(&record, data):
            self.drop(p, REASON_PUNT_FULL)
            return
        self._events += 1
        add_count(self._counters, COUNTER_PUNTED, 1)
        self.count_punt(p)

    cdef bint punt_early(self, packet_t* p) noexcept nogil:
        """PPP begins with LCP, so nothing else can be such a frame (RFC 1661 3.2)."""
        cdef punt_t record
        cdef decap_t d
        cdef uint16_t protocol = 0
        cdef uint32_t header = 0
        if self._early.burst == 0:
            return False
        memset(&d, 0, sizeof(d))
        decap(p, self._sessions, self._version.number, &d)
        if p.reason != REASON_UNKNOWN_SESSION or (p.family == INET6 and d.udp.checksum == 0):
            return False
        if (parse_ppp(d.datagram + d.l2tp.payload, d.l2tp.payload_len, &protocol, &header)
                != REASON_NONE or protocol != PPP_LCP):
            return False
        if not bucket_take(&self._early, p.ts):
            return False
        flow_addresses(p, &record.source, &record.destination)
        record.ts = p.ts
        record.len = p.len - p.l3
        record.source_port = d.udp.source
        record.destination_port = d.udp.destination
        record.nh = 0
        record.table = p.table
        record.verdict = VERDICT_PUNT_PPP
        if not self._punts.push(&record, p.data + p.l3):
            return False
        self._events += 1
        return True
