"""Frames that leave by a packet socket, many with one system call, past the queueing discipline."""

from fastpath.packet cimport packet_t
from fastpath.ports.neighbours cimport ETHERNET_HEADER, ethernet_header, kernel_send
from libc.errno cimport (
    EAGAIN, EINTR, EMSGSIZE, ENETDOWN, ENOBUFS, ENODEV, ENOMEM, ENXIO, errno)


cdef void frames_begin(frames_t* f) noexcept nogil:
    cdef int i
    for i in range(PACKET_BATCH):
        f.piece[i][0].iov_base = f.header[i]
        f.piece[i][0].iov_len = ETHERNET_HEADER
        f.message[i].msg_hdr.msg_iov = f.piece[i]
        f.message[i].msg_hdr.msg_iovlen = 2


cdef int send_frames(frames_t* f, packet_t** packets, int n) noexcept nogil:
    cdef int taken = 0
    cdef int count, done
    if f.fd < 0:
        return 0
    while taken < n:
        count = 0
        while taken < n and count < PACKET_BATCH:
            if ethernet_header(f.slots, f.own, packets[taken], f.header[count]):
                f.piece[count][1].iov_base = packets[taken].data
                f.piece[count][1].iov_len = packets[taken].len
                f.number[count] = taken
                count += 1
            else:
                kernel_send(f.kernel, packets[taken], packets[taken].ts)
            taken += 1
        done = _send(f, count)
        if done < count:
            return f.number[done]
    return n


cdef int _send(frames_t* f, int n) noexcept nogil:
    cdef int at = 0
    cdef int sent
    while at < n:
        sent = sendmmsg(f.fd, f.message + at, n - at, MSG_DONTWAIT)
        if sent > 0:
            at += sent
            f.counts.tx_packets += sent
            f.counts.tx_batches += 1
        elif errno == EINTR:
            continue
        elif errno == EAGAIN or errno == ENOBUFS or errno == ENOMEM:
            f.counts.no_buffers += n - at
            break
        elif errno == ENETDOWN or errno == ENXIO or errno == ENODEV:
            f.counts.down += n - at
            break
        else:
            f.counts.too_big += errno == EMSGSIZE
            f.counts.other_errors += errno != EMSGSIZE
            at += 1
    return at
