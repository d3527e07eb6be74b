# Frames that leave by a packet socket: what a packet: port sends with, and control's part of an
# xdp: port.

from fastpath.packet cimport packet_t
from fastpath.ports.neighbours cimport ETHERNET_HEADER, kernel_path_t
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<sys/socket.h>" nogil:
    enum: MSG_DONTWAIT
    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        void* msg_name
        unsigned int msg_namelen
        iovec* msg_iov
        size_t msg_iovlen
        void* msg_control
        size_t msg_controllen
        int msg_flags
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int sendmmsg(int fd, mmsghdr* messages, unsigned int count, int flags)

cdef enum:
    PACKET_BATCH = 64         # frames of one system call

cdef struct frame_counts_t:
    uint64_t tx_packets
    uint64_t tx_batches       # system calls
    uint64_t too_big          # longer than the interface's MTU
    uint64_t no_buffers       # packets: the driver or the socket is full
    uint64_t down             # packets: the interface is down or gone
    uint64_t other_errors

cdef struct frames_t:
    int fd                    # -1: closed
    const uint64_t* slots     # of Neighbours
    const uint64_t* own
    kernel_path_t* kernel
    frame_counts_t counts
    mmsghdr message[PACKET_BATCH]
    iovec piece[PACKET_BATCH][2]
    uint8_t header[PACKET_BATCH][ETHERNET_HEADER + 2]
    int number[PACKET_BATCH]  # which packet of the burst a message is

# Makes what does not change from burst to burst.
cdef void frames_begin(frames_t* f) noexcept nogil
# IP packets toward their neighbours. How many are done with; the rest found no room.
cdef int send_frames(frames_t* f, packet_t** packets, int n) noexcept nogil
