# What a queue needs to be attached again after somebody deleted its device.

from libc.stdint cimport uint32_t

cdef struct shape_t:
    char name[16]             # as the kernel has it, zeros behind it
    uint32_t offloads         # bits of TUNSETOFFLOAD
    int mtu

# Makes the device of that shape again, or joins those who have, with the queue `fd`; it is up then.
# `receives`: False for a queue that only sends. False: it cannot be, for now. What addresses and
# routes the device had is for others to restore.
cdef bint tun_attach(int fd, const shape_t* shape, bint receives) noexcept nogil

# The shape of one device, which all its queues share.
cdef class Shape:
    cdef shape_t c
