# Cuts the segment size that a TCP connection announces to what fits a session (RFC 9293 3.7.1: the
# MSS is the MTU less 40 octets of headers; RFC 6691), so that ends which never hear of a smaller
# MTU on the way still get through. Only whole datagrams are looked at: what of a SYN comes in
# fragments goes on as it is, as does one whose options are damaged.

from libc.stdint cimport uint8_t, uint16_t, uint32_t

# `ip` is a whole packet of `len` octets, whose header was checked, and ours to change. Each MSS
# option of a SYN (with or without ACK) that says more than `mss` says `mss` afterwards, in IPv6,
# whose header is longer, 20 less, and the
# TCP checksum is adjusted: a right one stays right, a wrong one wrong. Returns how many were cut.
cdef int cut_mss(uint8_t* ip, uint32_t len, uint16_t mss) noexcept nogil
