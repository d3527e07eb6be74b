"""Rings of octets whose memory is mapped twice, so that no record ever wraps; the punt ring is one.
"""

from fastpath.atomic cimport ATOMIC_ACQUIRE, ATOMIC_RELEASE, atomic_load_u64, atomic_store_u64
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset
from posix.mman cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap)
from posix.stdlib cimport posix_memalign

cdef extern from "<sys/mman.h>" nogil:
    int MREMAP_MAYMOVE, MREMAP_FIXED
    void* mremap(void* at, size_t size, size_t new_size, int flags, void* new_at)

cdef enum:
    LEAST = 4096              # a page
    LINES = 128


cdef uint8_t* _map_twice(uint64_t size) noexcept nogil:
    """Memory of `size` octets that is seen once more behind itself; NULL: there is none."""
    cdef void* base = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                           0)
    if base == MAP_FAILED:
        return NULL
    # An old size of 0 makes another mapping of the same shared pages (mremap(2)).
    if mremap(base, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, <uint8_t*>base + size) == MAP_FAILED:
        munmap(base, 2 * size)
        return NULL
    return <uint8_t*>base


cdef class OctetRing:
    """`size` octets, a power of two."""

    def __cinit__(self, uint64_t size, *_rest):
        cdef void* ends = NULL
        if size < LEAST or size & (size - 1):
            raise ValueError(f"ring: {size} is not a power of two from {LEAST} on")
        self._size = size
        self._base = _map_twice(size)
        if self._base == NULL or posix_memalign(&ends, LINES, 2 * sizeof(ring_end_t)):
            raise MemoryError(f"no memory for a ring of {size} octets")
        memset(ends, 0, 2 * sizeof(ring_end_t))
        self._head = <ring_end_t*>ends
        self._tail = self._head + 1

    def __dealloc__(self):
        if self._base != NULL:
            munmap(self._base, 2 * self._size)
        free(self._head)

    cdef uint8_t* room(self, uint64_t need) noexcept nogil:
        cdef uint64_t at = self._head.octets
        if at + need - self._head.other > self._size:
            self._head.other = atomic_load_u64(&self._tail.octets, ATOMIC_ACQUIRE)
            if at + need - self._head.other > self._size:
                return NULL
        return self._base + (at & (self._size - 1))

    cdef void publish(self, uint64_t need) noexcept nogil:
        atomic_store_u64(&self._head.octets, self._head.octets + need, ATOMIC_RELEASE)

    cdef const uint8_t* oldest(self) noexcept nogil:
        cdef uint64_t at = self._tail.octets
        if at == self._tail.other:
            self._tail.other = atomic_load_u64(&self._head.octets, ATOMIC_ACQUIRE)
            if at == self._tail.other:
                return NULL
        return self._base + (at & (self._size - 1))

    cdef void release(self, uint64_t size) noexcept nogil:
        atomic_store_u64(&self._tail.octets, self._tail.octets + size, ATOMIC_RELEASE)


cdef class PuntRing(OctetRing):
    """Packets for control."""

    cdef int push(self, const punt_t* record, const uint8_t* data) noexcept nogil:
        """Copies a record and its packet in. 0 if there is no room."""
        cdef uint64_t need = (sizeof(punt_t) + record.len + 7) & ~<uint64_t>7
        cdef punt_t* into = <punt_t*>self.room(need)
        if into == NULL:
            return 0
        memcpy(into, record, sizeof(punt_t))
        memcpy(into + 1, data, record.len)
        into.size = <uint32_t>need
        self.publish(need)
        return 1

    cdef const punt_t* peek(self) noexcept nogil:
        """The oldest record, NULL if there is none."""
        return <const punt_t*>self.oldest()

    cdef void pop(self) noexcept nogil:
        """Gives the record that peek showed back to the writer."""
        cdef const punt_t* record = <const punt_t*>(
            self._base + (self._tail.octets & (self._size - 1)))
        self.release(record.size)
