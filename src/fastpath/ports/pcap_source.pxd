# One opened capture: the walk's position, the records it has read ahead, and what ended it.
# pcap_file, pcapng_file and netmon_file fill it, capture owns it, the port in pcap takes from it.

from fastpath.ports.mapping cimport mapping_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from * nogil:
    """
    #define PREFETCH(address) __builtin_prefetch(address)
    """
    void prefetch "PREFETCH"(const void* address)

cdef enum:
    LOOKAHEAD = 256           # records read ahead: one burst

    # Octets that the prefetch is ahead of the walk: about 13 records of 60-octet frames, the time
    # of one access to memory. Without it the walk takes 24 ns a packet, with it 15.
    PREFETCH_AHEAD = 1024

    # Largest time: the one above means "never" in port_io.next_ns.
    TIME_MAX = 0xFFFFFFFFFFFFFFFE

cdef enum SourceFormat:
    FORMAT_PCAP = 0
    FORMAT_PCAPNG
    FORMAT_NETMON

cdef enum Fault:
    FAULT_NONE = 0
    FAULT_HEADER_CUT
    FAULT_RECORD_CUT
    FAULT_CAPTURED
    FAULT_BLOCK_SHORT
    FAULT_BLOCK_MULTIPLE
    FAULT_BLOCK_CUT
    FAULT_BLOCK_TRAILER
    FAULT_BLOCK_CAPTURED
    FAULT_ORDER
    FAULT_VERSION
    FAULT_INTERFACE
    FAULT_INTERFACES
    FAULT_OPTION_CUT
    FAULT_OPTION_LENGTH
    FAULT_RESOLUTION
    FAULT_MEMORY
    FAULT_START
    FAULT_TABLE_LENGTH
    FAULT_TABLE_CUT
    FAULT_FRAME
    FAULT_OVERLAP
    FAULT_SHRANK
    FAULT_UNREADABLE

# | data | ts | len wire_len | link |                                                 32 octets
cdef struct record_t:
    const uint8_t* data
    uint64_t ts               # effective: never before that of the record in front of it
    uint32_t len
    uint32_t wire_len
    uint8_t link

cdef struct ng_interface_t:
    uint64_t scale            # nanoseconds = ticks * scale, or ticks / scale if `divide`
    uint64_t limit            # largest number of ticks that `* scale` can take
    int64_t offset            # nanoseconds to add
    uint32_t snaplen          # 0: no limit
    uint8_t link
    uint8_t divide
    uint8_t binary            # ticks of 2^-shift s instead
    uint8_t shift

cdef struct source_t:
    mapping_t* map
    const uint8_t* base
    uint64_t size             # octets to walk; less than map.size once the file shrank
    uint64_t at               # offset of the next record to read
    uint64_t ts               # effective time of the last record
    uint64_t first_ts         # of the first record that has a time; UINT64_MAX before
    int head                  # ahead[head:tail] are read and not yet consumed
    int tail
    int scan                  # ahead[head:scan] were described to the engine
    int ended                 # the walk is over; `fault` says why, FAULT_NONE: at the end
    int settled               # all of it is consumed, and the file was checked after that
    int format
    int swapped
    uint64_t scale            # classic: nanoseconds of one unit of `fraction`
    uint8_t link              # classic, and netmon before 2.1
    uint8_t major             # netmon: 1 or 2
    uint32_t trailer          # netmon: octets behind the data of a frame
    int64_t start             # netmon: start of the capture, 100 ns since 1970
    uint64_t table            # netmon: offset of the frame table
    uint32_t frames           # netmon: its entries
    uint32_t frame            # netmon: the next one
    uint64_t room             # netmon: octets that further frames may have
    int fault
    uint64_t fault_at
    uint64_t found
    uint64_t allowed
    ng_interface_t* interfaces
    uint32_t interface_count
    uint32_t interface_room
    record_t ahead[LOOKAHEAD]

# Ends the walk. Returns -1, for `return source_fault(...)`.
cdef inline int source_fault(source_t* s, int fault, uint64_t at, uint64_t found,
                             uint64_t allowed) noexcept nogil:
    s.ended = 1
    s.fault = fault
    s.fault_at = at
    s.found = found
    s.allowed = allowed
    return -1

# Appends a record. Captured octets that the frame did not have on the wire are impossible: the
# larger number of the two counts.
cdef inline void source_append(source_t* s, const uint8_t* data, uint64_t ts, uint32_t captured,
                               uint32_t length, uint8_t link) noexcept nogil:
    cdef record_t* r = &s.ahead[s.tail]
    if ts > s.ts:
        s.ts = ts
    r.data = data
    r.ts = s.ts
    r.len = captured
    r.wire_len = length if length > captured else captured
    r.link = link
    s.tail += 1
