"""TUN queues that outlive their device (contract in tun_attach.pxd).

The descriptor of a queue stays good when its device is deleted: attached again it is what it was,
so whoever waits for it need not know. It is done on the worker's thread, in a few system calls,
because control may be busy.
"""

from libc.string cimport memcpy, memset
from posix.unistd cimport close

from fastpath.ports import tun_device

cdef extern from "<sys/ioctl.h>" nogil:
    int ioctl(int fd, unsigned long request, ...)

cdef extern from "<sys/socket.h>" nogil:
    enum: AF_INET
    enum: SOCK_DGRAM
    enum: SOCK_CLOEXEC
    int socket(int family, int kind, int protocol)

cdef extern from "<net/if.h>" nogil:
    enum: IFF_UP
    struct ifreq:
        char* ifr_name
        short ifr_flags
        int ifr_mtu
        int ifr_qlen

cdef extern from "<linux/sockios.h>" nogil:
    enum: SIOCGIFFLAGS
    enum: SIOCSIFFLAGS
    enum: SIOCSIFMTU
    enum: SIOCSIFTXQLEN

cdef extern from "<linux/if_tun.h>" nogil:
    enum: TUNSETIFF
    enum: TUNSETIFINDEX
    enum: TUNSETOFFLOAD
    enum: TUNSETVNETHDRSZ
    enum: TUNSETVNETLE
    enum: TUNSETQUEUE
    enum: IFF_DETACH_QUEUE

cdef int _FLAGS = tun_device.FLAGS
cdef int _QUEUE_LENGTH = tun_device.QUEUE_LENGTH
cdef int _HEADER = tun_device.VNET_HEADER


cdef void _request(ifreq* request, const shape_t* shape) noexcept nogil:
    memset(request, 0, sizeof(request[0]))
    memcpy(request.ifr_name, shape.name, sizeof(shape.name))


cdef bint _bring_up(const shape_t* shape) noexcept nogil:
    cdef int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    cdef ifreq request
    cdef bint done
    if fd < 0:
        return False
    _request(&request, shape)
    request.ifr_mtu = shape.mtu
    done = ioctl(fd, SIOCSIFMTU, &request) == 0
    _request(&request, shape)
    request.ifr_qlen = _QUEUE_LENGTH
    done = done and ioctl(fd, SIOCSIFTXQLEN, &request) == 0
    _request(&request, shape)
    done = done and ioctl(fd, SIOCGIFFLAGS, &request) == 0
    request.ifr_flags |= IFF_UP
    done = done and ioctl(fd, SIOCSIFFLAGS, &request) == 0
    close(fd)
    return done


cdef bint tun_attach(int fd, const shape_t* shape, bint receives) noexcept nogil:
    cdef ifreq request
    cdef int header = _HEADER
    cdef int little = 1
    cdef unsigned int index = 0
    # Else the queue's number, which the kernel keeps in the same place (drivers/net/tun.c, union in
    # struct tun_file), becomes the interface's: EBUSY for that of an interface that is there.
    ioctl(fd, TUNSETIFINDEX, &index)
    _request(&request, shape)
    request.ifr_flags = <short>_FLAGS
    if ioctl(fd, TUNSETIFF, &request) != 0:
        return False
    ioctl(fd, TUNSETVNETHDRSZ, &header)
    ioctl(fd, TUNSETVNETLE, &little)
    ioctl(fd, TUNSETOFFLOAD, <unsigned long>shape.offloads)
    if not receives:
        memset(&request, 0, sizeof(request))
        request.ifr_flags = <short>IFF_DETACH_QUEUE
        ioctl(fd, TUNSETQUEUE, &request)
    return _bring_up(shape)


cdef class Shape:
    """`device`: a fastpath.ports.tun_device.Device."""

    def __cinit__(self, device not None):
        cdef bytes name = device.name.encode()
        memset(&self.c, 0, sizeof(self.c))
        memcpy(self.c.name, <const char*>name, min(<size_t>len(name), sizeof(self.c.name) - 1))
        self.c.offloads = device.bits
        self.c.mtu = device.mtu

    def set_mtu(self, int mtu) -> None:
        """What the device gets when it is made again."""
        self.c.mtu = mtu
