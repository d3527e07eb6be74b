"""Triggers: one event per key, and the packets that wait for the call (contract in trigger.pxd).

A key is (glean adjacency, destination). Specification 1.4.4 and 1.6: what may be buffered is
control's decision, made per key; how much is limited per routing table. Nothing here places calls,
sends packets or looks at time.
"""

from fastpath.address cimport addr_text
from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELEASE, atomic_load_u32, atomic_store_u32, spin_lock, spin_unlock)
from fastpath.flow cimport describe_ip, flow_addresses
from fastpath.hash cimport hash16, mix64
from fastpath.packet cimport packet_t
from fastpath.trigger_event cimport fill_event, note_enqueued
from fastpath.types cimport DATAGRAM_MAX, addr_t, nh_t, table_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from fastpath.trigger_record import COUNTERS, TriggerRecord

cdef enum:
    TABLES = 65536            # values of table_t
    CAPACITY_MAX = 1 << 24
    EVENTS_MAX = 1 << 20


cdef class TriggerTable:
    """Keys, their buffers, and the queue of events for control.

    capacity: most keys. events: length of the event queue, a power of two. seed: a secret for the
    hash. Orders name a key as its TriggerRecord does; KeyError if it is gone.
    """

    def __cinit__(self, uint32_t capacity=131072, uint32_t events=4096, seed=0):
        cdef uint32_t buckets = 2
        if not 1 <= capacity <= CAPACITY_MAX:
            raise ValueError(f"capacity {capacity} is not in 1..{CAPACITY_MAX}")
        if not 1 <= events <= EVENTS_MAX or events & (events - 1):
            raise ValueError(f"events {events} is not a power of two up to {EVENTS_MAX}")
        while buckets < 2 * capacity:
            buckets *= 2
        self.capacity = capacity
        self.seed = seed & 0xFFFFFFFFFFFFFFFF
        self.bucket_mask = buckets - 1
        self.ring_mask = events - 1
        self.used = TRIGGER_NONE + 1
        # calloc: pages of what was never used stay unmapped.
        self.entries = <trigger_entry_t*> calloc(capacity + 1, sizeof(trigger_entry_t))
        self.buckets = <uint32_t*> calloc(buckets, sizeof(uint32_t))
        self.ring = <trigger_event_t*> calloc(events, sizeof(trigger_event_t))
        self.tables = <trigger_table_t*> calloc(TABLES, sizeof(trigger_table_t))
        if not (self.entries and self.buckets and self.ring and self.tables):
            raise MemoryError("no memory for the table of triggers")

    def __dealloc__(self):
        cdef uint32_t index
        if self.tables != NULL and self.entries != NULL:
            for index in range(1, self.used):
                while self.entries[index].first != NULL:
                    self._pop(&self.entries[index], TRIGGER_DROPPED)
        free(self.entries)
        free(self.buckets)
        free(self.ring)
        free(self.tables)

    # -- packets ---------------------------------------------------------------------------------

    cdef int offer(self, packet_t* p, nh_t glean) noexcept nogil:
        cdef int outcome
        spin_lock(&self.lock)
        outcome = self._offer(p, glean)
        spin_unlock(&self.lock)
        return outcome

    cdef int _offer(self, packet_t* p, nh_t glean) noexcept nogil:
        cdef addr_t source
        cdef addr_t destination
        cdef trigger_entry_t* entry
        cdef uint32_t* bucket
        if not flow_addresses(p, &source, &destination):
            return self._count(p.table, TRIGGER_DISCARDED)
        bucket = self._bucket(&destination, glean)
        if bucket[0] == TRIGGER_NONE:
            return self._admit(p, glean, &destination, bucket)
        entry = &self.entries[bucket[0]]
        if entry.state == TRIGGER_HOLD and self._keep(p, entry):
            return self._count(p.table, TRIGGER_BUFFERED)
        return self._count(p.table, TRIGGER_DISCARDED)

    cdef int offer_tail(self, packet_t* p, uint64_t key) noexcept nogil:
        cdef int outcome = TRIGGER_GONE
        spin_lock(&self.lock)
        if self.is_live(key):
            outcome = self._count(p.table, TRIGGER_BUFFERED
                                  if self.entries[<uint32_t> key].state != TRIGGER_CLOSED
                                  and self._keep(p, &self.entries[<uint32_t> key])
                                  else TRIGGER_DISCARDED)
        spin_unlock(&self.lock)
        return outcome

    cdef uint32_t take(self, uint32_t key, packet_t* into, bint flushed) noexcept nogil:
        cdef trigger_packet_t* packet
        cdef uint32_t length = 0
        spin_lock(&self.lock)
        if TRIGGER_NONE < key < self.used and self.entries[key].first != NULL:
            packet = self.entries[key].first
            memcpy(into.data, packet + 1, packet.len)
            into.ts = packet.ts
            into.port = packet.port
            length = self._pop(&self.entries[key], TRIGGER_FLUSHED if flushed else TRIGGER_DROPPED)
        spin_unlock(&self.lock)
        return length

    cdef bint take_event(self, trigger_event_t* into) noexcept nogil:
        cdef uint32_t tail
        cdef const trigger_event_t* event
        cdef const trigger_entry_t* entry
        cdef bint found = False
        if atomic_load_u32(&self.ring_head, ATOMIC_ACQUIRE) == self.ring_tail:
            return False
        spin_lock(&self.lock)
        tail = self.ring_tail
        while tail != self.ring_head and not found:
            event = &self.ring[tail & self.ring_mask]
            entry = &self.entries[event.key]
            found = entry.state != TRIGGER_FREE and entry.generation == event.generation
            into[0] = event[0]
            tail += 1
        atomic_store_u32(&self.ring_tail, tail, ATOMIC_RELEASE)
        spin_unlock(&self.lock)
        return found

    cdef bint order(self, uint64_t key, uint8_t state) noexcept nogil:
        cdef bint live
        spin_lock(&self.lock)
        live = self.is_live(key)
        if live:
            self.entries[<uint32_t> key].state = state
        spin_unlock(&self.lock)
        return live

    cdef bint end(self, uint64_t key) noexcept nogil:
        cdef bint empty = True
        spin_lock(&self.lock)
        if self.is_live(key):
            empty = self.entries[<uint32_t> key].buffered == 0
            if empty:
                self._remove(<uint32_t> key)
        spin_unlock(&self.lock)
        return empty

    cdef int _count(self, table_t table, int counter) noexcept nogil:
        self.tables[table].counter[counter] += 1
        self.total.counter[counter] += 1
        return counter

    cdef int _admit(self, packet_t* p, nh_t glean, const addr_t* destination,
                    uint32_t* bucket) noexcept nogil:
        """Makes the entry of a new key and queues its event, or neither."""
        cdef uint32_t head = self.ring_head
        cdef trigger_event_t* event = &self.ring[head & self.ring_mask]
        cdef trigger_entry_t* entry
        cdef uint32_t index
        if head - atomic_load_u32(&self.ring_tail, ATOMIC_ACQUIRE) > self.ring_mask:
            return self._count(p.table, TRIGGER_MISSED)
        index = self._new_entry()
        if index == TRIGGER_NONE:
            return self._count(p.table, TRIGGER_MISSED)
        bucket[0] = index
        entry = &self.entries[index]
        entry.destination = destination[0]
        entry.glean = glean
        entry.table = p.table
        entry.state = TRIGGER_HOLD
        fill_event(event, p, index, entry)
        atomic_store_u32(&self.ring_head, head + 1, ATOMIC_RELEASE)
        if not self._keep(p, entry):
            self._count(p.table, TRIGGER_ADMITTED_UNBUFFERED)
        return self._count(p.table, TRIGGER_ADMITTED)

    cdef bint _keep(self, packet_t* p, trigger_entry_t* entry) noexcept nogil:
        """Appends a copy of the packet if the limits of the entry's table leave room for it."""
        cdef trigger_table_t* table = &self.tables[entry.table]
        cdef uint32_t packets = table.packet_limit if table.limited else TRIGGER_PACKETS_DEFAULT
        cdef uint32_t octets = table.octet_limit if table.limited else TRIGGER_OCTETS_MAX
        cdef uint32_t length = p.len - p.l3
        cdef trigger_packet_t* packet
        if length > DATAGRAM_MAX or table.enqueued >= packets or table.octets + length > octets:
            return False
        packet = <trigger_packet_t*> malloc(sizeof(trigger_packet_t) + length)
        if packet == NULL:
            return False
        packet.next = NULL
        packet.ts = p.ts
        packet.len = length
        packet.port = p.port
        memcpy(packet + 1, p.data + p.l3, length)
        if entry.first == NULL:
            entry.first = packet
        else:
            entry.last.next = packet
        entry.last = packet
        entry.buffered += 1
        note_enqueued(table, length)
        note_enqueued(&self.total, length)
        return True

    cdef uint32_t _pop(self, trigger_entry_t* entry, int counter) noexcept nogil:
        """Takes the oldest packet out of the buffer and frees it; returns its length."""
        cdef trigger_packet_t* packet = entry.first
        cdef trigger_table_t* table = &self.tables[entry.table]
        cdef uint32_t length = packet.len
        entry.first = packet.next
        entry.buffered -= 1
        table.enqueued -= 1
        table.octets -= length
        self.total.enqueued -= 1
        self.total.octets -= length
        self._count(entry.table, counter)
        free(packet)
        return length

    # -- keys ------------------------------------------------------------------------------------

    cdef uint32_t _home(self, const addr_t* destination, nh_t glean) noexcept nogil:
        return <uint32_t> mix64(hash16(destination.octet, self.seed) + glean) & self.bucket_mask

    cdef uint32_t* _bucket(self, const addr_t* destination, nh_t glean) noexcept nogil:
        """The bucket of a key, or the empty one where it would go. There is always an empty one."""
        cdef uint32_t at = self._home(destination, glean)
        cdef trigger_entry_t* entry
        while self.buckets[at] != TRIGGER_NONE:
            entry = &self.entries[self.buckets[at]]
            if entry.glean == glean and memcmp(&entry.destination, destination, 16) == 0:
                break
            at = (at + 1) & self.bucket_mask
        return &self.buckets[at]

    cdef void _vacate(self, uint32_t* bucket) noexcept nogil:
        """Empties a bucket and moves back those behind it that probed over it."""
        cdef uint32_t hole = <uint32_t> (bucket - self.buckets)
        cdef uint32_t at = hole
        cdef uint32_t home
        cdef trigger_entry_t* entry
        while True:
            at = (at + 1) & self.bucket_mask
            if self.buckets[at] == TRIGGER_NONE:
                break
            entry = &self.entries[self.buckets[at]]
            home = self._home(&entry.destination, entry.glean)
            # It may move only if the hole lies on its way from home to where it is.
            if ((at - home) & self.bucket_mask) >= ((at - hole) & self.bucket_mask):
                self.buckets[hole] = self.buckets[at]
                hole = at
        self.buckets[hole] = TRIGGER_NONE

    cdef uint32_t _new_entry(self) noexcept nogil:
        cdef uint32_t index = self.free_entry
        if index != TRIGGER_NONE:
            self.free_entry = self.entries[index].link
        elif self.used <= self.capacity:
            index = self.used
            self.used += 1
        else:
            return TRIGGER_NONE
        self.entries[index].generation += 1
        self.keys += 1
        return index

    cdef uint32_t _remove(self, uint32_t index) noexcept nogil:
        """Ends a key; returns how many packets it still had buffered."""
        cdef trigger_entry_t* entry = &self.entries[index]
        cdef uint32_t dropped = entry.buffered
        while entry.first != NULL:
            self._pop(entry, TRIGGER_DROPPED)
        self._vacate(self._bucket(&entry.destination, entry.glean))
        entry.state = TRIGGER_FREE
        entry.link = self.free_entry
        self.free_entry = index
        self.keys -= 1
        return dropped

    cdef bint is_live(self, uint64_t key) noexcept nogil:
        cdef uint32_t index = <uint32_t> key
        return (TRIGGER_NONE < index < self.used and self.entries[index].state != TRIGGER_FREE
                and self.entries[index].generation == key >> 32)

    cdef uint32_t index_of(self, object key) except TRIGGER_NONE:
        if isinstance(key, int) and 0 <= key <= 0xFFFFFFFFFFFFFFFF and self.is_live(key):
            return <uint32_t> <uint64_t> key
        raise KeyError(key)

    # -- orders ----------------------------------------------------------------------------------

    def hold(self, key) -> None:
        """From now on packets of this key are buffered, as far as the limits go."""
        self.index_of(key)
        self.order(key, TRIGGER_HOLD)

    def discard(self, key) -> None:
        """From now on packets of this key are discarded; what is buffered stays."""
        self.index_of(key)
        self.order(key, TRIGGER_DISCARD)

    def forget(self, key) -> int:
        """Drops the buffer and the key: the next packet is a new event. Returns how many were."""
        cdef uint32_t index = self.index_of(key)
        cdef uint32_t dropped
        spin_lock(&self.lock)
        dropped = self._remove(index)
        spin_unlock(&self.lock)
        return dropped

    def finish(self, key) -> None:
        """Ends a key whose buffer was flushed. ValueError if packets are still in it."""
        cdef uint32_t index = self.index_of(key)
        if not self.end(key):
            raise ValueError(f"{self.entries[index].buffered} packets are still buffered")

    def set_limits(self, table, packets, octets=TRIGGER_OCTETS_MAX) -> None:
        """How many packets (0..4096, 0: none) and octets (0..65536) a routing table may buffer.

        Holds for the next packet; what is buffered already stays. ValueError outside the ranges.
        """
        for what, value, most_of_all in (("packets", packets, TRIGGER_PACKETS_MAX),
                                         ("octets", octets, TRIGGER_OCTETS_MAX)):
            if not 0 <= value <= most_of_all:
                raise ValueError(f"{value} {what} are not in 0..{most_of_all}")
        cdef trigger_table_t* limits = &self.tables[_table_index(table)]
        cdef uint32_t most = packets
        cdef uint32_t most_octets = octets
        spin_lock(&self.lock)
        limits.packet_limit = most
        limits.octet_limit = most_octets
        limits.limited = True
        spin_unlock(&self.lock)

    # -- what control sees -----------------------------------------------------------------------

    def events(self, uint32_t limit=256) -> list[TriggerRecord]:
        """Takes up to `limit` events off the queue, oldest first; none for keys that are gone."""
        cdef trigger_event_t event
        records = []
        while <uint32_t> len(records) < limit and self.take_event(&event):
            records.append(TriggerRecord(
                <uint64_t> event.generation << 32 | event.key, event.table, event.glean,
                addr_text(&event.destination), addr_text(&event.source), event.proto,
                event.source_port, event.destination_port, event.ts))
        return records

    def buffered(self, key) -> int:
        """How many packets of the key are buffered."""
        return self.entries[self.index_of(key)].buffered

    def counters(self, table=None) -> dict[str, int]:
        """Counters and gauges of one routing table, or of all together.

        admitted + buffered + discarded + missed is what was offered; admitted -
        admitted_unbuffered + buffered is flushed + dropped + enqueued. `enqueued` and `octets`
        are what is buffered now, `max_enqueued` the most packets so far.
        """
        cdef const trigger_table_t* row = &self.total
        if table is not None:
            row = &self.tables[_table_index(table)]
        values = {name: row.counter[<int> i] for i, name in enumerate(COUNTERS)}
        values.update(enqueued=row.enqueued, octets=row.octets, max_enqueued=row.max_enqueued)
        return values

    # -- packets from Python ---------------------------------------------------------------------

    def offer_packet(self, bytes ip_packet, table, nh_t glean, uint64_t ts=0) -> int:
        """Offers an IP packet that hit `glean`; returns the number of its outcome in
        trigger_record.OUTCOMES.

        ValueError if it is no IPv4 or IPv6 header and more.
        """
        cdef packet_t p
        describe_ip(&p, ip_packet, _table_index(table), ts)
        return self.offer(&p, glean)

    def offer_tail_packet(self, bytes ip_packet, key, uint64_t ts=0) -> int:
        """Offers an IP packet of a session that waits for the flush of `key`."""
        cdef packet_t p
        describe_ip(&p, ip_packet, self.entries[self.index_of(key)].table, ts)
        return self.offer_tail(&p, key)

    def take_packet(self, key) -> tuple[bytes, int] | None:
        """The oldest buffered packet of a key and its arrival time; None at the end."""
        cdef uint8_t[DATAGRAM_MAX] octets
        cdef packet_t p
        p.data = octets
        cdef uint32_t length = self.take(self.index_of(key), &p, True)
        return (octets[:length], p.ts) if length else None


cdef int _table_index(object table) except -1:
    if not 0 <= table < TABLES:
        raise ValueError(f"table {table} is not in 0..{TABLES - 1}")
    return table
