# Triggers: packets that hit a dial-out route (a glean adjacency). One event per (table, target
# prefix, destination), which here is (glean adjacency, destination), and a bounded buffer in
# arrival order under control's orders.
# Specification: an admitted, buffered, discarded or missed packet each counts once, and the four
# add up to VERDICT_TRIGGER.

cimport cython
from fastpath.packet cimport packet_t
from fastpath.types cimport addr_t, nh_t, port_t, table_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum TriggerState:
    TRIGGER_FREE = 0
    TRIGGER_HOLD              # buffer what arrives, as the limits of its table allow
    TRIGGER_DISCARD           # discard what arrives; what is buffered already stays
    TRIGGER_CLOSED            # the same, and the tail is closed: a flush comes to its end

cdef enum TriggerOutcome:
    TRIGGER_ADMITTED = 0      # first of its key: an event was queued (packet kept if room)
    TRIGGER_BUFFERED
    TRIGGER_DISCARDED
    TRIGGER_MISSED            # event queue or key table full
    TRIGGER_OUTCOMES
    TRIGGER_GONE = -1

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

cdef enum TriggerCounter:     # the outcomes are the first four
    TRIGGER_ADMITTED_UNBUFFERED = 4   # of the admitted ones: event queued, no room for the packet
    TRIGGER_FLUSHED                   # buffered packets that were taken
    TRIGGER_DROPPED                   # buffered packets that were forgotten
    TRIGGER_COUNTERS

cdef enum:
    TRIGGER_NONE = 0                  # index 0 names no entry

    TRIGGER_PACKETS_DEFAULT = 16      # buffered packets of a table (specification 1.6)
    TRIGGER_PACKETS_MAX = 4096
    TRIGGER_OCTETS_MAX = 65536        # and their octets, default and most

# A buffered packet; its octets follow.
cdef struct trigger_packet_t:
    trigger_packet_t* next
    uint64_t ts
    uint32_t len
    port_t port                       # where it arrived

# One key, one cache line:  destination | first last | generation glean link buffered | table state
cdef struct trigger_entry_t:
    addr_t destination
    trigger_packet_t* first           # oldest
    trigger_packet_t* last
    uint32_t generation               # counts the keys that this entry held
    nh_t glean
    uint32_t link                     # next free entry
    uint32_t buffered                 # packets
    table_t table
    uint8_t state                     # enum TriggerState
    uint8_t unused[13]

# Limits, gauges and counters of one routing table.
cdef struct trigger_table_t:
    uint64_t counter[7]               # by enum TriggerCounter
    uint32_t enqueued                 # packets buffered now
    uint32_t octets                   # and their octets
    uint32_t max_enqueued
    uint32_t packet_limit
    uint32_t octet_limit
    bint limited                      # limits were set; else the defaults hold

@cython.final
cdef class TriggerTable:
    # Workers offer and control takes at the same time: every function below holds the lock. What
    # is read of a key without it is only believed of keys that control has, which control ends.
    cdef uint32_t lock
    # Entries are named by index, which control combines with the generation: generation << 32 |
    # index is never reused for another destination.
    cdef trigger_entry_t* entries
    cdef uint32_t* buckets            # open addressing with linear probing: index or TRIGGER_NONE
    cdef uint32_t bucket_mask
    cdef uint64_t seed                # secret: which keys share a bucket is not for outsiders
    cdef readonly uint32_t capacity   # keys at the most
    cdef readonly uint32_t keys       # keys now
    cdef uint32_t used                # entries handed out at one time or another
    cdef uint32_t free_entry          # list of those that came back
    # Events: one producer at a time (offer), one consumer (take_event); both counters only grow.
    cdef trigger_event_t* ring
    cdef uint32_t ring_mask
    cdef uint32_t ring_head           # written by the producer
    cdef uint32_t ring_tail           # written by the consumer
    cdef trigger_table_t* tables      # by table_t; pages of unused ones are never touched
    cdef trigger_table_t total        # its limits are not used

    # p->data + p->l3 is the IP header; from there on the packet is copied if it is buffered.
    cdef int offer(self, packet_t* p, nh_t glean) noexcept nogil                    # TriggerOutcome
    # A packet for a session adjacency that still waits for the flush of `key`: joins the tail,
    # TRIGGER_BUFFERED or _DISCARDED. What glean packets of the key do now plays no part.
    # TRIGGER_GONE: the flush is over, the packet may go on; it is not counted.
    cdef int offer_tail(self, packet_t* p, uint64_t key) noexcept nogil
    # Takes the oldest buffered packet of a key: copies it to into->data (room for DATAGRAM_MAX
    # octets), sets ts and port, returns its length, 0 at the end. `flushed` says whether it counts
    # as forwarded or as dropped.
    cdef uint32_t take(self, uint32_t key, packet_t* into, bint flushed) noexcept nogil
    # Takes the oldest event of a key that is still there; False: there is none.
    cdef bint take_event(self, trigger_event_t* into) noexcept nogil
    # From now on packets of this key are buffered, as far as the limits go (TRIGGER_HOLD), or
    # discarded (TRIGGER_DISCARD); what is buffered stays. False: the key is gone.
    cdef bint order(self, uint64_t key, uint8_t state) noexcept nogil
    # Ends a key whose buffer is empty; False if it is not. A key that is gone has ended.
    cdef bint end(self, uint64_t key) noexcept nogil
    # Whether a key of control still names an entry.
    cdef bint is_live(self, uint64_t key) noexcept nogil
    # Index of the entry that a key of control names; KeyError if it is stale or was never given.
    cdef uint32_t index_of(self, object key) except TRIGGER_NONE

    cdef int _offer(self, packet_t* p, nh_t glean) noexcept nogil
    cdef uint32_t* _bucket(self, const addr_t* destination, nh_t glean) noexcept nogil
    cdef uint32_t _home(self, const addr_t* destination, nh_t glean) noexcept nogil
    cdef uint32_t _new_entry(self) noexcept nogil
    cdef int _admit(self, packet_t* p, nh_t glean, const addr_t* destination,
                    uint32_t* bucket) noexcept nogil
    cdef bint _keep(self, packet_t* p, trigger_entry_t* entry) noexcept nogil
    cdef uint32_t _pop(self, trigger_entry_t* entry, int counter) noexcept nogil
    cdef int _count(self, table_t table, int counter) noexcept nogil
    cdef void _vacate(self, uint32_t* bucket) noexcept nogil
    cdef uint32_t _remove(self, uint32_t index) noexcept nogil
