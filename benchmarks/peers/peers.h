/* Peers: longest-prefix-match tables of DPDK behind one interface, so that one loop can time them
 * and ours alike. Results: 0, or a negative errno. Not here: timing, keys, what is compared. */
#ifndef PEERS_H
#define PEERS_H
#include <stddef.h>
#include <stdint.h>

struct peer {
    const char *name;
    int family;     /* 4 or 6 */
    int big_endian; /* keys as in the packet; else IPv4 addresses as integers of this machine */
    int answer;     /* octets of one answer */
    uint32_t blocks_limit;  /* most tbl8 groups that it can have */
    uint32_t nh_limit;      /* next hops are below */
    void *(*open)(uint32_t routes, uint32_t blocks);
    void (*close)(void *table);
    /* prefix: octets as in the packet, host bits zero. */
    int (*add)(void *table, const uint8_t *prefix, int length, uint32_t nh);
    int (*remove)(void *table, const uint8_t *prefix, int length);
    /* All of a table at once, shorter prefixes first. NULL: by `add`. */
    int (*load)(void *table, const uint8_t *prefixes, const uint8_t *lengths, const uint32_t *nhs,
                size_t n);
    /* n answers to `out`, which the caller reads as the peer writes them. */
    void (*lookup)(const void *table, const uint8_t *keys, void *out, int n);
};

extern const struct peer fib_2byte, fib_4byte, fib6_4byte, lpm_bulk, lpm6_bulk;

static inline uint32_t address4(const uint8_t *octets) {
    return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8
           | octets[3];
}

#endif
