"""Fragmentation of IPv4 packets (fragment.pxd shows the use)."""

from fastpath.checksum cimport ipv4_header_seal
from fastpath.verdict cimport (
    REASON_IP_HEADER_LENGTH, REASON_IP_SHORT, REASON_IP_TOTAL_LENGTH, REASON_IP_VERSION,
    REASON_NONE, REASON_TOO_BIG)
from fastpath.wire cimport (
    IP_DF, IP_MF, IP_OFFSET, IPOPT_COPIED, IPOPT_END, IPOPT_NOP, IPV4_HEADER, be16toh, htobe16,
    ipv4_h)
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset


cdef uint32_t _copied_options(const uint8_t* ip, uint32_t header, uint8_t* into) noexcept nogil:
    """Writes the options that go into every fragment (RFC 791 3.1), padded to whole words, and
    returns their octets. A damaged option ends the list like End of Option List."""
    cdef uint32_t at = IPV4_HEADER
    cdef uint32_t length = 0
    cdef uint32_t option
    while at < header and ip[at] != IPOPT_END:
        if ip[at] == IPOPT_NOP:
            at += 1
            continue
        if at + 1 >= header:
            break
        option = ip[at + 1]
        if option < 2 or at + option > header:
            break
        if ip[at] & IPOPT_COPIED:
            memcpy(into + length, ip + at, option)
            length += option
        at += option
    while length & 3:
        into[length] = IPOPT_END
        length += 1
    return length


cdef int frag_begin(frag_t* frag, const uint8_t* ip, uint32_t len, uint32_t mtu) noexcept nogil:
    cdef const ipv4_h* fields = <const ipv4_h*> ip
    memset(frag, 0, sizeof(frag_t))
    if len < IPV4_HEADER:
        return REASON_IP_SHORT
    if fields.version_ihl >> 4 != 4:
        return REASON_IP_VERSION
    cdef uint32_t header = (fields.version_ihl & 15) * 4
    cdef uint32_t total = be16toh(fields.total_length)
    if header < IPV4_HEADER or header > len:
        return REASON_IP_HEADER_LENGTH
    if total < header or total > len:
        return REASON_IP_TOTAL_LENGTH
    cdef uint16_t fragment = be16toh(fields.fragment)
    if total > mtu:
        if fragment & IP_DF or mtu < header + 8:
            return REASON_TOO_BIG
        # Offset field of the last piece: a fragment that ends behind octet 65,535 has none.
        if (fragment & IP_OFFSET) + ((total - header) >> 3) > IP_OFFSET:
            return REASON_IP_TOTAL_LENGTH
    frag.ip = ip
    frag.first = header
    frag.end = total
    frag.mtu = mtu
    frag.fragment = fragment
    memcpy(frag.header, ip, IPV4_HEADER)
    frag.later = IPV4_HEADER + _copied_options(ip, header, frag.header + IPV4_HEADER)
    frag.header[0] = <uint8_t> (0x40 | frag.later >> 2)
    return REASON_NONE


cdef uint32_t frag_next(frag_t* frag, uint8_t* into) noexcept nogil:
    cdef uint32_t header = frag.later
    if frag.at == frag.end:
        return 0
    if frag.at == 0:
        if frag.end <= frag.mtu:
            memcpy(into, frag.ip, frag.end)
            frag.at = frag.end
            return frag.end
        header = frag.first
        frag.at = header
        memcpy(into, frag.ip, header)
    else:
        memcpy(into, frag.header, header)

    cdef uint32_t data = frag.end - frag.at
    cdef uint16_t kept = frag.fragment & ~<uint16_t> (IP_MF | IP_OFFSET)
    cdef uint16_t more = frag.fragment & IP_MF
    if header + data > frag.mtu:
        data = (frag.mtu - header) & ~<uint32_t> 7
        more = IP_MF
    cdef uint32_t offset = (frag.fragment & IP_OFFSET) + ((frag.at - frag.first) >> 3)
    cdef ipv4_h* fields = <ipv4_h*> into
    fields.total_length = htobe16(<uint16_t> (header + data))
    fields.fragment = htobe16(<uint16_t> (kept | more | offset))
    ipv4_header_seal(into, header)
    memcpy(into + header, frag.ip + frag.at, data)
    frag.at += data
    return header + data
