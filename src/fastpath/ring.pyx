"""The punt ring: an octet ring in which a record never wraps."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy


cdef class PuntRing:
    """`size` octets, a power of two."""

    def __cinit__(self, uint64_t size):
        if size < 4096 or size & (size - 1):
            raise ValueError(f"punt ring: {size} is not a power of two from 4096 on")
        self._base = <uint8_t*>malloc(size)
        if self._base == NULL:
            raise MemoryError(f"no memory for a ring of {size} octets")
        self._size = size
        self.head = self.tail = 0

    def __dealloc__(self):
        free(self._base)

    cdef int push(self, const punt_t* record, const uint8_t* data) noexcept nogil:
        """Copies a record and its packet in. 0 if there is no room."""
        cdef uint64_t need = (sizeof(punt_t) + record.len + 7) & ~<uint64_t>7
        cdef uint64_t at, rest, skipped
        cdef punt_t* head
        if self.head == self.tail:
            # From the start again: else a record above half the size might never fit an empty ring.
            # Both ends are used on one thread.
            self.head = self.tail = 0
        at = self.head & (self._size - 1)
        rest = self._size - at
        skipped = rest if rest < need else 0
        if self.head + skipped + need - self.tail > self._size:
            return 0
        if skipped:
            # sizes are multiples of 8: a skipped rest may be shorter than a head, so peek looks at
            # the rest itself; where a head fits, it says so.
            if rest >= sizeof(punt_t):
                (<punt_t*>(self._base + at)).skip = 1
            self.head += skipped
            at = 0
        head = <punt_t*>(self._base + at)
        memcpy(head, record, sizeof(punt_t))
        memcpy(self._base + at + sizeof(punt_t), data, record.len)
        head.size = <uint32_t>need
        head.skip = 0
        self.head += need
        return 1

    cdef punt_t* peek(self) noexcept nogil:
        """The oldest record, NULL if there is none."""
        cdef uint64_t at, rest
        if self.head == self.tail:
            return NULL
        at = self.tail & (self._size - 1)
        rest = self._size - at
        if rest < sizeof(punt_t) or (<punt_t*>(self._base + at)).skip:
            self.tail += rest
            at = 0
        return <punt_t*>(self._base + at)

    cdef void pop(self) noexcept nogil:
        """Gives the record that peek showed back to the writer."""
        self.tail += (<punt_t*>(self._base + (self.tail & (self._size - 1)))).size
