# What rules look at in a packet, taken from its headers.

from fastpath.ip6 cimport IP6_DESTINATION, IP6_SOURCE, find_upper, traffic_class, upper_t
from fastpath.packet cimport packet_t
from fastpath.rules cimport ACL_FRAGMENT, ACL_HEADLESS, acl_key4_t, acl_key6_t
from fastpath.wire cimport (
    IP_MF, IP_OFFSET, PROTO_DCCP, PROTO_ICMP, PROTO_ICMP6, PROTO_SCTP, PROTO_TCP, PROTO_UDP,
    PROTO_UDPLITE, be16toh, ipv4_h, load_be16, load_be32)
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    TCP_FLAGS = 13            # offset of the octet of flags

# Ports and flags of a transport header.
cdef struct service_key_t:
    uint16_t source_port
    uint16_t destination_port
    uint16_t flags
    bint headless             # it is cut short


cdef inline void _fill_service(service_key_t* key, const uint8_t* transport, uint32_t rest,
                               uint8_t protocol) noexcept nogil:
    """ICMP and what we do not know have ports 0."""
    key.source_port = key.destination_port = key.flags = 0
    key.headless = False
    if protocol == PROTO_TCP:
        if rest <= TCP_FLAGS:
            key.headless = True
        else:
            key.source_port = load_be16(transport)
            key.destination_port = load_be16(transport + 2)
            key.flags = <uint16_t> transport[TCP_FLAGS] << 8
    elif protocol == PROTO_ICMP or protocol == PROTO_ICMP6:
        if rest < 2:
            key.headless = True
        else:
            key.flags = load_be16(transport)
    elif (protocol == PROTO_UDP or protocol == PROTO_SCTP or protocol == PROTO_DCCP
            or protocol == PROTO_UDPLITE):
        if rest < 4:
            key.headless = True
        else:
            key.source_port = load_be16(transport)
            key.destination_port = load_be16(transport + 2)


cdef inline void fill_key4(acl_key4_t* key, const packet_t* p) noexcept nogil:
    """The key of a checked packet. Behind the first fragment, and in a header that is cut short,
    there are no ports."""
    cdef const uint8_t* ip = p.data + p.l3
    cdef uint32_t header = (ip[0] & 15) * 4
    cdef uint16_t fragment = be16toh((<const ipv4_h*> ip).fragment)
    cdef service_key_t service
    service.source_port = service.destination_port = service.flags = 0
    service.headless = fragment & IP_OFFSET != 0
    if not service.headless:
        _fill_service(&service, ip + header, p.len - p.l3 - header, ip[9])
    key.source = load_be32(ip + 12)
    key.destination = load_be32(ip + 16)
    key.source_port = service.source_port
    key.destination_port = service.destination_port
    key.flags = service.flags
    key.protocol = ip[9]
    key.traffic = ip[1] >> 2
    if fragment & (IP_MF | IP_OFFSET):
        key.traffic |= ACL_FRAGMENT
    if service.headless:
        key.traffic |= ACL_HEADLESS


cdef inline void fill_key6(acl_key6_t* key, const packet_t* p) noexcept nogil:
    """The same of IPv6. The protocol is what is behind the extension headers."""
    cdef const uint8_t* ip = p.data + p.l3
    cdef upper_t upper
    cdef service_key_t service
    cdef int i
    find_upper(ip, p.len - p.l3, &upper)
    service.source_port = service.destination_port = service.flags = 0
    service.headless = upper.headless
    if not service.headless:
        _fill_service(&service, ip + upper.at, p.len - p.l3 - upper.at, upper.proto)
    for i in range(4):
        key.source[i] = load_be32(ip + IP6_SOURCE + 4 * i)
        key.destination[i] = load_be32(ip + IP6_DESTINATION + 4 * i)
    key.source_port = service.source_port
    key.destination_port = service.destination_port
    key.flags = service.flags
    key.protocol = upper.proto
    key.traffic = traffic_class(ip) >> 2
    if upper.fragment:
        key.traffic |= ACL_FRAGMENT
    if service.headless:
        key.traffic |= ACL_HEADLESS
