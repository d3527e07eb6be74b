"""Compiles rules into tables (contract in acl_build.pxd).

A part is tried with one group, and with groups by how short prefixes are; the one whose tables are
cheapest to read is taken. Rules that multiply beyond the limits in every form are split into
halves, each a part of its own: with more parts a set is slower, not wrong.
"""

from fastpath.acl_group cimport fields_t, group_build
from fastpath.acl_numbers cimport numbers_t
from fastpath.acl_prefixes cimport prefixes_build, trie_build
from fastpath.acl_services cimport (FIELD_DESTINATION_PORT, FIELD_FLAGS, FIELD_PROTOCOL,
                                    FIELD_SOURCE_PORT, FIELD_TRAFFIC, services_build,
                                    services_close)
from fastpath.acl_tables cimport (ACL_HEADLESS, ACL_PAD, BUILD_NO_MEMORY, BUILD_OK,
                                  BUILD_TOO_COMPLEX, acl_field_t, acl_part_t, tables_add, tables_t)
from fastpath.intern cimport INTERN_FULL, intern_add, intern_close, intern_t
from fastpath.rules cimport rule_t
from fastpath.scratch cimport scratch_close, scratch_t, scratch_take, scratch_words
from fastpath.types cimport INET, INET6
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void** at, size_t alignment, size_t size)

cdef extern from "<sys/mman.h>" nogil:
    enum: MADV_HUGEPAGE
    int madvise(void* at, size_t size, int advice)

cdef enum:
    FORMS = 3                 # one group, then by these lengths
    CHEAP = 1 << 16           # octets of tables that no other form would improve on
    HUGE_PAGE = 1 << 21

cdef uint32_t[3] SHORT4 = [0, 9, 17]
cdef uint32_t[3] SHORT6 = [0, 17, 33]


# --- fields ---------------------------------------------------------------------------------------

cdef int _field_table(const fields_t* fields, int which, acl_field_t* table, tables_t* tables,
                      scratch_t* scratch) noexcept nogil:
    """Table of a 16-bit field; none if all its values are one class."""
    cdef const uint32_t* classes = fields.services.of_value[which]
    cdef uint32_t[256] block
    cdef intern_t blocks
    cdef uint32_t high, i, number = 0
    if fields.services.rows[which].count == 1:
        return BUILD_OK
    table.high = <uint16_t*> scratch_take(scratch, 257 * 2 + ACL_PAD)
    if table.high == NULL:
        return BUILD_NO_MEMORY
    memset(&blocks, 0, sizeof(blocks))
    for high in range(257):
        for i in range(256):
            block[i] = (classes[high * 256 + i if high < 256 else 65536]
                        * fields.services.weight[which])
        number = intern_add(&blocks, block, sizeof(block))
        if number == INTERN_FULL:
            break
        table.high[high] = <uint16_t> number
    table.low = <uint32_t*> scratch_take(scratch, blocks.used + ACL_PAD)
    if table.low != NULL and number != INTERN_FULL:
        memcpy(table.low, blocks.octets, blocks.used)
        tables_add(tables, &table.high, 257 * 2)
        tables_add(tables, &table.low, blocks.used)
    intern_close(&blocks)
    return BUILD_OK if table.low != NULL and number != INTERN_FULL else BUILD_NO_MEMORY


cdef int _octet_table(const fields_t* fields, int which, uint32_t values, uint32_t** table,
                      tables_t* tables, scratch_t* scratch) noexcept nogil:
    cdef uint32_t i
    if fields.services.rows[which].count == 1:
        return BUILD_OK
    table[0] = scratch_words(scratch, values + ACL_PAD)
    if table[0] == NULL:
        return BUILD_NO_MEMORY
    for i in range(values):
        table[0][i] = fields.services.of_value[which][i] * fields.services.weight[which]
    tables_add(tables, table, values * 4)
    return BUILD_OK


cdef int _build_fields(const fields_t* fields, int family, tables_t* tables,
                       scratch_t* scratch) noexcept nogil:
    cdef acl_part_t* part = &tables.part
    cdef size_t size
    cdef int code
    part.words = 1 if family == INET else 4
    code = trie_build(&fields.source, scratch, &part.source, &size)
    if code == BUILD_OK:
        tables_add(tables, &part.source.cells, size)
        code = trie_build(&fields.destination, scratch, &part.destination, &size)
    if code == BUILD_OK:
        tables_add(tables, &part.destination.cells, size)
        code = _field_table(fields, FIELD_SOURCE_PORT, &part.source_port, tables, scratch)
    if code == BUILD_OK:
        code = _field_table(fields, FIELD_DESTINATION_PORT, &part.destination_port, tables, scratch)
    if code == BUILD_OK:
        code = _field_table(fields, FIELD_FLAGS, &part.flags, tables, scratch)
    if code == BUILD_OK:
        code = _octet_table(fields, FIELD_PROTOCOL, 256, &part.protocol, tables, scratch)
    if code == BUILD_OK:
        code = _octet_table(fields, FIELD_TRAFFIC, ACL_HEADLESS, &part.traffic, tables, scratch)
    return code


# --- groups ---------------------------------------------------------------------------------------

cdef int _number_table(uint32_t** table, const uint32_t* first, const uint32_t* second,
                       const uint32_t* cells, uint32_t count, tables_t* tables,
                       scratch_t* scratch) noexcept nogil:
    """Numbers in one or two groups, of classes or (cells not NULL) of the classes of cells."""
    cdef uint32_t i, class_
    table[0] = scratch_words(scratch, count + ACL_PAD)
    if table[0] == NULL:
        return BUILD_NO_MEMORY
    for i in range(count):
        class_ = cells[i] if cells != NULL else i
        table[0][i] = first[class_]
        if second != NULL:
            table[0][i] |= second[class_] << 16
    tables_add(tables, table, count * 4)
    return BUILD_OK


cdef int _number_tables(const fields_t* fields, const numbers_t* numbers, tables_t* tables,
                        scratch_t* scratch) noexcept nogil:
    cdef acl_part_t* part = &tables.part
    cdef const numbers_t* one
    cdef const numbers_t* two
    cdef numbers_t none
    cdef uint32_t pair
    cdef int code
    memset(&none, 0, sizeof(none))
    for pair in range(0, part.groups, 2):
        one = &numbers[pair]
        two = &numbers[pair + 1] if pair + 1 < part.groups else &none
        if two != &none and (one.service_count > 0xFFFF or two.service_count > 0xFFFF):
            return BUILD_TOO_COMPLEX
        code = _number_table(&part.services[pair // 2], one.services, two.services,
                             fields.services.set_of_cell, fields.services.cells, tables, scratch)
        # A group with all rules has a row for every class, by the class's own number.
        if code == BUILD_OK and part.groups > 1:
            code = _number_table(&part.rows[pair // 2], one.rows, two.rows, NULL,
                                 fields.source.count, tables, scratch)
            if code == BUILD_OK:
                code = _number_table(&part.columns[pair // 2], one.columns, two.columns, NULL,
                                     fields.destination.count, tables, scratch)
        if code < 0:
            return code
    return BUILD_OK


cdef int _build_groups(const fields_t* fields, const rule_t* rules, uint32_t short_length,
                       tables_t* tables, scratch_t* scratch) noexcept nogil:
    """Groups by whether source and destination prefixes are shorter than short_length."""
    cdef numbers_t[4] numbers
    cdef uint32_t* members = scratch_words(scratch, fields.count)
    cdef const rule_t* rule
    cdef uint32_t kind, i, count
    cdef int code
    if members == NULL:
        return BUILD_NO_MEMORY
    memset(numbers, 0, sizeof(numbers))
    for kind in range(4):
        count = 0
        for i in range(fields.count):
            rule = &rules[fields.index[i]]
            if kind == <uint32_t> ((rule.source_length < short_length) * 2
                                   + (rule.destination_length < short_length)):
                members[count] = i
                count += 1
        if count:
            code = group_build(fields, members, count, scratch, tables, tables.part.groups,
                               &numbers[tables.part.groups])
            if code < 0:
                return code
            tables.part.groups += 1
    return _number_tables(fields, numbers, tables, scratch)


cdef uint64_t _cost(const tables_t* tables, int first) noexcept nogil:
    """What reading each of the tables once costs, in tenths of a nanosecond: the first two levels
    of the cache, and 12 ns a line beyond them as far as they do not hold it."""
    cdef uint64_t cost = 0
    cdef size_t size
    cdef int i
    for i in range(first, tables.count):
        size = tables.table[i].size
        cost += 5 if size <= 1 << 15 else 8 if size <= 1 << 18 else 12
        if size > 1 << 20:
            cost += 120 * (size - (1 << 20)) // size
    return cost


# --- parts ----------------------------------------------------------------------------------------

cdef acl_part_t* _pack(const tables_t* tables) noexcept nogil:
    """The part and its tables in one allocation."""
    cdef size_t at = (sizeof(acl_part_t) + 63) & ~<size_t> 63
    cdef size_t size = at + tables.octets
    cdef uint8_t* block
    cdef void** pointer
    cdef int i
    if posix_memalign(<void**> &block, HUGE_PAGE if size > HUGE_PAGE else 64, size) != 0:
        return NULL
    if size > HUGE_PAGE:
        madvise(block, size, MADV_HUGEPAGE)
    memcpy(block, &tables.part, sizeof(acl_part_t))
    for i in range(tables.count):
        pointer = <void**> (block + tables.table[i].at)
        memcpy(block + at, pointer[0], tables.table[i].size)
        memset(block + at + tables.table[i].size, 0, ACL_PAD)
        pointer[0] = block + at
        at += (tables.table[i].size + ACL_PAD + 63) & ~<size_t> 63
    return <acl_part_t*> block


cdef int _choose_groups(const fields_t* fields, const rule_t* rules, int family,
                        const tables_t* basis, tables_t* best) noexcept nogil:
    """The cheapest form, in *best, packed: its part's tables are where they will stay."""
    cdef scratch_t scratch
    cdef tables_t tables
    cdef acl_part_t* packed
    cdef acl_part_t* chosen = NULL
    cdef uint64_t cost, least = <uint64_t> -1
    cdef int form, code = BUILD_TOO_COMPLEX
    for form in range(FORMS):
        scratch.blocks = NULL
        tables = basis[0]
        code = _build_groups(fields, rules, SHORT4[form] if family == INET else SHORT6[form],
                             &tables, &scratch)
        cost = _cost(&tables, basis.count)
        if code == BUILD_OK and cost < least:
            packed = _pack(&tables)
            code = BUILD_OK if packed != NULL else BUILD_NO_MEMORY
            if packed != NULL:
                free(chosen)
                chosen = packed
                least = cost
                best[0] = tables
        scratch_close(&scratch)
        if code == BUILD_NO_MEMORY:
            free(chosen)
            return code
        if chosen != NULL and best.octets - basis.octets <= CHEAP:
            break
    if chosen == NULL:
        return BUILD_TOO_COMPLEX
    best.part = chosen[0]
    # The caller's: the allocation begins with the part itself.
    best.table[0].at = <size_t> chosen
    return BUILD_OK


cdef int _build_part(acl_t* acl, const rule_t* rules, const uint32_t* index, uint32_t count,
                     int family) noexcept nogil:
    cdef scratch_t scratch
    cdef fields_t fields
    cdef tables_t basis, best
    cdef int which = family == INET6
    cdef int code
    scratch.blocks = NULL
    memset(&fields, 0, sizeof(fields))
    memset(&basis, 0, sizeof(basis))
    memset(&best, 0, sizeof(best))
    fields.index = index
    fields.count = count
    code = prefixes_build(&fields.source, &scratch, rules, index, count, True)
    if code == BUILD_OK:
        code = prefixes_build(&fields.destination, &scratch, rules, index, count, False)
    if code == BUILD_OK:
        code = services_build(&fields.services, &scratch, rules, index, count)
    if code == BUILD_OK:
        code = _build_fields(&fields, family, &basis, &scratch)
    if code == BUILD_OK:
        code = _choose_groups(&fields, rules, family, &basis, &best)
    services_close(&fields.services)
    scratch_close(&scratch)
    if code == BUILD_OK:
        acl.parts[which][acl.count[which]] = <acl_part_t*> best.table[0].at
        acl.count[which] += 1
        acl.memory += sizeof(acl_part_t) + best.octets
    return code


cdef int _build_parts(acl_t* acl, const rule_t* rules, const uint32_t* index, uint32_t count,
                      int family) noexcept nogil:
    cdef int code
    if acl.count[family == INET6] == PARTS_MAX:
        return BUILD_TOO_COMPLEX
    code = _build_part(acl, rules, index, count, family)
    if code != BUILD_TOO_COMPLEX or count == 1:
        return code
    code = _build_parts(acl, rules, index, count // 2, family)
    if code < 0:
        return code
    return _build_parts(acl, rules, index + count // 2, count - count // 2, family)


cdef int acl_build(acl_t* acl, const rule_t* rules, uint32_t count) noexcept nogil:
    cdef uint32_t* index = <uint32_t*> malloc((<size_t> count + 1) * 4)
    cdef uint32_t i, found
    cdef int which, family, code = BUILD_OK
    memset(acl, 0, sizeof(acl_t))
    if index == NULL:
        return BUILD_NO_MEMORY
    acl.rules = count
    for which in range(2):
        family = INET6 if which else INET
        found = 0
        for i in range(count):
            if rules[i].family == 0 or rules[i].family == family:
                index[found] = i
                found += 1
        if found and code == BUILD_OK:
            code = _build_parts(acl, rules, index, found, family)
    free(index)
    return code


cdef void acl_close(acl_t* acl) noexcept nogil:
    cdef uint32_t i, family
    for family in range(2):
        for i in range(acl.count[family]):
            free(acl.parts[family][i])
    memset(acl, 0, sizeof(acl_t))
