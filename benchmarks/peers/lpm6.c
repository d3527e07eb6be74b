/* rte_lpm6, a trie of 24 bits and then 8 a step, bulk lookup. */
#include <stdio.h>
#include <rte_lpm6.h>
#include <rte_memory.h>
#include "peers.h"

static void *open_lpm6(uint32_t routes, uint32_t blocks) {
    static int made;
    char name[32];
    struct rte_lpm6_config conf = {.max_rules = routes, .number_tbl8s = blocks};
    snprintf(name, sizeof name, "lpm6_%d", made++);
    return rte_lpm6_create(name, SOCKET_ID_ANY, &conf);
}

static void close_lpm6(void *table) { rte_lpm6_free(table); }

static const uint8_t half[2][16] = {{0}, {0x80}};

/* A default route, which rte_lpm6 does not know, is its two halves. */
static int add(void *table, const uint8_t *prefix, int length, uint32_t nh) {
    if (length > 0)
        return rte_lpm6_add(table, prefix, (uint8_t)length, nh);
    int result = rte_lpm6_add(table, half[0], 1, nh);
    return result < 0 ? result : rte_lpm6_add(table, half[1], 1, nh);
}

static int removed(void *table, const uint8_t *prefix, int length) {
    if (length > 0)
        return rte_lpm6_delete(table, prefix, (uint8_t)length);
    int result = rte_lpm6_delete(table, half[0], 1);
    return result < 0 ? result : rte_lpm6_delete(table, half[1], 1);
}

static void lookup(const void *table, const uint8_t *keys, void *out, int n) {
    rte_lpm6_lookup_bulk_func(table, (uint8_t (*)[16])keys, out, (unsigned)n);
}

const struct peer lpm6_bulk = {
    .name = "rte_lpm6 bulk", .family = 6, .big_endian = 1, .answer = 4,
    .blocks_limit = 1u << 21, .nh_limit = 1u << 21, .open = open_lpm6, .close = close_lpm6,
    .add = add, .remove = removed, .lookup = lookup,
};
