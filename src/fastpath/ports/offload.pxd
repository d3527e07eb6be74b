# The virtio-net header that the kernel puts before each packet of a TUN device with offloads
# (Virtual I/O Device 1.2, 5.1.6), and the look at a packet that splitting and merging begin with.

from fastpath.checksum cimport pseudo_sum6, sum_short
from fastpath.ip6 cimport find_upper, upper_t
from fastpath.wire cimport (
    IP_MF, IP_OFFSET, IPV4_HEADER, IPV6_HEADER, PROTO_TCP, PROTO_UDP, TCP_HEADER, UDP_HEADER,
    htobe16, load_be16)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<endian.h>" nogil:
    uint16_t le16toh(uint16_t value)
    uint16_t htole16(uint16_t value)

# 10 octets, little-endian.
#    0       1          2        4          6            8              10
#   | flags | gso type | hdr len | gso size | csum start | csum offset |
cdef packed struct vnet_h:
    uint8_t flags                 # VNET_NEEDS_CSUM, VNET_DATA_VALID
    uint8_t gso_type
    uint16_t hdr_len              # octets that should lie together: the headers
    uint16_t gso_size             # octets of payload of each segment but the last
    uint16_t csum_start           # where the sum begins that is still to be computed
    uint16_t csum_offset          # from there: where the checksum goes; now the pseudo header's sum

cdef enum:
    VNET_HEADER = 10

    VNET_NEEDS_CSUM = 1
    VNET_DATA_VALID = 2           # the kernel has verified the checksum

    VNET_GSO_NONE = 0
    VNET_GSO_TCPV4 = 1
    VNET_GSO_TCPV6 = 4
    VNET_GSO_UDP_L4 = 5           # UDP datagrams of one size, of either family
    VNET_GSO_ECN = 0x80           # of TCP: the first segment has CWR

    TCP_FIN = 0x01                # of the lower octet of tcp_h.offset_flags
    TCP_PSH = 0x08
    TCP_ACK = 0x10
    TCP_ECE = 0x40
    TCP_CWR = 0x80

    TCP_CHECKSUM = 16             # offsets in the transport header
    UDP_CHECKSUM = 6

# Where a packet has its transport header and its payload; offsets from the IP header.
cdef struct segment_t:
    uint32_t l4
    uint32_t payload
    bint six
    bint tcp                      # else UDP


# Whether a packet of `len` octets is one whole TCP segment or UDP datagram.
cdef inline bint find_segment(const uint8_t* ip, uint32_t len, segment_t* s) noexcept nogil:
    cdef upper_t upper
    cdef uint8_t proto
    if len < IPV4_HEADER:
        return False
    s.six = ip[0] >> 4 == 6
    if s.six:
        if len < IPV6_HEADER or load_be16(ip + 4) + <uint32_t>IPV6_HEADER != len:
            return False
        find_upper(ip, len, &upper)
        if upper.fragment or upper.headless:
            return False
        s.l4 = upper.at
        proto = upper.proto
    else:
        s.l4 = (ip[0] & 15) * 4
        if (ip[0] >> 4 != 4 or s.l4 < IPV4_HEADER or load_be16(ip + 2) != len
                or load_be16(ip + 6) & (IP_MF | IP_OFFSET)):
            return False
        proto = ip[9]
    s.tcp = proto == PROTO_TCP
    return find_payload(ip, len, proto, s)


# The rest of it, with `l4` and `tcp` known.
cdef inline bint find_payload(const uint8_t* ip, uint32_t len, uint8_t proto,
                              segment_t* s) noexcept nogil:
    cdef uint32_t octets = UDP_HEADER
    if s.tcp:
        if len < s.l4 + TCP_HEADER:
            return False
        octets = (ip[s.l4 + 12] >> 4) * 4
        if octets < TCP_HEADER:
            return False
    elif proto != PROTO_UDP:
        return False
    s.payload = s.l4 + octets
    return s.payload <= len


# Sum of the pseudo header, in memory's order, for `length` octets of transport header and payload.
cdef inline uint64_t pseudo_sum(const uint8_t* ip, const segment_t* s,
                                uint32_t length) noexcept nogil:
    cdef uint8_t proto = PROTO_TCP if s.tcp else PROTO_UDP
    if s.six:
        return pseudo_sum6(ip + 8, proto, length)
    return sum_short(ip + 12, 8, <uint64_t>htobe16(proto) + htobe16(<uint16_t>length))
