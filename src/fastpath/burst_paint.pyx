"""Changes of a burst trie (the contract is in burst_paint.pxd).

Each entry remembers with which prefix length it was painted, so a change needs no search for the
prefixes above or below it: adding a prefix takes over the leaves painted with fewer bits, deleting
one gives the leaves painted with its own length to its cover. A cell is changed from below: only
if what it leads to was copied, it is written itself.
"""

from fastpath.block_arena cimport block_items, block_side, item_t
from fastpath.burst cimport (BLOCK_END, BLOCK_ITEMS, ENTRY_CHILD, ENTRY_LINE, ENTRY_NODE_INDEX,
                             PAINTED_CHILD, SHRINK_ITEMS, block_bit, burst_t, cell_t, discard,
                             discard_all, fitting_class, is_block, paint_t, set_block, take_node)
from fastpath.burst_build cimport (add_bits, build_cell, build_node, collect, collect_items,
                                   high_octet, low_octet)
from fastpath.node_arena cimport NODE_ENTRIES, NODE_NONE, node_entries
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

cdef enum:
    ROOM = BLOCK_ITEMS + 2    # a change splits two items at the most


cdef inline bint _takes(const paint_t* paint, uint32_t painted) noexcept nogil:
    return paint.low <= painted <= paint.high


cdef inline uint32_t _bits_of(const uint8_t* prefix, int bit) noexcept nogil:
    cdef const uint8_t* at = prefix + (bit >> 3)
    return <uint32_t> at[0] << 24 | <uint32_t> at[1] << 16 | <uint32_t> at[2] << 8 | at[3]


# -- blocks ----------------------------------------------------------------------------------------

cdef int _split(item_t* items, int count, uint32_t at) noexcept nogil:
    """Makes an item begin at `at`; the new number of items."""
    cdef int i = count - 1
    while items[i].start > at:
        i -= 1
    if items[i].start == at:
        return count
    memmove(&items[i + 2], &items[i + 1], <size_t> (count - i - 1) * sizeof(item_t))
    items[i + 1] = item_t(at, items[i].entry, items[i].painted)
    return count + 1


cdef int _join(item_t* items, int count) noexcept nogil:
    """Makes one of neighbours that are equal; the new number of items."""
    cdef int kept = 0
    cdef int i
    for i in range(1, count):
        if (items[i].entry != items[kept].entry or items[i].painted != items[kept].painted):
            kept += 1
            items[kept] = items[i]
    return kept + 1


cdef int _burst(burst_t* trie, cell_t* cell, const item_t* items, int count, int depth,
                uint64_t hi, uint64_t lo) noexcept nogil:
    """Makes a node of items that are too many for a block."""
    cdef cell_t node
    cdef cell_t child
    cdef int i
    trie.scratch.count = 0
    if collect_items(trie, &trie.scratch, items, count, depth, hi, lo) < 0:
        return -1
    if build_node(trie, &node, trie.scratch.runs, 0, trie.scratch.count, depth) < 0:
        return -1
    for i in range(count):
        child = cell_t(items[i].entry, items[i].painted)
        discard_all(trie, &child)
    if cell.painted == PAINTED_CHILD:
        discard(trie, cell.entry)
    cell[0] = node
    return 0


cdef int _paint_items(burst_t* trie, item_t* items, int count, uint32_t low, uint32_t high,
                      int depth, uint64_t hi, uint64_t lo,
                      const paint_t* paint) noexcept nogil:
    """Paints the items that begin in low..high. 1: something changed, 0: nothing did."""
    cdef uint64_t item_hi
    cdef uint64_t item_lo
    cdef cell_t child
    cdef bint changed = False
    cdef int i
    for i in range(count):
        if items[i].start < low or items[i].start > high:
            continue
        if items[i].painted != PAINTED_CHILD and paint.length <= depth:
            if _takes(paint, items[i].painted):
                items[i].entry = paint.leaf.entry
                items[i].painted = paint.leaf.painted
                changed = True
            continue
        child = cell_t(items[i].entry, items[i].painted)
        item_hi = hi
        item_lo = lo
        add_bits(&item_hi, &item_lo, items[i].start, depth - 32)
        if _paint_cell(trie, &child, depth, item_hi, item_lo, paint) < 0:
            return -1
        if child.entry != items[i].entry or child.painted != items[i].painted:
            items[i].entry = child.entry
            items[i].painted = child.painted
            changed = True
    return changed


cdef int _paint_block(burst_t* trie, cell_t* cell, int depth, uint64_t hi, uint64_t lo,
                      const paint_t* paint) noexcept nogil:
    """The same for a cell that leads to a block, or to a leaf which is longer than the cell."""
    cdef item_t[ROOM] items
    cdef int count = 1
    cdef int bit = block_bit(depth)
    cdef uint32_t low = 0
    cdef uint32_t high = <uint32_t> BLOCK_END
    cdef int changed
    if cell.painted == PAINTED_CHILD:
        count = block_side(&trie.blocks, cell.entry & ENTRY_LINE).count
        memcpy(items, block_items(&trie.blocks, cell.entry & ENTRY_LINE),
               <size_t> count * sizeof(item_t))
    else:
        items[0] = item_t(0, cell.entry, cell.painted)
    if paint.length > depth:
        low = _bits_of(paint.prefix, bit)
        high = low
        if paint.length < bit + 32:
            high |= <uint32_t> BLOCK_END >> (paint.length - bit)
        if depth > bit:
            # The first and the last item reach beyond the cell, where nobody looks.
            if low == <uint32_t> lo:
                low = 0
            if high == <uint32_t> lo | <uint32_t> BLOCK_END >> (depth - bit):
                high = <uint32_t> BLOCK_END
        count = _split(items, count, low)
        if high != <uint32_t> BLOCK_END:
            count = _split(items, count, high + 1)
    changed = _paint_items(trie, items, count, low, high, bit + 32, hi, lo, paint)
    if changed <= 0:
        return changed
    count = _join(items, count)
    if count == 1 and items[0].painted != PAINTED_CHILD:
        if cell.painted == PAINTED_CHILD:
            discard(trie, cell.entry)
        cell[0] = cell_t(items[0].entry, items[0].painted)
        return 0
    if count > BLOCK_ITEMS or fitting_class(items, count) < 0:
        return _burst(trie, cell, items, count, depth, hi, lo)
    return set_block(trie, cell, items, count)


# -- nodes -----------------------------------------------------------------------------------------

cdef int _weight(const burst_t* trie, uint32_t node) noexcept nogil:
    """How many items the node would be as a block, about; SHRINK_ITEMS + 1 if too many."""
    cdef const uint32_t* entries = node_entries(&trie.nodes, node)
    cdef const uint8_t* painted = trie.nodes.meta[node].painted
    cdef int weight = 1
    cdef int i
    for i in range(NODE_ENTRIES):
        if painted[i] == PAINTED_CHILD:
            if not is_block(entries[i]):
                return SHRINK_ITEMS + 1
            weight += block_side(&trie.blocks, entries[i] & ENTRY_LINE).count
        elif i > 0 and (entries[i] != entries[i - 1] or painted[i] != painted[i - 1]):
            weight += 1
        if weight > SHRINK_ITEMS:
            break
    return weight


cdef int _shrink(burst_t* trie, cell_t* cell, int depth, uint64_t hi,
                 uint64_t lo) noexcept nogil:
    """Makes a block, or a leaf, of a node that few items are left of."""
    cdef cell_t small
    if _weight(trie, cell.entry & ENTRY_NODE_INDEX) > SHRINK_ITEMS:
        return 0
    trie.scratch.count = 0
    if collect(trie, &trie.scratch, cell, depth, hi, lo) < 0:
        return -1
    if build_cell(trie, &small, trie.scratch.runs, 0, trie.scratch.count, depth) < 0:
        return -1
    discard_all(trie, cell)
    cell[0] = small
    return 0


cdef uint32_t _own_node(burst_t* trie, uint32_t node) noexcept nogil:
    """The node if the open transaction made it, else a copy; NODE_NONE without memory."""
    cdef uint32_t copy
    if trie.nodes.meta[node].stamp == trie.stamp:
        return node
    copy = take_node(trie)
    if copy == NODE_NONE:
        return NODE_NONE
    memcpy(node_entries(&trie.nodes, copy), node_entries(&trie.nodes, node),
           NODE_ENTRIES * sizeof(uint32_t))
    memcpy(trie.nodes.meta[copy].painted, trie.nodes.meta[node].painted, NODE_ENTRIES)
    discard(trie, ENTRY_CHILD | node)
    return copy


cdef inline void _span(const paint_t* paint, int depth, int* first, int* last) noexcept nogil:
    """Entries first..last-1 of a node at this depth are in the prefix, or the prefix in one."""
    first[0] = 0
    last[0] = NODE_ENTRIES
    if paint.length > depth:
        first[0] = paint.prefix[depth >> 3]
        last[0] = first[0] + 1
        if paint.length < depth + 8:
            last[0] = first[0] + (1 << (depth + 8 - paint.length))


cdef int _paint_node(burst_t* trie, cell_t* cell, int depth, uint64_t hi, uint64_t lo,
                     const paint_t* paint) noexcept nogil:
    cdef uint32_t node = cell.entry & ENTRY_NODE_INDEX
    cdef uint32_t own = NODE_NONE
    cdef cell_t child
    cdef int first
    cdef int last
    cdef int i
    _span(paint, depth, &first, &last)
    for i in range(first, last):
        child = cell_t(node_entries(&trie.nodes, node)[i], trie.nodes.meta[node].painted[i])
        if _paint_cell(trie, &child, depth + 8, hi | high_octet(i, depth),
                       lo | low_octet(i, depth), paint) < 0:
            return -1
        if (child.entry == node_entries(&trie.nodes, node)[i]
                and child.painted == trie.nodes.meta[node].painted[i]):
            continue
        if own == NODE_NONE:
            own = _own_node(trie, node)
            if own == NODE_NONE:
                return -1
            node = own
        node_entries(&trie.nodes, node)[i] = child.entry
        trie.nodes.meta[node].painted[i] = <uint8_t> child.painted
    cell.entry = ENTRY_CHILD | node
    if paint.low == paint.high and trie.nodes.meta[node].stamp == trie.stamp:
        return _shrink(trie, cell, depth, hi, lo)
    return 0


cdef int _paint_cell(burst_t* trie, cell_t* cell, int depth, uint64_t hi, uint64_t lo,
                     const paint_t* paint) noexcept nogil:
    """Paints a cell: the first `depth` bits of hi:lo. The prefix covers it, or lies in it."""
    if cell.painted != PAINTED_CHILD and paint.length <= depth:
        if _takes(paint, cell.painted):
            cell[0] = paint.leaf
        return 0
    if cell.painted != PAINTED_CHILD or is_block(cell.entry):
        return _paint_block(trie, cell, depth, hi, lo, paint)
    return _paint_node(trie, cell, depth, hi, lo, paint)


cdef int paint_entries(burst_t* trie, uint32_t* entries, uint8_t* painted,
                       const paint_t* paint) noexcept nogil:
    cdef cell_t child
    cdef int first
    cdef int last
    cdef int i
    _span(paint, 0, &first, &last)
    for i in range(first, last):
        child = cell_t(entries[i], painted[i])
        if _paint_cell(trie, &child, 8, high_octet(i, 0), 0, paint) < 0:
            return -1
        entries[i] = child.entry
        painted[i] = <uint8_t> child.painted
    return 0


cdef cell_t leaf_of(const burst_t* trie, const uint32_t* entries, const uint8_t* painted,
                    const uint8_t* address) noexcept nogil:
    cdef cell_t cell = cell_t(entries[address[0]], painted[address[0]])
    cdef const item_t* items
    cdef uint32_t index
    cdef uint32_t value
    cdef int depth = 8
    cdef int i
    while cell.painted == PAINTED_CHILD:
        if is_block(cell.entry):
            index = cell.entry & ENTRY_LINE
            items = block_items(&trie.blocks, index)
            value = _bits_of(address, block_bit(depth))
            i = block_side(&trie.blocks, index).count - 1
            while items[i].start > value:
                i -= 1
            cell = cell_t(items[i].entry, items[i].painted)
            depth = block_bit(depth) + 32
        else:
            index = cell.entry & ENTRY_NODE_INDEX
            i = address[depth >> 3]
            cell = cell_t(node_entries(&trie.nodes, index)[i],
                          trie.nodes.meta[index].painted[i])
            depth += 8
    return cell
