# Hashing of table keys. mix64 is the finaliser of MurmurHash3 (public domain): every input bit
# changes each output bit with probability near one half. Chained with a secret seed it hides from
# outsiders which keys share a bucket; it is not a cryptographic hash.

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy


cdef inline uint64_t mix64(uint64_t x) noexcept nogil:
    x ^= x >> 33
    x *= <uint64_t> 0xFF51AFD7ED558CCDULL
    x ^= x >> 33
    x *= <uint64_t> 0xC4CEB9FE1A85EC53ULL
    return x ^ (x >> 33)


cdef inline uint64_t hash16(const uint8_t* octets, uint64_t seed) noexcept nogil:
    cdef uint64_t high, low
    memcpy(&high, octets, 8)
    memcpy(&low, octets + 8, 8)
    return mix64(mix64(high ^ seed) + low)
