"""Burst tries from runs and back (the contract is in burst_build.pxd)."""

from fastpath.block_arena cimport block_items, block_side, item_t
from fastpath.burst cimport (BLOCK_END, BLOCK_ITEMS, ENTRY_CHILD, ENTRY_LINE, ENTRY_NODE_INDEX,
                             PAINTED_CHILD, block_bit, burst_t, cell_t, fitting_class, is_block,
                             run_t, runs_t, set_block, take_node)
from fastpath.node_arena cimport NODE_ENTRIES, NODE_NONE, node_entries
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc

cdef enum:
    RUNS_MIN = 256

# A block in the making: its items, and of each that leads to a child the runs below it.
cdef struct draft_t:
    int count
    item_t items[BLOCK_ITEMS + 2]
    size_t first[BLOCK_ITEMS + 2]
    size_t last[BLOCK_ITEMS + 2]


# -- bits of an address ----------------------------------------------------------------------------

cdef inline uint32_t _bits32(uint64_t hi, uint64_t lo, int bit) noexcept nogil:
    """Bits bit..bit+31; `bit` is a multiple of 8 up to 96."""
    if bit <= 32:
        return <uint32_t> (hi >> (32 - bit))
    if bit >= 64:
        return <uint32_t> (lo >> (96 - bit))
    return <uint32_t> (hi << (bit - 32) | lo >> (96 - bit))


cdef inline bint _ends(uint64_t hi, uint64_t lo, int bit) noexcept nogil:
    """Whether all bits from `bit` on (8..128) are zero."""
    if bit >= 64:
        return bit >= 128 or lo << (bit - 64) == 0
    return lo == 0 and hi << bit == 0


cdef inline int _octet(const run_t* run, int depth) noexcept nogil:
    if depth < 64:
        return (run.hi >> (56 - depth)) & 0xFF
    return (run.lo >> (120 - depth)) & 0xFF


# -- from a trie to runs ---------------------------------------------------------------------------

cdef int add_run(runs_t* runs, uint64_t hi, uint64_t lo, uint32_t entry,
                 uint32_t painted) noexcept nogil:
    cdef size_t room = 2 * runs.room if runs.room else RUNS_MIN
    cdef run_t* bigger
    cdef run_t* before
    if runs.count:
        before = &runs.runs[runs.count - 1]
        if before.hi == hi and before.lo == lo:
            runs.count -= 1
            return add_run(runs, hi, lo, entry, painted)
        if before.entry == entry and before.painted == painted:
            return 0
    if runs.count == runs.room:
        bigger = <run_t*> realloc(runs.runs, room * sizeof(run_t))
        if bigger == NULL:
            return -1
        runs.runs = bigger
        runs.room = room
    runs.runs[runs.count] = run_t(hi, lo, entry, painted)
    runs.count += 1
    return 0


cdef int collect_items(burst_t* trie, runs_t* runs, const item_t* items, int count, int depth,
                       uint64_t hi, uint64_t lo) noexcept nogil:
    cdef int bit = block_bit(depth)
    cdef cell_t cell
    cdef uint64_t item_hi = hi
    cdef uint64_t item_lo = lo
    cdef int i
    for i in range(count):
        if i > 0:
            item_hi = hi
            # The span of a block beyond BLOCK_LAST begins with octets that are fixed already.
            item_lo = lo if bit == depth else lo >> 32 << 32
            add_bits(&item_hi, &item_lo, items[i].start, bit)
        cell = cell_t(items[i].entry, items[i].painted)
        if collect(trie, runs, &cell, bit + 32, item_hi, item_lo) < 0:
            return -1
    return 0


cdef int collect(burst_t* trie, runs_t* runs, const cell_t* cell, int depth, uint64_t hi,
                 uint64_t lo) noexcept nogil:
    cdef const uint32_t* entries
    cdef const uint8_t* painted
    cdef cell_t child
    cdef uint32_t index
    cdef int i
    if cell.painted != PAINTED_CHILD:
        return add_run(runs, hi, lo, cell.entry, cell.painted)
    if is_block(cell.entry):
        index = cell.entry & ENTRY_LINE
        return collect_items(trie, runs, block_items(&trie.blocks, index),
                             block_side(&trie.blocks, index).count, depth, hi, lo)
    index = cell.entry & ENTRY_NODE_INDEX
    entries = node_entries(&trie.nodes, index)
    painted = trie.nodes.meta[index].painted
    for i in range(NODE_ENTRIES):
        child = cell_t(entries[i], painted[i])
        if collect(trie, runs, &child, depth + 8, hi | high_octet(i, depth),
                   lo | low_octet(i, depth)) < 0:
            return -1
    return 0


# -- from runs to a trie ---------------------------------------------------------------------------

cdef inline void _append(draft_t* draft, uint32_t start, const run_t* run) noexcept nogil:
    """Adds an item, or replaces the last one if it begins at the same place."""
    if draft.items[draft.count - 1].start == start:
        draft.count -= 1
    draft.items[draft.count] = item_t(start, run.entry, run.painted)
    draft.count += 1


cdef bint _draft(draft_t* draft, const run_t* runs, size_t first, size_t last,
                 int bit) noexcept nogil:
    """Lays out a block for the runs; False if it has too many items."""
    cdef size_t at = first + 1
    cdef size_t inside
    cdef uint32_t start
    draft.items[0] = item_t(0, runs[first].entry, runs[first].painted)
    draft.count = 1
    while at < last:
        if draft.count > BLOCK_ITEMS:
            return False
        start = _bits32(runs[at].hi, runs[at].lo, bit)
        # `inside`: the first run that begins behind the begin of this smallest part of the span.
        inside = at + _ends(runs[at].hi, runs[at].lo, bit + 32)
        if inside == last or _bits32(runs[inside].hi, runs[inside].lo, bit) != start:
            _append(draft, start, &runs[at])
            at = inside
            continue
        _append(draft, start, &runs[at])
        draft.items[draft.count - 1].painted = PAINTED_CHILD
        draft.first[draft.count - 1] = inside - 1
        at = inside
        while at < last and _bits32(runs[at].hi, runs[at].lo, bit) == start:
            at += 1
        draft.last[draft.count - 1] = at
        if start != <uint32_t> BLOCK_END and (at == last
                                    or _bits32(runs[at].hi, runs[at].lo, bit) != start + 1):
            _append(draft, start + 1, &runs[at - 1])
    return draft.count <= BLOCK_ITEMS


cdef int build_cell(burst_t* trie, cell_t* cell, const run_t* runs, size_t first, size_t last,
                    int depth) noexcept nogil:
    cdef draft_t draft
    cdef cell_t child
    cdef int bit = block_bit(depth)
    cdef int i
    if last - first == 1:
        cell[0] = cell_t(runs[first].entry, runs[first].painted)
        return 0
    if not _draft(&draft, runs, first, last, bit):
        return build_node(trie, cell, runs, first, last, depth)
    for i in range(draft.count):
        if draft.items[i].painted == PAINTED_CHILD:
            # Children are unlike each other and unlike all leaves.
            draft.items[i].entry = ENTRY_CHILD | <uint32_t> i
    if fitting_class(draft.items, draft.count) < 0:
        return build_node(trie, cell, runs, first, last, depth)
    for i in range(draft.count):
        if draft.items[i].painted == PAINTED_CHILD:
            if build_cell(trie, &child, runs, draft.first[i], draft.last[i], bit + 32) < 0:
                return -1
            draft.items[i].entry = child.entry
            draft.items[i].painted = child.painted
    cell[0] = cell_t(0, 0)
    return set_block(trie, cell, draft.items, draft.count)


cdef int build_node(burst_t* trie, cell_t* cell, const run_t* runs, size_t first, size_t last,
                    int depth) noexcept nogil:
    cdef uint32_t node = take_node(trie)
    if node == NODE_NONE:
        return -1
    cell[0] = cell_t(ENTRY_CHILD | node, PAINTED_CHILD)
    return build_entries(trie, node_entries(&trie.nodes, node), trie.nodes.meta[node].painted,
                         runs, first, last, depth)


cdef int build_entries(burst_t* trie, uint32_t* entries, uint8_t* painted, const run_t* runs,
                       size_t first, size_t last, int depth) noexcept nogil:
    cdef size_t at = first + 1
    cdef size_t behind
    cdef cell_t cell
    cdef int i
    for i in range(NODE_ENTRIES):
        if (at < last and _octet(&runs[at], depth) == i
                and _ends(runs[at].hi, runs[at].lo, depth + 8)):
            at += 1
        behind = at
        while behind < last and _octet(&runs[behind], depth) == i:
            behind += 1
        # Run at - 1 covers the begin of this entry.
        if build_cell(trie, &cell, runs, at - 1, behind, depth + 8) < 0:
            return -1
        entries[i] = cell.entry
        painted[i] = <uint8_t> cell.painted
        at = behind
    return 0
