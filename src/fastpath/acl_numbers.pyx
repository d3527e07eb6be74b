"""What a group of rules makes of the classes of its part (contract in acl_numbers.pxd)."""

from fastpath.acl_prefixes cimport prefixes_t
from fastpath.acl_services cimport in_set, services_t
from fastpath.acl_tables cimport BUILD_NO_MEMORY, BUILD_OK
from fastpath.intern cimport INTERN_FULL, intern_add, intern_at, intern_close, intern_t
from fastpath.scratch cimport scratch_t, scratch_take, scratch_words
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset


cdef int number_prefixes(const prefixes_t* prefixes, const uint32_t* members, uint32_t count,
                         scratch_t* scratch, uint32_t** numbers, uint32_t** parents,
                         uint32_t* found) noexcept nogil:
    cdef uint32_t* number = scratch_words(scratch, prefixes.count)
    cdef uint32_t* parent = scratch_words(scratch, prefixes.count)
    cdef uint32_t i, around
    if number == NULL or parent == NULL:
        return BUILD_NO_MEMORY
    for i in range(count):
        number[prefixes.of_rule[members[i]]] = 1
    number[0] = 0
    found[0] = 1
    for i in range(1, prefixes.count):
        around = number[prefixes.parent[i]]
        if number[i]:
            parent[found[0]] = around
            number[i] = found[0]
            found[0] += 1
        else:
            number[i] = around
    numbers[0] = number
    parents[0] = parent
    return BUILD_OK


cdef int number_services(const services_t* all, const uint32_t* members, uint32_t count,
                         scratch_t* scratch, numbers_t* numbers) noexcept nogil:
    cdef uint64_t* mine = <uint64_t*> scratch_take(scratch, all.words * 8)
    cdef uint64_t* words = <uint64_t*> scratch_take(scratch, all.words * 8)
    cdef const uint64_t* row
    cdef intern_t sets
    cdef uint32_t i, j, service, code
    cdef size_t total = 0
    numbers.services = scratch_words(scratch, all.sets.count)
    numbers.first_service = scratch_words(scratch, <size_t> all.names.count + 1)
    if (mine == NULL or words == NULL or numbers.services == NULL or numbers.first_service == NULL):
        return BUILD_NO_MEMORY
    for i in range(count):
        service = all.of_rule[members[i]]
        mine[service >> 6] |= <uint64_t> 1 << (service & 63)
    memset(&sets, 0, sizeof(sets))
    for i in range(all.sets.count):
        row = <const uint64_t*> intern_at(&all.sets, i)
        for j in range(all.words):
            words[j] = row[j] & mine[j]
        code = intern_add(&sets, words, all.words * 8)
        if code == INTERN_FULL:
            intern_close(&sets)
            return BUILD_NO_MEMORY
        numbers.services[i] = code
    numbers.service_count = sets.count
    for i in range(all.names.count):
        numbers.first_service[i] = <uint32_t> total
        if in_set(mine, i):
            for j in range(sets.count):
                total += in_set(<const uint64_t*> intern_at(&sets, j), i)
    numbers.first_service[all.names.count] = <uint32_t> total
    numbers.fitting = scratch_words(scratch, total + 1)
    if numbers.fitting != NULL:
        total = 0
        for i in range(all.names.count):
            if in_set(mine, i):
                for j in range(sets.count):
                    if in_set(<const uint64_t*> intern_at(&sets, j), i):
                        numbers.fitting[total] = j
                        total += 1
    intern_close(&sets)
    return BUILD_OK if numbers.fitting != NULL else BUILD_NO_MEMORY
