"""Base of the capture writers: buffer, file and errors.

An engine writes through `io` without the GIL and learns nothing of errors: the first one is kept,
nothing is written after it, and flush() and close() raise it. Memory is the buffer, whatever is
written.
"""

import os

from fastpath.ports.linktype cimport link_number
from fastpath.ports.pcap_source cimport TIME_MAX
from libc.errno cimport EBADF, EINTR, errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, UINT32_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef extern from "<unistd.h>" nogil:
    ssize_t write_fd "write"(int fd, const void* data, size_t octets)
    int close_fd "close"(int fd)

cdef enum:
    _COMMENT_MOST = 65535     # the 16-bit length of a pcapng option


cdef int output_flush(output_t* o) noexcept nogil:
    cdef size_t done = 0
    cdef ssize_t n
    while done < o.used and o.error == 0:
        n = write_fd(o.fd, o.buffer + done, o.used - done)
        if n >= 0:
            done += n
        elif errno != EINTR:
            o.error = errno
    o.used = 0
    return -1 if o.error else 0


cdef uint8_t* output_room(output_t* o, size_t octets) noexcept nogil:
    cdef uint8_t* room
    if o.fd < 0 and o.error == 0:
        o.error = EBADF
    if o.used + octets > OUTPUT_BUFFER:
        output_flush(o)
    if o.error:
        o.lost += 1
        return NULL
    room = o.buffer + o.used
    memset(room, 0, octets)
    o.used += octets
    return room


cdef uint64_t output_time(const output_t* o, uint64_t ts) noexcept nogil:
    return ts + o.base_ns if ts < TIME_MAX - o.base_ns else TIME_MAX


cdef void _record_none(void* state, uint64_t ts, const uint8_t* data, uint32_t length,
                       uint32_t wire_len, uint8_t link, uint16_t interface, int outbound,
                       const char* comment) noexcept nogil:
    pass


cdef class CaptureWriter:
    """Creates or truncates `path`. Use PcapWriter or PcapngWriter.

    `base_ns` is added to all times: the port's `first_ns` if it was opened with `rebase`. The file
    is readable by its owner only, as dumpcap does: captures hold what was not meant for others.
    Raises OSError if the file cannot be created.
    """

    def __cinit__(self, path, *args, uint64_t base_ns=0, **kwargs):
        self.c.fd = -1
        self.c.base_ns = min(base_ns, <uint64_t>TIME_MAX)
        self.path = os.fspath(path)
        self.io.record = _record_none
        self.c.buffer = <uint8_t*>malloc(OUTPUT_BUFFER)
        if self.c.buffer == NULL:
            raise MemoryError
        self.c.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def __dealloc__(self):
        if self.c.fd >= 0:
            output_flush(&self.c)
            close_fd(self.c.fd)
        free(self.c.buffer)

    def write(self, uint64_t ts, const uint8_t[::1] data not None, uint16_t interface=0,
              str link="raw", str comment="", bint outbound=False, wire_len=None) -> None:
        """Appends a packet that was seen at `ts` nanoseconds.

        `interface` is the number of the interface it passed, `link` what `data` begins with, and
        `wire_len` what it had on the wire if that is more than `data`. A format that has no
        comments and interfaces leaves them out. Raises ValueError for arguments out of range and
        OSError once the file has failed.
        """
        cdef uint64_t length = data.shape[0]
        cdef uint64_t wire = length if wire_len is None else wire_len
        text = comment.encode()
        if wire > UINT32_MAX or len(text) > _COMMENT_MOST:
            raise ValueError(f"wire length {wire} or comment of {len(text)} octets out of range")
        self.io.record(self.io.state, ts, &data[0] if length else NULL,
                       <uint32_t>min(length, <uint64_t>UINT32_MAX), <uint32_t>wire,
                       link_number(link), interface, outbound, text)
        self._check()

    def _check(self):
        if self.c.error:
            raise OSError(self.c.error, os.strerror(self.c.error), self.path)

    def flush(self) -> None:
        """Writes out what is buffered. Raises OSError if that or anything before it failed."""
        if self.c.fd >= 0:
            output_flush(&self.c)
        self._check()

    def close(self) -> None:
        """Writes out what is buffered and closes the file; raises OSError as flush() does.

        Further calls do nothing.
        """
        if self.c.fd < 0:
            return
        output_flush(&self.c)
        fd, self.c.fd = self.c.fd, -1
        if close_fd(fd) != 0 and self.c.error == 0:
            self.c.error = errno
        self._check()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    @property
    def records(self) -> int:
        """Packets written."""
        return self.c.records

    @property
    def skipped(self) -> int:
        """Packets that the format could not take: of another link type than the file's."""
        return self.c.skipped

    @property
    def lost(self) -> int:
        """Packets not written because the file had failed."""
        return self.c.lost
