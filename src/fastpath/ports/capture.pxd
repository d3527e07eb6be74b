# An opened capture of any format.

from fastpath.ports.mapping cimport Mapping
from fastpath.ports.pcap_source cimport source_t
from libc.stdint cimport uint64_t

# Reads ahead until `wanted` records are there or the walk is over, then makes sure that the file
# still has what was read. Returns how many records there are.
cdef int source_prepare(source_t* s, int wanted) noexcept nogil

cdef class Capture:
    cdef Mapping mapping
    cdef source_t* source
    cdef _open(self)
    cdef readonly str path
    cdef readonly uint64_t size
