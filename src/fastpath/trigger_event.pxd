# The small parts of a trigger: its event, as control will see it, and the gauges of its buffer.

from fastpath.flow cimport flow_addresses, flow_ports
from fastpath.packet cimport packet_t
from fastpath.trigger cimport trigger_entry_t, trigger_event_t, trigger_table_t
from libc.stdint cimport uint32_t


cdef inline void note_enqueued(trigger_table_t* table, uint32_t octets) noexcept nogil:
    table.enqueued += 1
    table.octets += octets
    if table.enqueued > table.max_enqueued:
        table.max_enqueued = table.enqueued


cdef inline void fill_event(trigger_event_t* event, const packet_t* p, uint32_t index,
                            const trigger_entry_t* entry) noexcept nogil:
    event.ts = p.ts
    event.key = index
    event.generation = entry.generation
    event.glean = entry.glean
    event.table = entry.table
    event.proto = p.proto
    flow_ports(p, &event.source_port, &event.destination_port)
    flow_addresses(p, &event.source, &event.destination)
