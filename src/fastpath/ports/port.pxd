# The port contract. A backend fills a port_io and subclasses Port; nothing else of it is known to
# the engine. A backend is one file here and one row of control/runtime/ports.py.
#
# All functions run without the GIL on the thread that drives the engine or a worker: a part of a
# port belongs to one worker, so it is used by one thread at a time. None of them waits.

from fastpath.packet cimport packet_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef struct port_io:
    void* state
    # Describes up to `max` packets whose time is <= until_ns, in order, without consuming them.
    # Fills data, frame,
    # ts, len, frame_len, wire_len, headroom, link, flags of each and leaves the other fields
    # alone. Returns how many,
    # or -1 once the source is damaged behind the last whole packet (Port.error() then tells what
    # and where), and while a live port is down: a worker asks it again ten times a second. They
    # stay valid until the next call of rx_burst.
    int (*rx_burst)(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil
    # Takes the first n of the packets described last; the rest are described again by the next
    # rx_burst.
    void (*rx_consume)(void* state, int n) noexcept nogil
    # Time of the next packet, or UINT64_MAX when there is none now.
    uint64_t (*next_ns)(void* state) noexcept nogil
    # Sends n IP packets (data, len; data starts at the IP header). They may be changed, and so may
    # the HEADROOM octets in front of one. Must send or copy before it returns. Returns how many it
    # took; the rest is counted as refused. If it refuses others than the last, it puts those that
    # it took first.
    int (*tx_burst)(void* state, packet_t** packets, int n) noexcept nogil
    # Becomes readable when rx_burst would find something; -1: nothing tells, or there is nothing to
    # wait for.
    int fd

cdef class Port:
    cdef port_io io
    cdef readonly str name
    cdef int _send_burst(self, tuple data, uint64_t ts, uint16_t neighbour) except -1

# Where the engine records what passed: each packet once, in the form in which it left, or as
# received if it went no
# further. `comment` is a static string.
cdef struct capture_io:
    void* state
    void (*record)(void* state, uint64_t ts, const uint8_t* data, uint32_t len,
                   uint32_t wire_len, uint8_t link, uint16_t interface, int outbound,
                   const char* comment) noexcept nogil
