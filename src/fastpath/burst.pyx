"""Nodes and blocks of a burst trie: taken, written, given back (structures in burst.pxd)."""

from fastpath.block_arena cimport (BLOCK_CLASSES, BLOCK_NONE, LINE_ITEMS, LINE_SIZE, block_items,
                                   block_side, block_words, blocks_close, blocks_give,
                                   blocks_open, blocks_take, item_t)
from fastpath.node_arena cimport (NODE_ENTRIES, NODE_NONE, arena_close, arena_give, arena_open,
                                  arena_take, node_entries, node_meta_t)
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

cdef enum:
    MADE_MIN = 256
    MADE_KEPT = 65536         # a longer list is given back when its transaction ends


cdef int burst_open(burst_t* trie, uint32_t max_nodes, uint32_t max_lines) noexcept nogil:
    cdef uint32_t node
    memset(trie, 0, sizeof(burst_t))
    if arena_open(&trie.nodes, max_nodes) < 0 or blocks_open(&trie.blocks, max_lines) < 0:
        burst_close(trie)
        return -1
    # Lookups read the first node where there is none to read.
    node = arena_take(&trie.nodes, 0)
    if node == NODE_NONE:
        burst_close(trie)
        return -1
    arena_give(&trie.nodes, node)
    return 0


cdef void burst_close(burst_t* trie) noexcept nogil:
    arena_close(&trie.nodes)
    blocks_close(&trie.blocks)
    free(trie.made)
    free(trie.scratch.runs)
    memset(trie, 0, sizeof(burst_t))


cdef int _room_for_made(burst_t* trie) noexcept nogil:
    cdef size_t room = 2 * trie.made_room if trie.made_room else MADE_MIN
    cdef uint32_t* made
    if trie.made_count < trie.made_room:
        return 0
    made = <uint32_t*> realloc(trie.made, room * sizeof(uint32_t))
    if made == NULL:
        return -1
    trie.made = made
    trie.made_room = room
    return 0


cdef uint32_t take_node(burst_t* trie) noexcept nogil:
    cdef uint32_t node
    if _room_for_made(trie) < 0:
        return NODE_NONE
    node = arena_take(&trie.nodes, trie.stamp)
    if node != NODE_NONE:
        trie.made[trie.made_count] = ENTRY_CHILD | node
        trie.made_count += 1
    return node


cdef uint32_t _take_block(burst_t* trie, int size_class) noexcept nogil:
    """Its entry, 0 without memory."""
    cdef uint32_t block
    cdef uint32_t entry
    if _room_for_made(trie) < 0:
        return 0
    block = blocks_take(&trie.blocks, size_class, trie.stamp)
    if block == BLOCK_NONE:
        return 0
    entry = ENTRY_BLOCK | <uint32_t> size_class << ENTRY_CLASS_SHIFT | block
    trie.made[trie.made_count] = entry
    trie.made_count += 1
    return entry


cdef void discard(burst_t* trie, uint32_t entry) noexcept nogil:
    cdef uint32_t index
    if is_block(entry):
        index = entry & ENTRY_LINE
        if block_side(&trie.blocks, index).stamp == trie.stamp:
            blocks_give(&trie.blocks, index)
        else:
            block_side(&trie.blocks, index).link = trie.replaced_blocks
            trie.replaced_blocks = index
        return
    index = entry & ENTRY_NODE_INDEX
    if trie.nodes.meta[index].stamp == trie.stamp:
        arena_give(&trie.nodes, index)
    else:
        trie.nodes.meta[index].link = trie.replaced_nodes
        trie.replaced_nodes = index


cdef void discard_all(burst_t* trie, const cell_t* cell) noexcept nogil:
    cdef const item_t* items
    cdef cell_t child
    cdef uint32_t index
    cdef int i
    if cell.painted != PAINTED_CHILD:
        return
    if is_block(cell.entry):
        index = cell.entry & ENTRY_LINE
        items = block_items(&trie.blocks, index)
        for i in range(block_side(&trie.blocks, index).count):
            child = cell_t(items[i].entry, items[i].painted)
            discard_all(trie, &child)
    else:
        index = cell.entry & ENTRY_NODE_INDEX
        for i in range(NODE_ENTRIES):
            if trie.nodes.meta[index].painted[i] == PAINTED_CHILD:
                child = cell_t(node_entries(&trie.nodes, index)[i], PAINTED_CHILD)
                discard_all(trie, &child)
    discard(trie, cell.entry)


cdef int fitting_class(const item_t* items, int count) noexcept nogil:
    cdef int values = 1
    cdef int size_class
    cdef int i
    for i in range(1, count):
        values += items[i].entry != items[i - 1].entry
    for size_class in range(BLOCK_CLASSES):
        if count <= LINE_ITEMS << size_class and values <= 8 << size_class:
            return size_class
    return -1


cdef void _write_block(burst_t* trie, uint32_t entry, const item_t* items,
                       int count) noexcept nogil:
    cdef uint32_t index = entry & ENTRY_LINE
    cdef uint32_t* keys = block_words(&trie.blocks, index)
    cdef int room = 8 << block_class(entry)
    cdef uint32_t* values = keys + room
    cdef int at = 0
    cdef int i
    memcpy(block_items(&trie.blocks, index), items, <size_t> count * sizeof(item_t))
    block_side(&trie.blocks, index).count = count
    values[0] = items[0].entry
    for i in range(1, count):
        if items[i].entry != values[at]:
            keys[at] = items[i].start
            at += 1
            values[at] = items[i].entry
    # An address that is equal to the filling counts it too, and gets the last value again.
    for i in range(at, room - 1):
        keys[i] = 0xFFFFFFFF
        values[i + 1] = values[at]
    keys[room - 1] = 0xFFFFFFFF


cdef int set_block(burst_t* trie, cell_t* cell, const item_t* items, int count) noexcept nogil:
    """Makes the items, which fit, what the cell leads to, in place of its leaf or block."""
    cdef bint was_block = cell.painted == PAINTED_CHILD
    cdef int size_class = fitting_class(items, count)
    cdef uint32_t entry
    if was_block and block_class(cell.entry) == size_class and \
            block_side(&trie.blocks, cell.entry & ENTRY_LINE).stamp == trie.stamp:
        _write_block(trie, cell.entry, items, count)
        return 0
    entry = _take_block(trie, size_class)
    if entry == 0:
        return -1
    _write_block(trie, entry, items, count)
    if was_block:
        discard(trie, cell.entry)
    cell.entry = entry
    cell.painted = PAINTED_CHILD
    return 0


cdef void keep_made(burst_t* trie) noexcept nogil:
    trie.made_count = 0
    trie.replaced_nodes = NODE_NONE
    trie.replaced_blocks = BLOCK_NONE
    if trie.made_room > MADE_KEPT:
        free(trie.made)
        trie.made = NULL
        trie.made_room = 0


cdef void undo_made(burst_t* trie) noexcept nogil:
    cdef uint32_t entry
    cdef uint32_t index
    cdef size_t i
    for i in range(trie.made_count):
        # What the transaction itself gave back is free, or was taken again and comes up again (a
        # block perhaps in parts).
        entry = trie.made[i]
        if is_block(entry):
            index = entry & ENTRY_LINE
            if (block_side(&trie.blocks, index).stamp == trie.stamp
                    and block_side(&trie.blocks, index).size_class == block_class(entry)):
                blocks_give(&trie.blocks, index)
        else:
            index = entry & ENTRY_NODE_INDEX
            if trie.nodes.meta[index].stamp == trie.stamp:
                arena_give(&trie.nodes, index)
    keep_made(trie)


cdef void free_scratch(burst_t* trie) noexcept nogil:
    free(trie.scratch.runs)
    memset(&trie.scratch, 0, sizeof(runs_t))


cdef void release(burst_t* trie, uint32_t nodes, uint32_t blocks) noexcept nogil:
    cdef uint32_t index
    while nodes != NODE_NONE:
        index = nodes
        nodes = trie.nodes.meta[index].link
        arena_give(&trie.nodes, index)
    while blocks != BLOCK_NONE:
        index = blocks
        blocks = block_side(&trie.blocks, index).link
        blocks_give(&trie.blocks, index)


cdef size_t retired_of(const burst_t* trie, uint32_t nodes, uint32_t blocks) noexcept nogil:
    cdef size_t size = 0
    while nodes != NODE_NONE:
        size += NODE_ENTRIES * sizeof(uint32_t) + sizeof(node_meta_t)
        nodes = trie.nodes.meta[nodes].link
    while blocks != BLOCK_NONE:
        size += <size_t> LINE_SIZE << block_side(&trie.blocks, blocks).size_class
        blocks = block_side(&trie.blocks, blocks).link
    return size
