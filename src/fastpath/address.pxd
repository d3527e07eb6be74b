# Addresses and prefixes between Python and octets in network byte order. Control path only; the
# packet path has octets from the start.

from fastpath.types cimport addr_t
from libc.stdint cimport uint8_t

cdef enum:
    ADDRESS_OCTETS = 16       # room for an address of either family

# Octets of an address of a family as addr_t has them.
cdef void fill_addr(addr_t* address, int family, const uint8_t* octets) noexcept nogil

# Octets of an address of `family`, 0 for an unknown family.
cdef int address_width(int family) noexcept nogil

# address: text, packed bytes, int, or an object with `packed` (ipaddress). ValueError names what is
# wrong with it.
cdef int read_address(int family, object address, uint8_t* octets) except -1

# prefix: "address/length" (no length: one address), a pair (address, length), or an ipaddress
# network. Returns the length. Host bits must be zero.
cdef int read_prefix(int family, object prefix, uint8_t* octets) except -1

# RFC 5952 form for IPv6.
cdef str address_text(int family, const uint8_t* octets)
cdef str prefix_text(int family, const uint8_t* octets, int length)
# An address that may be IPv4 as ::ffff:a.b.c.d: that one is shown as a.b.c.d.
cdef str addr_text(const addr_t* address)


cdef inline bint has_host_bits(const uint8_t* prefix, int length, int width) noexcept nogil:
    cdef int at = length >> 3
    if at < width and prefix[at] & (0xFF >> (length & 7)):
        return True
    for at in range(at + 1, width):
        if prefix[at]:
            return True
    return False
