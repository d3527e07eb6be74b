"""pcapng: the walk over the blocks.

draft-ietf-opsawg-pcapng, 3 and 4: any number of sections, each in its own byte order and with its
own interfaces; enhanced, simple and obsolete packet blocks. All other blocks are skipped by their
length. Of the options only those that change time stamps are read. The section length is not used:
the blocks say where a section ends.
"""

from fastpath.ports.pcap_format cimport (
    BLOCK_ENHANCED, BLOCK_INTERFACE, BLOCK_LEAST, BLOCK_PACKET, BLOCK_SECTION, BLOCK_SIMPLE,
    MAXIMUM_SNAPLEN, SECTION_ORDER, block_t, enhanced_block_t, interface_block_t, load32, order16,
    order32, packet_block_t, section_block_t, simple_block_t,
)
from fastpath.ports.pcap_source cimport (
    FAULT_BLOCK_CAPTURED, FAULT_BLOCK_CUT, FAULT_BLOCK_MULTIPLE, FAULT_BLOCK_SHORT,
    FAULT_BLOCK_TRAILER, FAULT_CAPTURED, FAULT_HEADER_CUT, FAULT_INTERFACE, FAULT_ORDER,
    FAULT_VERSION, LOOKAHEAD, PREFETCH_AHEAD, prefetch, source_append, source_fault, source_t,
)
from fastpath.ports.pcapng_interface cimport interface_add, interface_time
from libc.stdint cimport uint32_t, uint64_t, UINT64_MAX

assert sizeof(section_block_t) == 24
assert sizeof(enhanced_block_t) == 28
assert sizeof(packet_block_t) == 28
assert sizeof(simple_block_t) == 12

cdef enum:
    _TRAILER = 4              # a block ends with its length
    _MAJOR = 1


cdef int _section(source_t* s, uint64_t left) noexcept nogil:
    # Sets the byte order of all that follows. Its own length can only be read with that known.
    cdef const section_block_t* b = <const section_block_t*>(s.base + s.at)
    cdef uint32_t order
    if left < sizeof(section_block_t) + _TRAILER:
        return source_fault(s, FAULT_HEADER_CUT, s.at, left, sizeof(section_block_t) + _TRAILER)
    s.swapped = b.order != SECTION_ORDER
    order = order32(b.order, s.swapped)
    if order != SECTION_ORDER:
        return source_fault(s, FAULT_ORDER, s.at + 8, b.order, SECTION_ORDER)
    if order16(b.major, s.swapped) != _MAJOR:
        return source_fault(s, FAULT_VERSION, s.at + 12,
                            <uint32_t>order16(b.major, s.swapped) << 16
                            | order16(b.minor, s.swapped), _MAJOR << 16)
    s.interface_count = 0
    return 0


cdef uint32_t _least(uint32_t type) noexcept nogil:
    # Octets of a block without its variable part.
    if type == BLOCK_ENHANCED:
        return sizeof(enhanced_block_t) + _TRAILER
    if type == BLOCK_SECTION:
        return sizeof(section_block_t) + _TRAILER
    if type == BLOCK_INTERFACE:
        return sizeof(interface_block_t) + _TRAILER
    if type == BLOCK_PACKET:
        return sizeof(packet_block_t) + _TRAILER
    if type == BLOCK_SIMPLE:
        return sizeof(simple_block_t) + _TRAILER
    return BLOCK_LEAST


cdef inline uint32_t _block(source_t* s, uint32_t* type) noexcept nogil:
    # Checks the frame of the block at s.at. Returns its length, 0 if the walk is over.
    cdef const block_t* b = <const block_t*>(s.base + s.at)
    cdef uint64_t left = s.size - s.at
    cdef uint32_t total, trailer
    if left < BLOCK_LEAST:
        if left:
            source_fault(s, FAULT_HEADER_CUT, s.at, left, BLOCK_LEAST)
        s.ended = 1
        return 0
    if b.type == BLOCK_SECTION and _section(s, left) < 0:
        return 0
    type[0] = order32(b.type, s.swapped)
    total = order32(b.total, s.swapped)
    if total < _least(type[0]):
        source_fault(s, FAULT_BLOCK_SHORT, s.at, total, _least(type[0]))
    elif total & 3:
        source_fault(s, FAULT_BLOCK_MULTIPLE, s.at, total, 4)
    elif total > left:
        source_fault(s, FAULT_BLOCK_CUT, s.at, total, left)
    else:
        trailer = order32(load32(s.base + s.at + total - _TRAILER), s.swapped)
        if trailer == total:
            return total
        source_fault(s, FAULT_BLOCK_TRAILER, s.at + total - _TRAILER, trailer, total)
    return 0


cdef inline int _packet(source_t* s, uint32_t interface, uint64_t ticks, uint32_t captured,
                        uint32_t length, uint32_t total) noexcept nogil:
    # The enhanced and the obsolete packet block have equally long headers.
    cdef uint32_t room = total - <uint32_t>sizeof(enhanced_block_t) - _TRAILER
    cdef uint64_t ts
    if interface >= s.interface_count:
        return source_fault(s, FAULT_INTERFACE, s.at, interface, s.interface_count)
    if captured > MAXIMUM_SNAPLEN:
        return source_fault(s, FAULT_CAPTURED, s.at, captured, MAXIMUM_SNAPLEN)
    if captured > room:
        return source_fault(s, FAULT_BLOCK_CAPTURED, s.at, captured, room)
    ts = interface_time(&s.interfaces[interface], ticks)
    if s.first_ts == UINT64_MAX:
        s.first_ts = ts
    source_append(s, s.base + s.at + sizeof(enhanced_block_t), ts, captured, length,
                  s.interfaces[interface].link)
    return 0


cdef int _enhanced(source_t* s, uint32_t total) noexcept nogil:
    cdef const enhanced_block_t* b = <const enhanced_block_t*>(s.base + s.at)
    return _packet(s, order32(b.interface, s.swapped),
                   <uint64_t>order32(b.ts_high, s.swapped) << 32 | order32(b.ts_low, s.swapped),
                   order32(b.captured, s.swapped), order32(b.length, s.swapped), total)


cdef int _obsolete(source_t* s, uint32_t total) noexcept nogil:
    cdef const packet_block_t* b = <const packet_block_t*>(s.base + s.at)
    return _packet(s, order16(b.interface, s.swapped),
                   <uint64_t>order32(b.ts_high, s.swapped) << 32 | order32(b.ts_low, s.swapped),
                   order32(b.captured, s.swapped), order32(b.length, s.swapped), total)


cdef int _simple(source_t* s, uint32_t total) noexcept nogil:
    # Has no time: it counts as captured with the packet before it. What was captured follows from
    # the snapshot length of the section's first interface, which it always belongs to.
    cdef const simple_block_t* b = <const simple_block_t*>(s.base + s.at)
    cdef uint32_t length = order32(b.length, s.swapped)
    cdef uint32_t room = total - <uint32_t>sizeof(simple_block_t) - _TRAILER
    cdef uint32_t captured = length
    if s.interface_count == 0:
        return source_fault(s, FAULT_INTERFACE, s.at, 0, 0)
    if s.interfaces[0].snaplen and captured > s.interfaces[0].snaplen:
        captured = s.interfaces[0].snaplen
    if captured > MAXIMUM_SNAPLEN:
        return source_fault(s, FAULT_CAPTURED, s.at, captured, MAXIMUM_SNAPLEN)
    if captured > room:
        return source_fault(s, FAULT_BLOCK_CAPTURED, s.at, captured, room)
    source_append(s, s.base + s.at + sizeof(simple_block_t), s.ts, captured, length,
                  s.interfaces[0].link)
    return 0


cdef void pcapng_open(source_t* s) noexcept nogil:
    cdef uint32_t type, total
    total = _block(s, &type)
    s.at += total


cdef void pcapng_walk(source_t* s) noexcept nogil:
    cdef uint32_t type, total
    cdef int result
    while s.tail < LOOKAHEAD:
        total = _block(s, &type)
        if total == 0:
            return
        prefetch(s.base + s.at + PREFETCH_AHEAD)
        if type == BLOCK_ENHANCED:
            result = _enhanced(s, total)
        elif type == BLOCK_INTERFACE:
            result = interface_add(s, total)
        elif type == BLOCK_SIMPLE:
            result = _simple(s, total)
        elif type == BLOCK_PACKET:
            result = _obsolete(s, total)
        else:
            result = 0
        if result < 0:
            return
        s.at += total
