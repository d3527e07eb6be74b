# A packet socket of the kernel on one interface: a ring of blocks to receive (TPACKET_V3), system
# calls of many frames to send.

from fastpath.ports.frames cimport frames_t
from fastpath.ports.neighbours cimport KernelPath
from fastpath.ports.port cimport Port
from fastpath.ports.tun_split cimport split_t
from fastpath.types cimport BURST_MAX
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* at)

cdef struct ring_counts_t:
    uint64_t rx_packets
    uint64_t rx_blocks        # of the ring that brought something
    uint64_t rx_split         # superpackets: each became several packets
    uint64_t rx_cut           # longer than the ring's frames: dropped
    uint64_t rx_malformed     # its offload header contradicts what follows: dropped

cdef enum:
    PACKET_ARENA = 1 << 18    # octets for the packets of superpackets

cdef struct ring_t:
    uint8_t* at               # NULL: a part that only sends, or closed
    uint64_t base_ns          # kernel's monotonic time that counts as 0
    uint32_t block            # under way
    bint held                 # it is ours until it is given back
    uint8_t* frame            # next one of it
    uint32_t left             # frames of it from there on
    uint64_t ts               # when the block came
    int described
    uint8_t* next_frame[BURST_MAX]    # behind each packet that was described
    uint32_t next_left[BURST_MAX]
    bint splitting            # packets of a superpacket are still to be made
    split_t split
    int head                  # those made wait from here
    int count                 # to here
    uint8_t* piece[BURST_MAX]
    uint32_t length[BURST_MAX]
    uint8_t* arena
    ring_counts_t counts
    frames_t out

cdef class PacketPort(Port):
    cdef ring_t c
    cdef readonly object attachment   # fastpath.ports.interface.Attachment
    cdef KernelPath _kernel
    cdef object _rx
    cdef object _tx
    cdef uint64_t _lost               # of the kernel's own count, which reading empties
    cdef _map_ring(self)
