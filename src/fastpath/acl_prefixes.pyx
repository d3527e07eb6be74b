"""Prefixes of rules and their trie (contract in acl_prefixes.pxd)."""

from fastpath.acl_tables cimport (ACL_CHILD, ACL_PAD, BUILD_NO_MEMORY, BUILD_OK,
                                  BUILD_TOO_COMPLEX, acl_trie_t)
from fastpath.rules cimport rule_t
from fastpath.scratch cimport scratch_t, scratch_take, scratch_words
from fastpath.wire cimport load_be32
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport qsort
from libc.string cimport memcmp

cdef enum:
    ROOT_CELLS = 65536
    # Blocks of 256 cells are two steps, of 16 cells four. The latter touch fewer cache lines when
    # the former do not fit beside the other tables.
    WIDE_OCTETS = 1 << 18


cdef int _in_order(const void* one, const void* two) noexcept nogil:
    cdef const prefix_t* a = <const prefix_t*> one
    cdef const prefix_t* b = <const prefix_t*> two
    cdef int order = memcmp(&a.address, &b.address, sizeof(a.address))
    return order if order else <int> a.length - <int> b.length


cdef bint _covers(const prefix_t* outer, const prefix_t* inner) noexcept nogil:
    cdef uint32_t octets = outer.length >> 3
    cdef uint8_t rest = <uint8_t> (0xFF00 >> (outer.length & 7))
    if outer.length > inner.length:
        return False
    if memcmp(&outer.address, &inner.address, octets) != 0:
        return False
    return (rest == 0 or
            (outer.address.octet[octets] ^ inner.address.octet[octets]) & rest == 0)


cdef int prefixes_build(prefixes_t* prefixes, scratch_t* scratch, const rule_t* rules,
                        const uint32_t* index, uint32_t count, bint source) noexcept nogil:
    cdef prefix_t* all = <prefix_t*> scratch_take(scratch, (<size_t> count + 1) * sizeof(prefix_t))
    cdef uint32_t* parent = scratch_words(scratch, <size_t> count + 1)
    cdef const rule_t* rule
    cdef uint32_t i, above, last = 0
    prefixes.of_rule = scratch_words(scratch, <size_t> count + 1)
    if all == NULL or parent == NULL or prefixes.of_rule == NULL:
        return BUILD_NO_MEMORY
    all[0].rule = count                 # the prefix of length 0, whether a rule has it or not
    for i in range(count):
        rule = &rules[index[i]]
        all[i + 1].address = rule.source if source else rule.destination
        all[i + 1].length = rule.source_length if source else rule.destination_length
        all[i + 1].rule = i
    qsort(all, <size_t> count + 1, sizeof(prefix_t), _in_order)
    for i in range(count + 1):
        if i and _in_order(&all[last], &all[i]) != 0:
            above = last
            while not _covers(&all[above], &all[i]):
                above = parent[above]
            last += 1
            parent[last] = above
        prefixes.of_rule[all[i].rule] = last
        all[last].address = all[i].address
        all[last].length = all[i].length
    prefixes.prefix = all
    prefixes.parent = parent
    prefixes.count = last + 1
    return BUILD_OK


# --- trie -----------------------------------------------------------------------------------------

cdef uint32_t _bits(const prefix_t* prefix, int at, int count) noexcept nogil:
    """`count` bits of an address, which do not cross a 32-bit word, from bit `at`."""
    cdef uint32_t word = load_be32(prefix.address.octet + (at >> 5) * 4)
    return (word >> (32 - count - (at & 31))) & ((<uint32_t> 1 << count) - 1)


cdef uint32_t _count_blocks(const prefixes_t* prefixes, int stride) noexcept nogil:
    """Blocks of the trie: one for each beginning of 16, 16 + stride ... bits that a longer prefix
    has. The prefixes are sorted, so equal beginnings are neighbours."""
    cdef uint32_t blocks = 0
    cdef uint32_t i
    cdef int same                       # bits that this prefix shares with the last longer one
    cdef int at
    cdef const prefix_t* last = NULL
    cdef const prefix_t* prefix
    for i in range(prefixes.count):
        prefix = &prefixes.prefix[i]
        if prefix.length <= 16:
            continue
        same = -1
        if last != NULL:
            same = 0
            while same < 128 and _bits(prefix, same, 1) == _bits(last, same, 1):
                same += 1
            # Below the end of the last prefix no block of it has been counted.
            if same >= <int> last.length:
                same = <int> last.length - 1
        at = 16
        while at < <int> prefix.length:
            blocks += at > same
            at += stride
        last = prefix
    return blocks


cdef int _fill(const prefixes_t* prefixes, uint16_t* cells, int stride) noexcept nogil:
    """Paints prefix after prefix, each over those around it. Blocks that are made."""
    cdef const prefix_t* prefix
    cdef uint32_t i, cell, j, first, span
    cdef uint32_t blocks = 0
    cdef int at
    for i in range(prefixes.count):
        prefix = &prefixes.prefix[i]
        cell = _bits(prefix, 0, 16)
        at = 16
        while <int> prefix.length > at:
            if not cells[cell] & ACL_CHILD:
                first = ROOT_CELLS + (blocks << stride)
                for j in range(<uint32_t> 1 << stride):
                    cells[first + j] = cells[cell]
                cells[cell] = <uint16_t> (ACL_CHILD | blocks)
                blocks += 1
            first = ROOT_CELLS + ((<uint32_t> cells[cell] & (ACL_CHILD - 1)) << stride)
            cell = first + _bits(prefix, at, stride)
            at += stride
        span = <uint32_t> 1 << (at - prefix.length)
        for j in range(span):
            cells[cell + j] = <uint16_t> i
    return <int> blocks


cdef int trie_build(const prefixes_t* prefixes, scratch_t* scratch, acl_trie_t* trie,
                    size_t* size) noexcept nogil:
    cdef uint32_t wide = _count_blocks(prefixes, 8)
    cdef uint32_t narrow = _count_blocks(prefixes, 4)
    cdef uint32_t blocks
    if prefixes.count >= ACL_CHILD:
        return BUILD_TOO_COMPLEX
    trie.stride = 8
    if wide * 512 > WIDE_OCTETS and narrow < ACL_CHILD and narrow * 32 < wide * 512:
        trie.stride = 4
    blocks = narrow if trie.stride == 4 else wide
    if blocks >= ACL_CHILD:
        return BUILD_TOO_COMPLEX
    size[0] = (ROOT_CELLS + (<size_t> blocks << trie.stride)) * sizeof(uint16_t)
    trie.cells = <uint16_t*> scratch_take(scratch, size[0] + ACL_PAD)
    if trie.cells == NULL:
        return BUILD_NO_MEMORY
    _fill(prefixes, trie.cells, trie.stride)
    return BUILD_OK
