"""IPv6 routing table as a burst trie (structures in burst.pxd and lpm_burst.pxd).

A transaction copies each node and block the first time it changes it and leaves the published ones
alone; they are given back when nobody looks at the version that they belong to. A load that is
large for the table lays it out anew, from all prefixes in order.
"""

from fastpath.atomic cimport ATOMIC_RELEASE, atomic_store_pointer
from fastpath.block_arena cimport LINE_WORDS, blocks_memory
from fastpath.burst cimport (burst_close, burst_open, burst_t, cell_t, discard_all, free_scratch,
                             keep_made, paint_t, release, retired_of, undo_made)
from fastpath.burst_build cimport build_entries
from fastpath.burst_load cimport (route_t, routes_of_rows, routes_of_slots, runs_of,
                                  sort_routes)
from fastpath.burst_paint cimport leaf_of, paint_entries
from fastpath.lpm cimport LPM_NO_MEMORY, Lpm, lookup_fn
from fastpath.node_arena cimport NODE_ENTRIES, arena_memory
from fastpath.prefix_store cimport (store_get, store_prefetch, store_put, store_reserve,
                                    store_sorted)
from fastpath.simd.level cimport SIMD_AVX2, SIMD_AVX512, SIMD_PORTABLE, simd_level_here
from fastpath.types cimport INET6, NH_DROP, NH_INVALID, nh_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef extern from "simd/lpm6.h" nogil:
    void lpm6_portable(const lpm6_t* trie, const uint8_t* keys, nh_t* out, int n)
    void lpm6_avx2(const lpm6_t* trie, const uint8_t* keys, nh_t* out, int n)
    void lpm6_avx512(const lpm6_t* trie, const uint8_t* keys, nh_t* out, int n)

cdef enum:
    NODES_LIMIT = 1 << 22     # gathers count words of 4 octets in 31 bits
    LINES_LIMIT = 1 << 26
    LOAD_MIN = 256            # prefixes that are worth a new layout, in a small table
    AHEAD = 8                 # prefixes that a load asks for before it comes to them
    LOAD_PART = 8             # and in a large one, as a part of it


cdef void _portable(const void* version, const uint8_t* keys, nh_t* out, int n) noexcept nogil:
    lpm6_portable(<const lpm6_t*> version, keys, out, n)


cdef void _avx2(const void* version, const uint8_t* keys, nh_t* out, int n) noexcept nogil:
    lpm6_avx2(<const lpm6_t*> version, keys, out, n)


cdef void _avx512(const void* version, const uint8_t* keys, nh_t* out, int n) noexcept nogil:
    lpm6_avx512(<const lpm6_t*> version, keys, out, n)


cdef class BurstTrie(Lpm):
    """An IPv6 routing table as a burst trie.

    `max_nodes` and `max_lines` bound its memory: 1,296 octets a node, 272 a line.
    """

    def __cinit__(self, int family, uint32_t max_nodes=1 << 20, uint32_t max_lines=1 << 24):
        if family != INET6:
            raise ValueError(f"a burst trie is for address family {INET6}, not {family}")
        if not 2 <= max_nodes <= NODES_LIMIT:
            raise ValueError(f"max_nodes {max_nodes} is not in 2..{NODES_LIMIT}")
        if not 8 <= max_lines <= LINES_LIMIT:
            raise ValueError(f"max_lines {max_lines} is not in 8..{LINES_LIMIT}")
        if burst_open(&self.trie, max_nodes, max_lines) < 0:
            raise MemoryError("no address space for a routing table")
        self.root = self._new_root()
        if self.root == NULL:
            raise MemoryError("no memory for a routing table")
        memset(self.root, 0, sizeof(burst_root_t))
        self.root.trie.root = &self.root.entries[0]
        self.root.trie.nodes = self.trie.nodes.entries
        self.root.trie.blocks = self.trie.blocks.words
        self.fib.lookup = self.variant(simd_level_here())
        self.fib.version = self.root

    def __dealloc__(self):
        cdef burst_root_t* older
        if self.root != self._published():
            free(self._published())
        while self.limbo != NULL:
            older = self.limbo.older
            free(self.limbo)
            self.limbo = older
        free(self.root)
        free(self.spare)
        burst_close(&self.trie)

    cdef lookup_fn variant(self, int level) noexcept nogil:
        if level == SIMD_AVX512:
            return _avx512
        return _avx2 if level == SIMD_AVX2 else _portable

    cdef nh_t resolve(self, const uint8_t* address) noexcept nogil:
        cdef nh_t nh
        _portable(self.root, address, &nh, 1)
        return nh

    # -- changes ---------------------------------------------------------------------------------

    cdef int install(self, const uint8_t* prefix, int length, nh_t nh) noexcept nogil:
        cdef paint_t paint = paint_t(prefix, length, 0, length, cell_t(nh, length))
        return self._paint(&paint)

    cdef int withdraw(self, const uint8_t* prefix, int length, nh_t cover,
                      int cover_length) noexcept nogil:
        cdef paint_t paint = paint_t(prefix, length, length, length, cell_t(cover, cover_length))
        return self._paint(&paint)

    cdef nh_t cover(self, const uint8_t* prefix, int length, int* cover_length) noexcept nogil:
        """Looks beside the prefix: whatever covers it covers the other half of the next shorter
        prefix too, so a leaf there that is painted with fewer bits is of the cover."""
        cdef uint8_t[16] beside
        cdef const uint32_t* entries = self.root.entries
        cdef cell_t leaf
        cdef nh_t nh
        memcpy(beside, prefix, 16)
        for length in range(length - 1, -1, -1):
            beside[length >> 3] ^= <uint8_t> (0x80 >> (length & 7))
            leaf = leaf_of(&self.trie, entries, self.root.painted, beside)
            if leaf.painted <= <uint32_t> length:
                cover_length[0] = leaf.painted
                return leaf.entry
            beside[length >> 3] &= <uint8_t> ~(0x80 >> (length & 7))
            nh = store_get(&self.prefixes, beside, length)
            if nh != NH_INVALID:
                cover_length[0] = length
                return nh
        cover_length[0] = 0
        return NH_DROP

    cdef int _paint(self, const paint_t* paint) noexcept nogil:
        if self._own_root() < 0:
            return LPM_NO_MEMORY
        if paint_entries(&self.trie, self.root.entries, self.root.painted, paint) < 0:
            return LPM_NO_MEMORY
        return 0

    cdef Py_ssize_t load_all(self, const uint8_t* keys, const int64_t* lengths,
                             const int64_t* nhs, Py_ssize_t n) noexcept nogil:
        cdef bint alone = self.prefixes.count == 0
        cdef Py_ssize_t before = self.prefixes.count
        cdef Py_ssize_t i
        cdef nh_t old
        cdef int result = 0
        if n < LOAD_MIN or n < before // LOAD_PART:
            return Lpm.load_all(self, keys, lengths, nhs, n)
        if store_reserve(&self.prefixes, n) < 0:
            return self._changed(0, LPM_NO_MEMORY)
        for i in range(n):
            if i + AHEAD < n:
                store_prefetch(&self.prefixes, keys + 16 * (i + AHEAD), <int> lengths[i + AHEAD])
            if store_put(&self.prefixes, keys + 16 * i, <int> lengths[i], <nh_t> nhs[i],
                         &old) < 0:
                result = LPM_NO_MEMORY
                break
        if result == 0:
            result = self._rebuild(keys, lengths, nhs, n if alone else -1)
        return self._changed(0, result) if result < 0 else self._count_new(before)

    cdef Py_ssize_t _count_new(self, Py_ssize_t before) noexcept nogil:
        self.routes = self.prefixes.count
        return self.routes - before

    cdef int _rebuild(self, const uint8_t* keys, const int64_t* lengths, const int64_t* nhs,
                      Py_ssize_t n) noexcept nogil:
        """Lays out the table anew: from n rows, or (-1) from all prefixes there are."""
        cdef size_t count = self.prefixes.count if n < 0 else n
        cdef route_t* routes = <route_t*> malloc(2 * count * sizeof(route_t))
        cdef uint8_t* slots = NULL
        cdef int result = LPM_NO_MEMORY
        if n < 0:
            slots = store_sorted(&self.prefixes)
        if routes != NULL and (n >= 0 or slots != NULL):
            if n < 0:
                routes_of_slots(routes, slots, count)
            else:
                routes_of_rows(routes, keys, lengths, nhs, count)
                sort_routes(routes, routes + count, count)
            self.trie.scratch.count = 0
            if runs_of(&self.trie.scratch, routes, count) == 0:
                result = self._build()
        free(slots)
        free(routes)
        free_scratch(&self.trie)
        return result

    cdef int _build(self) noexcept nogil:
        """Lays out the table anew from the runs in `scratch`."""
        cdef cell_t child
        cdef int i
        if self._own_root() < 0:
            return LPM_NO_MEMORY
        for i in range(NODE_ENTRIES):
            child = cell_t(self.root.entries[i], self.root.painted[i])
            discard_all(&self.trie, &child)
        if build_entries(&self.trie, self.root.entries, self.root.painted, self.trie.scratch.runs,
                         0, self.trie.scratch.count, 0) < 0:
            return LPM_NO_MEMORY
        return 0

    # -- versions --------------------------------------------------------------------------------

    cdef void publish(self, uint64_t number) noexcept nogil:
        cdef burst_root_t* old = self._published()
        if self.root == old:
            return
        old.number = number
        old.replaced_nodes = self.trie.replaced_nodes
        old.replaced_blocks = self.trie.replaced_blocks
        old.older = self.limbo
        self.limbo = old
        keep_made(&self.trie)
        atomic_store_pointer(&self.fib.version, self.root, ATOMIC_RELEASE)

    cdef void reclaim(self, uint64_t safe) noexcept nogil:
        cdef burst_root_t** link = &self.limbo
        cdef burst_root_t* root
        cdef burst_root_t* older
        while link[0] != NULL and link[0].number > safe:
            link = &link[0].older
        root = link[0]
        link[0] = NULL
        while root != NULL:
            older = root.older
            release(&self.trie, root.replaced_nodes, root.replaced_blocks)
            self._keep_spare(root)
            root = older

    cdef void revert(self) noexcept nogil:
        if self.root == self._published():
            return
        undo_made(&self.trie)
        self._keep_spare(self.root)
        self.root = self._published()

    cdef size_t retired_memory(self) noexcept nogil:
        cdef const burst_root_t* root = self.limbo
        cdef size_t retired = 0
        while root != NULL:
            retired += sizeof(burst_root_t) + retired_of(&self.trie, root.replaced_nodes,
                                                         root.replaced_blocks)
            root = root.older
        return retired

    cdef size_t structure_memory(self) noexcept nogil:
        cdef size_t roots = 1 + (self.spare != NULL) + (self.root != self._published())
        cdef const burst_root_t* root = self.limbo
        while root != NULL:
            roots += 1
            root = root.older
        return (roots * sizeof(burst_root_t) + arena_memory(&self.trie.nodes)
                + blocks_memory(&self.trie.blocks))

    @property
    def lookup_memory(self) -> int:
        """Octets that lookups may read: roots, nodes and blocks without what updates need."""
        return (sizeof(lpm6_t) + sizeof(self.root.entries) + 4 * NODE_ENTRIES * self.trie.nodes.live
                + 4 * LINE_WORDS * self.trie.blocks.live)

    cdef burst_root_t* _published(self) noexcept nogil:
        return <burst_root_t*> self.fib.version

    cdef burst_root_t* _new_root(self) noexcept nogil:
        # C11 7.22.3.1: the size is a multiple of the alignment.
        return <burst_root_t*> aligned_alloc(64, (sizeof(burst_root_t) + 63) // 64 * 64)

    cdef void _keep_spare(self, burst_root_t* root) noexcept nogil:
        free(self.spare)
        self.spare = root

    cdef int _own_root(self) noexcept nogil:
        """Makes self.root the open transaction's own."""
        cdef burst_root_t* copy = self.spare
        if self.root != self._published():
            return 0
        if copy == NULL:
            copy = self._new_root()
            if copy == NULL:
                return LPM_NO_MEMORY
        self.spare = NULL
        memcpy(copy, self.root, sizeof(burst_root_t))
        copy.trie.root = &copy.entries[0]
        self.root = copy
        self.trie.stamp = self.transaction_number
        return 0
