# What the parts of the UDP port share: the kernel's calls, the port's state, and its sizes.
#
# A *train* is what the kernel calls GSO on the way out and GRO on the way in: datagrams of one
# length, the last of which may be shorter, between the same two addresses, in one message.

from libc.stddef cimport size_t
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* at)

cdef extern from "<sys/socket.h>" nogil:
    enum: MSG_DONTWAIT
    enum: MSG_ERRQUEUE
    enum: MSG_TRUNC
    enum: MSG_CTRUNC
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
    ssize_t sendmsg(int fd, const msghdr* message, int flags)
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
    enum: IPPROTO_UDP
    enum: IP_TOS
    enum: IP_RECVERR
    enum: IP_MTU_DISCOVER
    enum: IP_PMTUDISC_DO
    enum: IPV6_TCLASS
    enum: IPV6_RECVERR
    enum: IPV6_MTU_DISCOVER

cdef extern from "<linux/udp.h>" nogil:
    enum: UDP_SEGMENT         # control message of sending: length of the datagrams of a train
    enum: UDP_GRO             # option: trains may come; control message that tells their length

cdef extern from "<linux/errqueue.h>" nogil:
    struct sock_extended_err:
        uint32_t ee_errno
        uint8_t ee_origin
        uint32_t ee_info      # the path's MTU, with EMSGSIZE
    enum: SO_EE_ORIGIN_LOCAL

cdef enum:
    # Offsets of port and address in sockaddr_in and sockaddr_in6 (RFC 3493 3.3).
    SOCKET_PORT = 2
    SOCKET_ADDRESS4 = 4
    SOCKET_ADDRESS6 = 8

    UDP_MESSAGES = 256        # messages of one call that receives
    # Octets of a message's slot: headroom, the longest outer header, the longest train; 256 more
    # than a power of two, so that the beginnings of slots do not share cache sets.
    UDP_SLOT = (1 << 16) + 256
    UDP_WAITING = 256         # datagrams taken apart at one time: a burst
    UDP_ARENA = 1 << 20       # octets of copies of datagrams out of trains
    UDP_FRONT = 48            # octets of the longest header in front of what was received

    UDP_BURST = 256           # datagrams of one call that sends
    # The kernel takes 128 since Linux 6.9 and 64 before.
    UDP_TRAIN = 64            # datagrams of one train that is sent
    UDP_TRAIN_OCTETS = 65507  # of the payload of one message (IPv4 without options)
    # Datagrams up to so long are put together for the kernel, longer ones it gathers by itself.
    UDP_JOINED = 512
    UDP_SLOTS = 64            # of destinations: trains in the making, what is known of paths
    RECEIVE_CONTROL = 3       # words of a control message with one int
    SEND_CONTROL = 6          # of two: TOS and length of a train's datagrams

cdef struct udp_counts_t:
    uint64_t rx_packets       # datagrams
    uint64_t rx_messages      # datagrams and trains
    uint64_t rx_batches       # system calls that brought something
    uint64_t rx_truncated     # messages longer than a slot, and their control messages: dropped
    uint64_t tx_packets
    uint64_t tx_messages
    uint64_t tx_batches
    uint64_t refused          # ECONNREFUSED: nobody listens at the peer
    uint64_t too_big          # EMSGSIZE: longer than the path's MTU
    uint64_t no_buffers       # EAGAIN, ENOBUFS: the socket or the device is full
    uint64_t unreachable      # EHOSTUNREACH, ENETUNREACH
    uint64_t other_errors
    uint64_t not_datagrams    # packets to send that are no whole UDP datagram of our family
    uint64_t trains_refused   # trains that the kernel does not send on their path

cdef struct datagram_t:
    uint8_t* at               # its outer header
    uint32_t len              # octets from there

cdef struct udp_receive_t:
    int wanted                # messages to ask for: about as many as fill a burst
    int head                  # datagrams described[head:count] wait
    int count
    int message               # messages[message:messages] are not taken apart yet,
    int messages
    uint32_t offset           # nor this one up to here
    uint32_t segment          # octets of its datagrams but the last
    uint32_t used             # octets of the arena
    uint64_t ts               # when they came
    uint8_t* slots
    uint8_t* arena
    uint8_t front[UDP_FRONT]  # the header, right-aligned, but for what differs between messages
    uint8_t outer[UDP_FRONT]  # the same, of the message that is taken apart
    datagram_t waiting[UDP_WAITING]
    mmsghdr message_at[UDP_MESSAGES]
    iovec octets[UDP_MESSAGES]
    sockaddr_in6 source[UDP_MESSAGES]
    uint64_t control[UDP_MESSAGES][RECEIVE_CONTROL]

cdef struct train_t:
    uint32_t segment          # octets of its datagrams but the last
    uint32_t octets
    uint16_t first            # of its datagrams in `octets` and `number`
    uint16_t count
    uint8_t tos
    uint8_t slot              # of its destination
    bint ended                # by a shorter datagram

cdef struct udp_send_t:
    int trains                # of the burst that is sent
    uint64_t singly           # bit for each slot of destinations: no trains to those
    int16_t open[UDP_SLOTS]   # the train in the making for a slot's last destination; -1: none
    train_t train[UDP_BURST]
    mmsghdr message_at[UDP_BURST]
    sockaddr_in6 destination[UDP_BURST]
    uint64_t control[UDP_BURST][SEND_CONTROL]
    iovec payload[UDP_BURST]  # of each packet of the burst
    int16_t belongs[UDP_BURST]    # train of each packet; -1: it is no datagram
    iovec octets[UDP_BURST]   # payloads, train by train
    uint16_t number[UDP_BURST]    # which packet of the burst those are
    iovec joined[UDP_BURST]   # all of a train whose datagrams are short,
    uint8_t store[UDP_BURST * UDP_JOINED]   # which is here
    uint32_t used             # octets of it

cdef struct path_t:
    uint32_t mtu              # 0: none known
    uint8_t address[16]       # IPv4: the first four octets

cdef struct udp_t:
    int fd                    # -1: closed
    bint six                  # IPv6
    uint64_t base_ns          # kernel's monotonic time that counts as 0
    uint32_t header           # octets of IP and UDP header
    udp_counts_t counts
    path_t path[UDP_SLOTS]    # by the hash of the address
    udp_receive_t rx
    udp_send_t tx
