"""ICMP errors and echo replies for IPv4 (icmp.pxd says what is built and when nothing is)."""

from fastpath.checksum cimport checksum_of, ipv4_header_ok, ipv4_header_seal, sum_octets, \
    sums_to_zero
from fastpath.parse cimport check_addresses4
from fastpath.verdict cimport REASON_NONE
from fastpath.wire cimport (
    ICMP_ECHO, ICMP_ECHO_REPLY, ICMP_FRAGMENTATION_NEEDED, ICMP_HEADER, ICMP_UNREACHABLE, IP_DF,
    IP_MF, IP_OFFSET, IPV4_HEADER, PROTO_ICMP, be16toh, be32toh, htobe16, htobe32, icmp_h, ipv4_h)
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

cdef enum:
    # Internetwork control (RFC 1812 4.3.2.5), written as the DSCP CS6 with no ECN.
    TOS_ICMP_ERROR = 0xC0


cdef inline uint32_t _header_of(const ipv4_h* ip, uint32_t len) noexcept nogil:
    """Octets of a sound IPv4 header whose packet is all there, else 0."""
    if len < IPV4_HEADER or ip.version_ihl >> 4 != 4:
        return 0
    cdef uint32_t header = (ip.version_ihl & 15) * 4
    cdef uint32_t total = be16toh(ip.total_length)
    if header < IPV4_HEADER or header > total or total > len:
        return 0
    return header if ipv4_header_ok(<const uint8_t*> ip, header) else 0


cdef inline bint _is_query(uint8_t type) noexcept nogil:
    """ICMP types known to be no errors. An unknown one might be an error, so it gets none."""
    return type == ICMP_ECHO or type == ICMP_ECHO_REPLY or (9 <= type <= 18 and type != 11
                                                            and type != 12)


cdef inline bint _deserves_error(const ipv4_h* ip, uint32_t header) noexcept nogil:
    """RFC 1812 4.3.2.7, as far as the packet itself can tell."""
    if be16toh(ip.fragment) & IP_OFFSET:
        return False
    if check_addresses4(be32toh(ip.source), be32toh(ip.destination)) != REASON_NONE:
        return False
    if ip.protocol != PROTO_ICMP:
        return True
    if be16toh(ip.total_length) == header:
        return False
    return _is_query((<const uint8_t*> ip)[header])


cdef inline void _write_header(uint8_t* into, const ipv4_h* about, uint32_t length,
                               uint8_t tos, uint16_t fragment) noexcept nogil:
    """The IPv4 header of an answer, but for addresses and checksum. The id is that of the packet
    that is answered: nothing to count, and as unique as the traffic itself."""
    cdef ipv4_h* ip = <ipv4_h*> into
    ip.version_ihl = 0x45
    ip.tos = tos
    ip.total_length = htobe16(<uint16_t> length)
    ip.id = about.id
    ip.fragment = htobe16(fragment)
    ip.ttl = ICMP_TTL
    ip.protocol = PROTO_ICMP


cdef uint32_t icmp_error(uint8_t* into, uint32_t size, const uint8_t* ip, uint32_t len,
                         uint32_t source, uint8_t type, uint8_t code,
                         uint16_t mtu) noexcept nogil:
    cdef const ipv4_h* about = <const ipv4_h*> ip
    cdef uint32_t header = _header_of(about, len)
    if header == 0 or source == 0 or not _deserves_error(about, header):
        return 0
    # At least the header and 8 octets are quoted, if there are as many (RFC 792).
    cdef uint32_t quote = be16toh(about.total_length)
    cdef uint32_t least = min(header + 8, quote)
    cdef uint32_t room = min(size, <uint32_t> ICMP_ERROR_MAX)
    if room < IPV4_HEADER + ICMP_HEADER + least:
        return 0
    quote = min(quote, room - IPV4_HEADER - ICMP_HEADER)

    cdef uint32_t length = IPV4_HEADER + ICMP_HEADER + quote
    _write_header(into, about, length, TOS_ICMP_ERROR, 0)
    (<ipv4_h*> into).source = htobe32(source)
    (<ipv4_h*> into).destination = about.source
    ipv4_header_seal(into, IPV4_HEADER)

    cdef icmp_h* icmp = <icmp_h*> (into + IPV4_HEADER)
    memset(icmp, 0, sizeof(icmp_h))
    icmp.type = type
    icmp.code = code
    if type == ICMP_UNREACHABLE and code == ICMP_FRAGMENTATION_NEEDED:
        icmp.rest = htobe32(mtu)
    memcpy(into + IPV4_HEADER + ICMP_HEADER, ip, quote)
    icmp.checksum = htobe16(checksum_of(sum_octets(<uint8_t*> icmp, ICMP_HEADER + quote, 0)))
    return length


cdef uint32_t icmp_echo_reply(uint8_t* into, uint32_t size, const uint8_t* ip,
                              uint32_t len) noexcept nogil:
    cdef const ipv4_h* request = <const ipv4_h*> ip
    cdef uint32_t header = _header_of(request, len)
    if header == 0 or request.protocol != PROTO_ICMP:
        return 0
    cdef uint16_t fragment = be16toh(request.fragment)
    if fragment & (IP_MF | IP_OFFSET):
        return 0
    if check_addresses4(be32toh(request.source), be32toh(request.destination)) != REASON_NONE:
        return 0
    cdef uint32_t message = be16toh(request.total_length) - header
    cdef const icmp_h* echo = <const icmp_h*> (ip + header)
    if message < ICMP_HEADER or echo.type != ICMP_ECHO or echo.code != 0:
        return 0
    if not sums_to_zero(sum_octets(ip + header, message, 0)):
        return 0
    if size < IPV4_HEADER + message:
        return 0

    # The reply keeps TOS (RFC 1812 4.3.2.5) and DF: what came in one piece goes back in one.
    _write_header(into, request, IPV4_HEADER + message, request.tos, fragment & IP_DF)
    (<ipv4_h*> into).source = request.destination
    (<ipv4_h*> into).destination = request.source
    ipv4_header_seal(into, IPV4_HEADER)
    memcpy(into + IPV4_HEADER, ip + header, message)
    cdef icmp_h* icmp = <icmp_h*> (into + IPV4_HEADER)
    icmp.type = ICMP_ECHO_REPLY
    icmp.checksum = 0
    icmp.checksum = htobe16(checksum_of(sum_octets(into + IPV4_HEADER, message, 0)))
    return IPV4_HEADER + message
