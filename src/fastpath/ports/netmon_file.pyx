"""Network Monitor captures: the file header and the walk along the frame table.

Formats 1.x ("RTSS") and 2.x ("GMBU") as Microsoft's CAPTUREFILE_HEADER_VALUES and Wireshark's
wiretap describe them; little-endian always. The table says where each frame lies: in any order and
with gaps. The start of the capture is a local time without its zone and counts as UTC; from 2.3 on
each frame has its own time in UTC. Comments, statistics and the records by which the program
notes what it did (filters, adapters, names it resolved) are no packets and are skipped.
"""

from fastpath.packet cimport LINK_ETHERNET, LINK_RAW, LINK_UNSUPPORTED
from fastpath.ports.linktype cimport link_of
from fastpath.ports.pcap_format cimport (
    MAXIMUM_SNAPLEN, NETMON_1, le16, le32, le64, load32, netmon_file_t, netmon_frame1_t,
    netmon_frame2_t, netmon_trailer_t,
)
from fastpath.ports.pcap_source cimport (
    FAULT_CAPTURED, FAULT_FRAME, FAULT_HEADER_CUT, FAULT_OVERLAP, FAULT_RECORD_CUT, FAULT_START,
    FAULT_TABLE_CUT, FAULT_TABLE_LENGTH, FAULT_VERSION, LOOKAHEAD, PREFETCH_AHEAD, TIME_MAX,
    prefetch, source_append, source_fault, source_t,
)
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, INT64_MAX, UINT64_MAX

assert sizeof(netmon_file_t) == 32
assert sizeof(netmon_frame1_t) == 8
assert sizeof(netmon_frame2_t) == 16
assert sizeof(netmon_trailer_t) == 15

cdef enum:
    _ENTRY = 4                # octets of an entry of the frame table
    _TRAILER_1 = 2            # octets of a frame's trailer in 2.1: its media type
    _TRAILER_2 = 6            # in 2.2: and the process it belongs to

    _MEDIA_LINKTYPE = 0xE000  # | link type: converted from pcap
    _MEDIA_NOTE = 0xF000      # and above: a record of the program's own, no packet

    # Time is counted in ticks of 100 ns.
    _TICKS = 10000000         # of a second
    _TICK_NS = 100
    _EPOCH_1601 = 116444736000000000  # ticks from 1601, where FILETIME begins, to 1970

# Link of a media type: of NDIS, with what 2.x makes of some. 0 stands for Ethernet in captures of
# tunnels; 7, 8 and 9 are tunnels, wireless WANs and raw IP.
cdef uint8_t _LINKS[12]
_LINKS[:] = [
    LINK_ETHERNET, LINK_ETHERNET, LINK_UNSUPPORTED, LINK_UNSUPPORTED, LINK_UNSUPPORTED,
    LINK_UNSUPPORTED, LINK_UNSUPPORTED, LINK_RAW, LINK_RAW, LINK_RAW, LINK_UNSUPPORTED,
    LINK_UNSUPPORTED,
]
# Largest value of each word of SYSTEMTIME, and the least: year, month, day of the week, day, hour,
# minute, second, millisecond.
cdef uint16_t _MOST[8]
cdef uint16_t _LEAST[8]
_MOST[:] = [30827, 12, 6, 31, 23, 59, 59, 999]
_LEAST[:] = [1601, 1, 0, 1, 0, 0, 0, 0]


cdef int64_t _start(const netmon_file_t* header) noexcept nogil:
    cdef const uint16_t* words = <const uint16_t*>header + 4
    # Days of the civil calendar, by years that begin in March so that the leap day comes last: the
    # months before month m of such a year have (153 m + 2) / 5 days.
    cdef int64_t month = (le16(words[1]) + 9) % 12
    cdef int64_t year = le16(words[0]) - month // 10
    cdef int64_t days = year * 365 + year // 4 - year // 100 + year // 400
    days += (153 * month + 2) // 5 + le16(words[3]) - 1
    days -= 719468            # 1 March of year 0 to 1 January 1970
    return ((days * 24 + le16(words[4])) * 60 + le16(words[5])) * 60 * _TICKS + (
        le16(words[6]) * <int64_t>_TICKS + le16(words[7]) * (_TICKS // 1000))


cdef inline uint64_t _nanoseconds(int64_t start, int64_t ticks) noexcept nogil:
    if ticks > 0 and start > INT64_MAX - ticks:
        return TIME_MAX
    if ticks < 0 and start < 0:
        return 0
    ticks += start
    if ticks < 0:
        return 0
    if ticks > <int64_t>(TIME_MAX // _TICK_NS):
        return TIME_MAX
    return <uint64_t>ticks * _TICK_NS


cdef uint32_t _trailer(uint8_t minor) noexcept nogil:
    if minor == 0:
        return 0
    if minor == 1:
        return _TRAILER_1
    return _TRAILER_2 if minor == 2 else <uint32_t>sizeof(netmon_trailer_t)


cdef inline uint8_t _link(uint16_t media) noexcept nogil:
    if media < 12:
        return _LINKS[media]
    return link_of(media & 0x0FFF) if media >= _MEDIA_LINKTYPE else LINK_UNSUPPORTED


cdef void netmon_open(source_t* s) noexcept nogil:
    cdef const netmon_file_t* header = <const netmon_file_t*>s.base
    cdef uint32_t length
    cdef uint16_t value
    cdef int i
    if s.size < sizeof(netmon_file_t):
        source_fault(s, FAULT_HEADER_CUT, 0, s.size, sizeof(netmon_file_t))
        return
    s.major = 1 if le32(header.magic) == NETMON_1 else 2
    if header.major != s.major:
        source_fault(s, FAULT_VERSION, 4, <uint32_t>header.major << 16 | header.minor,
                     <uint32_t>s.major << 16)
        return
    for i in range(8):
        value = le16(header.start[i])
        if value < _LEAST[i] or value > _MOST[i]:
            source_fault(s, FAULT_START, 8 + 2 * i, value, _MOST[i])
            return
    length = le32(header.table_length)
    if length % _ENTRY:
        source_fault(s, FAULT_TABLE_LENGTH, 28, length, _ENTRY)
        return
    s.start = _start(header)
    s.link = _link(le16(header.media))
    s.trailer = _trailer(header.minor) if s.major == 2 else 0
    s.table = le32(header.table_offset)
    s.frames = length // _ENTRY
    # Frames do not lie in each other: a table that names one frame again and again would make
    # more packets of a file than it has octets.
    s.room = s.size - sizeof(netmon_file_t)
    s.at = sizeof(netmon_file_t)


cdef inline int _append(source_t* s, uint64_t at, uint32_t header, uint32_t captured,
                        uint32_t length, int64_t ticks) noexcept nogil:
    cdef uint64_t whole = header + <uint64_t>captured + s.trailer
    cdef int64_t start = s.start
    cdef uint8_t link = s.link
    cdef uint64_t ts
    cdef const netmon_trailer_t* trailer
    if captured > MAXIMUM_SNAPLEN:
        return source_fault(s, FAULT_CAPTURED, at, captured, MAXIMUM_SNAPLEN)
    if whole > s.size - at:
        return source_fault(s, FAULT_RECORD_CUT, at, whole, s.size - at)
    if whole > s.room:
        return source_fault(s, FAULT_OVERLAP, at, whole, s.room)
    s.room -= whole
    if s.trailer:
        trailer = <const netmon_trailer_t*>(s.base + at + header + captured)
        if le16(trailer.media) >= _MEDIA_NOTE:
            return 0
        link = _link(le16(trailer.media))
        if s.trailer == sizeof(netmon_trailer_t) and trailer.filetime:
            start = -<int64_t>_EPOCH_1601
            ticks = <int64_t>min(le64(trailer.filetime), <uint64_t>INT64_MAX)
    ts = _nanoseconds(start, ticks)
    if s.first_ts == UINT64_MAX:
        s.first_ts = ts
    source_append(s, s.base + at + header, ts, captured, length, link)
    return 0


cdef inline int _frame(source_t* s, uint64_t at) noexcept nogil:
    cdef const netmon_frame1_t* one = <const netmon_frame1_t*>(s.base + at)
    cdef const netmon_frame2_t* two = <const netmon_frame2_t*>(s.base + at)
    cdef uint64_t left = s.size - at
    if s.major == 1:
        if left < sizeof(netmon_frame1_t):
            return source_fault(s, FAULT_HEADER_CUT, at, left, sizeof(netmon_frame1_t))
        return _append(s, at, sizeof(netmon_frame1_t), le16(one.captured), le16(one.length),
                       le32(one.milliseconds) * <int64_t>(_TICKS // 1000))
    if left < sizeof(netmon_frame2_t):
        return source_fault(s, FAULT_HEADER_CUT, at, left, sizeof(netmon_frame2_t))
    # A frame from before the start has a huge number here, which ten times makes a negative one.
    return _append(s, at, sizeof(netmon_frame2_t), le32(two.captured), le32(two.length),
                   <int64_t>(le64(two.microseconds) * 10))


cdef void netmon_walk(source_t* s) noexcept nogil:
    cdef uint64_t entry, at
    while s.tail < LOOKAHEAD:
        if s.frame == s.frames:
            s.at = s.size
            s.ended = 1
            return
        entry = s.table + s.frame * <uint64_t>_ENTRY
        if entry + _ENTRY > s.size:
            source_fault(s, FAULT_TABLE_CUT, min(entry, s.size), s.frames, s.frame)
            return
        at = le32(load32(s.base + entry))
        if at < sizeof(netmon_file_t) or at >= s.size:
            source_fault(s, FAULT_FRAME, entry, at, s.size)
            return
        prefetch(s.base + at + PREFETCH_AHEAD)
        s.at = at
        if _frame(s, at) < 0:
            return
        s.frame += 1
