"""Writer of classic pcap (draft-ietf-opsawg-pcap, 4 and 5), little-endian on every host.

The format has one link type and neither comments, interfaces nor directions: packets of another
link type are counted and skipped, the rest is left out.
"""

cimport cython
from fastpath.ports.capture_output cimport (
    CaptureWriter, le16, le32, output_captured, output_room, output_t, output_time,
)
from fastpath.ports.linktype cimport link_number, linktype_of
from fastpath.ports.pcap_format cimport (
    MAXIMUM_SNAPLEN, PCAP_MICROSECONDS, PCAP_NANOSECONDS, pcap_file_t, pcap_record_t,
)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, UINT32_MAX
from libc.string cimport memcpy

cdef enum:
    _SECOND = 1000000000
    _MICROSECOND = 1000


cdef void _record(void* state, uint64_t ts, const uint8_t* data, uint32_t length,
                  uint32_t wire_len, uint8_t link, uint16_t interface, int outbound,
                  const char* comment) noexcept nogil:
    cdef pcap_writer_t* w = <pcap_writer_t*>state
    cdef uint32_t captured = output_captured(length)
    cdef uint64_t seconds, fraction
    cdef pcap_record_t* r
    if link != w.link:
        w.output.skipped += 1
        return
    r = <pcap_record_t*>output_room(w.output, sizeof(pcap_record_t) + captured)
    if r == NULL:
        return
    ts = output_time(w.output, ts)
    seconds = ts // _SECOND
    fraction = ts % _SECOND
    # the format ends in the year 2106
    r.seconds = le32(<uint32_t>seconds if seconds < UINT32_MAX else UINT32_MAX)
    r.fraction = le32(<uint32_t>(fraction if w.nanosecond else fraction // _MICROSECOND))
    r.captured = le32(captured)
    r.length = le32(wire_len if wire_len > captured else captured)
    if captured:
        memcpy(r + 1, data, captured)
    w.output.records += 1


@cython.final
cdef class PcapWriter(CaptureWriter):
    """Classic pcap of one link type; with `nanosecond`, with the magic number that says so.

    Raises OSError if the file cannot be created, ValueError for an unknown link type.
    """

    def __cinit__(self, path, str link="raw", *, bint nanosecond=False, uint64_t base_ns=0):
        cdef pcap_file_t* header
        self.p.output = &self.c
        self.p.nanosecond = nanosecond
        self.p.link = link_number(link)
        self.io.state = &self.p
        self.io.record = _record
        header = <pcap_file_t*>output_room(&self.c, sizeof(pcap_file_t))
        header.magic = le32(PCAP_NANOSECONDS if nanosecond else PCAP_MICROSECONDS)
        header.major = le16(2)
        header.minor = le16(4)
        header.snaplen = le32(MAXIMUM_SNAPLEN)
        header.linktype = le32(linktype_of(self.p.link))
