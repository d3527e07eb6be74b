# Packets of one burst joined into superpackets: what split_next() takes apart again, octet for
# octet.

from fastpath.packet cimport packet_t
from fastpath.ports.offload cimport segment_t, vnet_h
from fastpath.types cimport BURST_MAX
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    MERGE_MAX = 64            # packets of a superpacket: what Linux allows for UDP
    FLOWS = 512               # places of flows, a power of two
    TRIES = 4                 # places that one flow may have

# Packets that leave together, in order: `first`, and from there along merge_t.following.
cdef struct group_t:
    segment_t where
    uint32_t length           # octets of the superpacket
    uint32_t size             # octets of payload of each packet but the last
    uint16_t first            # numbers in the burst
    uint16_t last
    uint16_t count
    uint16_t flow             # place of its flow
    uint16_t identification   # of the next packet
    uint8_t step              # by which that grows: 0, 1, or UNKNOWN_STEP
    bint open                 # more may join it
    bint push                 # its last packet has PSH
    bint sound                # the first packet's checksums were verified

# One burst. Its groups leave in order, so that no packet of a flow overtakes another.
cdef struct merge_t:
    bint udp                  # whether the kernel takes UDP superpackets
    int groups
    int barrier               # groups before this one are closed
    group_t group[BURST_MAX]
    int16_t following[BURST_MAX]
    uint16_t flow[FLOWS]      # number of the newest group of a flow, if that group says so too

# Forms groups of up to BURST_MAX packets. No octet of them changes.
cdef void merge_burst(merge_t* m, packet_t** packets, int n) noexcept nogil

# Makes the first packet's headers those of the superpacket, and the header that tells the kernel.
cdef void merge_seal(const group_t* g, uint8_t* ip, vnet_h* header) noexcept nogil
