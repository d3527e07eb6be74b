# One group of rules, compiled: which rules fit a pair of addresses, and which of those is the first
# for a service (simd/acl.h has the picture).

from fastpath.acl_numbers cimport numbers_t
from fastpath.acl_prefixes cimport prefixes_t
from fastpath.acl_services cimport services_t
from fastpath.acl_tables cimport tables_t
from fastpath.scratch cimport scratch_t
from libc.stdint cimport uint32_t

# The fields of the rules of a part, all groups together.
cdef struct fields_t:
    const uint32_t* index     # rule number of each rule of the part
    uint32_t count
    prefixes_t source
    prefixes_t destination
    services_t services

# `members`: positions in fields.index, ascending. Tables go into tables.part.group[group]. enum
# Build.
cdef int group_build(const fields_t* fields, const uint32_t* members, uint32_t count,
                     scratch_t* scratch, tables_t* tables, uint32_t group,
                     numbers_t* numbers) noexcept nogil
