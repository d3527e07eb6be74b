# Counters of the engine beside verdicts and drop reasons: one line each. The name Python shows is
# made from it (COUNTER_ICMP_SENT is "icmp_sent"); its comment is what docs/architecture.md says.

from fastpath.verdict cimport REASON_COUNT, VERDICT_COUNT
from libc.stdint cimport uint64_t

cpdef enum Counter:
    COUNTER_RECEIVED = 0          # packets taken from ports; the sum of all verdicts
    COUNTER_RECEIVED_OCTETS       # of those, as long as they were on the wire
    COUNTER_SENT                  # packets handed to ports, fragments and answers included
    COUNTER_SENT_OCTETS           # of those
    COUNTER_SEND_REFUSED          # packets a port did not take
    COUNTER_DECAPSULATED          # data messages whose inner packet was classified
    COUNTER_ENCAPSULATED          # data messages built
    COUNTER_FRAGMENTS             # fragments made of packets that did not fit
    COUNTER_TRIGGERS_ADMITTED     # first of their key; with the three below: all of TRIGGER
    COUNTER_TRIGGERS_BUFFERED     # kept behind the first, or behind the route until its flush
    COUNTER_TRIGGERS_DISCARDED    # control or the limits of the buffer say so
    COUNTER_TRIGGERS_MISSED       # no room for an event or a key
    COUNTER_TRIGGERS_FLUSHED      # buffered packets sent once the call was up
    COUNTER_TRIGGERS_DROPPED      # buffered packets given up
    COUNTER_ICMP_SENT             # errors and echo replies of the slow path
    COUNTER_ICMP_LIMITED          # not sent, over the rate
    COUNTER_ICMP_UNROUTABLE       # not sent, no way back
    COUNTER_INJECTED              # frames sent for the control plane
    COUNTER_PUNTED                # records handed to the control plane
    COUNTER_COUNT

cdef struct counters_t:
    uint64_t verdict[VERDICT_COUNT]
    uint64_t reason[REASON_COUNT]
    uint64_t count[COUNTER_COUNT]


cdef inline void add_count(counters_t* counters, int which, uint64_t n) noexcept nogil:
    counters.count[which] += n


cdef inline void add_verdict(counters_t* counters, int verdict, uint64_t n) noexcept nogil:
    counters.verdict[verdict] += n


cdef inline void add_reason(counters_t* counters, int reason, uint64_t n) noexcept nogil:
    counters.reason[reason] += n
