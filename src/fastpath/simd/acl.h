/* Lookup in compiled rule sets: the structures, and the three variants of the lookup (acl_lanes.h).
 *
 * A part holds rules that share the tables of their fields. A packet's fields become classes, and
 * those become numbers of cells:
 *
 *   source -> row    destination -> column         ports, protocol, flags, traffic -> service
 *   pairs[row][column] -> pattern | list           ranks[pattern][service] -> rank
 *   lists[list + rank] -> rule
 *
 * Two addresses that the same prefixes cover are one row. A pair of row and column knows the rules
 * whose addresses fit, as a list in order of priority; which of them is the first to fit the
 * service depends only on the services of the list, its pattern, and few patterns are different.
 * Groups of a part are rules with short or long source and destination prefixes: put together,
 * their pairs would multiply. The best answer of all groups and parts is the rule.
 */
#ifndef DIALOUT_SIMD_ACL_H
#define DIALOUT_SIMD_ACL_H

#include <stdint.h>
#include <string.h>

enum {
    ACL_GROUPS = 4,               /* groups of a part */
    ACL_FIELDS = 5,               /* source port, destination port, flags, protocol, traffic */
    ACL_BATCH = 256,              /* keys of one lookup */
    ACL_CHILD = 0x8000,           /* cell of a trie: the number of a block */
    ACL_NONE = 0x7FFFFFFF,        /* no rule: above every rule's number, positive as lanes are */
    ACL_HEADLESS = 0x80,          /* traffic: ports and flags are not there */
    ACL_FRAGMENT = 0x40,          /* traffic: piece of a fragmented packet; below: DSCP */
    ACL_PAD = 8                   /* octets behind every table that a gather may read too much */
};

/* What rules look at in an IPv4 packet. Host byte order. 16 octets.
 *   0        4             8             10                 12      14         15
 *  | source | destination | source port | destination port | flags | protocol | traffic | */
typedef struct {
    uint32_t source, destination;
    uint16_t source_port, destination_port;
    uint16_t flags;               /* TCP: its flags << 8; ICMP: type << 8 | code; else 0 */
    uint8_t protocol;
    uint8_t traffic;              /* ACL_HEADLESS | ACL_FRAGMENT | DSCP */
} acl_key4_t;

/* The same of an IPv6 packet: addresses as 4 words each, the first one leading. 40 octets. */
typedef struct {
    uint32_t source[4], destination[4];
    uint16_t source_port, destination_port;
    uint16_t flags;
    uint8_t protocol;
    uint8_t traffic;
} acl_key6_t;

/* A trie from addresses to classes: 16 bits, then `stride` bits a step. Cells: class, or ACL_CHILD
 * and the number of a block of 2^stride cells behind the first 65,536. */
typedef struct {
    uint16_t *cells;
    uint32_t stride;
} acl_trie_t;

/* A 16-bit field: high[value >> 8] is the block of low[] that value & 255 selects from. What is
 * there is the class times its weight in the number of the service. NULL: one class. high[256] is
 * for headless packets. */
typedef struct {
    uint16_t *high;
    uint32_t *low;
} acl_field_t;

/* Rows of equal width. shift 0: cell = cells[row * width + column]. Else rows are cut into pieces
 * of 2^shift cells, of which equal ones are there once: pieces[row * width + (column >> shift)]. */
typedef struct {
    uint8_t *cells;
    uint16_t *pieces;
    uint32_t width;
    uint32_t shift;
} acl_grid_t;

typedef struct {
    acl_grid_t pairs;             /* 4 octets a cell: pattern << list_bits | list */
    acl_grid_t ranks;             /* 1 octet a cell */
    uint32_t *lists;              /* lists[list]: ACL_NONE, then the rules of rank 1, 2 ... */
    uint32_t list_bits;
} acl_group_t;

/* rows, columns, services: class -> number in group 0 | number in group 1 << 16, then a second
 * table for groups 2 and 3. NULL with one group for whose rows the classes themselves serve. */
typedef struct {
    acl_trie_t source, destination;
    acl_field_t source_port, destination_port, flags;
    uint32_t *protocol;           /* 256, or NULL */
    uint32_t *traffic;            /* 128, or NULL */
    uint32_t *rows[2], *columns[2], *services[2];
    uint32_t groups;
    uint32_t words;               /* of an address */
    acl_group_t group[ACL_GROUPS];
} acl_part_t;

typedef struct {
    uint32_t source[ACL_BATCH], destination[ACL_BATCH], service[ACL_BATCH];
} acl_classes_t;

/* --- variants ------------------------------------------------------------------------------ */

#define ACL_NAME(name) name##_portable
#define ACL_TARGET
#define ACL_LANES 1
#include "simd/acl_lanes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define ACL_NAME(name) name##_avx2
#define ACL_TARGET __attribute__((target("avx2,bmi2")))
#define ACL_LANES 8
#include "simd/acl_lanes.h"

#define ACL_NAME(name) name##_avx512
#define ACL_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi2")))
#define ACL_LANES 16
#include "simd/acl_lanes.h"
#endif

/* The best rule of a part, or what best[] held if that is better. 0 <= n <= ACL_BATCH. */
static inline void acl_part_lookup(const acl_part_t *part, const void *keys, int n, uint32_t *best,
                                   int level) {
#if defined(__x86_64__)
    if (level >= 2) {
        acl_lookup_avx512(part, keys, n, best);
        return;
    }
    if (level == 1) {
        acl_lookup_avx2(part, keys, n, best);
        return;
    }
#endif
    acl_lookup_portable(part, keys, n, best);
}

#endif
