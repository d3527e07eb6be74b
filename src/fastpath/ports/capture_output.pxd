# What both capture writers share: a file with a buffer in front of it, and its errors.

from fastpath.ports.pcap_format cimport MAXIMUM_SNAPLEN
from fastpath.ports.port cimport capture_io
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<endian.h>" nogil:
    uint16_t le16 "htole16"(uint16_t value)
    uint32_t le32 "htole32"(uint32_t value)
    uint64_t le64 "htole64"(uint64_t value)

cdef enum:
    # Any record fits: 262,144 octets of packet, 65,535 of comment, and their headers.
    OUTPUT_BUFFER = 1 << 20

cdef struct output_t:
    int fd                    # -1: closed
    int error                 # errno of the first write that failed; nothing is written after it
    size_t used
    uint64_t base_ns
    uint64_t records
    uint64_t skipped          # records of another link type than the file's
    uint64_t lost             # records after the error
    uint8_t* buffer

# Octets of a packet that are written: what a reader accepts.
cdef inline uint32_t output_captured(uint32_t length) noexcept nogil:
    return length if length < MAXIMUM_SNAPLEN else <uint32_t>MAXIMUM_SNAPLEN

# Room for `octets` at the end of the buffer, zeroed; NULL: the file failed, and a record is lost.
cdef uint8_t* output_room(output_t* o, size_t octets) noexcept nogil
cdef int output_flush(output_t* o) noexcept nogil                     # 0 or -1, see `error`
cdef uint64_t output_time(const output_t* o, uint64_t ts) noexcept nogil

cdef class CaptureWriter:
    cdef capture_io io        # what the engine records with
    cdef output_t c
    cdef readonly str path
