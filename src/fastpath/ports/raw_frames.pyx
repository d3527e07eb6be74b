"""Sends whole Ethernet frames as they are by a network interface, for the replay of captures.

No port of an engine: its tx_burst takes frames where the contract (port.pxd) has IP packets, and
it receives nothing. Frames go to the driver without a queueing discipline (PACKET_QDISC_BYPASS).
"""

cimport cython
from fastpath.packet cimport packet_t
from fastpath.ports.udp_types cimport MSG_DONTWAIT, sendmmsg
from libc.errno cimport EAGAIN, EINTR, EMSGSIZE, ENOBUFS, ENOMEM, errno

import socket

cdef enum:
    _BUFFER = 4 << 20
    _SO_SNDBUFFORCE = 32
    _PACKET_QDISC_BYPASS = 20
    _SOL_PACKET = 263


cdef int _send(frames_t* f, int n) noexcept nogil:
    """Sends messages 0 to n. How many are done with; the rest found no room."""
    cdef int at = 0
    cdef int sent
    while at < n:
        sent = sendmmsg(f.fd, f.message + at, n - at, MSG_DONTWAIT)
        if sent > 0:
            at += sent
            f.counts.tx_packets += sent
            f.counts.tx_batches += 1
        elif errno == EAGAIN or errno == ENOBUFS or errno == ENOMEM:
            f.counts.no_buffers += n - at
            break
        elif errno == EMSGSIZE:
            f.counts.too_big += 1
            at += 1
        elif errno != EINTR:
            f.counts.other_errors += 1
            at += 1
    return at


cdef int _tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    cdef frames_t* f = <frames_t*>state
    cdef int done = 0
    cdef int count, i, sent
    if f.fd < 0:
        return 0
    while done < n:
        count = min(n - done, <int>FRAMES_BATCH)
        for i in range(count):
            f.octets[i].iov_base = packets[done + i].data
            f.octets[i].iov_len = packets[done + i].len
        sent = _send(f, count)
        done += sent
        if sent < count:
            break
    return done


@cython.final
cdef class FramePort(Port):
    """By an interface. OSError: there is no such one, or it may not be used (CAP_NET_RAW)."""

    def __cinit__(self, str interface):
        cdef int i
        self.name = interface
        self.c.fd = -1
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._socket.bind((interface, 0))
            self._socket.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
            self._buffer()
        except OSError:
            self._socket.close()
            raise
        self.c.fd = self._socket.fileno()
        for i in range(FRAMES_BATCH):
            self.c.message[i].msg_hdr.msg_iov = &self.c.octets[i]
            self.c.message[i].msg_hdr.msg_iovlen = 1
        self.io.state = &self.c
        self.io.tx_burst = _tx_burst

    def _buffer(self) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)

    def counts(self) -> dict[str, int]:
        """Frames sent, and errors by kind (raw_frames.pxd has their meaning)."""
        return self.c.counts

    def close(self) -> None:
        """Closes the socket. Nothing is sent any more; counts stay."""
        self.c.fd = -1
        self._socket.close()
