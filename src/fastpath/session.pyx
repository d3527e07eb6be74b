"""The session table: entries by index, and a hash from (local address, tunnel id, session id)."""

from fastpath.types cimport session_t
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign


if sizeof(session_entry_t) != 64:
    raise ImportError(f"session_entry_t has {sizeof(session_entry_t)} octets, not 64: a cache line")
if sizeof(session_count_t) != 32:
    raise ImportError(f"session_count_t has {sizeof(session_count_t)} octets, not 32")


cdef class SessionTable:
    """Up to `capacity` sessions; the hash is kept at most half full."""

    def __cinit__(self, uint32_t capacity):
        cdef void* block = NULL
        cdef uint32_t size = 16
        if capacity < 1 or capacity > 1 << 22:
            raise ValueError(f"sessions: {capacity} is outside 1..{1 << 22}")
        while size < 2 * capacity:
            size *= 2
        if posix_memalign(&block, 64, capacity * sizeof(session_entry_t)):
            raise MemoryError(f"no memory for {capacity} sessions")
        self.map.at = <session_entry_t*>block
        self.map.keys = <uint64_t*>calloc(size, sizeof(uint64_t))
        self.map.index = <session_t*>calloc(size, sizeof(session_t))
        if self.map.keys == NULL or self.map.index == NULL:
            raise MemoryError(f"no memory for {capacity} sessions")
        self.map.mask = size - 1
        self.capacity = capacity
        self.used = 0
        self._free = []

    def __dealloc__(self):
        free(self.map.at)
        free(self.map.keys)
        free(self.map.index)

    def __len__(self) -> int:
        return self.used - len(self._free)

    cdef session_t allocate(self) except? 0xFFFFFFFF:
        """An unused entry, cleared. Raises MemoryError when the table is full."""
        cdef session_t index
        if self._free:
            index = self._free.pop()
        elif self.used < self.capacity:
            index = self.used
            self.used += 1
        else:
            raise MemoryError(f"all {self.capacity} sessions are in use")
        memset(&self.map.at[index], 0, sizeof(session_entry_t))
        return index

    cdef int insert(self, session_t index) except -1:
        cdef session_entry_t* entry = &self.map.at[index]
        cdef uint64_t key = session_key(entry.local, entry.tunnel, entry.session)
        cdef uint32_t slot = session_slot(key, self.map.mask)
        while self.map.keys[slot] != 0:
            slot = (slot + 1) & self.map.mask
        self.map.keys[slot] = key
        self.map.index[slot] = index
        return 0

    cdef int remove(self, session_t index) except -1:
        cdef session_entry_t* entry = &self.map.at[index]
        cdef uint64_t key = session_key(entry.local, entry.tunnel, entry.session)
        cdef uint32_t slot = session_slot(key, self.map.mask)
        cdef uint32_t hole, home
        while self.map.keys[slot] != key:
            if self.map.keys[slot] == 0:
                raise KeyError(f"tunnel {entry.tunnel} session {entry.session} is not there")
            slot = (slot + 1) & self.map.mask
        # Backward shift: what was pushed past this slot moves up, so that no tombstones gather.
        hole = slot
        while True:
            slot = (slot + 1) & self.map.mask
            if self.map.keys[slot] == 0:
                break
            home = session_slot(self.map.keys[slot], self.map.mask)
            if ((slot - home) & self.map.mask) >= ((slot - hole) & self.map.mask):
                self.map.keys[hole] = self.map.keys[slot]
                self.map.index[hole] = self.map.index[slot]
                hole = slot
        self.map.keys[hole] = 0
        return 0

    cdef int release(self, session_t index) except -1:
        self._free.append(index)
        return 0
