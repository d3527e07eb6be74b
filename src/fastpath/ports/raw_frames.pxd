# A raw socket on a network interface that sends whole Ethernet frames.

from fastpath.ports.port cimport Port
from fastpath.ports.udp_types cimport iovec, mmsghdr
from libc.stdint cimport uint64_t

cdef enum:
    FRAMES_BATCH = 256        # frames of one system call

cdef struct frames_counts_t:
    uint64_t tx_packets
    uint64_t tx_batches       # system calls that sent something
    uint64_t too_big          # EMSGSIZE: longer than the interface's MTU and a header
    uint64_t no_buffers       # EAGAIN, ENOBUFS: the socket or the device is full
    uint64_t other_errors     # ENETDOWN among them: the interface is down

cdef struct frames_t:
    int fd                    # -1: closed
    mmsghdr message[FRAMES_BATCH]
    iovec octets[FRAMES_BATCH]
    frames_counts_t counts

cdef class FramePort(Port):
    cdef frames_t c
    cdef object _socket
