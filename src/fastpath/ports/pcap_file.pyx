"""Classic pcap: the file header and the walk over the records.

draft-ietf-opsawg-pcap, 4 and 5: micro- or nanoseconds, in the byte order of either host. Versions
before 2.4, from before 1998, are refused.
"""

from fastpath.ports.linktype cimport link_of
from fastpath.ports.pcap_format cimport (
    MAXIMUM_SNAPLEN, PCAP_MICROSECONDS, PCAP_NANOSECONDS, order16, order32, pcap_file_t,
    pcap_record_t,
)
from fastpath.ports.pcap_source cimport (
    FAULT_CAPTURED, FAULT_HEADER_CUT, FAULT_RECORD_CUT, FAULT_VERSION, LOOKAHEAD, PREFETCH_AHEAD,
    prefetch, source_append, source_fault, source_t,
)
from fastpath.packet cimport LINK_UNSUPPORTED
from libc.stdint cimport uint8_t, uint32_t, uint64_t, UINT64_MAX

assert sizeof(pcap_file_t) == 24
assert sizeof(pcap_record_t) == 16

cdef enum:
    _VERSION = 2 << 16 | 4    # 2.4
    _LINKTYPE_RESERVED = 0x03FF0000


cdef void pcap_open(source_t* s) noexcept nogil:
    cdef const pcap_file_t* header = <const pcap_file_t*>s.base
    cdef uint32_t linktype, version
    if s.size < sizeof(pcap_file_t):
        source_fault(s, FAULT_HEADER_CUT, 0, s.size, sizeof(pcap_file_t))
        return
    s.swapped = header.magic != PCAP_MICROSECONDS and header.magic != PCAP_NANOSECONDS
    s.scale = 1 if order32(header.magic, s.swapped) == PCAP_NANOSECONDS else 1000
    version = order16(header.major, s.swapped) << 16 | order16(header.minor, s.swapped)
    if version != _VERSION:
        source_fault(s, FAULT_VERSION, 4, version, _VERSION)
        return
    linktype = order32(header.linktype, s.swapped)
    s.link = LINK_UNSUPPORTED if linktype & _LINKTYPE_RESERVED else link_of(linktype & 0xFFFF)
    s.at = sizeof(pcap_file_t)


cdef inline void _end(source_t* s, uint64_t left, uint32_t captured) noexcept nogil:
    if left == 0:
        s.ended = 1
    elif left < sizeof(pcap_record_t):
        source_fault(s, FAULT_HEADER_CUT, s.at, left, sizeof(pcap_record_t))
    elif captured > MAXIMUM_SNAPLEN:
        source_fault(s, FAULT_CAPTURED, s.at, captured, MAXIMUM_SNAPLEN)
    else:
        source_fault(s, FAULT_RECORD_CUT, s.at, sizeof(pcap_record_t) + captured, left)


cdef inline void _walk(source_t* s, bint swapped) noexcept nogil:
    cdef const pcap_record_t* r
    cdef uint64_t left
    cdef uint32_t captured = 0
    while s.tail < LOOKAHEAD:
        left = s.size - s.at
        if left < sizeof(pcap_record_t):
            _end(s, left, 0)
            return
        r = <const pcap_record_t*>(s.base + s.at)
        prefetch(s.base + s.at + PREFETCH_AHEAD)
        captured = order32(r.captured, swapped)
        if captured > MAXIMUM_SNAPLEN or captured > left - sizeof(pcap_record_t):
            _end(s, left, captured)
            return
        # both are 32-bit: at most 4.3e18 + 4.3e12 ns, which 64 bits hold
        source_append(s, <const uint8_t*>(r + 1),
                      order32(r.seconds, swapped) * <uint64_t>1000000000
                      + order32(r.fraction, swapped) * s.scale,
                      captured, order32(r.length, swapped), s.link)
        s.at += sizeof(pcap_record_t) + captured


cdef void pcap_walk(source_t* s) noexcept nogil:
    cdef int before = s.tail
    if s.swapped:
        _walk(s, True)
    else:
        _walk(s, False)
    if s.first_ts == UINT64_MAX and s.tail > before:
        s.first_ts = s.ahead[before].ts
