"""Multibit trie with leaf pushing (structures and source in lpm_multibit.pxd).

Updates copy a node the first time a transaction changes it and leave the published one alone. Each
entry remembers with which prefix length it was painted, so an update needs no search for the
prefixes above or below it: adding a prefix takes over the leaves painted with fewer bits, deleting
one gives the leaves painted with its own length to its cover.
"""

from fastpath.atomic cimport ATOMIC_RELEASE, atomic_store_pointer
from fastpath.lpm cimport LPM_NO_MEMORY, Lpm, lookup_fn
from fastpath.node_arena cimport (NODE_ENTRIES, NODE_NONE, arena_close, arena_give, arena_memory,
                                  arena_open, arena_take, node_entries)
from fastpath.simd.level cimport SIMD_PORTABLE
from fastpath.types cimport INET, nh_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset


cdef inline uint32_t _root_index(const uint8_t* key) noexcept nogil:
    return <uint32_t> key[0] << 8 | key[1]


cdef inline uint32_t _next_entry(const uint32_t* nodes, uint32_t entry,
                                 uint8_t octet) noexcept nogil:
    return nodes[<uint64_t> (entry & ENTRY_INDEX) * NODE_ENTRIES + octet]


cdef void _lookup4(const void* version, const uint8_t* keys, nh_t* out, int n) noexcept nogil:
    cdef const root_t* root = <const root_t*> version
    cdef uint32_t entry
    cdef int i
    for i in range(n):
        entry = root.entries[_root_index(keys)]
        if entry & ENTRY_CHILD:
            entry = _next_entry(root.nodes, entry, keys[2])
            if entry & ENTRY_CHILD:
                entry = _next_entry(root.nodes, entry, keys[3])
        out[i] = entry
        keys += 4


cdef void _lookup6(const void* version, const uint8_t* keys, nh_t* out, int n) noexcept nogil:
    cdef const root_t* root = <const root_t*> version
    cdef uint32_t entry
    cdef int i
    cdef int at
    for i in range(n):
        entry = root.entries[_root_index(keys)]
        at = 2
        while entry & ENTRY_CHILD:
            entry = _next_entry(root.nodes, entry, keys[at])
            at += 1
        out[i] = entry
        keys += 16


cdef class Multibit(Lpm):
    """A routing table as a multibit trie. `max_nodes` bounds its memory (1,296 octets a node)."""

    def __cinit__(self, int family, uint32_t max_nodes=1 << 22):
        if not 2 <= max_nodes <= ENTRY_INDEX:
            raise ValueError(f"max_nodes {max_nodes} is not in 2..{ENTRY_INDEX}")
        if arena_open(&self.arena, max_nodes) < 0:
            raise MemoryError("no address space for a routing table")
        # calloc of this size is a mapping of its own: pages that stay zero cost nothing.
        self.root = <root_t*> calloc(1, sizeof(root_t))
        if self.root == NULL:
            raise MemoryError("no memory for a routing table")
        self.root.nodes = self.arena.entries
        self.fib.lookup = self.variant(SIMD_PORTABLE)
        self.fib.version = self.root

    def __dealloc__(self):
        cdef root_t* older
        if self.root != self._published():
            free(self._published())
        while self.limbo != NULL:
            older = self.limbo.older
            free(self.limbo)
            self.limbo = older
        free(self.root)
        free(self.spare)
        arena_close(&self.arena)

    cdef lookup_fn variant(self, int level) noexcept nogil:
        if level != SIMD_PORTABLE:
            return NULL
        return _lookup4 if self.family == INET else _lookup6

    cdef nh_t resolve(self, const uint8_t* address) noexcept nogil:
        cdef nh_t nh
        self.fib.lookup(self.root, address, &nh, 1)
        return nh

    cdef int install(self, const uint8_t* prefix, int length, nh_t nh) noexcept nogil:
        cdef paint_t paint = paint_t(0, length, nh, <uint8_t> length)
        return self._change(prefix, length, &paint)

    cdef int withdraw(self, const uint8_t* prefix, int length, nh_t cover,
                      int cover_length) noexcept nogil:
        cdef paint_t paint = paint_t(length, length, cover, <uint8_t> cover_length)
        if self._change(prefix, length, &paint) < 0:
            return LPM_NO_MEMORY
        self._collapse(prefix, length)
        return 0

    cdef void publish(self, uint64_t number) noexcept nogil:
        cdef root_t* old = self._published()
        if self.root == old:
            return
        old.number = number
        old.replaced = self.replaced
        old.older = self.limbo
        self.limbo = old
        self.retired += sizeof(root_t)
        self.replaced = NODE_NONE
        atomic_store_pointer(&self.fib.version, self.root, ATOMIC_RELEASE)

    cdef void reclaim(self, uint64_t safe) noexcept nogil:
        cdef root_t** link = &self.limbo
        cdef root_t* root
        cdef root_t* older
        while link[0] != NULL and link[0].number > safe:
            link = &link[0].older
        root = link[0]
        link[0] = NULL
        while root != NULL:
            older = root.older
            self._release(root)
            root = older

    cdef void revert(self) noexcept nogil:
        cdef uint32_t node
        if self.root == self._published():
            return
        for node in range(1, self.arena.used):
            if self.arena.meta[node].stamp == self.transaction_number:
                arena_give(&self.arena, node)
        self.replaced = NODE_NONE
        self._keep_spare(self.root)
        self.root = self._published()

    cdef size_t retired_memory(self) noexcept nogil:
        return self.retired

    cdef size_t structure_memory(self) noexcept nogil:
        cdef size_t roots = 1 + (self.spare != NULL) + (self.root != self._published())
        cdef const root_t* root = self.limbo
        while root != NULL:
            roots += 1
            root = root.older
        return roots * sizeof(root_t) + arena_memory(&self.arena)

    # -- versions --------------------------------------------------------------------------------

    cdef root_t* _published(self) noexcept nogil:
        return <root_t*> self.fib.version

    cdef void _release(self, root_t* root) noexcept nogil:
        """Takes back a version that nobody looks at, and its nodes that no newer one reaches."""
        cdef uint32_t nodes = root.replaced
        self.retired -= sizeof(root_t)
        cdef uint32_t node
        while nodes != NODE_NONE:
            node = nodes
            nodes = self.arena.meta[node].link
            arena_give(&self.arena, node)
        self._keep_spare(root)

    cdef void _keep_spare(self, root_t* root) noexcept nogil:
        free(self.spare)
        self.spare = root

    cdef int _own_root(self) noexcept nogil:
        """Makes self.root the open transaction's own."""
        cdef root_t* copy = self.spare
        if self.root != self._published():
            return 0
        if copy == NULL:
            copy = <root_t*> calloc(1, sizeof(root_t))
            if copy == NULL:
                return LPM_NO_MEMORY
        self.spare = NULL
        memcpy(copy, self.root, sizeof(root_t))
        copy.stamp = self.transaction_number
        self.root = copy
        return 0

    cdef uint32_t _own_node(self, uint32_t node) noexcept nogil:
        """The node if the open transaction made it, else a copy; NODE_NONE without memory."""
        cdef uint32_t copy
        if self.arena.meta[node].stamp == self.transaction_number:
            return node
        copy = arena_take(&self.arena, self.transaction_number)
        if copy == NODE_NONE:
            return NODE_NONE
        memcpy(node_entries(&self.arena, copy), node_entries(&self.arena, node),
               NODE_ENTRIES * sizeof(uint32_t))
        memcpy(self.arena.meta[copy].painted, self.arena.meta[node].painted, NODE_ENTRIES)
        self.arena.meta[node].link = self.replaced
        self.replaced = node
        return copy

    cdef uint32_t _new_node(self, uint32_t entry, uint8_t painted) noexcept nogil:
        """A node all of whose entries are this leaf."""
        cdef uint32_t node = arena_take(&self.arena, self.transaction_number)
        cdef uint32_t* entries
        cdef int i
        if node != NODE_NONE:
            entries = node_entries(&self.arena, node)
            for i in range(NODE_ENTRIES):
                entries[i] = entry
            memset(self.arena.meta[node].painted, painted, NODE_ENTRIES)
        return node

    # -- changes ---------------------------------------------------------------------------------

    cdef uint32_t _step_down(self, uint32_t* entry, uint8_t* painted) noexcept nogil:
        """The child of an own entry, made own itself, or made at all; NODE_NONE without memory."""
        cdef uint32_t child
        if painted[0] == PAINTED_CHILD:
            child = self._own_node(entry[0] & ENTRY_INDEX)
        else:
            child = self._new_node(entry[0], painted[0])
        if child != NODE_NONE:
            entry[0] = ENTRY_CHILD | child
            painted[0] = PAINTED_CHILD
        return child

    cdef int _change(self, const uint8_t* prefix, int length,
                     const paint_t* paint) noexcept nogil:
        """Paints all leaves below a prefix. The part of the trie that changes is copied first."""
        cdef uint32_t* entries
        cdef uint8_t* painted
        cdef uint32_t node
        cdef uint32_t index = _root_index(prefix)
        cdef int at = 2                 # octets of the prefix that lead to `index`
        if self._own_root() < 0:
            return LPM_NO_MEMORY
        entries = self.root.entries
        painted = self.root.painted
        while length > 8 * at:
            node = self._step_down(&entries[index], &painted[index])
            if node == NODE_NONE:
                return LPM_NO_MEMORY
            entries = node_entries(&self.arena, node)
            painted = self.arena.meta[node].painted
            index = prefix[at]
            at += 1
        return self._paint_span(entries, painted, index, index + (1 << (8 * at - length)), paint)

    cdef int _paint_span(self, uint32_t* entries, uint8_t* painted, int first, int last,
                         const paint_t* paint) noexcept nogil:
        """Paints own entries first..last-1 and what is below them; at most 14 calls deep."""
        cdef uint32_t child
        cdef int i
        for i in range(first, last):
            if painted[i] != PAINTED_CHILD:
                if paint.low <= painted[i] <= paint.high:
                    entries[i] = paint.entry
                    painted[i] = paint.painted
                continue
            child = entries[i] & ENTRY_INDEX
            if not self._takes_any(child, paint):
                continue
            child = self._step_down(&entries[i], &painted[i])
            if child == NODE_NONE:
                return LPM_NO_MEMORY
            if self._paint_span(node_entries(&self.arena, child), self.arena.meta[child].painted,
                                0, NODE_ENTRIES, paint) < 0:
                return LPM_NO_MEMORY
        return 0

    cdef bint _takes_any(self, uint32_t node, const paint_t* paint) noexcept nogil:
        """Whether a leaf in or below the node would be painted: else it need not be copied."""
        cdef const uint8_t* painted = self.arena.meta[node].painted
        cdef const uint32_t* entries = node_entries(&self.arena, node)
        cdef int i
        for i in range(NODE_ENTRIES):
            if paint.low <= painted[i] <= paint.high:
                return True
        for i in range(NODE_ENTRIES):
            if (painted[i] == PAINTED_CHILD
                    and self._takes_any(entries[i] & ENTRY_INDEX, paint)):
                return True
        return False

    cdef void _collapse(self, const uint8_t* prefix, int length) noexcept nogil:
        """Turns the nodes on the way to a deleted prefix back into leaves where one leaf will do.

        A node over whose span `bits` bits are decided is one leaf when it has no child and nothing
        painted with more than `bits`: what remains is the one longest prefix that covers all of it.
        """
        cdef uint32_t* entry[16]        # by octets consumed: what leads to the node
        cdef uint8_t* painted[16]
        cdef uint32_t node
        cdef int at = 2
        cdef int i
        entry[2] = &self.root.entries[_root_index(prefix)]
        painted[2] = &self.root.painted[_root_index(prefix)]
        while length > 8 * (at + 1):
            node = entry[at][0] & ENTRY_INDEX
            entry[at + 1] = &node_entries(&self.arena, node)[prefix[at]]
            painted[at + 1] = &self.arena.meta[node].painted[prefix[at]]
            at += 1
        if length <= 16:
            return
        for at in range(at, 1, -1):
            node = entry[at][0] & ENTRY_INDEX
            for i in range(NODE_ENTRIES):
                if self.arena.meta[node].painted[i] > 8 * at:
                    return
            entry[at][0] = node_entries(&self.arena, node)[0]
            painted[at][0] = self.arena.meta[node].painted[0]
            arena_give(&self.arena, node)
