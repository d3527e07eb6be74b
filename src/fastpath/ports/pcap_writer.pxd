# Writer of classic pcap. An engine records through `io`.

from fastpath.ports.capture_output cimport CaptureWriter, output_t
from libc.stdint cimport uint8_t

cdef struct pcap_writer_t:
    output_t* output
    bint nanosecond
    uint8_t link

cdef class PcapWriter(CaptureWriter):
    cdef pcap_writer_t p
