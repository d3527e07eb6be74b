"""Addresses, protocol and ports of an IP packet (contract in flow.pxd)."""

from fastpath.packet cimport packet_t
from fastpath.types cimport DATAGRAM_MAX, INET, INET6, addr_t, table_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    # Octets of an IP header: RFC 791 3.1, RFC 8200 3
    IP4_HEADER = 20
    IP4_FRAGMENT = 6
    IP4_PROTOCOL = 9
    IP4_SOURCE = 12
    IP4_DESTINATION = 16
    IP6_HEADER = 40
    IP6_NEXT_HEADER = 6
    IP6_SOURCE = 8
    IP6_DESTINATION = 24

    # Protocols whose first four octets are source and destination port
    PROTO_TCP = 6
    PROTO_UDP = 17
    PROTO_DCCP = 33
    PROTO_SCTP = 132
    PROTO_UDPLITE = 136


cdef inline uint16_t _be16(const uint8_t* at) noexcept nogil:
    return <uint16_t> (at[0] << 8 | at[1])


cdef bint flow_addresses(const packet_t* p, addr_t* source, addr_t* destination) noexcept nogil:
    cdef const uint8_t* ip = p.data + p.l3
    if p.family == INET and <uint32_t> p.l3 + IP4_HEADER <= p.len:
        memset(source, 0, 10)
        memset(source.octet + 10, 0xFF, 2)
        destination[0] = source[0]
        memcpy(source.octet + 12, ip + IP4_SOURCE, 4)
        memcpy(destination.octet + 12, ip + IP4_DESTINATION, 4)
        return True
    if p.family == INET6 and <uint32_t> p.l3 + IP6_HEADER <= p.len:
        memcpy(source, ip + IP6_SOURCE, 16)
        memcpy(destination, ip + IP6_DESTINATION, 16)
        return True
    return False


cdef bint _holds_ports(const packet_t* p) noexcept nogil:
    cdef const uint8_t* ip = p.data + p.l3
    if (p.proto != PROTO_TCP and p.proto != PROTO_UDP and p.proto != PROTO_SCTP
            and p.proto != PROTO_DCCP and p.proto != PROTO_UDPLITE):
        return False
    if p.l4 < p.l3 or <uint32_t> p.l4 + 4 > p.len:
        return False
    if p.family == INET:
        return _be16(ip + IP4_FRAGMENT) & 0x1FFF == 0
    # Behind an extension header l4 may be in the middle of a later fragment's payload.
    return ip[IP6_NEXT_HEADER] == p.proto


cdef void flow_ports(const packet_t* p, uint16_t* source, uint16_t* destination) noexcept nogil:
    cdef bint there = _holds_ports(p)
    source[0] = _be16(p.data + p.l4) if there else 0
    destination[0] = _be16(p.data + p.l4 + 2) if there else 0


cdef int describe_ip(packet_t* p, bytes octets, int table, uint64_t ts) except -1:
    """Fills the descriptor of a whole IP packet."""
    cdef Py_ssize_t size = len(octets)
    cdef int version = octets[0] >> 4 if size else 0
    cdef int header = IP4_HEADER if version == INET else IP6_HEADER
    if (version != INET and version != INET6) or not header <= size <= DATAGRAM_MAX:
        raise ValueError(f"{size} octets are not an IP packet")
    memset(p, 0, sizeof(packet_t))
    p.data = p.frame = <uint8_t*> <const char*> octets
    p.len = p.frame_len = p.wire_len = <uint32_t> size
    p.ts = ts
    p.table = <table_t> table
    p.family = <uint8_t> version
    p.l4 = <uint16_t> ((p.data[0] & 0xF) * 4 if version == INET else IP6_HEADER)
    p.proto = p.data[IP4_PROTOCOL if version == INET else IP6_NEXT_HEADER]
    return 0
