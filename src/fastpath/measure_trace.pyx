"""The destinations of the packets that a port receives: somebody's traffic as keys of lookups."""

import numpy as np

from fastpath.packet cimport packet_t
from fastpath.parse cimport parse_link
from fastpath.ports.port cimport Port
from fastpath.types cimport BURST_MAX, INET, INET6
from libc.stdint cimport UINT64_MAX, uint8_t
from libc.string cimport memcpy, memset

cdef enum:
    DESTINATION4 = 16         # where it stands in a header, and where that has ended
    DESTINATION6 = 24
    HEADER4 = 20
    HEADER6 = 40


def destinations(Port port not None, int family, Py_ssize_t most) -> np.ndarray:
    """Destinations of up to `most` IP packets of one family, uint8 of shape (n, 4) or (n, 16)."""
    cdef packet_t[BURST_MAX] packets
    cdef int width = 4 if family == INET else 16
    cdef int at = DESTINATION4 if family == INET else DESTINATION6
    cdef int header = HEADER4 if family == INET else HEADER6
    cdef Py_ssize_t found = 0
    cdef int n, i
    if family != INET and family != INET6:
        raise ValueError(f"address family {family} is neither 4 nor 6")
    kept = np.empty((most, width), np.uint8)
    cdef uint8_t[:, ::1] out = kept
    cdef packet_t* p
    with nogil:
        while found < most:
            memset(packets, 0, sizeof(packets))
            n = port.io.rx_burst(port.io.state, packets, BURST_MAX, UINT64_MAX)
            if n <= 0:
                break
            for i in range(n):
                p = &packets[i]
                if parse_link(p) or p.family != family or found == most:
                    continue
                if p.len - p.l3 < <unsigned int> header:
                    continue
                memcpy(&out[found, 0], p.data + p.l3 + at, width)
                found += 1
            port.io.rx_consume(port.io.state, n)
    return kept[:found]
