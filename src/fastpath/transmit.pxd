# The last step of the way out: the transmit queues of the ports, memory for packets that are made
# here, and the capture of what passed.

from fastpath.adjacency cimport adjacency_t
from fastpath.counters cimport counters_t
from fastpath.epoch cimport epoch_slot_t, version_t
from fastpath.forwarding cimport Forwarding, session_counts_t
from fastpath.icmp cimport bucket_t
from fastpath.packet cimport packet_t
from fastpath.ports.port cimport capture_io, port_io
from fastpath.session cimport session_map_t
from fastpath.types cimport PORT_MASK, nh_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    PORTS_MAX = PORT_MASK
    QUEUE_MAX = 256           # packets that wait for one tx_burst
    EXTRA_MAX = 256           # packets made here between two flushes
    ARENA_SIZE = 1 << 20      # copies of packets that cannot be changed in place

cdef struct port_entry_t:
    port_io* io               # NULL: detached
    uint16_t table
    uint64_t rx_packets
    uint64_t rx_octets
    uint64_t tx_packets
    uint64_t tx_octets
    uint64_t tx_refused
    int queued
    packet_t* queue[QUEUE_MAX]

cdef class Transmit:
    cdef readonly Forwarding forwarding
    cdef epoch_slot_t* _slot
    cdef const version_t* _version    # of the burst under way
    cdef adjacency_t* _adjacencies    # of `forwarding`
    cdef session_map_t* _sessions
    cdef readonly object record      # numpy array that owns the counters
    cdef counters_t* _counters
    cdef port_entry_t port[PORTS_MAX]
    cdef int ports
    cdef capture_io* capture  # NULL: none
    cdef bucket_t errors      # ICMP errors
    cdef bucket_t echoes      # echo replies
    cdef const char* comment  # of what is sent next; NULL: its verdict
    cdef uint8_t* _arena
    cdef uint32_t _arena_used
    cdef session_counts_t counts
    cdef uint16_t _identification     # next one of outer packets that may be cut on their way
    cdef packet_t _extra[EXTRA_MAX]
    cdef int _extra_used
    cdef void lookup(self, uint16_t table, const void* keys, nh_t* found, int n) noexcept nogil
    cdef void lookup6(self, uint16_t table, const void* keys, nh_t* found, int n) noexcept nogil
    # Between the two, on one thread, tables may be looked at.
    cdef void online(self) noexcept nogil
    cdef void offline(self) noexcept nogil
    # The adjacency of a next hop as the burst's version has it, and its index.
    cdef adjacency_t* adjacency(self, nh_t* nh) noexcept nogil
    cdef packet_t* make(self, uint32_t size, uint64_t ts) noexcept nogil
    cdef void _own(self, packet_t* p) noexcept nogil
    cdef void drop(self, packet_t* p, uint8_t reason) noexcept nogil
    cdef void _queue(self, packet_t* p, uint16_t port) noexcept nogil
    cdef void transmit(self, port_entry_t* entry) noexcept nogil
    cdef void count_punt(self, packet_t* p) noexcept nogil
    cdef void record_received(self, packet_t* p, const char* comment) noexcept nogil
    cdef void flush(self) noexcept nogil
