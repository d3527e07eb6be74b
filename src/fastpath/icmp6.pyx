"""ICMPv6 errors and echo replies (icmp6.pxd says what is built and when nothing is)."""

from fastpath.checksum cimport checksum_of, pseudo_sum6, sum_octets, sums_to_zero
from fastpath.icmp cimport ICMP_TTL
from fastpath.ip6 cimport (
    IP6_DESTINATION, IP6_SOURCE, check_addresses6, find_upper, traffic_class, upper_t)
from fastpath.verdict cimport REASON_NONE
from fastpath.wire cimport (
    ICMP6_ECHO, ICMP6_ECHO_REPLY, ICMP6_QUERY, ICMP6_REDIRECT, ICMP6_TOO_BIG, ICMP_HEADER,
    IPV6_HEADER, PROTO_ICMP6, be16toh, htobe16, htobe32, icmp_h, ipv6_h, store_be16)
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset


cdef inline uint32_t _length_of(const uint8_t* ip, uint32_t len) noexcept nogil:
    """Octets of a sound IPv6 packet that is all there, else 0."""
    cdef uint32_t total
    if len < IPV6_HEADER or ip[0] >> 4 != 6:
        return 0
    total = IPV6_HEADER + be16toh((<const ipv6_h*> ip).payload_length)
    return total if total <= len else 0


cdef inline bint _deserves_error(const uint8_t* ip, uint32_t total) noexcept nogil:
    """RFC 4443 2.4 (e), as far as the packet itself can tell."""
    cdef upper_t upper
    if check_addresses6(ip + IP6_SOURCE) != REASON_NONE:
        return False
    find_upper(ip, total, &upper)
    if upper.proto != PROTO_ICMP6:
        return True
    if upper.headless or upper.at == total:
        return False
    return ip[upper.at] >= ICMP6_QUERY and ip[upper.at] != ICMP6_REDIRECT


cdef void _seal(uint8_t* into, uint32_t length) noexcept nogil:
    """Writes the checksum of an answer of which everything else is there."""
    cdef uint32_t message = length - IPV6_HEADER
    cdef uint8_t* icmp = into + IPV6_HEADER
    store_be16(icmp + 2, 0)
    store_be16(icmp + 2, checksum_of(sum_octets(
        icmp, message, pseudo_sum6(into + IP6_SOURCE, PROTO_ICMP6, message))))


cdef inline void _write_header(uint8_t* into, uint32_t length, uint8_t tos) noexcept nogil:
    """The IPv6 header of an answer, but for the addresses."""
    cdef ipv6_h* ip = <ipv6_h*> into
    ip.version_class_label = htobe32(<uint32_t> 6 << 28 | <uint32_t> tos << 20)
    ip.payload_length = htobe16(<uint16_t> (length - IPV6_HEADER))
    ip.next_header = PROTO_ICMP6
    ip.hop_limit = ICMP_TTL


cdef uint32_t icmp6_error(uint8_t* into, uint32_t size, const uint8_t* ip, uint32_t len,
                          const uint8_t* source, uint8_t type, uint8_t code,
                          uint16_t mtu) noexcept nogil:
    cdef uint32_t quote = _length_of(ip, len)
    cdef uint32_t room = min(size, <uint32_t> ICMP6_ERROR_MAX)
    cdef uint32_t length
    cdef icmp_h* icmp = <icmp_h*> (into + IPV6_HEADER)
    if quote == 0 or not _deserves_error(ip, quote):
        return 0
    if room < 2 * IPV6_HEADER + ICMP_HEADER:
        return 0
    quote = min(quote, room - IPV6_HEADER - ICMP_HEADER)
    length = IPV6_HEADER + ICMP_HEADER + quote
    _write_header(into, length, 0)
    memcpy(into + IP6_SOURCE, source, 16)
    memcpy(into + IP6_DESTINATION, ip + IP6_SOURCE, 16)
    memset(icmp, 0, sizeof(icmp_h))
    icmp.type = type
    icmp.code = code
    if type == ICMP6_TOO_BIG:
        icmp.rest = htobe32(mtu)
    memcpy(into + IPV6_HEADER + ICMP_HEADER, ip, quote)
    _seal(into, length)
    return length


cdef uint32_t icmp6_echo_reply(uint8_t* into, uint32_t size, const uint8_t* ip,
                               uint32_t len) noexcept nogil:
    cdef uint32_t total = _length_of(ip, len)
    cdef uint32_t message
    cdef upper_t upper
    if total == 0 or check_addresses6(ip + IP6_SOURCE) != REASON_NONE:
        return 0
    find_upper(ip, total, &upper)
    if upper.proto != PROTO_ICMP6 or upper.fragment or upper.headless:
        return 0
    message = total - upper.at
    if (message < ICMP_HEADER or ip[upper.at] != ICMP6_ECHO or ip[upper.at + 1] != 0
            or size < IPV6_HEADER + message):
        return 0
    if not sums_to_zero(sum_octets(ip + upper.at, message,
                                   pseudo_sum6(ip + IP6_SOURCE, PROTO_ICMP6, message))):
        return 0
    _write_header(into, IPV6_HEADER + message, traffic_class(ip))
    memcpy(into + IP6_SOURCE, ip + IP6_DESTINATION, 16)
    memcpy(into + IP6_DESTINATION, ip + IP6_SOURCE, 16)
    memcpy(into + IPV6_HEADER, ip + upper.at, message)
    into[IPV6_HEADER] = ICMP6_ECHO_REPLY
    _seal(into, IPV6_HEADER + message)
    return IPV6_HEADER + message
