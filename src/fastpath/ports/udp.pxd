# A kernel UDP socket as the tunnel side: one system call carries up to UDP_BATCH datagrams each
# way.

from fastpath.ports.port cimport Port
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* at)

cdef extern from "<sys/socket.h>" nogil:
    enum: MSG_DONTWAIT
    enum: MSG_ERRQUEUE
    enum: AF_INET
    enum: AF_INET6
    ctypedef uint32_t socklen_t
    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        void* msg_name
        socklen_t msg_namelen
        iovec* msg_iov
        size_t msg_iovlen
        void* msg_control
        size_t msg_controllen
        int msg_flags
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    int recvmmsg(int fd, mmsghdr* messages, unsigned int count, int flags, timespec* timeout)
    int sendmmsg(int fd, mmsghdr* messages, unsigned int count, int flags)
    ssize_t recvmsg(int fd, msghdr* message, int flags)
    cmsghdr* CMSG_FIRSTHDR(msghdr* message)
    cmsghdr* CMSG_NXTHDR(msghdr* message, cmsghdr* previous)
    unsigned char* CMSG_DATA(cmsghdr* control)
    size_t CMSG_LEN(size_t octets)
    size_t CMSG_SPACE(size_t octets)

cdef extern from "<netinet/in.h>" nogil:
    struct sockaddr_in6:      # the larger of the two address forms
        pass
    enum: IPPROTO_IP
    enum: IPPROTO_IPV6
    enum: IP_TOS
    enum: IP_RECVERR
    enum: IP_MTU_DISCOVER
    enum: IP_PMTUDISC_DO
    enum: IPV6_TCLASS
    enum: IPV6_RECVERR
    enum: IPV6_MTU_DISCOVER

cdef extern from "<linux/errqueue.h>" nogil:
    struct sock_extended_err:
        uint32_t ee_errno
        uint8_t ee_origin
    enum: SO_EE_ORIGIN_LOCAL

cdef enum:
    UDP_BATCH = 64            # datagrams of one system call
    # Octets of a slot: headroom, the longest outer header, the longest datagram; 256 more than
    # a power of two, so that the beginnings of slots do not share cache sets.
    UDP_SLOT = (1 << 16) + 256
    CONTROL_ROOM = 24         # a control message with one int

cdef struct udp_counts_t:
    uint64_t rx_packets
    uint64_t rx_batches       # system calls that brought something
    uint64_t tx_packets
    uint64_t tx_batches
    uint64_t refused          # ECONNREFUSED: nobody listens at the peer
    uint64_t too_big          # EMSGSIZE: longer than the path's MTU
    uint64_t no_buffers       # EAGAIN, ENOBUFS: the socket or the device is full
    uint64_t unreachable      # EHOSTUNREACH, ENETUNREACH
    uint64_t other_errors
    uint64_t not_datagrams    # packets to send that are no whole UDP datagram of our family

cdef struct udp_t:
    int fd                    # -1: closed
    bint six                  # IPv6
    uint64_t base_ns          # kernel's monotonic time that counts as 0
    uint32_t header           # octets of the header that is put before what was received
    uint8_t front[48]         # that header, but for what differs from datagram to datagram
    uint8_t* slots
    int head                  # datagrams described[head:count] wait
    int count
    uint64_t ts               # when they came
    mmsghdr rx[UDP_BATCH]
    iovec rx_octets[UDP_BATCH]
    sockaddr_in6 rx_from[UDP_BATCH]
    mmsghdr tx[UDP_BATCH]
    iovec tx_octets[UDP_BATCH]
    sockaddr_in6 tx_to[UDP_BATCH]
    uint8_t tx_control[UDP_BATCH][CONTROL_ROOM]
    int tx_number[UDP_BATCH]  # which packet of the burst a message is
    udp_counts_t counts

cdef class UdpPort(Port):
    cdef udp_t c
    cdef object _socket
    cdef readonly tuple address   # (address, port) it is bound to
