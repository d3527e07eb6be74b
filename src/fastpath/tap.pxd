# Taps: copies of what passes a worker, for whoever looks on, on another thread. A worker never
# waits for that: what finds no room is counted as missed.

from fastpath.packet_filter cimport PacketFilter, filter_op_t
from fastpath.ports.port cimport capture_io
from fastpath.ring cimport OctetRing
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

# Head of a record; `len` octets of the packet follow.
cdef struct tapped_t:
    uint64_t ts
    const char* comment       # static
    uint32_t size             # whole record, a multiple of 8
    uint32_t len
    uint32_t wire_len
    uint16_t port             # by which it came or left
    uint8_t link              # enum Link
    uint8_t outbound

cdef struct tap_t:
    void* ring                # OctetRing
    const filter_op_t* ethernet   # NULL: every packet is taken
    const filter_op_t* raw
    uint64_t ports            # a bit for each that is looked at
    uint32_t snaplen
    uint64_t seen             # the worker's three
    uint64_t taken
    uint64_t missed           # there was no room

cdef class Tap:
    cdef capture_io io        # what a worker records with
    cdef tap_t c
    cdef OctetRing _ring
    cdef PacketFilter _ethernet
    cdef PacketFilter _raw
