"""The TCP segment size clamp (mss.pxd says what it does)."""

from fastpath.checksum cimport adjust16
from fastpath.ip6 cimport find_upper, upper_t
from fastpath.wire cimport (
    IP_MF, IP_OFFSET, IPV4_HEADER, PROTO_TCP, TCP_HEADER, TCP_SYN, TCPOPT_END, TCPOPT_MSS,
    TCPOPT_NOP, be16toh, ipv4_h, load_be16, store_be16)
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    MSS_OPTION = 4            # octets of the option: kind, length, value
    LONGER = 20               # octets of an IPv6 header more than of an IPv4 header


cdef inline uint16_t _swapped(uint16_t value) noexcept nogil:
    return <uint16_t> (value << 8 | value >> 8)


cdef void _replace(uint8_t* tcp, uint32_t at, uint16_t mss) noexcept nogil:
    """Writes the value at an offset, which padding may have made odd: then its octets count in two
    words of the sum, each in the other half."""
    cdef uint16_t old = load_be16(tcp + at)
    cdef uint16_t new = mss
    store_be16(tcp + at, mss)
    if at & 1:
        old = _swapped(old)
        new = _swapped(new)
    store_be16(tcp + 16, adjust16(load_be16(tcp + 16), old, new))


cdef int cut_mss(uint8_t* ip, uint32_t len, uint16_t mss) noexcept nogil:
    cdef const ipv4_h* fields = <const ipv4_h*> ip
    cdef uint32_t header = (fields.version_ihl & 15) * 4
    cdef uint32_t end, option
    cdef uint32_t at = TCP_HEADER
    cdef uint8_t* tcp
    cdef upper_t upper
    cdef int cut = 0
    if ip[0] >> 4 == 6:
        find_upper(ip, len, &upper)
        if upper.proto != PROTO_TCP or upper.fragment or upper.headless:
            return 0
        header = upper.at
        mss = mss - LONGER if mss > LONGER else 1
    elif fields.protocol != PROTO_TCP or be16toh(fields.fragment) & (IP_MF | IP_OFFSET):
        return 0
    tcp = ip + header
    if len < header + TCP_HEADER or not tcp[13] & TCP_SYN:
        return 0
    end = (tcp[12] >> 4) * 4
    if end < TCP_HEADER or header + end > len:
        return 0
    while at < end and tcp[at] != TCPOPT_END:
        if tcp[at] == TCPOPT_NOP:
            at += 1
            continue
        if at + 1 >= end:
            break
        option = tcp[at + 1]
        if option < 2 or at + option > end:
            break
        if tcp[at] == TCPOPT_MSS and option == MSS_OPTION and load_be16(tcp + at + 2) > mss:
            _replace(tcp, at + 2, mss)
            cut += 1
        at += option
    return cut
