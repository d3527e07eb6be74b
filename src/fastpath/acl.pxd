# Compiled rule sets: which rule a packet fits first, for batches of keys.

cimport cython
from fastpath.acl_build cimport acl_t
from fastpath.packet cimport packet_t
from fastpath.rules cimport RuleSet, acl_key4_t, acl_key6_t
from libc.stdint cimport uint32_t

# Number of the first rule that each of n keys fits, or ACL_NONE. keys: acl_key4_t or acl_key6_t, by
# family. level: enum of simd/level.h; variants answer alike. Touches nothing behind n.
cdef void acl_lookup(const acl_t* acl, int family, const void* keys, uint32_t* out, int n,
                     int level) noexcept nogil

@cython.final
cdef class Classifier:
    cdef acl_t acl
    cdef readonly RuleSet rules
    cdef int level
