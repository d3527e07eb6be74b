# Rules over the headers of IP packets, and the sets that they form. First match by priority.
#
# Ports and flags are not there in a piece of a packet behind its first fragment, and in a header
# that was cut: only rules without a condition on them match then.

cimport cython
from fastpath.types cimport addr_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef extern from "simd/acl.h" nogil:
    enum: ACL_HEADLESS, ACL_FRAGMENT, ACL_NONE
    ctypedef struct acl_key4_t:
        uint32_t source
        uint32_t destination
        uint16_t source_port
        uint16_t destination_port
        uint16_t flags
        uint8_t protocol
        uint8_t traffic
    ctypedef struct acl_key6_t:
        uint32_t source[4]
        uint32_t destination[4]
        uint16_t source_port
        uint16_t destination_port
        uint16_t flags
        uint8_t protocol
        uint8_t traffic

cdef enum Action:             # bits of rule_t.action
    ACTION_PASS = 1           # the packet may go on
    ACTION_TRAFFIC = 2        # it is traffic: may place a call, and keeps one
    ACTION_COUNT = 4          # the rule has a counter

cdef enum:
    RULES_MAX = 1 << 20

# What a rule asks of everything but addresses. 16 octets, equal ones are equal octet by octet.
cdef struct service_t:
    uint16_t source_low
    uint16_t source_high
    uint16_t destination_low
    uint16_t destination_high
    uint16_t flags
    uint16_t flags_mask
    uint8_t protocol
    uint8_t protocol_mask
    uint8_t traffic           # ACL_FRAGMENT | DSCP
    uint8_t traffic_mask

# 56 octets, IPv4 addresses are the first four octets, those behind are zero.
cdef struct rule_t:
    addr_t source
    addr_t destination
    service_t service
    uint32_t priority         # the lowest number wins, then the rule that stands first
    uint8_t source_length
    uint8_t destination_length
    uint8_t family            # INET, INET6; 0: both, then both addresses are any
    uint8_t action            # ACTION_*


cdef inline bint service_matches(const service_t* s, uint16_t source_port,
                                 uint16_t destination_port, uint16_t flags, uint8_t protocol,
                                 uint8_t traffic) noexcept nogil:
    if (protocol ^ s.protocol) & s.protocol_mask or (traffic ^ s.traffic) & s.traffic_mask:
        return False
    if traffic & ACL_HEADLESS:
        return (s.source_low == 0 and s.source_high == 0xFFFF and s.destination_low == 0
                and s.destination_high == 0xFFFF and s.flags_mask == 0)
    return (s.source_low <= source_port <= s.source_high
            and s.destination_low <= destination_port <= s.destination_high
            and (flags ^ s.flags) & s.flags_mask == 0)


@cython.final
cdef class RuleSet:
    cdef rule_t* rules        # in order of priority
    cdef uint32_t count
    cdef uint32_t room
    cdef readonly str name    # what messages call it: usually the file
    cdef readonly tuple origins  # line of each rule as it was given, 0 if it has none

    cdef int _append(self, const rule_t* rule) except -1
    cdef int _sort(self, list lines) except -1
    cdef uint32_t _first(self, int family, const void* key) noexcept nogil

# The octets of an array of keys (KEY4, KEY6). TypeError or ValueError for anything else.
cdef object key_octets(int family, object keys)
