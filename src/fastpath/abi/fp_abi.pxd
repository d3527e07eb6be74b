# The C ABI's declarations, as the headers of this folder have them, for its implementation.

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "abi/fp_abi.h" nogil:
    enum:
        FP_ABI_VERSION
        FP_BURST_MAX
        FP_HEADROOM
        FP_ERROR_TEXT
        FP_TRACE_TEXT
        FP_PORT_INVALID
        FP_VERDICT_ROOM
        FP_REASON_ROOM
        FP_COUNTER_ROOM
        FP_VERDICT_COUNT
        FP_REASON_COUNT
        FP_COUNTER_COUNT

        FP_OK
        FP_ERROR_VERSION
        FP_ERROR_CLOSED
        FP_ERROR_THREAD
        FP_ERROR_ARGUMENT
        FP_ERROR_UNKNOWN
        FP_ERROR_FULL
        FP_ERROR_BUSY
        FP_ERROR_FAILED

        FP_SESSION_ACFC
        FP_SESSION_PFC
        FP_SESSION_SEQUENCING
        FP_SESSION_UDP_CHECKSUM
        FP_SESSION_DF
        FP_SESSION_COPY_TOS

    ctypedef uint64_t fp_engine_t
    ctypedef uint64_t fp_worker_t
    ctypedef uint64_t fp_transaction_t

    ctypedef struct fp_error_t:
        int32_t code
        uint32_t item
        char text[248]

    ctypedef struct fp_packet_t:
        uint8_t* data
        uint8_t* frame
        uint64_t ts
        uint32_t len
        uint32_t frame_len
        uint32_t wire_len
        uint32_t nh
        uint32_t session
        uint16_t l3
        uint16_t l4
        uint16_t headroom
        uint16_t table
        uint16_t port
        uint8_t link
        uint8_t family
        uint8_t proto
        uint8_t verdict
        uint8_t reason
        uint8_t flags

    ctypedef struct fp_transmit_t:
        fp_packet_t** packets
        uint32_t count
        uint32_t refused

    ctypedef struct fp_queue_t:
        void* state
        int (*rx_burst)(void* state, fp_packet_t* packets, int max,
                        uint64_t until_ns) noexcept nogil
        void (*rx_consume)(void* state, int n) noexcept nogil
        uint64_t (*next_ns)(void* state) noexcept nogil
        int (*tx_burst)(void* state, fp_packet_t** packets, int n) noexcept nogil

    ctypedef struct fp_memory_t:
        uint8_t* base
        uint32_t stride
        uint32_t slots
        uint16_t headroom
        uint8_t link

    ctypedef struct fp_config_t:
        uint32_t size
        uint32_t adjacencies
        uint32_t sessions
        uint32_t punt_ring
        uint32_t trigger_keys
        uint32_t error_rate
        uint32_t echo_rate
        uint32_t unused
        uint64_t seed

    ctypedef struct fp_prefix_t:
        uint8_t octet[16]
        uint8_t family
        uint8_t length

    ctypedef struct fp_route_t:
        fp_prefix_t prefix
        uint32_t nh

    ctypedef struct fp_adjacency_t:
        uint8_t kind
        uint8_t tunnel
        uint16_t table
        uint16_t port
        uint16_t mtu
        uint16_t neighbour

    ctypedef struct fp_session_t:
        uint8_t local[16]
        uint8_t peer[16]
        uint16_t local_port
        uint16_t peer_port
        uint16_t tunnel
        uint16_t session
        uint16_t peer_tunnel
        uint16_t peer_session
        uint16_t table
        uint16_t port
        uint16_t mtu
        uint16_t mss
        uint16_t neighbour
        uint8_t flags
        uint8_t tos
        uint8_t family

    ctypedef struct fp_punt_t:
        uint64_t ts
        uint32_t offset
        uint32_t len
        uint32_t nh
        uint8_t source[16]
        uint8_t destination[16]
        uint16_t source_port
        uint16_t destination_port
        uint16_t table
        uint8_t verdict
        uint8_t unused[5]

    ctypedef struct fp_trigger_t:
        uint64_t key
        uint64_t ts
        uint8_t destination[16]
        uint8_t source[16]
        uint32_t glean
        uint16_t table
        uint16_t source_port
        uint16_t destination_port
        uint8_t proto

    ctypedef struct fp_counters_t:
        uint64_t verdict[16]
        uint64_t reason[176]
        uint64_t count[64]

    ctypedef struct fp_port_counters_t:
        uint64_t rx_packets
        uint64_t rx_octets
        uint64_t tx_packets
        uint64_t tx_octets
        uint64_t tx_refused

    ctypedef struct fp_session_counters_t:
        uint64_t packets_in
        uint64_t octets_in
        uint64_t packets_out
        uint64_t octets_out
        uint64_t last_ns
        uint64_t refused

    ctypedef struct fp_worker_info_t:
        fp_worker_t worker
        uint64_t bursts
        uint64_t stalled_ns
        int32_t tid
        uint8_t online

    ctypedef struct fp_trace_t:
        uint8_t verdict
        uint8_t reason
        uint8_t family
        uint8_t proto
        uint8_t flags
        uint8_t kind
        uint8_t prefix_length
        uint16_t table
        uint16_t port
        uint32_t nh
        uint32_t session
        char text[2048]

    ctypedef struct fp_abi_t:
        uint32_t version
        uint32_t size
        const char* (*verdict_name)(int verdict) noexcept nogil
        const char* (*reason_name)(int reason) noexcept nogil
        const char* (*counter_name)(int counter) noexcept nogil
        int (*engine_create)(const fp_config_t* config, fp_engine_t* engine,
                             fp_error_t* error) noexcept nogil
        int (*engine_destroy)(fp_engine_t engine, fp_error_t* error) noexcept nogil
        int (*add_table)(fp_engine_t engine, const char* name, const uint8_t* address,
                         const uint8_t* address6, fp_error_t* error) noexcept nogil
        int (*add_port)(fp_engine_t engine, const char* name, int table,
                        fp_error_t* error) noexcept nogil
        int (*worker_register)(fp_engine_t engine, fp_worker_t* worker,
                               fp_error_t* error) noexcept nogil
        int (*worker_unregister)(fp_worker_t worker, fp_error_t* error) noexcept nogil
        int (*attach_queue)(fp_worker_t worker, int port, const fp_queue_t* queue,
                            fp_error_t* error) noexcept nogil
        int (*attach_memory)(fp_worker_t worker, int port, const fp_memory_t* memory,
                             fp_packet_t** packets, fp_error_t* error) noexcept nogil
        int (*process)(fp_worker_t worker, int port, fp_packet_t* packets, int n,
                       const fp_transmit_t** out, fp_error_t* error) noexcept nogil
        int (*process_slots)(fp_worker_t worker, int port, uint32_t first, const uint32_t* lengths,
                             int n, uint64_t now_ns, const fp_transmit_t** out,
                             fp_error_t* error) noexcept nogil
        int (*poll)(fp_worker_t worker, int port, int most, uint64_t until_ns,
                    const fp_transmit_t** out, fp_error_t* error) noexcept nogil
        int (*poll_punts)(fp_engine_t engine, fp_punt_t* punts, int most, uint8_t* octets,
                          uint32_t room, fp_error_t* error) noexcept nogil
        int (*poll_triggers)(fp_engine_t engine, fp_trigger_t* triggers, int most,
                             fp_error_t* error) noexcept nogil
        int (*inject)(fp_engine_t engine, uint32_t nh, const uint8_t* frame, uint32_t len,
                      uint64_t now_ns, fp_error_t* error) noexcept nogil
        int (*trigger_hold)(fp_engine_t engine, uint64_t key, fp_error_t* error) noexcept nogil
        int (*trigger_discard)(fp_engine_t engine, uint64_t key, fp_error_t* error) noexcept nogil
        int (*trigger_flush)(fp_engine_t engine, uint64_t key, uint32_t nh, uint64_t now_ns,
                             fp_error_t* error) noexcept nogil
        int (*trigger_drop)(fp_engine_t engine, uint64_t key, int forget,
                            fp_error_t* error) noexcept nogil
        int (*begin)(fp_engine_t engine, fp_transaction_t* transaction,
                     fp_error_t* error) noexcept nogil
        int (*add_route)(fp_transaction_t transaction, int table, const fp_route_t* route,
                         fp_error_t* error) noexcept nogil
        int (*add_routes)(fp_transaction_t transaction, int table, const fp_route_t* routes,
                          uint32_t n, fp_error_t* error) noexcept nogil
        int (*delete_route)(fp_transaction_t transaction, int table, const fp_prefix_t* prefix,
                            fp_error_t* error) noexcept nogil
        int (*add_adjacency)(fp_transaction_t transaction, const fp_adjacency_t* adjacency,
                             uint32_t* nh, fp_error_t* error) noexcept nogil
        int (*add_session)(fp_transaction_t transaction, const fp_session_t* session, uint32_t* nh,
                           fp_error_t* error) noexcept nogil
        int (*update_session)(fp_transaction_t transaction, uint32_t nh,
                              const fp_session_t* session, fp_error_t* error) noexcept nogil
        int (*set_sources)(fp_transaction_t transaction, uint32_t nh, const fp_prefix_t* prefixes,
                           uint32_t n, fp_error_t* error) noexcept nogil
        int (*hold)(fp_transaction_t transaction, uint32_t nh, uint64_t key,
                    fp_error_t* error) noexcept nogil
        int (*delete_adjacency)(fp_transaction_t transaction, uint32_t nh,
                                fp_error_t* error) noexcept nogil
        int (*resolve_open)(fp_transaction_t transaction, int table, const fp_prefix_t* address,
                            uint32_t* nh, fp_error_t* error) noexcept nogil
        int (*commit)(fp_transaction_t transaction, fp_error_t* error) noexcept nogil
        int (*rollback)(fp_transaction_t transaction, fp_error_t* error) noexcept nogil
        int (*resolve)(fp_engine_t engine, int table, const fp_prefix_t* address, uint32_t* nh,
                       fp_error_t* error) noexcept nogil
        int (*lookup)(fp_engine_t engine, int table, int family, const uint8_t* addresses,
                      uint32_t* nhs, uint32_t n, fp_error_t* error) noexcept nogil
        int (*counters)(fp_engine_t engine, fp_counters_t* counters,
                        fp_error_t* error) noexcept nogil
        int (*port_counters)(fp_engine_t engine, int port, fp_port_counters_t* counters,
                             fp_error_t* error) noexcept nogil
        int (*session_counters)(fp_engine_t engine, uint32_t nh, fp_session_counters_t* counters,
                                fp_error_t* error) noexcept nogil
        int (*workers)(fp_engine_t engine, fp_worker_info_t* workers, int most,
                       fp_error_t* error) noexcept nogil
        int (*trace)(fp_engine_t engine, int port, const uint8_t* frame, uint32_t len, int link,
                     fp_trace_t* trace, fp_error_t* error) noexcept nogil
        int (*set_neighbour)(fp_transaction_t transaction, uint32_t nh, uint16_t neighbour,
                             fp_error_t* error) noexcept nogil

    int fp_abi_check(const fp_abi_t* abi, uint32_t version, size_t size, fp_error_t* error)
