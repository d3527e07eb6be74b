# Fragmentation of IPv4 packets (RFC 791 2.3 and 3.2), one fragment per call. Use:
#     if frag_begin(&frag, ip, len, mtu) == REASON_NONE:
#         while (length := frag_next(&frag, into)): ...
# A packet that is itself a fragment is cut like any other. Nothing is reassembled anywhere.

from fastpath.wire cimport IPV4_HEADER_MAX
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef struct frag_t:
    const uint8_t* ip             # the whole packet; must stay until the last frag_next
    uint32_t first                # octets of the first fragment's header: that of the packet
    uint32_t later                # octets of the header of all others
    uint32_t end                  # offset in `ip` of the first octet behind the packet
    uint32_t at                   # offset in `ip` of the next octet to be sent
    uint32_t mtu
    uint16_t fragment             # flags and offset that the packet came with
    uint8_t header[IPV4_HEADER_MAX]   # header of the later fragments: only the copied options

# REASON_NONE, or why there will be no fragment: REASON_TOO_BIG if DF is set or `mtu` has no room
# for a header and 8 octets, or the reason for which the header is bad. A packet not longer than
# `mtu` comes out unchanged.
cdef int frag_begin(frag_t* frag, const uint8_t* ip, uint32_t len, uint32_t mtu) noexcept nogil

# Writes the next fragment, `mtu` octets at the most, and returns its length; 0 at the end.
cdef uint32_t frag_next(frag_t* frag, uint8_t* into) noexcept nogil
