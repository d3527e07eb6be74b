# Interfaces of a pcapng section: their link types and clocks.

from fastpath.ports.pcap_source cimport TIME_MAX, ng_interface_t, source_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    NANOSECONDS = 1000000000

# Reads the interface description block at s.at. Negative if it is damaged.
cdef int interface_add(source_t* s, uint32_t total) noexcept nogil

# Binary resolution. With m = min(shift, 34) bits of the fraction kept, fraction * 1e9 is below
# 2^34 * 1e9 = 1.72e19 < 2^64; the bits cut off are worth less than 0.06 ns.
cdef inline uint64_t binary_time(uint64_t ticks, int shift) noexcept nogil:
    cdef uint64_t seconds = ticks >> shift
    cdef uint64_t fraction = ticks - (seconds << shift)
    if seconds >= TIME_MAX // NANOSECONDS:
        return TIME_MAX
    if shift > 34:
        fraction >>= shift - 34
        shift = 34
    return seconds * NANOSECONDS + (fraction * NANOSECONDS >> shift)

# Nanoseconds since the epoch, 0 or TIME_MAX if they are outside.
cdef inline uint64_t interface_time(const ng_interface_t* i, uint64_t ticks) noexcept nogil:
    cdef uint64_t ns
    if i.binary:
        ns = binary_time(ticks, i.shift)
    elif i.divide:
        ns = ticks // i.scale
    elif ticks > i.limit:
        ns = TIME_MAX
    else:
        ns = ticks * i.scale
    if i.offset >= 0:
        return ns + <uint64_t>i.offset if ns < TIME_MAX - <uint64_t>i.offset else TIME_MAX
    return ns - <uint64_t>(-i.offset) if ns > <uint64_t>(-i.offset) else 0
