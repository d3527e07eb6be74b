/* rte_fib6, a trie of 24 bits and then 8 a step, cells of 4 octets. (Cells of 2 octets allow for
 * 32,767 groups only, and a full table needs more.) */
#include <stdio.h>
#include <rte_fib6.h>
#include <rte_memory.h>
#include "peers.h"

static void *open_fib6(uint32_t routes, uint32_t blocks) {
    static int made;
    char name[32];
    struct rte_fib6_conf conf = {.type = RTE_FIB6_TRIE, .max_routes = (int)routes};
    conf.trie.nh_sz = RTE_FIB6_TRIE_4B;
    conf.trie.num_tbl8 = blocks;
    snprintf(name, sizeof name, "fib6_%d", made++);
    struct rte_fib6 *fib = rte_fib6_create(name, SOCKET_ID_ANY, &conf);
    if (fib != NULL && rte_fib6_select_lookup(fib, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512) < 0)
        rte_fib6_select_lookup(fib, RTE_FIB6_LOOKUP_DEFAULT);
    return fib;
}

static void close_fib6(void *table) { rte_fib6_free(table); }

static int add(void *table, const uint8_t *prefix, int length, uint32_t nh) {
    return rte_fib6_add(table, prefix, (uint8_t)length, nh);
}

static int removed(void *table, const uint8_t *prefix, int length) {
    return rte_fib6_delete(table, prefix, (uint8_t)length);
}

static void lookup(const void *table, const uint8_t *keys, void *out, int n) {
    rte_fib6_lookup_bulk((struct rte_fib6 *)table, (uint8_t (*)[16])keys, out, n);
}

const struct peer fib6_4byte = {
    .name = "rte_fib6 4-byte", .family = 6, .big_endian = 1, .answer = 8,
    .blocks_limit = 1u << 24, .nh_limit = 1u << 31, .open = open_fib6, .close = close_fib6,
    .add = add, .remove = removed, .lookup = lookup,
};
