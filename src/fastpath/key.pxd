# What rules look at in an IPv4 packet, taken from its headers.

from fastpath.packet cimport packet_t
from fastpath.rules cimport ACL_FRAGMENT, ACL_HEADLESS, acl_key4_t
from fastpath.wire cimport (
    IP_MF, IP_OFFSET, PROTO_DCCP, PROTO_ICMP, PROTO_SCTP, PROTO_TCP, PROTO_UDP, PROTO_UDPLITE,
    be16toh, ipv4_h, load_be16, load_be32)
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    TCP_FLAGS = 13            # offset of the octet of flags


cdef inline void fill_key4(acl_key4_t* key, const packet_t* p) noexcept nogil:
    """The key of a checked packet. Behind the first fragment, and in a header that is cut short,
    there are no ports; ICMP and what we do not know have ports 0."""
    cdef const uint8_t* ip = p.data + p.l3
    cdef uint32_t header = (ip[0] & 15) * 4
    cdef uint32_t rest = p.len - p.l3 - header
    cdef const uint8_t* transport = ip + header
    cdef uint16_t fragment = be16toh((<const ipv4_h*> ip).fragment)
    cdef uint8_t protocol = ip[9]
    key.source = load_be32(ip + 12)
    key.destination = load_be32(ip + 16)
    key.source_port = key.destination_port = key.flags = 0
    key.protocol = protocol
    key.traffic = ip[1] >> 2
    if fragment & (IP_MF | IP_OFFSET):
        key.traffic |= ACL_FRAGMENT
    if fragment & IP_OFFSET:
        key.traffic |= ACL_HEADLESS
    elif protocol == PROTO_TCP:
        if rest <= TCP_FLAGS:
            key.traffic |= ACL_HEADLESS
        else:
            key.source_port = load_be16(transport)
            key.destination_port = load_be16(transport + 2)
            key.flags = <uint16_t> transport[TCP_FLAGS] << 8
    elif protocol == PROTO_ICMP:
        if rest < 2:
            key.traffic |= ACL_HEADLESS
        else:
            key.flags = load_be16(transport)
    elif (protocol == PROTO_UDP or protocol == PROTO_SCTP or protocol == PROTO_DCCP
            or protocol == PROTO_UDPLITE):
        if rest < 4:
            key.traffic |= ACL_HEADLESS
        else:
            key.source_port = load_be16(transport)
            key.destination_port = load_be16(transport + 2)
