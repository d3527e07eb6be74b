# Filters: classifiers by number, as adjacencies and sessions name them. A number stands for the
# same rules as long as it is given out; a change is another number, set in a transaction.

cimport cython
from fastpath.acl_build cimport acl_t
from fastpath.epoch cimport epoch_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    FILTERS_MAX = 4096        # numbers are 1..FILTERS_MAX - 1; 0 is no filter

# What packets read of a filter. Counters are shared by the workers and added to atomically, and
# only for the rules that are counted.
cdef struct filter_t:
    const acl_t* acl
    uint8_t* actions          # of each rule: ACTION_*; behind the last: of no rule, 0
    uint64_t* counts          # packets, by rule
    int level                 # variant of the lookup
    uint32_t rules

@cython.final
cdef class FilterTable:
    cdef filter_t* at[FILTERS_MAX]    # NULL: a number that is not given out
    cdef list _classifiers            # by number; they own what filter_t points to
    cdef list _retired                # (number of the version, number of the filter)
    cdef epoch_t* _epoch
    cdef int _reclaim(self) except -1
