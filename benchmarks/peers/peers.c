/* What the loader calls: DPDK's environment, the table of peers, load and update loops. */
#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include "peers.h"

static const struct peer *const peers[] = {
    &fib_2byte, &fib_4byte, &lpm_bulk, &fib6_4byte, &lpm6_bulk,
};

static int want_huge_pages(const struct rte_memseg_list *list, void *unused) {
    (void)unused;
    madvise(list->base_va, list->len, MADV_HUGEPAGE);
    return 0;
}

/* Once a process. Memory that is not hugetlbfs's asks for transparent huge pages instead. */
int peers_init(int argc, char **argv) {
    if (rte_eal_init(argc, argv) < 0)
        return -rte_errno;
    if (!rte_eal_has_hugepages())
        rte_memseg_list_walk(want_huge_pages, NULL);
    return 0;
}

const struct peer *peer_at(int index) {
    return index < 0 || index >= (int)(sizeof peers / sizeof *peers) ? NULL : peers[index];
}

/* Octets of DPDK's heaps that are in use. */
uint64_t peers_memory(void) {
    uint64_t total = 0;
    for (int socket = 0; socket < RTE_MAX_NUMA_NODES; socket++) {
        struct rte_malloc_socket_stats stats;
        if (rte_malloc_get_socket_stats(socket, &stats) == 0)
            total += stats.heap_allocsz_bytes;
    }
    return total;
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nanoseconds, or a negative errno of the first prefix that was refused. */
int64_t peer_load(const struct peer *peer, void *table, const uint8_t *prefixes,
                  const uint8_t *lengths, const uint32_t *nhs, size_t n) {
    size_t width = peer->family == 4 ? 4 : 16;
    uint64_t start = now();
    if (peer->load != NULL) {
        int result = peer->load(table, prefixes, lengths, nhs, n);
        return result < 0 ? result : (int64_t)(now() - start);
    }
    for (size_t i = 0; i < n; i++) {
        int result = peer->add(table, prefixes + width * i, lengths[i], nhs[i]);
        if (result < 0)
            return result;
    }
    return (int64_t)(now() - start);
}

int64_t peer_remove(const struct peer *peer, void *table, const uint8_t *prefixes,
                    const uint8_t *lengths, size_t n) {
    size_t width = peer->family == 4 ? 4 : 16;
    uint64_t start = now();
    for (size_t i = 0; i < n; i++) {
        int result = peer->remove(table, prefixes + width * i, lengths[i]);
        if (result < 0)
            return result;
    }
    return (int64_t)(now() - start);
}
