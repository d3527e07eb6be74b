"""The blocks of a table in chunks, copied before a transaction changes them (chunk_table.pxd)."""

from fastpath.cow_arena cimport (BLOCK_NONE, block_at, block_drop, block_is_own, block_take,
                                 blocks_close, blocks_copy, blocks_memory, blocks_open,
                                 blocks_publish, blocks_reclaim, blocks_retired, blocks_revert,
                                 blocks_settle, cow_arena_t, side_at)
from fastpath.types cimport nh_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    CHUNKS_MAX = 1 << 20      # 65,536 in use at the most; more of them wait in limbo
    VERSIONS_MAX = 1 << 18
    PAGES_MAX = 1 << 18
    NO_MEMORY = -1


cdef int table_open(chunk_table_t* table, uint32_t max_nodes) noexcept nogil:
    cdef int octet
    memset(table, 0, sizeof(chunk_table_t))
    if (blocks_open(&table.versions, sizeof(lpm4_version), 0, VERSIONS_MAX) < 0
            or blocks_open(&table.pages, ENTRIES * 4, ENTRIES, PAGES_MAX) < 0
            or blocks_open(&table.chunks, ENTRIES * 2, ENTRIES,
                           min(max_nodes, <uint32_t> CHUNKS_MAX)) < 0
            or blocks_open(&table.exts, ENTRIES * 4, 0,
                           min(max_nodes, <uint32_t> NARROW_EXTS)) < 0
            or blocks_open(&table.wides, ENTRIES * 4, 0, max_nodes) < 0):
        return NO_MEMORY
    table.blank = block_take(&table.pages, 0)
    table.working = block_take(&table.versions, 0)
    if table.blank == BLOCK_NONE or table.working == BLOCK_NONE:
        return NO_MEMORY
    blocks_publish(&table.pages, 0)
    blocks_publish(&table.versions, 0)
    table.published = table.working
    table.work = <lpm4_version*> block_at(&table.versions, table.working)
    table.work.roots = <const uint32_t*> table.pages.blocks
    table.work.cells = <const uint16_t*> table.chunks.blocks
    table.work.ext = <const uint32_t*> table.exts.blocks
    table.work.wide = <const uint32_t*> table.wides.blocks
    for octet in range(ENTRIES):
        table.work.page[octet] = table.blank << 8
    return 0


cdef void table_close(chunk_table_t* table) noexcept nogil:
    blocks_close(&table.versions)
    blocks_close(&table.pages)
    blocks_close(&table.chunks)
    blocks_close(&table.exts)
    blocks_close(&table.wides)


cdef void table_publish(chunk_table_t* table, uint64_t number) noexcept nogil:
    block_drop(&table.versions, table.published, table.transaction)
    table.published = table.working
    blocks_publish(&table.versions, number)
    blocks_publish(&table.pages, number)
    blocks_publish(&table.chunks, number)
    blocks_publish(&table.exts, number)
    blocks_publish(&table.wides, number)


cdef void table_reclaim(chunk_table_t* table, uint64_t safe) noexcept nogil:
    blocks_reclaim(&table.versions, safe)
    blocks_reclaim(&table.pages, safe)
    blocks_reclaim(&table.chunks, safe)
    blocks_reclaim(&table.exts, safe)
    blocks_reclaim(&table.wides, safe)


cdef void table_revert(chunk_table_t* table) noexcept nogil:
    blocks_revert(&table.versions)
    blocks_revert(&table.pages)
    blocks_revert(&table.chunks)
    blocks_revert(&table.exts)
    blocks_revert(&table.wides)
    table.working = table.published
    table.work = <lpm4_version*> block_at(&table.versions, table.working)


cdef void table_settle(chunk_table_t* table) noexcept nogil:
    blocks_settle(&table.chunks)
    blocks_settle(&table.exts)
    blocks_settle(&table.wides)


cdef size_t table_memory(const chunk_table_t* table) noexcept nogil:
    return (blocks_memory(&table.versions) + blocks_memory(&table.pages)
            + blocks_memory(&table.chunks) + blocks_memory(&table.exts)
            + blocks_memory(&table.wides))


cdef size_t table_retired(const chunk_table_t* table) noexcept nogil:
    return (blocks_retired(&table.versions) + blocks_retired(&table.pages)
            + blocks_retired(&table.chunks) + blocks_retired(&table.exts)
            + blocks_retired(&table.wides))


cdef int own_version(chunk_table_t* table) noexcept nogil:
    cdef uint32_t copy
    if table.working != table.published:
        return 0
    copy = block_take(&table.versions, table.transaction)
    if copy == BLOCK_NONE:
        return NO_MEMORY
    memcpy(block_at(&table.versions, copy), table.work, sizeof(lpm4_version))
    table.working = copy
    table.work = <lpm4_version*> block_at(&table.versions, copy)
    return 0


cdef uint32_t* own_page(chunk_table_t* table, int octet, uint8_t** painted) noexcept nogil:
    cdef uint32_t page = table.work.page[octet] >> 8
    if page == table.blank:
        page = block_take(&table.pages, table.transaction)
        if page != BLOCK_NONE:
            memset(block_at(&table.pages, page), 0, ENTRIES * 4)
            memset(side_at(&table.pages, page), 0, ENTRIES)
    elif not block_is_own(&table.pages, page, table.transaction):
        page = blocks_copy(&table.pages, page, table.transaction)
    if page == BLOCK_NONE:
        return NULL
    table.work.page[octet] = page << 8
    painted[0] = side_at(&table.pages, page)
    return words_of(&table.pages, page)


cdef void open_chunk(const chunk_table_t* table, uint32_t* entry, chunk_t* chunk) noexcept nogil:
    chunk.entry = entry
    chunk.index = (entry[0] & LPM4_INDEX) >> 8
    if entry[0] & LPM4_WIDE:
        chunk.cells = NULL
        chunk.words = words_of(&table.wides, chunk.index)
    else:
        chunk.cells = <uint16_t*> block_at(&table.chunks, chunk.index)
        chunk.painted = side_at(&table.chunks, chunk.index)


cdef int _new_chunk(chunk_table_t* table, uint32_t* entry, uint8_t* painted,
                    nh_t nh) noexcept nogil:
    """Puts a chunk of equal cells under a root entry that is a leaf."""
    cdef bint wide = max(nh, entry[0]) >= NARROW_NH
    cdef cow_arena_t* arena = &table.wides if wide else &table.chunks
    cdef uint32_t index = block_take(arena, table.transaction)
    cdef nh_t leaf = entry[0]
    cdef uint32_t* words
    cdef uint16_t* cells
    cdef int i
    if index == BLOCK_NONE:
        return NO_MEMORY
    entry[0] = LPM4_NODE | (<uint32_t> LPM4_WIDE if wide else <uint32_t> 0) | index << 8
    if wide:
        words = words_of(arena, index)
        for i in range(ENTRIES):
            words[i] = <uint32_t> painted[0] << 24 | leaf
    else:
        cells = <uint16_t*> block_at(arena, index)
        for i in range(ENTRIES):
            cells[i] = <uint16_t> leaf
        memset(side_at(arena, index), painted[0], ENTRIES)
    painted[0] = PAINTED_CHILD
    return 0


cdef int own_chunk(chunk_table_t* table, uint32_t* entry, uint8_t* painted, nh_t nh,
                   chunk_t* chunk) noexcept nogil:
    cdef cow_arena_t* arena = &table.wides if entry[0] & LPM4_WIDE else &table.chunks
    cdef uint32_t index
    if painted[0] != PAINTED_CHILD:
        if _new_chunk(table, entry, painted, nh) < 0:
            return NO_MEMORY
    else:
        index = (entry[0] & LPM4_INDEX) >> 8
        if not block_is_own(arena, index, table.transaction):
            index = blocks_copy(arena, index, table.transaction)
            if index == BLOCK_NONE:
                return NO_MEMORY
            entry[0] = (entry[0] & <uint32_t> ~LPM4_INDEX) | index << 8
    open_chunk(table, entry, chunk)
    if chunk.cells != NULL and nh >= NARROW_NH:
        return _widen(table, chunk)
    return 0


cdef int _widen(chunk_table_t* table, chunk_t* chunk) noexcept nogil:
    """Replaces an own chunk of 16-bit cells by a wide one, its ext blocks by copies."""
    cdef chunk_t wide
    cdef uint32_t ext
    cdef uint32_t entry
    cdef uint32_t index = block_take(&table.wides, table.transaction)
    cdef int i
    if index == BLOCK_NONE:
        return NO_MEMORY
    entry = <uint32_t> LPM4_NODE | <uint32_t> LPM4_WIDE | index << 8
    open_chunk(table, &entry, &wide)
    for i in range(ENTRIES):
        if chunk.painted[i] != PAINTED_CHILD:
            set_leaf(&wide, i, chunk.cells[i], chunk.painted[i])
            continue
        ext = block_take(&table.wides, table.transaction)
        if ext == BLOCK_NONE:
            return NO_MEMORY
        memcpy(block_at(&table.wides, ext), ext_words(table, chunk, i), ENTRIES * 4)
        set_ext(&wide, i, ext)
    for i in range(ENTRIES):
        if chunk.painted[i] == PAINTED_CHILD:
            block_drop(&table.exts, cell_ext(chunk, i), table.transaction)
    block_drop(&table.chunks, chunk.index, table.transaction)
    chunk.entry[0] = entry
    open_chunk(table, chunk.entry, chunk)
    return 0


cdef uint32_t* own_ext(chunk_table_t* table, chunk_t* chunk, int cell) noexcept nogil:
    cdef bint child = cell_length(chunk, cell) == PAINTED_CHILD
    cdef cow_arena_t* arena = &table.wides if chunk.cells == NULL else &table.exts
    cdef uint32_t block = cell_ext(chunk, cell)
    cdef uint32_t* words
    cdef uint32_t word
    cdef int i
    if child and block_is_own(arena, block, table.transaction):
        return words_of(arena, block)
    if child:
        block = blocks_copy(arena, block, table.transaction)
    else:
        block = block_take(arena, table.transaction)
    if block == BLOCK_NONE:
        if chunk.cells == NULL or _widen(table, chunk) < 0:
            return NULL
        return own_ext(table, chunk, cell)
    words = words_of(arena, block)
    if not child:
        word = <uint32_t> cell_length(chunk, cell) << 24 | cell_nh(chunk, cell)
        for i in range(ENTRIES):
            words[i] = word
    set_ext(chunk, cell, block)
    return words
