# The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
#
# A running sum is opaque: it adds words as memory holds them, which is right in either byte order
# (RFC 1071 2(B)) and saves a swap per word. fold() makes the host-order value of it: load_be16()
# and store_be16() move checksums from and to a packet. To compute one:
#     store_be16(at, checksum_of(sum_octets(data, len, pseudo_sum4(...))))
# Sums may only be joined at even offsets.

from fastpath.wire cimport IPV4_HEADER, be16toh, htobe16, htobe32, ipv4_h
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "simd/checksum.h" nogil:
    enum: SUM_BLOCK
    uint64_t sum_blocks(const uint8_t* data, size_t blocks)
    uint64_t sum_blocks_by(int level, const uint8_t* data, size_t blocks)

cdef enum:
    SUM_LONG = 128            # octets from which on the call of a vector variant pays


# Adds `len` octets to `initial`. Words of 32 bits are added in 64: with len < 2^32 there are fewer
# than 2^30 of them, so the sum stays under 2^62 and no carry is ever lost (initial < 2^63).
cdef inline uint64_t sum_octets(const uint8_t* data, uint32_t len,
                                uint64_t initial) noexcept nogil:
    cdef uint32_t blocks
    if len >= SUM_LONG:
        blocks = len // SUM_BLOCK
        initial += sum_blocks(data, blocks)
        data += blocks * SUM_BLOCK
        len -= blocks * SUM_BLOCK
    return sum_short(data, len, initial)


# The same, word by word.
cdef inline uint64_t sum_short(const uint8_t* data, uint32_t len,
                               uint64_t initial) noexcept nogil:
    cdef uint64_t even = initial
    cdef uint64_t odd = 0
    cdef uint64_t word
    cdef uint32_t word4
    cdef uint16_t word2
    while len >= 8:
        memcpy(&word, data, 8)
        even += <uint32_t> word
        odd += word >> 32
        data += 8
        len -= 8
    if len >= 4:
        memcpy(&word4, data, 4)
        even += word4
        data += 4
        len -= 4
    if len >= 2:
        memcpy(&word2, data, 2)
        odd += word2
        data += 2
        len -= 2
    if len:
        odd += htobe16(<uint16_t> (data[0] << 8))     # padded with a zero octet behind it
    return even + odd


# Ones' complement sum of 16-bit words, in memory's order.
cdef inline uint16_t fold_16(uint64_t total) noexcept nogil:
    total = (total >> 32) + <uint32_t> total      # < 2^33
    total = (total & 0xFFFF) + ((total >> 16) & 0xFFFF) + (total >> 32)   # < 2^17
    total = (total & 0xFFFF) + (total >> 16)          # <= 0x10000
    total = (total & 0xFFFF) + (total >> 16)
    return <uint16_t> total


# The same of big-endian words, in host order.
cdef inline uint16_t fold(uint64_t total) noexcept nogil:
    return be16toh(fold_16(total))


# Ones' complement sum of fewer than 2^16 words that were added as they are.
cdef inline uint16_t carry(uint32_t total) noexcept nogil:
    total = (total & 0xFFFF) + (total >> 16)
    return <uint16_t> ((total & 0xFFFF) + (total >> 16))


# The checksum of a running sum, host order.
cdef inline uint16_t checksum_of(uint64_t total) noexcept nogil:
    return <uint16_t> ~fold(total)


# The same for UDP, where a computed zero is sent as 0xFFFF (RFC 768).
cdef inline uint16_t udp_checksum_of(uint64_t total) noexcept nogil:
    cdef uint16_t checksum = checksum_of(total)
    return checksum if checksum != 0 else 0xFFFF


# True if octets that include their checksum are undamaged.
cdef inline bint sums_to_zero(uint64_t total) noexcept nogil:
    return fold(total) == 0xFFFF


# `header` is the header's length in octets: a multiple of 4, from 20 to 60.
cdef inline bint ipv4_header_ok(const uint8_t* ip, uint32_t header) noexcept nogil:
    cdef uint64_t total = sum_short(ip, IPV4_HEADER, 0)       # a constant: straight-line code
    if header > IPV4_HEADER:
        total = sum_short(ip + IPV4_HEADER, header - IPV4_HEADER, total)
    return sums_to_zero(total)


# Writes the header checksum of an IPv4 header.
cdef inline void ipv4_header_seal(uint8_t* ip, uint32_t header) noexcept nogil:
    cdef ipv4_h* fields = <ipv4_h*> ip
    fields.checksum = 0
    fields.checksum = htobe16(checksum_of(sum_octets(ip, header, 0)))


# The checksum after one 16-bit word of what it covers went from `old` to `new`: equation 3 of
# RFC 1624, HC' = ~(~HC + ~m + m'). All values in host order.
cdef inline uint16_t adjust16(uint16_t checksum, uint16_t old, uint16_t new) noexcept nogil:
    cdef uint32_t total = (<uint32_t> (checksum ^ 0xFFFF)) + (old ^ 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return <uint16_t> (total ^ 0xFFFF)


# Pseudo-header of RFC 768: addresses in host order, `length` octets of the transport message.
cdef inline uint64_t pseudo_sum4(uint32_t source, uint32_t destination, uint8_t protocol,
                                 uint16_t length) noexcept nogil:
    return (<uint64_t> htobe32(source) + htobe32(destination) + htobe16(protocol)
            + htobe16(length))


# Pseudo-header of RFC 8200 8.1: `addresses` are source and destination, 32 octets as in the header.
cdef inline uint64_t pseudo_sum6(const uint8_t* addresses, uint8_t protocol,
                                 uint32_t length) noexcept nogil:
    return sum_octets(addresses, 32, <uint64_t> htobe32(length) + htobe32(protocol))
