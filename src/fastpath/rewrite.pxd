# The outer headers of a session, and how they become an adjacency's rewrite.

from fastpath.adjacency cimport adjacency_t
from fastpath.types cimport addr_t
from libc.stdint cimport uint8_t, uint16_t

cdef struct outer_t:          # numbers in host byte order
    addr_t local
    addr_t peer
    uint8_t family            # of both
    uint16_t local_port
    uint16_t peer_port
    uint16_t peer_tunnel
    uint16_t peer_session
    uint8_t tos
    uint8_t acfc              # leave out FF 03
    uint8_t pfc               # one-octet protocol number

# Gives an adjacency its rewrite by its flags, to which it adds those of IPv6.
cdef void build_rewrite(adjacency_t* a, const outer_t* o) noexcept nogil
