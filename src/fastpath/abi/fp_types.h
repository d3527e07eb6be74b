/* The types of fp_abi.h: constants, structures, what their fields hold. */
#ifndef FP_TYPES_H
#define FP_TYPES_H

#include "fp_verdict.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* declarations: from here to the mark at the end this is plain C99, for cffi too */

#define FP_BURST_MAX 256       /* packets of one burst */
#define FP_HEADROOM 64         /* octets before `data` for a packet to be changed in place */
#define FP_PACKET_OCTETS 64    /* sizeof(fp_packet_t) */
#define FP_ERROR_TEXT 248
#define FP_TRACE_TEXT 2048
#define FP_NH_NONE 0           /* adjacency 0: no route */
#define FP_NH_INVALID 0xFFFFFFFF
#define FP_SESSION_INVALID 0xFFFFFFFF
#define FP_PORT_INVALID 0xFFFF
#define FP_NEIGHBOURS 1024      /* of a port; what it writes before a packet is the embedder's */
#define FP_VERDICT_ROOM 16     /* entries of fp_counters_t, so that it keeps its size */
#define FP_REASON_ROOM 176
#define FP_COUNTER_ROOM 64

/* Handles. 0 names nothing; a handle is never given out twice, so a stale one is an error. */
typedef uint64_t fp_engine_t;
typedef uint64_t fp_worker_t;
typedef uint64_t fp_transaction_t;

enum fp_error_code {
    FP_OK = 0,
    FP_ERROR_VERSION = -1,     /* header and library differ */
    FP_ERROR_CLOSED = -2,      /* the handle names nothing, or what it named is closed or ended */
    FP_ERROR_THREAD = -3,      /* a worker's call from another thread than the one it belongs to */
    FP_ERROR_ARGUMENT = -4,    /* a value that is not allowed: host bits, a range, a NULL pointer */
    FP_ERROR_UNKNOWN = -5,     /* no such table, port, next hop, route or trigger key */
    FP_ERROR_FULL = -6,        /* a table is full, or memory is */
    FP_ERROR_BUSY = -7,        /* another transaction is open, or workers are registered */
    FP_ERROR_FAILED = -8       /* none of these */
};

typedef struct fp_error {
    int32_t code;              /* enum fp_error_code */
    uint32_t item;             /* which one of an array was wrong, 0 for no array */
    char text[FP_ERROR_TEXT];  /* the item, its value, what is allowed; ends with a 0 */
} fp_error_t;

enum fp_link {                 /* what the first octet of a frame is */
    FP_LINK_ETHERNET = 1,      /* up to two VLAN tags included */
    FP_LINK_RAW = 6,           /* IPv4 or IPv6, told apart by the version nibble */
    FP_LINK_IPV4 = 7,
    FP_LINK_IPV6 = 8
};

enum fp_packet_flag {
    FP_PACKET_READONLY = 1,    /* in: may not be written; it is copied if it is sent on */
    FP_PACKET_DECAPPED = 2,    /* out: came out of an L2TP session */
    FP_PACKET_GENERATED = 4,   /* out: not received: a fragment, an answer, an injected frame */
    FP_PACKET_TRUSTED = 8      /* in: the receiver found the transport checksum right */
};

/* A packet, one cache line. The embedder fills the fields marked "in" (fp_packet_set does), the
 * engine the others. After process() `data` and `len` are the packet as it leaves.
 */
typedef struct fp_packet {
    uint8_t *data;             /* in: first octet of the frame */
    uint8_t *frame;            /* in: the same; stays where it is */
    uint64_t ts;               /* in: arrival */
    uint32_t len;              /* in: octets at data */
    uint32_t frame_len;        /* in: the same */
    uint32_t wire_len;         /* in: octets the frame had on the wire, >= frame_len */
    uint32_t nh;               /* its adjacency */
    uint32_t session;          /* session it came out of, FP_SESSION_INVALID for none */
    uint16_t l3;               /* offset of the IP header from data */
    uint16_t l4;               /* offset of what follows the IP header */
    uint16_t headroom;         /* in: writable octets before data; with less than FP_HEADROOM the
                                * packet is copied when it is sent on */
    uint16_t table;            /* routing table it was looked up in */
    uint16_t port;             /* where it arrived */
    uint8_t link;              /* in: enum fp_link */
    uint8_t family;            /* 4, 6, or 0 if it is not IP */
    uint8_t proto;             /* IP protocol */
    uint8_t verdict;           /* enum fp_verdict */
    uint8_t reason;            /* enum fp_reason, with FP_VERDICT_DROP */
    uint8_t flags;             /* in: READONLY, TRUSTED or 0; out: enum fp_packet_flag */
    uint16_t neighbour;        /* of a packet that leaves: the one of its adjacency */
} fp_packet_t;

/* Packets that leave by one port, in order. Memory of the worker, valid until its next call. The
 * packets of the burst are there by pointers into the caller's own array, with their octets where
 * they were; what the engine made itself (FP_PACKET_GENERATED), or had to copy for want of
 * headroom, lies in the worker's memory. Each begins with its IP header: there is no link header.
 */
typedef struct fp_transmit {
    fp_packet_t **packets;
    uint32_t count;
    uint32_t refused;          /* for which there was no room: counted as send_refused */
} fp_transmit_t;

/* A queue of a port, as a driver offers it: for poll(). The functions are called on the worker's
 * thread, inside poll() and where packets leave; they may not call the ABI. They and `state` must
 * live until the worker is unregistered; the structure itself is copied.
 */
typedef struct fp_queue {
    void *state;
    /* Describes up to max packets that have arrived by until_ns, in order, and fills the "in"
     * fields of each. They stay valid until the next call. How many, or -1: the source is damaged.
     */
    int (*rx_burst)(void *state, fp_packet_t *packets, int max, uint64_t until_ns);
    /* The first n of those are taken; the others are described again the next time. */
    void (*rx_consume)(void *state, int n);
    /* Arrival of the next packet, UINT64_MAX when there is none now. */
    uint64_t (*next_ns)(void *state);
    /* Sends packets, which begin with their IP headers; must copy what it keeps. How many it took.
     */
    int (*tx_burst)(void *state, fp_packet_t **packets, int n);
} fp_queue_t;

/* Memory of equal slots, each with room before and behind its frame: for process_slots(). Frame i
 * begins at base + i * stride + headroom. The memory is the embedder's and must live until the
 * worker is unregistered or other memory is attached; a stride of 2,048 makes slots collide in the
 * processor's caches.
 */
typedef struct fp_memory {
    uint8_t *base;
    uint32_t stride;           /* octets from slot to slot */
    uint32_t slots;            /* 1 to 65536 */
    uint16_t headroom;         /* at least FP_HEADROOM, or packets are copied */
    uint8_t link;              /* enum fp_link of all frames */
    uint8_t unused[5];         /* 0 */
} fp_memory_t;

typedef struct fp_config {     /* 0 in a field: the default */
    uint32_t size;             /* sizeof(fp_config_t) */
    uint32_t adjacencies;      /* capacity, 2 to 2^24; 131072 */
    uint32_t sessions;         /* capacity, 1 to 2^22; 65536 */
    uint32_t punt_ring;        /* octets, a power of two from 4096 on; 2^20 */
    uint32_t trigger_keys;     /* capacity; 131072 */
    uint32_t error_rate;       /* ICMP errors a second; 100 */
    uint32_t echo_rate;        /* echo replies a second; 1000 */
    uint32_t unused;           /* 0 */
    uint64_t seed;             /* secret for hashes */
} fp_config_t;

typedef struct fp_prefix {
    uint8_t octet[16];         /* an IPv4 address in the first four */
    uint8_t family;            /* 4 or 6; of an address too */
    uint8_t length;            /* bits; of an address it is not looked at */
    uint8_t unused[2];
} fp_prefix_t;

typedef struct fp_route {
    fp_prefix_t prefix;        /* host bits zero */
    uint32_t nh;
} fp_route_t;

enum fp_adjacency_kind {
    FP_ADJACENCY_DROP = 1,     /* discards: prohibited */
    FP_ADJACENCY_LOCAL = 2,    /* one of our own addresses */
    FP_ADJACENCY_GLEAN = 3,    /* a dial-out route: its packets are triggers */
    FP_ADJACENCY_IP = 4,       /* a plain next hop behind a port */
    FP_ADJACENCY_SESSION = 5   /* an L2TP session; made by add_session() */
};

typedef struct fp_adjacency {
    uint8_t kind;              /* enum fp_adjacency_kind, but not SESSION */
    uint8_t tunnel;            /* LOCAL: 1 if UDP 1701 to this address is L2TP */
    uint16_t table;            /* GLEAN: its routing table */
    uint16_t port;             /* IP: where it leaves; FP_PORT_INVALID for none */
    uint16_t mtu;              /* IP: largest packet, octets, 68 to 65535; 0: 1500 */
    uint16_t neighbour;        /* IP: number for the embedder, below FP_NEIGHBOURS */
} fp_adjacency_t;

enum fp_session_flag {
    FP_SESSION_ACFC = 1,           /* PPP without FF 03 */
    FP_SESSION_PFC = 2,            /* PPP protocol in one octet */
    FP_SESSION_SEQUENCING = 4,     /* data messages with Ns */
    FP_SESSION_UDP_CHECKSUM = 8,   /* outer UDP checksum computed, else 0; over IPv6 a session made
                                    * without takes messages that have none (RFC 6935) */
    FP_SESSION_DF = 16,            /* Don't Fragment on the outer IPv4 packet */
    FP_SESSION_COPY_TOS = 32       /* outer TOS octet is the inner one, `tos` is not looked at */
};

typedef struct fp_session {
    uint8_t local[16];         /* our tunnel address; an IPv4 address in the first four */
    uint8_t peer[16];          /* the LAC's */
    uint16_t local_port;       /* UDP, 1 to 65535, as the next */
    uint16_t peer_port;
    uint16_t tunnel;           /* our ids, 1 to 65535 */
    uint16_t session;
    uint16_t peer_tunnel;      /* the LAC's ids */
    uint16_t peer_session;
    uint16_t table;            /* routing table of the inner packets */
    uint16_t port;             /* where it leaves */
    uint16_t mtu;              /* largest inner packet, octets, 68 to 65491; 0: 1460 */
    uint16_t mss;              /* TCP segments announced to be larger are cut to it, in IPv6 to 20
                                * less; 0: none are */
    uint16_t neighbour;        /* number for the embedder, below FP_NEIGHBOURS */
    uint8_t flags;             /* enum fp_session_flag */
    uint8_t tos;               /* outer TOS octet or traffic class */
    uint8_t family;            /* of both addresses: 6, or 4 or 0 for IPv4 */
    uint8_t unused[3];         /* 0 */
} fp_session_t;

/* A packet for control: the octets are copied to the caller's memory at `offset`. */
typedef struct fp_punt {
    uint64_t ts;
    uint32_t offset;
    uint32_t len;
    uint32_t nh;               /* PUNT_PPP: adjacency of the session; else 0 */
    uint8_t source[16];        /* outer addresses, IPv4 as ::ffff:a.b.c.d */
    uint8_t destination[16];
    uint16_t source_port;      /* outer UDP ports, 0 if it has none */
    uint16_t destination_port;
    uint16_t table;
    uint8_t verdict;           /* PUNT_L2TP: the octets are the UDP payload; PUNT_PPP: a PPP frame;
                                * PUNT_LOCAL: an IP packet */
    uint8_t unused[5];
} fp_punt_t;

/* The first packet that hit a dial-out route toward a destination. */
typedef struct fp_trigger {
    uint64_t key;              /* names it in orders; never reused for another destination */
    uint64_t ts;
    uint8_t destination[16];   /* IPv4 as ::ffff:a.b.c.d */
    uint8_t source[16];
    uint32_t glean;            /* adjacency of the dial-out route */
    uint16_t table;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t proto;
    uint8_t unused[5];
} fp_trigger_t;

typedef struct fp_counters {   /* what is behind the last one that exists is 0 */
    uint64_t verdict[FP_VERDICT_ROOM];     /* by enum fp_verdict; their sum is `received` */
    uint64_t reason[FP_REASON_ROOM];       /* by enum fp_reason; their sum is verdict DROP */
    uint64_t count[FP_COUNTER_ROOM];       /* by enum fp_counter */
} fp_counters_t;

typedef struct fp_port_counters { /* of all workers */
    uint64_t rx_packets;
    uint64_t rx_octets;
    uint64_t tx_packets;
    uint64_t tx_octets;
    uint64_t tx_refused;
} fp_port_counters_t;

typedef struct fp_session_counters {
    uint64_t packets_in;
    uint64_t octets_in;        /* inner IP octets, as octets_out */
    uint64_t packets_out;
    uint64_t octets_out;
    uint64_t last_ns;          /* of the last packet either way, 0 for none yet */
    uint64_t refused;          /* inner packets that were dropped */
} fp_session_counters_t;

typedef struct fp_worker_info {
    fp_worker_t worker;
    uint64_t bursts;           /* so far */
    uint64_t stalled_ns;       /* since when it has been inside one burst, while changes wait for
                                * it to come out; 0: it keeps nobody waiting */
    int32_t tid;               /* kernel's number of its thread */
    uint8_t online;            /* 1: it is inside a burst */
    uint8_t unused[3];
} fp_worker_info_t;

/* What would become of a packet. Nothing is counted, sent or changed. */
typedef struct fp_trace {
    uint8_t verdict;
    uint8_t reason;
    uint8_t family;            /* of the packet that was routed: the inner one if it was decapped */
    uint8_t proto;
    uint8_t flags;             /* FP_PACKET_DECAPPED */
    uint8_t kind;              /* enum fp_adjacency_kind of nh */
    uint8_t prefix_length;     /* of the route it takes */
    uint8_t unused;
    uint16_t table;
    uint16_t port;             /* where it would leave, FP_PORT_INVALID for nowhere */
    uint32_t nh;
    uint32_t session;          /* nh of the session it came by, 0 for none */
    char text[FP_TRACE_TEXT];  /* line by line: link, IP, tunnel, route, adjacency, verdict */
} fp_trace_t;

/* end of the declarations */

#ifdef __cplusplus
#define FP_ABI_STATIC_ASSERT(what, text) static_assert(what, text)
#else
#define FP_ABI_STATIC_ASSERT(what, text) _Static_assert(what, text)
#endif
FP_ABI_STATIC_ASSERT(sizeof(fp_packet_t) == FP_PACKET_OCTETS, "fp_packet_t is one cache line");
FP_ABI_STATIC_ASSERT(offsetof(fp_packet_t, len) == 24, "fp_packet_t: len");
FP_ABI_STATIC_ASSERT(offsetof(fp_packet_t, l3) == 44, "fp_packet_t: l3");
FP_ABI_STATIC_ASSERT(offsetof(fp_packet_t, verdict) == 57, "fp_packet_t: verdict");
FP_ABI_STATIC_ASSERT(offsetof(fp_packet_t, neighbour) == 60, "fp_packet_t: neighbour");
FP_ABI_STATIC_ASSERT(sizeof(fp_error_t) == 256, "fp_error_t has no padding");
FP_ABI_STATIC_ASSERT(sizeof(fp_prefix_t) == 20, "fp_prefix_t has no padding");
FP_ABI_STATIC_ASSERT(sizeof(fp_route_t) == 24, "fp_route_t has no padding");
FP_ABI_STATIC_ASSERT(sizeof(fp_session_t) == 60, "fp_session_t has no padding");
FP_ABI_STATIC_ASSERT(sizeof(fp_punt_t) == 64, "fp_punt_t has no padding");
FP_ABI_STATIC_ASSERT(sizeof(fp_trigger_t) == 64, "fp_trigger_t has no padding");
FP_ABI_STATIC_ASSERT(sizeof(fp_memory_t) == 24, "fp_memory_t has no padding");
FP_ABI_STATIC_ASSERT(sizeof(fp_worker_info_t) == 32, "fp_worker_info_t has no padding");

/* Describes a frame that was received whole. */
static inline void fp_packet_set(fp_packet_t *p, void *data, uint32_t len, uint16_t headroom,
                                 int link, uint64_t ts)
{
    p->data = p->frame = (uint8_t *)data;
    p->ts = ts;
    p->len = p->frame_len = p->wire_len = len;
    p->headroom = headroom;
    p->link = (uint8_t)link;
    p->flags = 0;
}

/* An IPv4 prefix from four octets and a length, or an address with length 32. */
static inline fp_prefix_t fp_prefix4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, int length)
{
    fp_prefix_t prefix;
    memset(&prefix, 0, sizeof prefix);
    prefix.octet[0] = a;
    prefix.octet[1] = b;
    prefix.octet[2] = c;
    prefix.octet[3] = d;
    prefix.family = 4;
    prefix.length = (uint8_t)length;
    return prefix;
}

#ifdef __cplusplus
}
#endif
#endif
