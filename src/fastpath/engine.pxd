from fastpath.packet cimport packet_t
from fastpath.pipeline cimport Pipeline
from libc.stdint cimport uint32_t

cdef class Engine(Pipeline):
    cdef list _ports
    cdef object _recorder
    cdef object _transaction
    cdef void _record_dropped(self, packet_t* p) noexcept nogil
    cdef packet_t* _take(self, uint32_t index, bint flushed) noexcept nogil
