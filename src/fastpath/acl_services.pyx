"""Services of rules and their classes (contract in acl_services.pxd)."""

from fastpath.acl_tables cimport (ACL_FIELDS, ACL_HEADLESS, BUILD_NO_MEMORY, BUILD_OK,
                                  BUILD_TOO_COMPLEX)
from fastpath.intern cimport INTERN_FULL, intern_add, intern_at, intern_close, intern_t
from fastpath.rules cimport rule_t, service_t
from fastpath.scratch cimport scratch_t, scratch_take, scratch_words
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

cdef enum:
    WORK_MAX = 1 << 26        # services tested one by one, for a field or for the cells
    CELLS_MAX = 1 << 19
    HEADLESS_VALUE = 65536    # of a port or of flags


cdef bint _fits(const service_t* s, int field, uint32_t value) noexcept nogil:
    if field == FIELD_PROTOCOL:
        return (value ^ s.protocol) & s.protocol_mask == 0
    if field == FIELD_TRAFFIC:
        return (value ^ s.traffic) & s.traffic_mask == 0
    if field == FIELD_FLAGS:
        if value == HEADLESS_VALUE:
            return s.flags_mask == 0
        return (value ^ s.flags) & s.flags_mask == 0
    if field == FIELD_SOURCE_PORT:
        if value == HEADLESS_VALUE:
            return s.source_low == 0 and s.source_high == 0xFFFF
        return s.source_low <= value <= s.source_high
    if value == HEADLESS_VALUE:
        return s.destination_low == 0 and s.destination_high == 0xFFFF
    return s.destination_low <= value <= s.destination_high


cdef uint32_t _class(services_t* all, int field, uint32_t value, uint64_t* words) noexcept nogil:
    """Class of a value: the number of its set of services."""
    cdef uint32_t i
    memset(words, 0, all.words * 8)
    for i in range(all.names.count):
        if _fits(<const service_t*> intern_at(&all.names, i), field, value):
            words[i >> 6] |= <uint64_t> 1 << (i & 63)
    return intern_add(&all.rows[field], words, all.words * 8)


cdef void _mark_edges(const services_t* all, int field, uint8_t* edge) noexcept nogil:
    """Marks each port from which on the set of services may be another than before."""
    cdef const service_t* s
    cdef uint32_t i
    for i in range(all.names.count):
        s = <const service_t*> intern_at(&all.names, i)
        if field == FIELD_SOURCE_PORT:
            edge[s.source_low] = 1
            edge[<uint32_t> s.source_high + 1] = 1
        else:
            edge[s.destination_low] = 1
            edge[<uint32_t> s.destination_high + 1] = 1
    edge[0] = 1
    edge[HEADLESS_VALUE] = 1


cdef uint32_t _flags_mask(const services_t* all) noexcept nogil:
    cdef uint32_t mask = 0
    cdef uint32_t i
    for i in range(all.names.count):
        mask |= (<const service_t*> intern_at(&all.names, i)).flags_mask
    return mask


cdef int _build_field(services_t* all, scratch_t* scratch, int field,
                      uint64_t* words) noexcept nogil:
    cdef uint32_t values = 256 if field == FIELD_PROTOCOL else ACL_HEADLESS
    cdef uint8_t* edge
    cdef uint32_t* classes
    cdef uint32_t mask = 0xFFFFFFFF     # of the value's bits that matter
    cdef uint32_t value, found = 0
    cdef uint64_t work = 0
    if field <= FIELD_FLAGS:
        values = HEADLESS_VALUE + 1
    classes = scratch_words(scratch, values)
    edge = <uint8_t*> scratch_take(scratch, HEADLESS_VALUE + 2)
    if classes == NULL or edge == NULL:
        return BUILD_NO_MEMORY
    all.of_value[field] = classes
    if field <= FIELD_DESTINATION_PORT:
        _mark_edges(all, field, edge)
    elif field == FIELD_FLAGS:
        mask = _flags_mask(all) | HEADLESS_VALUE
    for value in range(values):
        if value & ~mask:
            classes[value] = classes[value & mask]
            continue
        if field > FIELD_DESTINATION_PORT or edge[value]:
            found = _class(all, field, value, words)
            work += all.names.count
            if found == INTERN_FULL:
                return BUILD_NO_MEMORY
            if work > WORK_MAX:
                return BUILD_TOO_COMPLEX
        classes[value] = found
    return BUILD_OK


cdef int _build_cells(services_t* all, scratch_t* scratch, uint64_t* words) noexcept nogil:
    """The set of each cell: what is in the sets of all its fields."""
    cdef uint64_t cells = 1
    cdef const uint64_t* row
    cdef uint32_t cell, class_, i
    cdef int field
    for field in range(ACL_FIELDS):
        all.weight[field] = <uint32_t> cells
        cells *= all.rows[field].count
        if cells > CELLS_MAX or cells * all.words > WORK_MAX // ACL_FIELDS:
            return BUILD_TOO_COMPLEX
    all.cells = <uint32_t> cells
    all.set_of_cell = scratch_words(scratch, cells)
    if all.set_of_cell == NULL:
        return BUILD_NO_MEMORY
    for cell in range(all.cells):
        memset(words, 0xFF, all.words * 8)
        for field in range(ACL_FIELDS):
            class_ = cell // all.weight[field] % all.rows[field].count
            row = <const uint64_t*> intern_at(&all.rows[field], class_)
            for i in range(all.words):
                words[i] &= row[i]
        all.set_of_cell[cell] = intern_add(&all.sets, words, all.words * 8)
        if all.set_of_cell[cell] == INTERN_FULL:
            return BUILD_NO_MEMORY
    return BUILD_OK


cdef int services_build(services_t* services, scratch_t* scratch, const rule_t* rules,
                        const uint32_t* index, uint32_t count) noexcept nogil:
    cdef uint64_t* words
    cdef uint32_t i
    cdef int field, code
    services.of_rule = scratch_words(scratch, count)
    if services.of_rule == NULL:
        return BUILD_NO_MEMORY
    for i in range(count):
        services.of_rule[i] = intern_add(&services.names, &rules[index[i]].service,
                                         sizeof(service_t))
        if services.of_rule[i] == INTERN_FULL:
            return BUILD_NO_MEMORY
    services.words = (services.names.count + 63) // 64
    words = <uint64_t*> scratch_take(scratch, services.words * 8)
    if words == NULL:
        return BUILD_NO_MEMORY
    for field in range(ACL_FIELDS):
        code = _build_field(services, scratch, field, words)
        if code < 0:
            return code
    return _build_cells(services, scratch, words)


cdef void services_close(services_t* services) noexcept nogil:
    cdef int field
    intern_close(&services.names)
    intern_close(&services.sets)
    for field in range(ACL_FIELDS):
        intern_close(&services.rows[field])
