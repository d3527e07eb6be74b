"""The adjacency table: allocation by index; number 0 is always there and drops (no route)."""

from fastpath.types cimport NH_DROP, nh_t
from libc.stdint cimport uint32_t
from libc.stdlib cimport free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign


if sizeof(adjacency_t) != 128:
    raise ImportError(f"adjacency_t has {sizeof(adjacency_t)} octets, not 128: two cache lines")


cdef class AdjacencyTable:
    """A fixed number of adjacencies in one aligned block, so that indexes and addresses stay."""

    def __cinit__(self, uint32_t capacity):
        cdef void* block = NULL
        if capacity < 2 or capacity > 1 << 24:
            raise ValueError(f"adjacencies: {capacity} is outside 2..{1 << 24}")
        if posix_memalign(&block, 64, capacity * sizeof(adjacency_t)):
            raise MemoryError(f"no memory for {capacity} adjacencies")
        self.at = <adjacency_t*>block
        memset(self.at, 0, sizeof(adjacency_t))
        self.at[NH_DROP].kind = ADJ_DROP
        self.capacity = capacity
        self.used = 1
        self._free = []

    def __dealloc__(self):
        free(self.at)

    cdef nh_t allocate(self) except? 0:
        """An unused index, cleared. Raises MemoryError when the table is full."""
        cdef nh_t nh
        if self._free:
            nh = self._free.pop()
        elif self.used < self.capacity:
            nh = self.used
            self.used += 1
        else:
            raise MemoryError(f"all {self.capacity} adjacencies are in use")
        memset(&self.at[nh], 0, sizeof(adjacency_t))
        return nh

    cdef int release(self, nh_t nh) except -1:
        self.at[nh].kind = ADJ_FREE
        self._free.append(nh)
        return 0

    cdef adjacency_t* get(self, nh_t nh) except NULL:
        """The adjacency of an index. Raises KeyError if it names none."""
        if nh >= self.used or self.at[nh].kind == ADJ_FREE:
            raise KeyError(f"next hop {nh} is not an adjacency")
        return &self.at[nh]
