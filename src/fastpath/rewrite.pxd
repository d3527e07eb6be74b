# The outer headers of a session, and how they become an adjacency's rewrite.

from fastpath.adjacency cimport adjacency_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef struct outer_t:          # all in host byte order
    uint32_t local
    uint32_t peer
    uint16_t local_port
    uint16_t peer_port
    uint16_t peer_tunnel
    uint16_t peer_session
    uint8_t tos
    uint8_t acfc              # leave out FF 03
    uint8_t pfc               # one-octet protocol number

cdef int build_rewrite(adjacency_t* a, outer_t* o) noexcept nogil
