"""bpf(2): one call, without the GIL while the kernel works. Its commands are in objects.py."""

from libc.errno cimport errno
from libc.stdint cimport uint8_t

import os

cdef extern from "<unistd.h>" nogil:
    long syscall(long number, ...)

cdef extern from "<sys/syscall.h>" nogil:
    enum: SYS_bpf


def bpf(int command, const uint8_t[::1] attributes not None) -> int:
    """What the kernel returns. It may write into the attributes. Raises OSError."""
    cdef long size = attributes.shape[0]
    cdef const uint8_t* at = &attributes[0]
    cdef long result
    cdef int error = 0
    with nogil:
        result = syscall(SYS_bpf, <long>command, at, size)
        if result < 0:
            error = errno
    if result < 0:
        raise OSError(error, os.strerror(error))
    return result


def address_of(const uint8_t[::1] octets) -> int:
    """Where the octets lie, 0 for none. Whoever asks keeps them alive."""
    if octets is None or octets.shape[0] == 0:
        return 0
    return <size_t>&octets[0]
