# The queues of a worker whose packets an embedder hands over burst by burst: what arrives is the
# embedder's array of descriptors, what leaves becomes lists of pointers, one list a port.

from fastpath.packet cimport packet_t
from fastpath.ports.port cimport Port
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    LANES = 64                # ports at the most
    SLOTS_MAX = 65536
    LIST_MAX = 256 + 8192     # packets of a list: a burst, and copies
    COPIES_MAX = 8192         # packets of the engine's own, in all lists together
    COPIES_OCTETS = 4 << 20

cdef struct list_t:           # as fp_transmit_t
    packet_t** packets
    uint32_t count
    uint32_t refused

# What was sent since it was handed out: lists by port, and what the engine itself made.
cdef struct sent_t:
    list_t list[LANES]
    packet_t* copies
    uint32_t copied
    uint8_t* octets
    uint32_t used

# Equal slots of the embedder's memory, and a descriptor for each.
cdef struct slots_t:
    uint8_t* base
    uint32_t stride           # octets from slot to slot
    uint32_t slots            # 0: none attached
    uint16_t headroom         # octets of a slot before its frame
    uint8_t link
    packet_t* packets
    bint lent                 # `packets` is the embedder's

cdef struct lane_t:           # state of one port's queue
    Bursts_t* all
    int port
    slots_t slots

cdef struct Bursts_t:
    packet_t* packets         # the burst under way, as the embedder described it
    int n
    sent_t sent[2]            # filled now, and handed out
    int turn
    lane_t lane[LANES]

cdef class Bursts

cdef class BurstQueue(Port):  # one lane of a worker's Bursts
    cdef void link(self, lane_t* lane) noexcept

cdef class Bursts:
    cdef Bursts_t* c
    cdef list _queues
    # The queue of a port, for Worker.attach().
    cdef BurstQueue queue(self, int port)
    # Queues work by other functions than lists no longer, and slots are attached no longer: what
    # they lie in may be gone.
    cdef int restore(self) except -1
    # Takes the place of what was attached before; makes `packets` if it is NULL. ValueError for a
    # shape that is not allowed.
    cdef packet_t* attach_slots(self, int port, slots_t slots) except NULL
    # Describes n frames from slot `first` on; the caller has checked both. False: a frame does not
    # fit its slot.
    cdef bint describe(self, int port, uint32_t first, const uint32_t* lengths, int n,
                       uint64_t now_ns) noexcept nogil
    # Whether a packet of a list is one that was copied into it.
    cdef bint is_copy(self, const packet_t* p) noexcept nogil
    # What was sent since the last hand-over, by port; valid until the next one.
    cdef list_t* hand_over(self, int ports) noexcept nogil

