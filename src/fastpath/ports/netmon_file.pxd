# Captures of Microsoft Network Monitor.

from fastpath.ports.pcap_source cimport source_t

cdef void netmon_open(source_t* s) noexcept nogil     # reads the file header, sets the fault
cdef void netmon_walk(source_t* s) noexcept nogil     # fills `ahead`, or ends the walk
