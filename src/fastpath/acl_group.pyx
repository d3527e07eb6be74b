"""One group of rules, compiled (contract in acl_group.pxd).

Rows and columns are prefixes, each with a parent around it. The rules that fit an address pair are
those of its row's parent, and those of its own row that fit its column; these are again those of
the column's parent, and those that stand at the pair itself. So each list of rules is the union of
two lists that are known, and lists have numbers, so that a union is made once.
"""

from fastpath.acl_grid cimport grid_build
from fastpath.acl_numbers cimport number_prefixes, number_services, numbers_t
from fastpath.acl_tables cimport (ACL_NONE, ACL_PAD, BUILD_NO_MEMORY, BUILD_OK,
                                  BUILD_TOO_COMPLEX, acl_group_t, tables_add, tables_t)
from fastpath.intern cimport (INTERN_FULL, intern_add, intern_at, intern_close, intern_size,
                              intern_t)
from fastpath.scratch cimport scratch_t, scratch_take, scratch_words
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport qsort, realloc, free
from libc.string cimport memcpy, memset

cdef enum:
    PAIRS_MAX = 1 << 21       # address pairs of a group
    LISTS_OCTETS = 1 << 20    # of all lists of rules: more, and groups or halves do better
    RANKS_OCTETS = 1 << 23
    RANK_MAX = 255
    EMPTY = 0                 # number of the list without rules

# What is at hand while a group is built.
cdef struct work_t:
    const fields_t* fields
    uint32_t* row_parent
    uint32_t* column_parent
    uint64_t* places          # of each rule: row << 48 | column << 32 | position, sorted
    uint32_t count
    intern_t lists            # positions of rules, ascending: in order of priority
    intern_t unions           # pairs of numbers of lists
    uint32_t* union_of        # number of the union, by number of the pair
    uint32_t union_room
    uint32_t* buffer
    uint32_t* stamp           # of a service: the last union that took it
    uint32_t stamps
    uint32_t* pairs           # row_count x column_count lists
    uint16_t* rank_row
    intern_t patterns         # services of a list, in its order
    intern_t ranks            # rows of the grid
    intern_t kept             # of a pattern: its row, then which of its services are ever first
    intern_t tails            # what goes into lists[]


# --- lists ----------------------------------------------------------------------------------------

cdef uint32_t _name_list(work_t* work, uint32_t* positions, uint32_t count) noexcept nogil:
    """Number of a list, from which rules are left out whose service an earlier one has."""
    cdef const uint32_t* service = work.fields.services.of_rule
    cdef uint32_t i, kept = 0
    work.stamps += 1
    for i in range(count):
        if work.stamp[service[positions[i]]] != work.stamps:
            work.stamp[service[positions[i]]] = work.stamps
            positions[kept] = positions[i]
            kept += 1
    return intern_add(&work.lists, positions, kept * 4)


cdef uint32_t _merge(work_t* work, uint32_t one, uint32_t two) noexcept nogil:
    """Number of the list with the rules of both."""
    cdef const uint32_t* a = <const uint32_t*> intern_at(&work.lists, one)
    cdef const uint32_t* b = <const uint32_t*> intern_at(&work.lists, two)
    cdef const uint32_t* a_end = a + intern_size(&work.lists, one) // 4
    cdef const uint32_t* b_end = b + intern_size(&work.lists, two) // 4
    cdef uint32_t count = 0
    while a < a_end or b < b_end:
        if b == b_end or (a < a_end and a[0] < b[0]):
            work.buffer[count] = a[0]
            a += 1
        else:
            work.buffer[count] = b[0]
            b += 1
        count += 1
    return _name_list(work, work.buffer, count)


cdef uint32_t _union(work_t* work, uint32_t one, uint32_t two) noexcept nogil:
    cdef uint32_t pair[2]
    cdef uint32_t number
    cdef uint32_t known = work.unions.count
    cdef void* more
    if one == EMPTY:
        return two
    if two == EMPTY:
        return one
    pair[0] = one
    pair[1] = two
    number = intern_add(&work.unions, pair, 8)
    if number < known:
        return work.union_of[number]
    if number == INTERN_FULL:
        return INTERN_FULL
    if number >= work.union_room:
        more = realloc(work.union_of, (2 * <size_t> work.union_room + 1024) * 4)
        if more == NULL:
            return INTERN_FULL
        work.union_of = <uint32_t*> more
        work.union_room = 2 * work.union_room + 1024
    work.union_of[number] = _merge(work, one, two)
    return work.union_of[number]


cdef int _ascending(const void* one, const void* two) noexcept nogil:
    cdef uint64_t a = (<const uint64_t*> one)[0]
    cdef uint64_t b = (<const uint64_t*> two)[0]
    return (a > b) - (a < b)


cdef int _fill_pairs(work_t* work, scratch_t* scratch, const numbers_t* numbers) noexcept nogil:
    """The list of each pair of row and column."""
    cdef uint32_t* own = scratch_words(scratch, numbers.column_count)   # of this row's rules
    cdef uint32_t* above
    cdef uint32_t* here
    cdef uint32_t row, column, at = 0, count, direct
    work.pairs = scratch_words(scratch, <size_t> numbers.row_count * numbers.column_count)
    if own == NULL or work.pairs == NULL or intern_add(&work.lists, work.buffer, 0) != EMPTY:
        return BUILD_NO_MEMORY
    for row in range(numbers.row_count):
        here = work.pairs + <size_t> row * numbers.column_count
        above = work.pairs + <size_t> work.row_parent[row] * numbers.column_count
        for column in range(numbers.column_count):
            count = 0
            while at < work.count and work.places[at] >> 32 == <uint64_t> row << 16 | column:
                work.buffer[count] = <uint32_t> work.places[at]
                count += 1
                at += 1
            own[column] = own[work.column_parent[column]] if column else EMPTY
            if count:
                direct = _name_list(work, work.buffer, count)
                own[column] = _union(work, own[column], direct)
            here[column] = own[column] if row == 0 else _union(work, above[column], own[column])
            if here[column] == INTERN_FULL or own[column] == INTERN_FULL:
                return BUILD_NO_MEMORY
        if work.lists.used > LISTS_OCTETS:
            return BUILD_TOO_COMPLEX
    return BUILD_OK


# --- ranks ----------------------------------------------------------------------------------------

cdef int _name_pattern(work_t* work, const uint32_t* positions, uint32_t count,
                       const numbers_t* numbers) noexcept nogil:
    """Number of the pattern of a list; fills what `kept` has of it when it is new. enum Build."""
    cdef uint32_t known = work.patterns.count
    cdef uint32_t number, i, j, service
    for i in range(count):
        work.buffer[i] = work.fields.services.of_rule[positions[i]]
    number = intern_add(&work.patterns, work.buffer, count * 4)
    if number == INTERN_FULL:
        return BUILD_NO_MEMORY
    if number < known:
        return <int> number
    if count >= 0xFFFF or work.patterns.used > LISTS_OCTETS:
        return BUILD_TOO_COMPLEX
    memset(work.rank_row, 0, numbers.service_count * 2)
    for i in range(count, 0, -1):
        service = work.buffer[i - 1]
        for j in range(numbers.first_service[service], numbers.first_service[service + 1]):
            work.rank_row[numbers.fitting[j]] = <uint16_t> i
    return _keep_ranks(work, number, count, numbers.service_count)


cdef int _keep_ranks(work_t* work, uint32_t number, uint32_t count,
                     uint32_t service_count) noexcept nogil:
    """Numbers the ranks that are the first for something anew, without gaps."""
    cdef uint32_t* rank = work.buffer + count       # new number of each rank; buffer has room
    cdef uint8_t* octets = <uint8_t*> work.rank_row
    cdef uint32_t i, used = 0
    memset(rank, 0, (count + 1) * 4)
    for i in range(service_count):
        rank[work.rank_row[i]] = 1
    rank[0] = 0
    for i in range(1, count + 1):
        if rank[i]:
            used += 1
            rank[i] = used
    if used > RANK_MAX:
        return BUILD_TOO_COMPLEX
    for i in range(service_count):
        octets[i] = <uint8_t> rank[work.rank_row[i]]
    work.buffer[0] = intern_add(&work.ranks, octets, service_count)
    if work.buffer[0] == INTERN_FULL:
        return BUILD_NO_MEMORY
    if work.ranks.used > RANKS_OCTETS:
        return BUILD_TOO_COMPLEX
    used = 1
    for i in range(1, count + 1):
        if rank[i]:
            work.buffer[used] = i - 1               # used <= i, so it overtakes nothing
            used += 1
    # Two patterns may be kept alike, and strings are there once: their number makes them differ.
    work.buffer[used] = number
    if intern_add(&work.kept, work.buffer, (used + 1) * 4) == INTERN_FULL:
        return BUILD_NO_MEMORY
    return <int> number


cdef int _name_tails(work_t* work, scratch_t* scratch, const numbers_t* numbers,
                     uint32_t** row_of, uint32_t** tail_of) noexcept nogil:
    """Of each list that a pair has: its row in `ranks` and the number of its tail."""
    cdef size_t cells = <size_t> numbers.row_count * numbers.column_count
    cdef uint8_t* used = <uint8_t*> scratch_take(scratch, work.lists.count)
    cdef const uint32_t* positions
    cdef const uint32_t* kept
    cdef uint32_t list_, count, i
    cdef size_t cell
    cdef int pattern
    row_of[0] = scratch_words(scratch, work.lists.count)
    tail_of[0] = scratch_words(scratch, work.lists.count)
    if used == NULL or row_of[0] == NULL or tail_of[0] == NULL:
        return BUILD_NO_MEMORY
    for cell in range(cells):
        used[work.pairs[cell]] = 1
    for list_ in range(work.lists.count):
        if not used[list_]:
            continue
        positions = <const uint32_t*> intern_at(&work.lists, list_)
        pattern = _name_pattern(work, positions, intern_size(&work.lists, list_) // 4,
                                numbers)
        if pattern < 0:
            return pattern
        kept = <const uint32_t*> intern_at(&work.kept, <uint32_t> pattern)
        count = intern_size(&work.kept, <uint32_t> pattern) // 4 - 2
        row_of[0][list_] = kept[0]
        work.buffer[0] = ACL_NONE
        for i in range(count):
            work.buffer[i + 1] = work.fields.index[positions[kept[i + 1]]]
        tail_of[0][list_] = intern_add(&work.tails, work.buffer, (count + 1) * 4)
        if tail_of[0][list_] == INTERN_FULL:
            return BUILD_NO_MEMORY
    return BUILD_OK


# --- tables ---------------------------------------------------------------------------------------

cdef int _fill_tables(work_t* work, scratch_t* scratch, tables_t* tables, acl_group_t* group,
                      const numbers_t* numbers) noexcept nogil:
    cdef size_t cells = <size_t> numbers.row_count * numbers.column_count
    cdef uint32_t* row_of
    cdef uint32_t* tail_of
    cdef uint32_t* start
    cdef uint8_t* rows
    cdef uint32_t i, total = 0
    cdef size_t cell
    cdef int code = _name_tails(work, scratch, numbers, &row_of, &tail_of)
    if code < 0:
        return code
    start = scratch_words(scratch, work.tails.count)
    group.lists = scratch_words(scratch, work.tails.used // 4 + ACL_PAD)
    if start == NULL or group.lists == NULL:
        return BUILD_NO_MEMORY
    for i in range(work.tails.count):
        start[i] = total
        memcpy(group.lists + total, intern_at(&work.tails, i), intern_size(&work.tails, i))
        total += intern_size(&work.tails, i) // 4
    tables_add(tables, &group.lists, total * 4)
    while total >> group.list_bits:
        group.list_bits += 1
    if <uint64_t> work.ranks.count << group.list_bits > <uint64_t> 1 << 32:
        return BUILD_TOO_COMPLEX
    for cell in range(cells):
        i = work.pairs[cell]
        work.pairs[cell] = row_of[i] << group.list_bits | start[tail_of[i]]
    code = grid_build(&group.pairs, tables, scratch, <const uint8_t*> work.pairs,
                      numbers.row_count, numbers.column_count, 4)
    if code < 0:
        return code
    rows = <uint8_t*> scratch_take(scratch, <size_t> work.ranks.count * numbers.service_count)
    if rows == NULL:
        return BUILD_NO_MEMORY
    for i in range(work.ranks.count):
        memcpy(rows + <size_t> i * numbers.service_count, intern_at(&work.ranks, i),
               numbers.service_count)
    return grid_build(&group.ranks, tables, scratch, rows, work.ranks.count,
                      numbers.service_count, 1)


cdef int _build(work_t* work, const uint32_t* members, uint32_t count, scratch_t* scratch,
                tables_t* tables, uint32_t group, numbers_t* numbers) noexcept nogil:
    cdef const fields_t* fields = work.fields
    cdef uint32_t i, row, column
    cdef int code = number_prefixes(&fields.source, members, count, scratch, &numbers.rows,
                                     &work.row_parent, &numbers.row_count)
    if code == BUILD_OK:
        code = number_prefixes(&fields.destination, members, count, scratch, &numbers.columns,
                                &work.column_parent, &numbers.column_count)
    if code < 0:
        return code
    if (<uint64_t> numbers.row_count * numbers.column_count > PAIRS_MAX
            or numbers.row_count > 0xFFFF or numbers.column_count > 0xFFFF):
        return BUILD_TOO_COMPLEX
    code = number_services(&fields.services, members, count, scratch, numbers)
    if code < 0:
        return code
    work.count = count
    work.places = <uint64_t*> scratch_take(scratch, <size_t> count * 8)
    work.buffer = scratch_words(scratch, 2 * <size_t> count + 4)
    work.stamp = scratch_words(scratch, fields.services.names.count)
    work.rank_row = <uint16_t*> scratch_take(scratch, <size_t> numbers.service_count * 2)
    if (work.places == NULL or work.buffer == NULL or work.stamp == NULL
            or work.rank_row == NULL):
        return BUILD_NO_MEMORY
    for i in range(count):
        row = numbers.rows[fields.source.of_rule[members[i]]]
        column = numbers.columns[fields.destination.of_rule[members[i]]]
        work.places[i] = <uint64_t> row << 48 | <uint64_t> column << 32 | members[i]
    qsort(work.places, count, 8, _ascending)
    code = _fill_pairs(work, scratch, numbers)
    if code < 0:
        return code
    return _fill_tables(work, scratch, tables, &tables.part.group[group], numbers)


cdef int group_build(const fields_t* fields, const uint32_t* members, uint32_t count,
                     scratch_t* scratch, tables_t* tables, uint32_t group,
                     numbers_t* numbers) noexcept nogil:
    cdef work_t work
    cdef int code
    memset(&work, 0, sizeof(work))
    work.fields = fields
    code = _build(&work, members, count, scratch, tables, group, numbers)
    intern_close(&work.lists)
    intern_close(&work.unions)
    intern_close(&work.patterns)
    intern_close(&work.ranks)
    intern_close(&work.kept)
    intern_close(&work.tails)
    free(work.union_of)
    return code
