"""Addresses and prefixes between Python and octets in network byte order.

Text is read strictly, by inet_pton: no short IPv4 forms, no octal, no zone, no blanks.
"""

from fastpath.types cimport INET, INET6, addr_t
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy

cdef extern from "<arpa/inet.h>" nogil:
    int AF_INET, AF_INET6
    enum: INET6_ADDRSTRLEN
    int inet_pton(int family, const char* text, void* octets)
    const char* inet_ntop(int family, const void* octets, char* text, unsigned int size)

cdef uint8_t[12] MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]


cdef void fill_addr(addr_t* address, int family, const uint8_t* octets) noexcept nogil:
    if family == INET:
        memcpy(address.octet, MAPPED, 12)
        memcpy(address.octet + 12, octets, 4)
    else:
        memcpy(address.octet, octets, 16)


cdef int address_width(int family) noexcept nogil:
    return 4 if family == INET else 16 if family == INET6 else 0


cdef int _read_text(int family, str text, uint8_t* octets) except -1:
    # inet_pton would stop at a NUL and take what is before it.
    cdef bytes ascii = b"" if "\0" in text or not text.isascii() else text.encode("ascii")
    if inet_pton(AF_INET if family == INET else AF_INET6, ascii, octets) != 1:
        raise ValueError(f"{text!r} is not an IPv{family} address")
    return 0


cdef int read_address(int family, object address, uint8_t* octets) except -1:
    cdef int width = address_width(family)
    if isinstance(address, str):
        return _read_text(family, address, octets)
    packed = getattr(address, "packed", address)
    if isinstance(packed, int):
        if packed < 0 or packed.bit_length() > 8 * width:
            raise ValueError(f"{packed} is not an IPv{family} address")
        packed = packed.to_bytes(width, "big")
    if not isinstance(packed, bytes):
        raise TypeError(f"an address is str, bytes or int, not {type(address).__name__}")
    if len(packed) != width:
        raise ValueError(f"{packed!r} is not an IPv{family} address: {width} octets are needed")
    memcpy(octets, <const char*> <bytes> packed, width)
    return 0


cdef int read_prefix(int family, object prefix, uint8_t* octets) except -1:
    cdef int width = address_width(family)
    if isinstance(prefix, tuple):
        address, length = prefix
    else:
        text = prefix if isinstance(prefix, str) else str(prefix)
        address, slash, digits = text.partition("/")
        if slash and not (digits.isascii() and digits.isdigit()):
            raise ValueError(f"{prefix!r}: the prefix length must be a decimal number")
        length = int(digits) if slash else 8 * width
    try:
        read_address(family, address, octets)
    except ValueError as error:
        raise ValueError(f"{prefix!r}: {error}") from None
    if not 0 <= length <= 8 * width:
        raise ValueError(f"{prefix!r}: the prefix length must be 0..{8 * width}")
    if has_host_bits(octets, length, width):
        raise ValueError(f"{prefix!r}: host bits are set behind the first {length} bits")
    return length


cdef str address_text(int family, const uint8_t* octets):
    cdef char[INET6_ADDRSTRLEN] text
    # glibc shows all of ::/96 as ::a.b.c.d, which RFC 5952 leaves to prefixes known to hold IPv4.
    if family == INET6 and not has_host_bits(octets, 0, 12) and octets[12] | octets[13]:
        return f"::{octets[12] << 8 | octets[13]:x}:{octets[14] << 8 | octets[15]:x}"
    inet_ntop(AF_INET if family == INET else AF_INET6, octets, text, INET6_ADDRSTRLEN)
    return (<bytes> text).decode("ascii")


cdef str prefix_text(int family, const uint8_t* octets, int length):
    return f"{address_text(family, octets)}/{length}"


cdef str addr_text(const addr_t* address):
    if memcmp(address.octet, MAPPED, 12) == 0:
        return address_text(INET, address.octet + 12)
    return address_text(INET6, address.octet)
