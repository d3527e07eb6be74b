# Link types of capture files (https://www.tcpdump.org/linktypes.html) and our enum Link.

from libc.stdint cimport uint8_t, uint32_t

cdef uint8_t link_of(uint32_t linktype) noexcept nogil        # LINK_UNSUPPORTED if none of ours
cdef uint32_t linktype_of(uint8_t link) noexcept nogil
cdef uint8_t link_number(str name) except? 255
