# Classic pcap.

from fastpath.ports.pcap_source cimport source_t

cdef void pcap_open(source_t* s) noexcept nogil       # reads the file header, sets the fault
cdef void pcap_walk(source_t* s) noexcept nogil       # fills `ahead`, or ends the walk
