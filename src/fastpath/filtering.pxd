# The stage of the pipeline that holds packets against filters, behind their verdicts.

from fastpath.filters cimport FilterTable
from fastpath.output cimport Output
from fastpath.packet cimport packet_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef class Filtering(Output):
    cdef FilterTable _filters
    cdef uint32_t _filtered           # not 0: a packet of the chunk may meet a filter
    # Takes the verdicts of a chunk back that the filters deny: those of the sessions that packets
    # came by, then those of the adjacencies that they leave by.
    cdef void filter(self, packet_t* burst, int n) noexcept nogil
    cdef uint16_t _filter_of(self, const packet_t* p, bint inbound) noexcept nogil
    cdef void _hold_against(self, packet_t* burst, const uint16_t* filters, int n,
                            bint inbound) noexcept nogil
    cdef void _apply(self, packet_t* p, uint8_t action, bint inbound) noexcept nogil
