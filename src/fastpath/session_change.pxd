# What a transaction does to a session: its checks, and the form of its headers.

from fastpath.adjacency cimport adjacency_t
from fastpath.session cimport session_ends_t, session_entry_t
from fastpath.types cimport addr_t
from fastpath.update_error cimport update_error_t
from libc.stdint cimport int64_t, uint16_t, uint64_t

cdef enum:
    TOS_COPY = -1             # outer TOS octet is the inner one

# How a session encapsulates. Values as the caller has them, to be checked.
cdef struct form_t:
    int64_t peer_tunnel       # ids that the LAC gave
    int64_t peer_session
    int64_t mtu               # largest inner packet, octets
    int64_t tos               # outer TOS octet, or TOS_COPY
    int64_t mss               # TCP segments are cut to it; 0: they are not
    bint acfc                 # leave out FF 03
    bint pfc                  # one-octet protocol number
    bint sequencing
    bint udp_checksum
    bint df

cdef struct session_request_t:
    int64_t table             # routing table of its inner packets
    int family                # INET or INET6, of both addresses
    addr_t local              # our tunnel address
    addr_t peer               # the LAC's
    int64_t local_port
    int64_t peer_port
    int64_t tunnel            # our ids
    int64_t session
    int64_t port              # where it leaves
    int64_t neighbour         # slot of the neighbour there, 0 for none
    bint drop_old             # numbered messages behind newer ones
    form_t form

# All return 0, or fill the error in and return its code.
cdef int check_form(const form_t* form, update_error_t* error) noexcept nogil
cdef int check_request(const session_request_t* request, update_error_t* error) noexcept nogil
cdef int check_port(int64_t port, int64_t neighbour, update_error_t* error) noexcept nogil
# An adjacency's `port` of both.
cdef uint16_t port_field(int64_t port, int64_t neighbour) noexcept nogil
cdef uint64_t request_key(const session_request_t* request) noexcept nogil
cdef void apply_request(session_entry_t* entry, session_ends_t* ends,
                        const session_request_t* request) noexcept nogil
# Gives an adjacency its rewrite; flags that are not the form's stay.
cdef void apply_form(adjacency_t* a, const session_entry_t* entry, const session_ends_t* ends,
                     const form_t* form) noexcept nogil
