# Triggers: packets that hit a dial-out route (a glean adjacency). One event per (table, target
# prefix, destination), which
# here is (glean adjacency, destination), and a bounded buffer in arrival order under control's
# orders.
# Specification: an admitted, buffered, discarded or missed packet each counts once, and the four
# add up to VERDICT_TRIGGER.

from fastpath.packet cimport packet_t
from fastpath.types cimport addr_t, nh_t, table_t
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum TriggerState:
    TRIGGER_FREE = 0
    TRIGGER_HOLD              # buffer what arrives, as the limits of its table allow
    TRIGGER_DISCARD           # discard what arrives; what is buffered already stays

cdef enum TriggerOutcome:
    TRIGGER_ADMITTED = 0      # first of its key: an event was queued (packet kept if room)
    TRIGGER_BUFFERED
    TRIGGER_DISCARDED
    TRIGGER_MISSED            # event queue or key table full
    TRIGGER_OUTCOMES

cdef struct trigger_event_t:
    uint64_t ts
    uint32_t key              # index of the key's entry
    uint32_t generation       # of that entry, so that a stale key is recognised
    nh_t glean
    table_t table
    addr_t destination
    # the packet's 5-tuple, for the record of why a call was made
    addr_t source
    uint16_t source_port
    uint16_t destination_port
    uint8_t proto

cdef class TriggerTable:
    # p->data + p->l3 is the IP header; the packet is copied if it is buffered.
    cdef int offer(self, packet_t* p, nh_t glean) noexcept nogil                    # TriggerOutcome
    # A packet for a session adjacency that still waits for the flush of `key`: joins the tail,
    # TRIGGER_BUFFERED or _DISCARDED.
    cdef int offer_tail(self, packet_t* p, uint32_t key) noexcept nogil
    # Takes the oldest buffered packet of a key: copies it to `into` (room for `size` octets),
    # returns its length, 0 at the end.
    cdef uint32_t take(self, uint32_t key, uint8_t* into, uint32_t size,
                       uint64_t* ts) noexcept nogil
