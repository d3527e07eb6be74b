"""What control has a worker do: the orders that it carries out between two bursts.

Flushes and drops of triggers' buffers, frames of control's own, questions about routes, ports that
come and go. How an order gets to the worker's thread is worker.pyx.
"""

cimport cython
from fastpath.adjacency cimport ADJ_HOLD, ADJ_SESSION, adjacency_t
from fastpath.atomic cimport ATOMIC_SEQ_CST, atomic_and_u8
from fastpath.counters cimport (
    COUNTER_INJECTED, COUNTER_PUNTED, COUNTER_TRIGGERS_DROPPED, COUNTER_TRIGGERS_FLUSHED, add_count)
from fastpath.decap cimport DECAP_PPP, decap, decap_t
from fastpath.flow cimport family_of
from fastpath.forwarding cimport table_entry_t
from fastpath.packet cimport LINK_IPV4, LINK_IPV6, PKT_SOCKET, PKT_TRUSTED, packet_t
from fastpath.parse cimport parse_ip
from fastpath.pipeline cimport Pipeline
from fastpath.ports.port cimport capture_io
from fastpath.sampler cimport sampler_t
from fastpath.transmit cimport port_entry_t
from fastpath.trigger cimport TRIGGER_CLOSED, TRIGGER_DISCARD
from fastpath.types cimport DATAGRAM_MAX, INET, NH_DROP, nh_t
from fastpath.verdict cimport REASON_NONE, REASON_UNKNOWN_SESSION, VERDICT_PUNT_PPP
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Orders(Pipeline):
    """The part of a worker that does what control wants."""

    cdef void _carry(self, order_t* order) noexcept nogil:
        if order.timed:
            self._now = order.now
        if order.what == ORDER_INJECT:
            order.result = self._inject(order)
        elif order.what == ORDER_SEND:
            self.flush()
        elif order.what == ORDER_FLUSH:
            order.result = self._flush_trigger(order)
        elif order.what == ORDER_DROP:
            order.result = self._drop_trigger(order)
        elif order.what == ORDER_RESOLVE:
            order.result = self._resolve(order)
        elif order.what == ORDER_RECORD:
            self.capture = <capture_io*>order.into
        elif order.what == ORDER_SAMPLE:
            self._sampler = <sampler_t*>order.into
        elif order.what == ORDER_EARLY:
            order.result = self._judge_early(order)
        else:
            self._attach(order)

    cdef void _attach(self, const order_t* order) noexcept nogil:
        cdef port_entry_t* entry = &self.port[order.port]
        if order.what == ORDER_RESET:
            memset(entry, 0, sizeof(port_entry_t))
            return
        self.flush()
        entry.io = order.io
        if order.io != NULL:
            entry.table = <uint16_t>order.table
            self.ports = max(self.ports, order.port + 1)

    cdef nh_t _judge_early(self, order_t* order) noexcept nogil:
        """The session of a frame that had none when it came, 0 if it still has none: with `forget`
        that is its end."""
        cdef decap_t d
        cdef packet_t* p = self.make(order.length, self._now)
        memcpy(p.data, order.frame, order.length)
        p.len = p.frame_len = p.wire_len = order.length
        p.family = family_of(p.data)
        p.link = LINK_IPV4 if p.family == INET else LINK_IPV6
        # Its checksum was looked at when it came.
        p.flags |= PKT_TRUSTED | PKT_SOCKET
        p.reason = <uint8_t>parse_ip(p)
        memset(&d, 0, sizeof(d))
        if p.reason == REASON_NONE and decap(p, self._sessions, self._version.number,
                                             &d) == DECAP_PPP:
            order.frame += d.ppp - p.data
            order.length = d.ppp_len
            p.verdict = VERDICT_PUNT_PPP
            add_count(self._counters, COUNTER_PUNTED, 1)
            self.count_punt(p)
            return self._sessions.at[p.session].nh
        if order.forget:
            self.drop(p, REASON_UNKNOWN_SESSION)
        return 0

    cdef nh_t _resolve(self, const order_t* order) noexcept nogil:
        cdef table_entry_t* entry = &self.forwarding.table[order.table]
        cdef nh_t nh = NH_DROP
        if order.length == INET:
            entry.v4.lookup(self._version.view[order.table].v4, order.frame, &nh, 1)
        else:
            entry.v6.lookup(self._version.view[order.table].v6, order.frame, &nh, 1)
        return nh

    cdef int64_t _inject(self, const order_t* order) noexcept nogil:
        cdef nh_t nh = order.nh
        cdef adjacency_t* a = self.adjacency(&nh)
        cdef packet_t* p = self.make(order.length, self._now)
        cdef int reason = 0
        memcpy(p.data, order.frame, order.length)
        p.len = order.length
        p.family = family_of(p.data)
        self.comment = b"control"
        if a.kind == ADJ_SESSION:
            self.encapsulate(p, a)
        else:
            reason = self.send(p, a)
        self.comment = NULL
        if not order.waits:
            self.flush()
        if reason == 0:
            add_count(self._counters, COUNTER_INJECTED, 1)
        return reason

    cdef int64_t _flush_trigger(self, const order_t* order) noexcept nogil:
        """Packets join the buffer until the key is gone, so it is emptied until nothing came while
        the last ones left: whoever finds no key sends behind them. What other workers put in faster
        than it leaves is not waited for; it is discarded, as behind a full buffer."""
        cdef nh_t nh = order.nh
        cdef adjacency_t* a = self.adjacency(&nh)
        cdef uint64_t hold = self.forwarding.adjacencies.side[nh].hold
        cdef packet_t* p
        cdef int64_t sent = 0
        cdef int64_t dropped = 0
        cdef int emptied = 0
        self.comment = b"TRIGGER flushed"
        while True:
            p = self._take(<uint32_t>order.key, True)
            if p == NULL:
                self.flush()
                if self.triggers.end(order.key):
                    break
                emptied += 1
                if emptied == FLUSHES_MAX:
                    self.triggers.order(order.key, TRIGGER_CLOSED)
            elif self.forward_held(p, a, self._now):
                sent += 1
            else:
                dropped += 1
                if self.capture != NULL:
                    self.record_received(p, b"TRIGGER dropped")
        if a.flags & ADJ_HOLD and hold == order.key:
            atomic_and_u8(&a.flags, <uint8_t>~ADJ_HOLD, ATOMIC_SEQ_CST)
        self.comment = NULL
        add_count(self._counters, COUNTER_TRIGGERS_FLUSHED, sent)
        add_count(self._counters, COUNTER_TRIGGERS_DROPPED, dropped)
        return sent

    cdef int64_t _drop_trigger(self, const order_t* order) noexcept nogil:
        cdef packet_t* p
        cdef int64_t dropped = 0
        while True:
            p = self._take(<uint32_t>order.key, False)
            if p != NULL:
                dropped += 1
                if self.capture != NULL:
                    self.record_received(p, b"TRIGGER dropped")
            elif not order.forget:
                self.triggers.order(order.key, TRIGGER_DISCARD)
                break
            elif self.triggers.end(order.key):
                break
        self.flush()
        add_count(self._counters, COUNTER_TRIGGERS_DROPPED, dropped)
        return dropped

    cdef packet_t* _take(self, uint32_t index, bint flushed) noexcept nogil:
        """The oldest packet of a trigger's buffer, NULL: it is empty."""
        cdef packet_t* p = self.make(DATAGRAM_MAX, self._now)
        p.len = self.triggers.take(index, p, flushed)
        p.frame_len = p.wire_len = p.len
        if p.len == 0:
            return NULL
        p.family = family_of(p.data)
        p.link = LINK_IPV4 if p.family == INET else LINK_IPV6
        parse_ip(p)               # it was sound when it came
        return p
