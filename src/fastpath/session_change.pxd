# What a transaction does to a session: its checks, and the form of its headers.

from fastpath.adjacency cimport adjacency_t
from fastpath.session cimport session_entry_t
from libc.stdint cimport uint16_t

cdef int outer_tos(tos) except -2             # TOS octet, or that it is copied
cdef int shape(adjacency_t* a, session_entry_t* entry, uint16_t peer_tunnel, uint16_t peer_session,
               int mtu, bint acfc, bint pfc, bint sequencing, bint udp_checksum, int tos,
               bint df) except -1
