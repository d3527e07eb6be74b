"""Addresses, protocol and ports of an IP packet (contract in flow.pxd)."""

from fastpath.ip6 cimport find_upper, upper_t
from fastpath.packet cimport packet_t
from fastpath.types cimport DATAGRAM_MAX, INET, INET6, addr_t, table_t
from fastpath.wire cimport (
    IP_OFFSET, IPV4_HEADER, IPV6_HEADER, PROTO_DCCP, PROTO_SCTP, PROTO_TCP, PROTO_UDP,
    PROTO_UDPLITE, be16toh, ipv4_h, ipv6_h, load_be16)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset


cdef bint flow_addresses(const packet_t* p, addr_t* source, addr_t* destination) noexcept nogil:
    cdef const uint8_t* ip = p.data + p.l3
    if p.family == INET and <uint32_t> p.l3 + IPV4_HEADER <= p.len:
        memset(source, 0, 10)
        memset(source.octet + 10, 0xFF, 2)
        destination[0] = source[0]
        memcpy(source.octet + 12, &(<const ipv4_h*> ip).source, 4)
        memcpy(destination.octet + 12, &(<const ipv4_h*> ip).destination, 4)
        return True
    if p.family == INET6 and <uint32_t> p.l3 + IPV6_HEADER <= p.len:
        memcpy(source, (<const ipv6_h*> ip).source, 16)
        memcpy(destination, (<const ipv6_h*> ip).destination, 16)
        return True
    return False


cdef bint _holds_ports(const packet_t* p) noexcept nogil:
    cdef upper_t upper
    cdef const uint8_t* ip = p.data + p.l3
    if (p.proto != PROTO_TCP and p.proto != PROTO_UDP and p.proto != PROTO_SCTP
            and p.proto != PROTO_DCCP and p.proto != PROTO_UDPLITE):
        return False
    if p.l4 < p.l3 or <uint32_t> p.l4 + 4 > p.len:
        return False
    if p.family == INET:
        return be16toh((<const ipv4_h*> ip).fragment) & IP_OFFSET == 0
    if (<const ipv6_h*> ip).next_header == p.proto:
        return True
    find_upper(ip, p.len - p.l3, &upper)
    return not upper.headless


cdef void flow_ports(const packet_t* p, uint16_t* source, uint16_t* destination) noexcept nogil:
    cdef bint there = _holds_ports(p)
    source[0] = load_be16(p.data + p.l4) if there else 0
    destination[0] = load_be16(p.data + p.l4 + 2) if there else 0


cdef int describe_ip(packet_t* p, bytes octets, int table, uint64_t ts) except -1:
    """Fills the descriptor of a whole IP packet."""
    cdef Py_ssize_t size = len(octets)
    cdef int version = octets[0] >> 4 if size else 0
    cdef int header = IPV4_HEADER if version == INET else IPV6_HEADER
    cdef upper_t upper
    if (version != INET and version != INET6) or not header <= size <= DATAGRAM_MAX:
        raise ValueError(f"{size} octets are not an IP packet")
    memset(p, 0, sizeof(packet_t))
    p.data = p.frame = <uint8_t*> <const char*> octets
    p.len = p.frame_len = p.wire_len = <uint32_t> size
    p.ts = ts
    p.table = <table_t> table
    p.family = <uint8_t> version
    if version == INET:
        p.l4 = <uint16_t> ((p.data[0] & 0xF) * 4)
        p.proto = (<const ipv4_h*> p.data).protocol
    else:
        find_upper(p.data, p.len, &upper)
        p.l4 = <uint16_t> upper.at
        p.proto = upper.proto
    return 0
