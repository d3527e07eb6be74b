# What rules ask of ports, flags, protocol and traffic class: their services, and the classes of
# packets that the services tell apart.
#
# The values of a field that fit the same services are one class. A packet's classes make the number
# of a cell; the services that all its fields fit are the cell's set.

from fastpath.intern cimport intern_t
from fastpath.rules cimport rule_t
from fastpath.scratch cimport scratch_t
from libc.stdint cimport uint32_t, uint64_t

cdef enum Field:
    FIELD_SOURCE_PORT = 0     # in the order of their weight in a cell's number, least first: what
    FIELD_DESTINATION_PORT    # rules leave open most often makes neighbours alike
    FIELD_FLAGS
    FIELD_TRAFFIC
    FIELD_PROTOCOL

cdef struct services_t:
    intern_t names            # service_t by number
    uint32_t words            # 64-bit words of a set
    uint32_t* of_rule         # service of each rule
    intern_t rows[5]          # set of services by class of a field
    uint32_t* of_value[5]     # class of each value: 65,537 (the last is headless), 128, 256
    uint32_t weight[5]
    uint32_t cells
    intern_t sets             # set of services by number
    uint32_t* set_of_cell

# Of rules[index[0..count - 1]]. enum Build. Close it whatever came out.
cdef int services_build(services_t* services, scratch_t* scratch, const rule_t* rules,
                        const uint32_t* index, uint32_t count) noexcept nogil
cdef void services_close(services_t* services) noexcept nogil


cdef inline bint in_set(const uint64_t* words, uint32_t service) noexcept nogil:
    return words[service >> 6] >> (service & 63) & 1
