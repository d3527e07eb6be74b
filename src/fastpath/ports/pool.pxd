# The port over a pool: packets lie in slots of memory that somebody else fills, and are changed
# where they are.

from fastpath.ports.port cimport Port
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef struct pool_t:
    uint8_t* base
    uint64_t slots
    uint64_t stride           # octets from one slot to the next
    uint64_t headroom         # octets of a slot before its packet
    uint32_t length           # octets of each packet
    uint8_t link
    uint8_t flags             # PKT_* of each packet
    uint64_t at               # slot offered next
    uint64_t left             # packets still to be offered
    uint64_t tx_packets
    uint64_t tx_octets

cdef class PoolPort(Port):
    cdef pool_t c
    cdef readonly object memory
