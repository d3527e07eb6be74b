# Addresses, protocol and ports of an IP packet: its flow, as triggers record it. Headers are not
# checked here: packets come parsed, and their descriptor is only held against their length.

from fastpath.packet cimport packet_t
from fastpath.types cimport INET, INET6, addr_t
from libc.stdint cimport uint8_t, uint16_t, uint64_t

# False if the header does not fit the packet or p->family is unknown.
cdef bint flow_addresses(const packet_t* p, addr_t* source, addr_t* destination) noexcept nogil
# The family of a packet that begins with its IP header, from the version field.
cdef inline uint8_t family_of(const uint8_t* ip) noexcept nogil:
    return INET6 if ip[0] >> 4 == 6 else INET

# 0 if the protocol has no ports or this fragment does not hold them.
cdef void flow_ports(const packet_t* p, uint16_t* source, uint16_t* destination) noexcept nogil
# Fills the descriptor of a whole IP packet given by Python, which owns the octets. ValueError if it
# is neither IPv4 nor IPv6 or ends in the header.
cdef int describe_ip(packet_t* p, bytes octets, int table, uint64_t ts) except -1
