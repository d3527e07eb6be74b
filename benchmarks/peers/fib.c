/* rte_fib, DIR-24-8 with cells of 2 and of 4 octets, looked up by its AVX-512 function where the
 * machine has it. */
#include <stdio.h>
#include <rte_fib.h>
#include <rte_memory.h>
#include "peers.h"

static void *open_fib(enum rte_fib_dir24_8_nh_sz size, uint32_t routes, uint32_t blocks) {
    static int made;
    char name[32];
    struct rte_fib_conf conf = {.type = RTE_FIB_DIR24_8, .max_routes = (int)routes};
    conf.dir24_8.nh_sz = size;
    conf.dir24_8.num_tbl8 = blocks;
    snprintf(name, sizeof name, "fib%d", made++);
    struct rte_fib *fib = rte_fib_create(name, SOCKET_ID_ANY, &conf);
    if (fib != NULL && rte_fib_select_lookup(fib, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512) < 0)
        rte_fib_select_lookup(fib, RTE_FIB_LOOKUP_DEFAULT);
    return fib;
}

static void *open_2byte(uint32_t routes, uint32_t blocks) {
    return open_fib(RTE_FIB_DIR24_8_2B, routes, blocks);
}

static void *open_4byte(uint32_t routes, uint32_t blocks) {
    return open_fib(RTE_FIB_DIR24_8_4B, routes, blocks);
}

static void close_fib(void *table) { rte_fib_free(table); }

static int add(void *table, const uint8_t *prefix, int length, uint32_t nh) {
    return rte_fib_add(table, address4(prefix), (uint8_t)length, nh);
}

static int removed(void *table, const uint8_t *prefix, int length) {
    return rte_fib_delete(table, address4(prefix), (uint8_t)length);
}

static void lookup(const void *table, const uint8_t *keys, void *out, int n) {
    rte_fib_lookup_bulk((struct rte_fib *)table, (uint32_t *)keys, out, n);
}

const struct peer fib_2byte = {
    .name = "rte_fib 2-byte", .family = 4, .answer = 8, .blocks_limit = (1u << 15) - 1,
    .nh_limit = 1u << 15, .open = open_2byte, .close = close_fib, .add = add, .remove = removed,
    .lookup = lookup,
};
const struct peer fib_4byte = {
    .name = "rte_fib 4-byte", .family = 4, .answer = 8, .blocks_limit = 1u << 24,
    .nh_limit = 1u << 31, .open = open_4byte, .close = close_fib, .add = add, .remove = removed,
    .lookup = lookup,
};
