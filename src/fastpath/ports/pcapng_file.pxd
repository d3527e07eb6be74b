# pcapng.

from fastpath.ports.pcap_source cimport source_t

cdef void pcapng_open(source_t* s) noexcept nogil     # reads the first section header
cdef void pcapng_walk(source_t* s) noexcept nogil     # fills `ahead`, or ends the walk
