"""pcapng interface description blocks (draft-ietf-opsawg-pcapng, 4.2).

Read: link type, snapshot length, if_tsresol, if_tsoffset. All other options are passed over, but
have to lie inside the block.
"""

from fastpath.ports.linktype cimport link_of
from fastpath.ports.pcap_format cimport (
    OPTION_END, OPTION_IF_TSOFFSET, OPTION_IF_TSRESOL, interface_block_t, load64, option_t,
    order16, order32, order64,
)
from fastpath.ports.pcap_source cimport (
    FAULT_INTERFACES, FAULT_MEMORY, FAULT_OPTION_CUT, FAULT_OPTION_LENGTH, FAULT_RESOLUTION,
    TIME_MAX, ng_interface_t, source_fault, source_t,
)
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport realloc

assert sizeof(interface_block_t) == 16

cdef enum:
    _MAXIMUM_INTERFACES = 65536
    _TRAILER = 4
    _BINARY = 0x80            # bit of if_tsresol: 2^-n seconds, not 10^-n
    _DECIMAL_MOST = 18        # 10^-18 s: the smallest unit whose number in a second is below 2^63
    _BINARY_MOST = 63
    _OFFSET_MOST = 9223372036 # seconds, whose nanoseconds an int64_t holds


cdef int _resolution(source_t* s, ng_interface_t* i, uint8_t value, uint64_t at) noexcept nogil:
    cdef int exponent = value & ~_BINARY
    cdef int step
    i.binary = value >= _BINARY
    if i.binary:
        if exponent > _BINARY_MOST:
            return source_fault(s, FAULT_RESOLUTION, at, value, _BINARY | _BINARY_MOST)
        i.shift = exponent
        return 0
    if exponent > _DECIMAL_MOST:
        return source_fault(s, FAULT_RESOLUTION, at, value, _DECIMAL_MOST)
    i.divide = exponent > 9
    i.scale = 1
    for step in range(exponent - 9 if exponent > 9 else 9 - exponent):
        i.scale *= 10
    i.limit = TIME_MAX // i.scale
    return 0


cdef int64_t _offset(uint64_t value) noexcept nogil:
    cdef int64_t seconds = <int64_t>value
    if seconds > <int64_t>_OFFSET_MOST:
        seconds = _OFFSET_MOST
    elif seconds < -<int64_t>_OFFSET_MOST:
        seconds = -<int64_t>_OFFSET_MOST
    return seconds * 1000000000


cdef int _option(source_t* s, ng_interface_t* i, uint16_t code, uint16_t length,
                 uint64_t at) noexcept nogil:
    # `at` is the offset of its value, which is known to be inside the block.
    if code == OPTION_IF_TSRESOL:
        if length != 1:
            return source_fault(s, FAULT_OPTION_LENGTH, at, length, 1)
        return _resolution(s, i, s.base[at], at)
    if code == OPTION_IF_TSOFFSET:
        if length != 8:
            return source_fault(s, FAULT_OPTION_LENGTH, at, length, 8)
        i.offset = _offset(order64(load64(s.base + at), s.swapped))
    return 0


cdef int _options(source_t* s, ng_interface_t* i, uint32_t total) noexcept nogil:
    cdef uint64_t at = s.at + sizeof(interface_block_t)
    cdef uint64_t end = s.at + total - _TRAILER
    cdef const option_t* o
    cdef uint16_t code, length
    while end - at >= sizeof(option_t):
        o = <const option_t*>(s.base + at)
        code = order16(o.code, s.swapped)
        length = order16(o.length, s.swapped)
        at += sizeof(option_t)
        if code == OPTION_END:
            break
        if length > end - at:
            return source_fault(s, FAULT_OPTION_CUT, at - sizeof(option_t), length, end - at)
        if _option(s, i, code, length, at) < 0:
            return -1
        # the block's length is a multiple of 4, so the padding is inside it as well
        at += (length + 3) & ~3
    return 0


cdef int _room(source_t* s) noexcept nogil:
    cdef uint32_t room = 2 * s.interface_room if s.interface_room else 8
    cdef void* grown
    if s.interface_count < s.interface_room:
        return 0
    if s.interface_count >= _MAXIMUM_INTERFACES:
        return source_fault(s, FAULT_INTERFACES, s.at, s.interface_count + 1, _MAXIMUM_INTERFACES)
    grown = realloc(s.interfaces, room * sizeof(ng_interface_t))
    if grown == NULL:
        return source_fault(s, FAULT_MEMORY, s.at, room, 0)
    s.interfaces = <ng_interface_t*>grown
    s.interface_room = room
    return 0


cdef int interface_add(source_t* s, uint32_t total) noexcept nogil:
    cdef const interface_block_t* b = <const interface_block_t*>(s.base + s.at)
    cdef ng_interface_t* i
    if _room(s) < 0:
        return -1
    i = &s.interfaces[s.interface_count]
    i.link = link_of(order16(b.linktype, s.swapped))
    i.snaplen = order32(b.snaplen, s.swapped)
    i.offset = 0
    if _resolution(s, i, 6, s.at) < 0 or _options(s, i, total) < 0:
        return -1
    s.interface_count += 1
    return 0
