# The checks that nearly every packet passes: an IPv4 packet without options, whole and sound, from
# and to addresses of hosts, behind an Ethernet header or none; and an IPv6 packet with its
# transport behind the header. What fails here is not wrong: parse.pxd takes a second look and says
# what it is.

from fastpath.packet cimport LINK_ETHERNET, LINK_IPV4, LINK_RAW, packet_t
from fastpath.types cimport INET, INET6
from fastpath.wire cimport (
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, IPV4_HEADER, IPV6_HEADER, PROTO_ICMP6, PROTO_TCP, PROTO_UDP,
    htobe16, load_be16)
from libc.stdint cimport UINT64_MAX, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    ETHERNET = 14             # octets of the header
    PLAIN_HEADER = 0x45       # version 4, 20 octets


# Whether 20 octets sum up to zero, one of which at least is none. Words of 64 bits are summed up
# with the carry brought back, which leaves the sum of the 16-bit words modulo 2^16 - 1 as it is;
# a multiple of that is found by multiplying with its inverse modulo 2^64.
cdef inline bint plain_header_ok(const uint8_t* ip) noexcept nogil:
    cdef uint64_t first, second
    cdef uint32_t third
    memcpy(&first, ip, 8)
    memcpy(&second, ip + 8, 8)
    memcpy(&third, ip + 16, 4)
    first += second
    first += first < second
    first += third
    first += first < third
    return first * <uint64_t> 0xFFFEFFFEFFFEFFFF <= <uint64_t> UINT64_MAX // 0xFFFF


# Class A to C without 0/8 and 127/8.
cdef inline bint is_host_net(uint32_t net) noexcept nogil:
    return (net - 1 < 126) | (net - 128 < 96)


# As parse_ip, of an IP header that begins at `l3`.
cdef inline bint parse_plain(packet_t* p, uint32_t l3) noexcept nogil:
    cdef const uint8_t* ip = p.data + l3
    cdef uint32_t total
    if p.len < l3 + IPV4_HEADER or ip[0] != PLAIN_HEADER:
        return False
    total = load_be16(ip + 2)
    if (total < IPV4_HEADER or l3 + total > p.len or not plain_header_ok(ip)
            or not is_host_net(ip[12]) or not is_host_net(ip[16])):
        return False
    p.l3 = <uint16_t> l3
    p.l4 = <uint16_t> (l3 + IPV4_HEADER)
    p.proto = ip[9]
    p.family = INET
    p.len = l3 + total
    return True


# As parse_link and parse_ip.
cdef inline bint parse_quick(packet_t* p) noexcept nogil:
    cdef uint16_t type
    if p.link == LINK_RAW or p.link == LINK_IPV4:
        return parse_plain(p, 0)
    if p.link != LINK_ETHERNET or p.len < ETHERNET:
        return False
    memcpy(&type, p.data + 12, 2)
    return type == htobe16(ETHERTYPE_IPV4) and parse_plain(p, ETHERNET)


# As parse_ip, of an IPv6 header that begins at `l3`, between global unicast addresses (2000::/3).
cdef inline bint parse_plain6(packet_t* p, uint32_t l3) noexcept nogil:
    cdef const uint8_t* ip = p.data + l3
    cdef uint32_t total
    if p.len < l3 + IPV6_HEADER or ip[0] >> 4 != 6:
        return False
    total = IPV6_HEADER + load_be16(ip + 4)
    if (l3 + total > p.len or ip[8] >> 5 != 1 or ip[24] >> 5 != 1
            or (ip[6] != PROTO_TCP and ip[6] != PROTO_UDP and ip[6] != PROTO_ICMP6)):
        return False
    p.l3 = <uint16_t> l3
    p.l4 = <uint16_t> (l3 + IPV6_HEADER)
    p.proto = ip[6]
    p.family = INET6
    p.len = l3 + total
    return True


cdef inline bint parse_quick6(packet_t* p) noexcept nogil:
    cdef uint16_t type
    if p.link == LINK_RAW:
        return parse_plain6(p, 0)
    if p.link != LINK_ETHERNET or p.len < ETHERNET:
        return False
    memcpy(&type, p.data + 12, 2)
    return type == htobe16(ETHERTYPE_IPV6) and parse_plain6(p, ETHERNET)
