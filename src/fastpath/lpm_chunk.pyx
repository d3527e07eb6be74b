"""IPv4 longest-prefix match in chunks (structures in chunk_table.pxd, lookups in simd/lpm4.h).

Each entry remembers with which prefix length it was painted. Adding a prefix takes over the leaves
painted with fewer bits; deleting one gives the leaves painted with its own length to its cover,
which a neighbour painted with fewer bits tells.
"""

from fastpath.atomic cimport ATOMIC_RELEASE, atomic_store_pointer
from fastpath.chunk_table cimport (ENTRIES, LPM4_NH, MAX_NODES, PAINTED_CHILD, cell_ext,
                                   cell_length, cell_nh, chunk_t, ext_words, lpm4_one,
                                   lpm4_variant, open_chunk, own_chunk, own_ext, own_page,
                                   own_version, set_leaf, table_close, table_memory, table_open,
                                   table_publish, table_reclaim, table_retired, table_revert,
                                   table_settle, word_length, words_of)
from fastpath.cow_arena cimport block_drop, side_at
from fastpath.lpm cimport LPM_NO_MEMORY, Lpm, lookup_fn
from fastpath.prefix_store cimport store_cover, store_get, store_prefetch, store_reserve
from fastpath.simd.level cimport simd_level_here
from fastpath.types cimport INET, NH_INVALID, nh_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef enum:
    AHEAD = 16                # routes of a load whose slots are fetched before they are needed
    SETTLED = 4096            # routes of a load that is worth asking for large pages


cdef void _paint_words(uint32_t* words, int first, int last, const paint_t* paint) noexcept nogil:
    cdef uint32_t word = <uint32_t> paint.length << 24 | paint.nh
    cdef int i
    for i in range(first, last):
        if paint.low <= word_length(words[i]) <= paint.high:
            words[i] = word


cdef bint _words_take(const uint32_t* words, const paint_t* paint) noexcept nogil:
    cdef int i
    for i in range(ENTRIES):
        if paint.low <= word_length(words[i]) <= paint.high:
            return True
    return False


cdef bint _any_longer(const uint8_t* painted, int length) noexcept nogil:
    cdef int found = 0
    cdef int i
    for i in range(ENTRIES):                    # no way out in between: the compiler vectorises it
        found |= painted[i] > length
    return found


cdef bint _any_word_longer(const uint32_t* words, int length) noexcept nogil:
    cdef uint32_t limit = <uint32_t> (length + 1) << 24
    cdef int found = 0
    cdef int i
    for i in range(ENTRIES):
        found |= words[i] >= limit
    return found


cdef class Chunked(Lpm):
    """An IPv4 routing table in chunks. `max_nodes` bounds the blocks of each kind."""

    def __cinit__(self, int family, uint32_t max_nodes=MAX_NODES):
        if family != INET:
            raise ValueError(f"address family {family}: this table is for IPv4 only")
        if not 2 <= max_nodes <= MAX_NODES:
            raise ValueError(f"max_nodes {max_nodes} is not in 2..{MAX_NODES}")
        if table_open(&self.table, max_nodes) < 0:
            raise MemoryError("no memory for a routing table")
        self.fib.lookup = self.variant(simd_level_here())
        self.fib.version = self.table.work

    def __dealloc__(self):
        table_close(&self.table)

    cdef lookup_fn variant(self, int level) noexcept nogil:
        return <lookup_fn> lpm4_variant(level)

    cdef nh_t resolve(self, const uint8_t* address) noexcept nogil:
        return lpm4_one(self.table.work, address)

    cdef int install(self, const uint8_t* prefix, int length, nh_t nh) noexcept nogil:
        cdef paint_t paint = paint_t(0, length, nh, length)
        return self._change(prefix, length, &paint)

    cdef int withdraw(self, const uint8_t* prefix, int length, nh_t cover,
                      int cover_length) noexcept nogil:
        cdef paint_t paint = paint_t(length, length, cover, cover_length)
        if self._change(prefix, length, &paint) < 0:
            return LPM_NO_MEMORY
        self._collapse(prefix, length)
        return 0

    cdef void publish(self, uint64_t number) noexcept nogil:
        if self.table.working != self.table.published:
            atomic_store_pointer(&self.fib.version, self.table.work, ATOMIC_RELEASE)
            table_publish(&self.table, number)

    cdef void reclaim(self, uint64_t safe) noexcept nogil:
        table_reclaim(&self.table, safe)

    cdef void revert(self) noexcept nogil:
        table_revert(&self.table)

    cdef size_t structure_memory(self) noexcept nogil:
        return table_memory(&self.table)

    cdef size_t retired_memory(self) noexcept nogil:
        return table_retired(&self.table)

    # -- painting --------------------------------------------------------------------------------

    cdef int _change(self, const uint8_t* prefix, int length,
                     const paint_t* paint) noexcept nogil:
        """Paints all leaves below a prefix."""
        cdef uint8_t* painted
        cdef uint32_t* entries
        cdef uint32_t* words
        cdef chunk_t chunk
        cdef int octet
        self.table.transaction = self.transaction_number
        if own_version(&self.table) < 0:
            return LPM_NO_MEMORY
        if length <= 8:
            for octet in range(prefix[0], prefix[0] + (1 << (8 - length))):
                if self._paint_page(octet, 0, ENTRIES, paint) < 0:
                    return LPM_NO_MEMORY
            return 0
        if length <= 16:
            return self._paint_page(prefix[0], prefix[1], prefix[1] + (1 << (16 - length)), paint)
        entries = own_page(&self.table, prefix[0], &painted)
        if entries == NULL or own_chunk(&self.table, &entries[prefix[1]], &painted[prefix[1]],
                                        paint.nh if paint.length <= 24 else 0, &chunk) < 0:
            return LPM_NO_MEMORY
        if length <= 24:
            return self._paint_chunk(&chunk, prefix[2], prefix[2] + (1 << (24 - length)), paint)
        words = own_ext(&self.table, &chunk, prefix[2])
        if words == NULL:
            return LPM_NO_MEMORY
        _paint_words(words, prefix[3], prefix[3] + (1 << (32 - length)), paint)
        return 0

    cdef int _paint_page(self, int octet, int first, int last,
                         const paint_t* paint) noexcept nogil:
        cdef uint8_t* painted
        cdef uint32_t* entries = own_page(&self.table, octet, &painted)
        cdef chunk_t chunk
        cdef int i
        if entries == NULL:
            return LPM_NO_MEMORY
        for i in range(first, last):
            if painted[i] != PAINTED_CHILD:
                if paint.low <= painted[i] <= paint.high:
                    entries[i] = paint.nh
                    painted[i] = <uint8_t> paint.length
            elif self._chunk_takes(entries[i], paint):
                if own_chunk(&self.table, &entries[i], &painted[i], paint.nh, &chunk) < 0:
                    return LPM_NO_MEMORY
                if self._paint_chunk(&chunk, 0, ENTRIES, paint) < 0:
                    return LPM_NO_MEMORY
        return 0

    cdef int _paint_chunk(self, chunk_t* chunk, int first, int last,
                          const paint_t* paint) noexcept nogil:
        """Paints cells of an own chunk that can hold the next hop."""
        cdef uint32_t* words
        cdef int length
        cdef int i
        for i in range(first, last):
            length = cell_length(chunk, i)
            if length != PAINTED_CHILD:
                if paint.low <= length <= paint.high:
                    set_leaf(chunk, i, paint.nh, paint.length)
            elif _words_take(ext_words(&self.table, chunk, i), paint):
                words = own_ext(&self.table, chunk, i)
                if words == NULL:
                    return LPM_NO_MEMORY
                _paint_words(words, 0, ENTRIES, paint)
        return 0

    cdef bint _chunk_takes(self, uint32_t entry, const paint_t* paint) noexcept nogil:
        """Whether a leaf in or below the chunk would be painted: else it need not be copied."""
        cdef chunk_t chunk
        cdef int length
        cdef int i
        open_chunk(&self.table, &entry, &chunk)
        for i in range(ENTRIES):
            length = cell_length(&chunk, i)
            if paint.low <= length <= paint.high:
                return True
            if length == PAINTED_CHILD and _words_take(ext_words(&self.table, &chunk, i), paint):
                return True
        return False

    cdef void _collapse(self, const uint8_t* prefix, int length) noexcept nogil:
        """Turns the blocks on the way to a deleted prefix back into leaves where one leaf will do.

        A block over whose span `bits` bits are decided is one leaf when nothing in it is painted
        with more than `bits`: what remains is the one longest prefix that covers all of it. All
        blocks on the way are the transaction's own.
        """
        cdef uint32_t page = self.table.work.page[prefix[0]] >> 8
        cdef uint32_t* entries = words_of(&self.table.pages, page)
        cdef uint8_t* painted = side_at(&self.table.pages, page)
        cdef const uint32_t* words
        cdef chunk_t chunk
        cdef int i
        if length > 16:
            open_chunk(&self.table, &entries[prefix[1]], &chunk)
            if length > 24:
                words = ext_words(&self.table, &chunk, prefix[2])
                if _any_word_longer(words, 24):
                    return
                block_drop(&self.table.wides if chunk.cells == NULL else &self.table.exts,
                           cell_ext(&chunk, prefix[2]), self.table.transaction)
                set_leaf(&chunk, prefix[2], words[0] & LPM4_NH, word_length(words[0]))
            for i in range(ENTRIES):
                if cell_length(&chunk, i) > 16:
                    return
            block_drop(&self.table.wides if chunk.cells == NULL else &self.table.chunks,
                       chunk.index, self.table.transaction)
            painted[prefix[1]] = <uint8_t> cell_length(&chunk, 0)
            entries[prefix[1]] = cell_nh(&chunk, 0)
        for i in range(prefix[0], prefix[0] + (1 << max(8 - length, 0))):
            self._collapse_page(i)

    cdef void _collapse_page(self, int octet) noexcept nogil:
        """Makes a page blank again that has nothing in it."""
        cdef uint32_t page = self.table.work.page[octet] >> 8
        cdef const uint32_t* entries = words_of(&self.table.pages, page)
        cdef uint32_t left = 0
        cdef int i
        if page == self.table.blank or _any_longer(side_at(&self.table.pages, page), 0):
            return
        for i in range(ENTRIES):
            left |= entries[i]
        if left == 0:
            block_drop(&self.table.pages, page, self.table.transaction)
            self.table.work.page[octet] = self.table.blank << 8

    # -- covers ----------------------------------------------------------------------------------

    cdef nh_t cover(self, const uint8_t* prefix, int length, int* cover_length) noexcept nogil:
        """Next hop and length of the longest prefix shorter than `length` over a deleted one.

        Read off the entries beside it, still as they were. Let G be the entries that a prefix of l
        bits over ours would paint, and H the half of G that ours is not in. An entry of H painted
        with at most l bits was painted by a prefix that covers all of G; and no prefix between it
        and ours is there, or it would have painted that entry. Only if all of H is painted longer
        has the store to say whether there is a prefix of l bits.
        """
        cdef uint8_t[4] shorter
        cdef nh_t nh
        cdef int at
        memcpy(shorter, prefix, 4)
        while length > 8:
            length -= 1
            at = length >> 3
            shorter[at] &= <uint8_t> ~(0x80 >> (length & 7))
            if self._beside(prefix, length, &nh, cover_length):
                return nh
            nh = store_get(&self.prefixes, shorter, length)
            if nh != NH_INVALID:
                cover_length[0] = length
                return nh
        return store_cover(&self.prefixes, prefix, length, cover_length)

    cdef bint _beside(self, const uint8_t* prefix, int length, nh_t* nh,
                      int* painted_length) noexcept nogil:
        """Looks for an entry painted with at most `length` bits in the half beside a prefix."""
        cdef int half = 1 << (7 - (length & 7))
        cdef int first = (prefix[length >> 3] & -half) ^ half
        cdef uint32_t page = self.table.work.page[prefix[0]] >> 8
        cdef uint32_t* entries = words_of(&self.table.pages, page)
        cdef const uint8_t* painted = side_at(&self.table.pages, page)
        cdef const uint32_t* words
        cdef chunk_t chunk
        cdef int found
        cdef int i
        if length < 16:
            for i in range(first, first + half):
                if painted[i] <= length:
                    painted_length[0] = painted[i]
                    nh[0] = entries[i]
                    return True
            return False
        open_chunk(&self.table, &entries[prefix[1]], &chunk)
        if length < 24:
            for i in range(first, first + half):
                found = cell_length(&chunk, i)
                if found <= length:
                    painted_length[0] = found
                    nh[0] = cell_nh(&chunk, i)
                    return True
            return False
        words = ext_words(&self.table, &chunk, prefix[2])
        for i in range(first, first + half):
            if word_length(words[i]) <= length:
                painted_length[0] = word_length(words[i])
                nh[0] = words[i] & LPM4_NH
                return True
        return False

    # -- load ------------------------------------------------------------------------------------

    cdef Py_ssize_t load_all(self, const uint8_t* keys, const int64_t* lengths,
                             const int64_t* nhs, Py_ssize_t n) noexcept nogil:
        """Shorter prefixes first: so each block is made once, and most entries painted once."""
        cdef Py_ssize_t[34] start
        cdef uint32_t* order
        cdef Py_ssize_t new = 0
        cdef Py_ssize_t i
        cdef Py_ssize_t item
        cdef int result
        if n >> 32 or store_reserve(&self.prefixes, n) < 0:
            return LPM_NO_MEMORY
        order = <uint32_t*> malloc(n * sizeof(uint32_t) + 1)
        if order == NULL:
            return LPM_NO_MEMORY
        memset(start, 0, sizeof(start))
        for i in range(n):
            start[lengths[i] + 1] += 1
        for i in range(1, 34):
            start[i] += start[i - 1]
        for i in range(n):
            order[start[lengths[i]]] = <uint32_t> i
            start[lengths[i]] += 1
        for i in range(n):
            if i + AHEAD < n:
                item = order[i + AHEAD]
                store_prefetch(&self.prefixes, keys + 4 * item, <int> lengths[item])
            item = order[i]
            result = self.insert(keys + 4 * item, <int> lengths[item], <nh_t> nhs[item])
            if result < 0:
                new = result
                break
            new += result
        free(order)
        if new >= SETTLED:
            table_settle(&self.table)
        return new
