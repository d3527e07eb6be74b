# Writer of pcapng. An engine records through `io`.

from fastpath.ports.capture_output cimport CaptureWriter, output_t
from libc.stdint cimport int32_t, uint32_t

cdef struct pcapng_writer_t:
    output_t* output
    const char** names        # of the interfaces given
    uint32_t named
    int32_t* blocks           # [interface * 16 + link]: number of its interface block, or -1
    uint32_t room             # interfaces that `blocks` has room for
    int32_t count             # interface blocks written

cdef class PcapngWriter(CaptureWriter):
    cdef pcapng_writer_t p
    cdef list names           # owns what p.names points to
    cdef _section(self)
