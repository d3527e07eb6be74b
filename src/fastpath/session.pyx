"""The session table: entries by index, and a hash from (local address, tunnel id, session id).

One writer; readers look all the time. A cell is stored in one piece, and goes from empty to filled
to removed. It becomes empty again only when the next one is, so no reader on its way to a cell
behind is stopped. When too many are not empty, the filled ones go to a new hash.
"""

from fastpath.atomic cimport (
    ATOMIC_RELEASE, atomic_store_pointer, atomic_store_u64)
from fastpath.memory cimport map_zeroed, unmap
from fastpath.types cimport INET, SESSION_INVALID, session_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef enum:
    CELLS_MIN = 64


if sizeof(session_entry_t) != 64:
    raise ImportError(f"session_entry_t has {sizeof(session_entry_t)} octets, not 64: a cache line")
if sizeof(session_count_t) != 32:
    raise ImportError(f"session_count_t has {sizeof(session_count_t)} octets, not 32")


cdef session_hash_t* _empty_hash(uint32_t cells) noexcept nogil:
    cdef session_hash_t* hash = <session_hash_t*> calloc(
        1, sizeof(session_hash_t) + (cells - 1) * sizeof(uint64_t))
    if hash != NULL:
        hash.mask = cells - 1
    return hash


cdef inline uint64_t _key(const session_entry_t* entry) noexcept nogil:
    return session_key(entry.local, entry.tunnel, entry.session)


cdef void _fill(session_hash_t* hash, uint64_t cell) noexcept nogil:
    """Into the first cell on its way that holds nothing."""
    cdef uint32_t slot = <uint32_t> (cell >> 32) & hash.mask
    while <uint32_t> hash.cell[slot] >= CELL_FIRST:
        slot = (slot + 1) & hash.mask
    hash.filled += hash.cell[slot] == CELL_EMPTY
    atomic_store_u64(&hash.cell[slot], cell, ATOMIC_RELEASE)


cdef class SessionTable:
    """Up to `capacity` sessions."""

    def __cinit__(self, uint32_t capacity):
        if capacity < 1 or capacity > 1 << 22:
            raise ValueError(f"sessions: {capacity} is outside 1..{1 << 22}")
        self.capacity = capacity
        self.free = SESSION_INVALID
        self.map.at = <session_entry_t*> map_zeroed(capacity * sizeof(session_entry_t), True)
        self.map.ends = <session_ends_t*> map_zeroed(capacity * sizeof(session_ends_t), False)
        self.link = <uint32_t*> map_zeroed(capacity * sizeof(uint32_t), False)
        self.map.hash = _empty_hash(CELLS_MIN)
        if (self.map.at == NULL or self.map.ends == NULL or self.link == NULL
                or self.map.hash == NULL):
            raise MemoryError(f"no memory for {capacity} sessions")

    def __dealloc__(self):
        unmap(self.map.at, self.capacity * sizeof(session_entry_t))
        unmap(self.map.ends, self.capacity * sizeof(session_ends_t))
        unmap(self.link, self.capacity * sizeof(uint32_t))
        free(self.map.hash)

    def __len__(self) -> int:
        return self.live

    cdef session_t take(self) noexcept nogil:
        cdef session_t index = self.free
        if index != SESSION_INVALID:
            self.free = self.link[index]
        elif self.used < self.capacity:
            index = self.used
            self.used += 1
        else:
            return SESSION_INVALID
        memset(&self.map.at[index], 0, sizeof(session_entry_t))
        self.map.at[index].born = SESSION_NEVER
        self.map.at[index].died = SESSION_NEVER
        self.live += 1
        return index

    cdef void give(self, session_t index) noexcept nogil:
        self.link[index] = self.free
        self.free = index
        self.live -= 1

    cdef int insert(self, session_t index, session_hash_t** replaced) noexcept nogil:
        cdef session_hash_t* hash = self.map.hash
        cdef session_hash_t* bigger
        cdef uint32_t cells = CELLS_MIN
        cdef uint32_t i
        replaced[0] = NULL
        if hash.filled + 1 > (hash.mask + 1) // 4 * 3:
            while cells < 3 * self.live:
                cells *= 2
            bigger = _empty_hash(cells)
            if bigger == NULL:
                return -1
            for i in range(hash.mask + 1):
                if <uint32_t> hash.cell[i] >= CELL_FIRST:
                    _fill(bigger, hash.cell[i])
            replaced[0] = hash
            hash = bigger
            atomic_store_pointer(<const void**> &self.map.hash, hash, ATOMIC_RELEASE)
        _fill(hash, <uint64_t> session_hash(_key(&self.map.at[index])) << 32
              | <uint32_t> (CELL_FIRST + index))
        return 0

    cdef void remove(self, session_t index) noexcept nogil:
        cdef session_hash_t* hash = self.map.hash
        cdef uint32_t slot = session_hash(_key(&self.map.at[index])) & hash.mask
        while <uint32_t> hash.cell[slot] != CELL_FIRST + index:
            slot = (slot + 1) & hash.mask
        atomic_store_u64(&hash.cell[slot], CELL_REMOVED, ATOMIC_RELEASE)
        # Nobody goes past a cell before an empty one for something behind.
        while (hash.cell[slot] == CELL_REMOVED
                and hash.cell[(slot + 1) & hash.mask] == CELL_EMPTY):
            atomic_store_u64(&hash.cell[slot], CELL_EMPTY, ATOMIC_RELEASE)
            hash.filled -= 1
            slot = (slot - 1) & hash.mask

    cdef session_t newest(self, uint64_t key, const uint8_t* local6) noexcept nogil:
        cdef session_hash_t* hash = self.map.hash
        cdef uint32_t tag = session_hash(key)
        cdef uint32_t slot = tag & hash.mask
        cdef uint32_t index
        cdef session_t found = SESSION_INVALID
        while hash.cell[slot] != CELL_EMPTY:
            index = <uint32_t> hash.cell[slot] - CELL_FIRST
            if (hash.cell[slot] >> 32 == tag and <uint32_t> hash.cell[slot] >= CELL_FIRST
                    and session_has(&self.map.at[index], key)
                    and self.map.at[index].died == SESSION_NEVER
                    and (self.map.at[index].family == INET if local6 == NULL
                         else session_is_at(&self.map, index, local6))):
                if found == SESSION_INVALID or self.map.at[index].born == SESSION_NEVER:
                    found = index
            slot = (slot + 1) & hash.mask
        return found
