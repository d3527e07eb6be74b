# The port that replays captures.

from fastpath.ports.pcap_source cimport source_t
from fastpath.ports.port cimport Port
from fastpath.types cimport BURST_MAX
from libc.stdint cimport uint16_t, uint64_t

cdef struct pcap_t:
    source_t** sources
    int count
    int described             # packets that the last rx_burst described
    int taken                 # how many of them were consumed
    uint64_t origin           # subtracted from all times
    uint64_t packets          # consumed
    uint64_t octets
    uint16_t order[BURST_MAX] # the source of each packet described

cdef class PcapPort(Port):
    cdef pcap_t c
    cdef list captures
    cdef readonly object first_ns       # time of the earliest first packet, since the epoch
