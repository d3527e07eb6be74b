# IPv6 headers: which addresses may be forwarded, and what is behind extension headers (RFC 8200 4).
#
# A router looks behind them only for filters, flows and what is for itself: nothing here decides
# whether a packet may pass. Hop-by-hop options are not acted on (RFC 8200 4.3).

from fastpath.verdict cimport (
    REASON_LINK_LOCAL, REASON_MARTIAN_DESTINATION, REASON_MARTIAN_SOURCE, REASON_MULTICAST,
    REASON_NONE)
from fastpath.wire cimport (
    IPV6_HEADER, PROTO_AH, PROTO_DSTOPTS, PROTO_FRAGMENT, PROTO_HIP, PROTO_HOPOPTS, PROTO_ICMP6,
    PROTO_MOBILITY, PROTO_ROUTING, PROTO_SHIM6, load_be16, load_be32, load_be64)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    IP6_SOURCE = 8            # offsets in the header
    IP6_DESTINATION = 24
    CHAIN_MAX = 2048          # octets of extension headers that are looked through
    FRAGMENT_HEADER = 8
    FRAGMENT_MORE = 1         # of its second word; RFC 8200 4.5
    FRAGMENT_OFFSET = 0xFFF8

# What a packet carries, behind all extension headers.
cdef struct upper_t:
    uint32_t at               # offset of it from the IP header
    uint8_t proto             # of a later fragment: what the first one has behind its headers
    bint fragment             # a piece of a datagram
    bint headless             # what is at `at` is not its header: a later piece, or the chain is
                              # cut off, or too long


cdef inline bint is_extension(uint8_t header) noexcept nogil:
    return (header == PROTO_HOPOPTS or header == PROTO_ROUTING or header == PROTO_FRAGMENT
            or header == PROTO_AH or header == PROTO_DSTOPTS or header == PROTO_MOBILITY
            or header == PROTO_HIP or header == PROTO_SHIM6)


cdef inline void find_upper(const uint8_t* ip, uint32_t len, upper_t* out) noexcept nogil:
    """`ip` has a whole IPv6 header, `len` octets from there on are the packet."""
    cdef uint8_t header = ip[6]
    cdef uint32_t at = IPV6_HEADER
    cdef uint16_t fragment
    out.fragment = out.headless = False
    while is_extension(header):
        if at + 8 > len or at > CHAIN_MAX:
            out.headless = True
            break
        if header == PROTO_FRAGMENT:
            fragment = load_be16(ip + at + 2)
            # A fragment that is the whole packet is none (RFC 6946).
            out.fragment |= fragment & (FRAGMENT_OFFSET | FRAGMENT_MORE) != 0
            header = ip[at]
            at += FRAGMENT_HEADER
            if fragment & FRAGMENT_OFFSET:
                out.headless = True
                break
            continue
        fragment = ip[at + 1]
        fragment = (fragment + 2) * 4 if header == PROTO_AH else (fragment + 1) * 8
        header = ip[at]
        at += fragment
    if at > len:
        at = len
        out.headless = True
    out.at = at
    out.proto = header


# Addresses (RFC 4291 2.4). `address` is 16 octets as in the header.

cdef inline bint is_link_local(const uint8_t* address) noexcept nogil:
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80


cdef inline bint is_unspecified(const uint8_t* address) noexcept nogil:
    return load_be64(address) == 0 and load_be64(address + 8) == 0


# ::, ::1, and ::ffff:0:0/96, which stands for IPv4 inside hosts (RFC 4291 2.5.5.2).
cdef inline bint is_no_node(const uint8_t* address) noexcept nogil:
    cdef uint64_t low
    if load_be64(address) != 0:
        return False
    low = load_be64(address + 8)
    return low <= 1 or low >> 32 == 0xFFFF


# REASON_NONE if a packet may be forwarded or answered. addresses: source and destination.
cdef inline int check_addresses6(const uint8_t* addresses) noexcept nogil:
    cdef const uint8_t* destination = addresses + 16
    if addresses[0] == 0xFF or is_no_node(addresses):
        return REASON_MARTIAN_SOURCE
    if destination[0] == 0xFF:
        return REASON_MULTICAST
    if is_no_node(destination):
        return REASON_MARTIAN_DESTINATION
    if is_link_local(addresses) or is_link_local(destination):
        return REASON_LINK_LOCAL
    return REASON_NONE


# Whether a packet is ICMPv6 between the ends of one link: from a link-local address or none, or to
# a link-local address, or to a group of the link (RFC 4861: solicitations and advertisements).
cdef inline bint is_of_link(const uint8_t* ip, uint32_t len) noexcept nogil:
    cdef const uint8_t* destination = ip + IP6_DESTINATION
    if len < IPV6_HEADER or ip[0] >> 4 != 6 or ip[6] != PROTO_ICMP6:
        return False
    return (is_link_local(ip + IP6_SOURCE) or is_unspecified(ip + IP6_SOURCE)
            or is_link_local(destination)
            or (destination[0] == 0xFF and destination[1] & 15 <= 2))


cdef inline uint8_t traffic_class(const uint8_t* ip) noexcept nogil:
    return <uint8_t> (load_be16(ip) >> 4)
