# ICMP for IPv4 (RFC 792): the slow path's answers, and the token bucket that limits their rate.
# Each function builds a whole IPv4 packet in the caller's buffer and returns its length, or 0 if
# there must be no answer. What is not done here: redirects, parameter problems, options in replies
# (a reply has none); icmp6.pxd has ICMPv6.

from libc.stdint cimport uint8_t, uint32_t, uint16_t, uint64_t

cdef enum:
    ICMP_ERROR_MAX = 576          # octets of an error at the most (RFC 1812 4.3.2.3)
    ICMP_TTL = 64                 # RFC 1340's default

# An error about the packet at `ip`, which is as received (`len` octets of it are there). `source`
# is our address in host order; `mtu` goes out with ICMP_FRAGMENTATION_NEEDED only (RFC 1191 4).
# No error is ever sent about the packets of RFC 1812 4.3.2.7.
cdef uint32_t icmp_error(uint8_t* into, uint32_t size, const uint8_t* ip, uint32_t len,
                         uint32_t source, uint8_t type, uint8_t code,
                         uint16_t mtu) noexcept nogil

# The reply to a whole, undamaged echo request, from the address it was sent to.
cdef uint32_t icmp_echo_reply(uint8_t* into, uint32_t size, const uint8_t* ip,
                              uint32_t len) noexcept nogil

# A token bucket in integers. One token is NS_PER_SECOND credits, so that each nanosecond earns
# `rate` credits and nothing is ever rounded. burst * NS_PER_SECOND < 2^62.
cdef enum:
    NS_PER_SECOND = 1000000000

cdef struct bucket_t:
    uint64_t last_ns              # when credit was last earned
    uint64_t credit
    uint32_t rate                 # tokens per second
    uint32_t burst                # tokens of a full bucket


# A full bucket.
cdef inline void bucket_init(bucket_t* bucket, uint32_t rate, uint32_t burst) noexcept nogil:
    bucket.last_ns = 0
    bucket.credit = <uint64_t> burst * NS_PER_SECOND
    bucket.rate = rate
    bucket.burst = burst


# Takes a token: 1, or 0 if there is none. A clock that went back earns nothing and counts on from
# there.
cdef inline int bucket_take(bucket_t* bucket, uint64_t now_ns) noexcept nogil:
    cdef uint64_t full = <uint64_t> bucket.burst * NS_PER_SECOND
    cdef uint64_t elapsed = now_ns - bucket.last_ns if now_ns > bucket.last_ns else 0
    bucket.last_ns = now_ns
    # What a second earns fits: NS_PER_SECOND * 2^32 < 2^62. A longer time is compared by division.
    if elapsed <= NS_PER_SECOND:
        bucket.credit = min(full, bucket.credit + elapsed * bucket.rate)
    elif bucket.rate != 0:
        if elapsed > (full - bucket.credit) // bucket.rate:
            bucket.credit = full
        else:
            bucket.credit += elapsed * bucket.rate
    if bucket.credit < NS_PER_SECOND:
        return 0
    bucket.credit -= NS_PER_SECOND
    return 1
