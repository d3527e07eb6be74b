# The first packets that come by, with what became of each: copies as they were received, and their
# descriptors as they were when the pipeline was done with them. It costs a worker that has none one
# comparison a burst.

from fastpath.packet cimport packet_t
from fastpath.packet_filter cimport PacketFilter, filter_op_t
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    SAMPLE_OCTETS = 2048 - 128
    SAMPLES_MAX = 10000

# 2,048 octets
cdef struct sample_t:
    packet_t packet           # frame_len, wire_len, ts, port, link; then as it was in the end
    uint32_t kept             # octets of the frame that are here
    uint8_t spare[60]
    uint8_t frame[SAMPLE_OCTETS]

cdef struct sampler_t:
    sample_t* samples
    uint32_t room
    uint32_t used             # whole ones, set last
    const filter_op_t* ethernet
    const filter_op_t* raw

cdef class Sampler:
    cdef sampler_t c
    cdef PacketFilter _ethernet
    cdef PacketFilter _raw

# Before and behind a burst. `at` remembers which packet of the burst is which sample; how many are.
cdef int sample_before(sampler_t* s, const packet_t* burst, int n, int port,
                       uint8_t* at) noexcept nogil
cdef void sample_behind(sampler_t* s, const packet_t* burst, int done, const uint8_t* at,
                        int taken) noexcept nogil
