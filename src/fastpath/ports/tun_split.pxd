# Superpackets of the kernel cut into the packets that a wire would carry, and checksums completed
# that the kernel left to the card.

from fastpath.ports.offload cimport segment_t, vnet_h
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef struct split_t:
    const uint8_t* ip         # the superpacket
    uint32_t len
    uint32_t at               # its payload that was not given out yet begins here
    uint32_t size             # octets of payload of each packet but the last
    segment_t where
    uint32_t sequence         # of the next packet
    uint16_t identification   # of the next packet
    uint16_t offset_flags     # TCP's, as in the superpacket
    uint64_t ip_sum           # of the IPv4 header, without what differs from packet to packet
    uint64_t l4_sum           # the same of pseudo header and transport header

# Begins with a superpacket. False: its headers contradict each other, nothing may be made of it.
cdef bint split_begin(split_t* s, const vnet_h* header, const uint8_t* ip,
                      uint32_t len) noexcept nogil

# Whether there is a packet still.
cdef inline bint split_more(const split_t* s) noexcept nogil:
    return s.at < s.len

# Octets of the next packet.
cdef inline uint32_t split_length(const split_t* s) noexcept nogil:
    return s.where.payload + min(s.size, s.len - s.at)

# Writes it to `out`, with all its checksums. Returns its length.
cdef uint32_t split_next(split_t* s, uint8_t* out) noexcept nogil

# Completes the checksum of a packet that is none of these. False: it lies outside the packet.
cdef bint complete_checksum(const vnet_h* header, uint8_t* ip, uint32_t len) noexcept nogil
