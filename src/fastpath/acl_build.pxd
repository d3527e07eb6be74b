# Compiles rules into the tables that acl.h looks into.

from fastpath.acl_tables cimport acl_part_t
from fastpath.rules cimport rule_t
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    PARTS_MAX = 64            # parts of one family: beyond, a set is refused

# A compiled rule set. Nothing in it changes once it is built.
cdef struct acl_t:
    acl_part_t* parts[2][64]  # of IPv4, of IPv6; each one allocation with its tables
    uint32_t count[2]
    uint32_t rules
    size_t memory             # octets of everything a lookup may read

# Rules in order of priority. enum Build; BUILD_TOO_COMPLEX if they need more than PARTS_MAX parts.
# Close it whatever came out.
cdef int acl_build(acl_t* acl, const rule_t* rules, uint32_t count) noexcept nogil
cdef void acl_close(acl_t* acl) noexcept nogil
