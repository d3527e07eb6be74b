# What a group of rules makes of the classes of its part: rows, columns and columns of ranks, as far
# as the group's own rules tell classes apart.

from fastpath.acl_prefixes cimport prefixes_t
from fastpath.acl_services cimport services_t
from fastpath.scratch cimport scratch_t
from libc.stdint cimport uint32_t

cdef struct numbers_t:
    uint32_t* rows            # of source classes
    uint32_t* columns         # of destination classes
    uint32_t* services        # of sets of services
    uint32_t row_count
    uint32_t column_count
    uint32_t service_count
    uint32_t* first_service   # numbers that fit service s: fitting[first_service[s]], up to
    uint32_t* fitting         # first_service[s + 1]

# Numbers the prefixes that the members of a group have, and the one of length 0; other classes get
# the number of the longest such prefix around them. Parents are numbers too. enum Build.
cdef int number_prefixes(const prefixes_t* prefixes, const uint32_t* members, uint32_t count,
                         scratch_t* scratch, uint32_t** numbers, uint32_t** parents,
                         uint32_t* found) noexcept nogil
# Numbers the sets of services as far as the members tell them apart, and notes for each service
# which numbers fit it. enum Build.
cdef int number_services(const services_t* all, const uint32_t* members, uint32_t count,
                         scratch_t* scratch, numbers_t* numbers) noexcept nogil
