# ICMPv6 (RFC 4443): the slow path's answers. As icmp.pxd: each function builds a whole IPv6 packet
# in the caller's buffer and returns its length, or 0 if there must be no answer. What is not done
# here: redirects, parameter problems, Neighbour Discovery (control's business, RFC 4861).

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    ICMP6_ERROR_MAX = 1280        # octets of an error at the most (RFC 4443 2.4 (c))

# An error about the packet at `ip`, which is as received (`len` octets of it are there). `source`
# is our address, 16 octets; `mtu` goes out with ICMP6_TOO_BIG only. No error is ever sent about the
# packets of RFC 4443 2.4 (e), nor about a later fragment that may be of such a one.
cdef uint32_t icmp6_error(uint8_t* into, uint32_t size, const uint8_t* ip, uint32_t len,
                          const uint8_t* source, uint8_t type, uint8_t code,
                          uint16_t mtu) noexcept nogil

# The reply to a whole, undamaged echo request, from the address it was sent to.
cdef uint32_t icmp6_echo_reply(uint8_t* into, uint32_t size, const uint8_t* ip,
                               uint32_t len) noexcept nogil
