# AF_XDP sockets on an interface: the queues of one worker.

from fastpath.ports.neighbours cimport KernelPath, kernel_path_t
from fastpath.ports.port cimport Port
from fastpath.ports.xsk cimport xsk_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* at)

cdef enum:
    XDP_QUEUES = 32           # of a worker

cdef struct xdp_counts_t:
    uint64_t rx_packets
    uint64_t rx_completed     # checksums that a local sender had left to the card
    uint64_t tx_packets
    uint64_t too_big          # longer than the interface's MTU
    uint64_t no_buffers       # packets: all places are on their way
    uint64_t down             # packets: the interface is down or gone
    uint64_t other_errors     # of calls to send

cdef struct xdp_t:
    bint open
    bint partial              # senders are on this machine: checksums may be left to a card
    uint64_t base_ns          # kernel's monotonic time that counts as 0
    xsk_t* queue[XDP_QUEUES]
    int queues
    int next                  # queue that is looked at first
    int current               # queue of what was described last
    uint32_t described
    uint32_t mtu
    const uint64_t* slots     # of Neighbours
    const uint64_t* own
    kernel_path_t* kernel
    xdp_counts_t counts

cdef class XdpPort(Port):
    cdef xdp_t c
    cdef readonly object attachment   # fastpath.ports.interface.Attachment
    cdef KernelPath _kernel
    cdef list _queues                 # Xsk
    cdef object _waits                # epoll over them if they are several
