"""A regular file mapped read-only, safe against the file shrinking meanwhile (sigbus.h).

It does not read pipes or devices: those cannot be mapped.
"""

import errno as _errno
import os
import stat

cimport cython
from libc.errno cimport errno
from libc.stdint cimport uint8_t, uint64_t

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void* address, size_t length, int protection, int flags, int fd, long offset)
    int munmap(void* address, size_t length)
    int madvise(void* address, size_t length, int advice)
    void* MAP_FAILED
    int PROT_READ, MAP_PRIVATE, MADV_SEQUENTIAL

cdef extern from "<sys/stat.h>" nogil:
    cdef struct stat_t "stat":
        long st_size
    int fstat(int fd, stat_t* into)

cdef extern from "sigbus.h" nogil:
    int sigbus_register(const void* start, size_t length)
    void sigbus_forget(int slot)
    uint64_t sigbus_fault(int slot)
    enum:
        SIGBUS_MAPPINGS


cdef uint64_t mapping_size(const mapping_t* mapping) noexcept nogil:
    cdef stat_t now
    return <uint64_t>now.st_size if fstat(mapping.fd, &now) == 0 else mapping.size


cdef uint64_t mapping_intact(const mapping_t* mapping) noexcept nogil:
    cdef uint64_t intact = min(mapping.size, mapping_size(mapping))
    cdef uint64_t fault = sigbus_fault(mapping.slot)
    return min(intact, fault)


@cython.final
cdef class Mapping:
    """Maps a whole file. An empty file is a mapping of size 0 without an address.

    Raises OSError: the file cannot be opened or mapped, is no regular file, or 256 others are
    mapped already.
    """

    def __cinit__(self, path):
        cdef void* base
        self.c.fd = -1
        self.c.slot = -1
        # without O_NONBLOCK a named pipe would wait here for somebody to write
        self.c.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(self.c.fd)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(_errno.EISDIR, os.strerror(_errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(_errno.ENODEV, "not a regular file, cannot be mapped", os.fspath(path))
        self.c.size = status.st_size
        if self.c.size == 0:
            return
        base = mmap(NULL, self.c.size, PROT_READ, MAP_PRIVATE, self.c.fd, 0)
        if base == MAP_FAILED:
            self.c.size = 0
            raise OSError(errno, os.strerror(errno), os.fspath(path))
        self.c.base = <const uint8_t*>base
        self.c.slot = sigbus_register(base, self.c.size)
        if self.c.slot < 0:
            raise OSError(_errno.EMFILE, f"more than {SIGBUS_MAPPINGS} captures are open",
                          os.fspath(path))
        madvise(base, self.c.size, MADV_SEQUENTIAL)

    def __dealloc__(self):
        # in this order: the slot must never cover what somebody else mapped to the same place
        if self.c.slot >= 0:
            sigbus_forget(self.c.slot)
        if self.c.base != NULL:
            munmap(<void*>self.c.base, self.c.size)
        if self.c.fd >= 0:
            os.close(self.c.fd)
