/* rte_lpm, DIR-24-8 with 4 octets a cell, bulk lookup.
 *
 * rte_lpm_add compares a prefix with all of its length, so a table of the Internet takes it minutes.
 * For lookups `load` therefore writes the two tables themselves, which rte_lpm.h declares and its
 * inline lookup functions read: the cells that rte_lpm_add would have written. A table loaded so
 * cannot be changed afterwards. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <rte_lpm.h>
#include <rte_memory.h>
#include "peers.h"

#define GROUP RTE_LPM_TBL8_GROUP_NUM_ENTRIES

struct table {
    struct rte_lpm *lpm;
    uint32_t blocks;
    uint32_t used;
};

static void *open_lpm(uint32_t routes, uint32_t blocks) {
    static int made;
    char name[32];
    struct rte_lpm_config conf = {.max_rules = routes, .number_tbl8s = blocks};
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    snprintf(name, sizeof name, "lpm%d", made++);
    table->lpm = rte_lpm_create(name, SOCKET_ID_ANY, &conf);
    table->blocks = blocks;
    if (table->lpm == NULL) {
        free(table);
        return NULL;
    }
    return table;
}

static void close_lpm(void *opened) {
    struct table *table = opened;
    rte_lpm_free(table->lpm);
    free(table);
}

/* A default route, which rte_lpm does not know, is its two halves. */
static int add(void *opened, const uint8_t *prefix, int length, uint32_t nh) {
    struct table *table = opened;
    if (length > 0)
        return rte_lpm_add(table->lpm, address4(prefix), (uint8_t)length, nh);
    int result = rte_lpm_add(table->lpm, 0, 1, nh);
    return result < 0 ? result : rte_lpm_add(table->lpm, 1u << 31, 1, nh);
}

static int removed(void *opened, const uint8_t *prefix, int length) {
    struct table *table = opened;
    if (length > 0)
        return rte_lpm_delete(table->lpm, address4(prefix), (uint8_t)length);
    int result = rte_lpm_delete(table->lpm, 0, 1);
    return result < 0 ? result : rte_lpm_delete(table->lpm, 1u << 31, 1);
}

static int paint(struct table *table, uint32_t address, int length, uint32_t nh) {
    struct rte_lpm_tbl_entry *cell = &table->lpm->tbl24[address >> 8];
    struct rte_lpm_tbl_entry leaf = {.next_hop = nh, .valid = 1, .depth = length ? length : 1};
    if (length <= 24) {
        for (uint32_t i = 0; i < 1u << (24 - length); i++)
            cell[i] = leaf;
        return 0;
    }
    if (!cell->valid_group) {
        struct rte_lpm_tbl_entry above = *cell;
        if (table->used == table->blocks)
            return -ENOSPC;
        above.valid_group = 1; /* in a group: the group is in use */
        for (uint32_t i = 0; i < GROUP; i++)
            table->lpm->tbl8[table->used * GROUP + i] = above;
        *cell = (struct rte_lpm_tbl_entry){
            .next_hop = table->used++, .valid = 1, .valid_group = 1, .depth = above.depth};
    }
    leaf.valid_group = 1;
    for (uint32_t i = 0; i < 1u << (32 - length); i++)
        table->lpm->tbl8[cell->next_hop * GROUP + (address & 255) + i] = leaf;
    return 0;
}

static int load(void *opened, const uint8_t *prefixes, const uint8_t *lengths,
                const uint32_t *nhs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int result = paint(opened, address4(prefixes + 4 * i), lengths[i], nhs[i]);
        if (result < 0)
            return result;
    }
    return 0;
}

static void lookup(const void *opened, const uint8_t *keys, void *out, int n) {
    const struct table *table = opened;
    rte_lpm_lookup_bulk(table->lpm, (const uint32_t *)keys, out, (unsigned)n);
}

const struct peer lpm_bulk = {
    .name = "rte_lpm bulk", .family = 4, .answer = 4, .blocks_limit = 1u << 24,
    .nh_limit = 1u << 24, .open = open_lpm, .close = close_lpm, .add = add, .remove = removed,
    .load = load, .lookup = lookup,
};
