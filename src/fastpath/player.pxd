# Sends what one port has by another: at the times of a capture, at a rate, or as fast as it goes.

from fastpath.packet cimport packet_t
from fastpath.ports.port cimport Port, capture_io
from fastpath.types cimport BURST_MAX
from libc.stdint cimport uint8_t, uint64_t

cdef enum Form:               # what of a frame is sent
    FORM_PACKET               # its IP packet
    FORM_FRAME                # all of it, if it is Ethernet
    FORM_RECORD               # all of it, into a capture

cdef struct player_t:
    int form
    double speed              # of the capture's times; 0: not by them
    double rate               # packets a second; 0: as fast as it goes
    uint64_t start            # monotonic nanoseconds of the beginning of this lap
    uint64_t offered          # packets of this lap
    uint64_t last             # time of its last packet, nanoseconds of the capture
    uint64_t packets          # that the sink took
    uint64_t octets
    uint64_t refused          # that it did not take
    uint64_t skipped          # that hold nothing that can be sent
    int waiting               # packets copied for the next burst
    uint64_t used             # octets of their copies

cdef class Player:
    cdef player_t c
    cdef Port _sink
    cdef object _file
    cdef capture_io* _capture
    cdef uint8_t* _arena
    cdef packet_t _copy[BURST_MAX]
    cdef packet_t* _burst[BURST_MAX]
    cdef int _play(self, Port source, uint64_t limit, uint64_t end) noexcept nogil
    cdef int _wait(self, Port source, uint64_t end) noexcept nogil
    cdef int _due(self, uint64_t* until, uint64_t now) noexcept nogil
    cdef void _give(self, packet_t* packets, int n) noexcept nogil
    cdef bint _packet(self, packet_t* p) noexcept nogil
    cdef void _keep(self, packet_t* p) noexcept nogil
    cdef void _flush(self) noexcept nogil
