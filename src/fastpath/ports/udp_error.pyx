"""Errors of datagrams sent: counted by kind, and what the kernel says of a path's MTU is kept.

The kernel tells of some at once and of others, by ICMP, later, in a queue beside the datagrams
(ip(7) IP_RECVERR). Who must send shorter ones then is for others to decide.
"""

from fastpath.atomic cimport ATOMIC_RELEASE, atomic_store_u32
from fastpath.ports.udp_types cimport (
    CMSG_DATA, CMSG_FIRSTHDR, CMSG_NXTHDR, IPPROTO_IP, IPPROTO_IPV6, IPV6_RECVERR, IP_RECVERR,
    MSG_DONTWAIT, MSG_ERRQUEUE, SOCKET_ADDRESS4, SOCKET_ADDRESS6, SO_EE_ORIGIN_LOCAL, cmsghdr,
    msghdr, path_t, recvmsg, sock_extended_err, sockaddr_in6, udp_t)
from libc.errno cimport (
    EAGAIN, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOBUFS, ENOMEM)
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    _ERRORS = 256             # of the kernel's queue of errors, taken at one time


cdef void count_error(udp_t* u, int error, uint32_t datagrams) noexcept nogil:
    if error == ECONNREFUSED:
        u.counts.refused += datagrams
    elif error == EMSGSIZE:
        u.counts.too_big += datagrams
    elif error == EAGAIN or error == ENOBUFS or error == ENOMEM:
        u.counts.no_buffers += datagrams
    elif error == EHOSTUNREACH or error == ENETUNREACH:
        u.counts.unreachable += datagrams
    else:
        u.counts.other_errors += datagrams


cdef void _learn(udp_t* u, const sockaddr_in6* to, uint32_t mtu) noexcept nogil:
    """Keeps the MTU of the path to an address; the one that had its slot is forgotten."""
    cdef const uint8_t* address = <const uint8_t*>to
    cdef path_t* path
    address += SOCKET_ADDRESS6 if u.six else SOCKET_ADDRESS4
    path = &u.path[slot_of(address, u.six, 0)]
    # Another thread may look: it believes an address only if the MTU stayed.
    atomic_store_u32(&path.mtu, 0, ATOMIC_RELEASE)
    memcpy(path.address, address, 16 if u.six else 4)
    atomic_store_u32(&path.mtu, mtu, ATOMIC_RELEASE)


cdef int take_errors(udp_t* u) noexcept nogil:
    """Else the socket stays readable for ever."""
    cdef uint64_t control[64]
    cdef sockaddr_in6 to
    cdef msghdr message
    cdef cmsghdr* c
    cdef sock_extended_err* error
    cdef int seen = 0
    cdef int taken = 0
    while seen < _ERRORS:
        memset(&message, 0, sizeof(message))
        message.msg_name = &to
        message.msg_namelen = sizeof(to)
        message.msg_control = control
        message.msg_controllen = sizeof(control)
        if recvmsg(u.fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0:
            break
        seen += 1
        c = CMSG_FIRSTHDR(&message)
        while c != NULL:
            error = <sock_extended_err*>CMSG_DATA(c)
            if ((c.cmsg_level == IPPROTO_IP and c.cmsg_type == IP_RECVERR)
                    or (c.cmsg_level == IPPROTO_IPV6 and c.cmsg_type == IPV6_RECVERR)):
                if error.ee_errno == EMSGSIZE and error.ee_info and message.msg_namelen:
                    _learn(u, &to, error.ee_info)
                if error.ee_origin != SO_EE_ORIGIN_LOCAL:
                    # Of others the sender was told at once.
                    count_error(u, <int>error.ee_errno, 1)
                    taken += 1
            c = CMSG_NXTHDR(&message, c)
    return taken
