/* A bare AF_XDP forwarder to compare ports with: `xdp_forward IN OUT STATION`.
 *
 * Every frame of queue 0 of IN leaves by OUT toward STATION (aa:bb:cc:dd:ee:ff): receive ring, new
 * MAC addresses, send ring. Copy mode, one thread, no library. Frames stay where they are: both
 * sockets have the same memory. It looks at nothing of a packet, so it is what the kernel allows.
 * It says `ready` and runs until it is ended; its XDP program goes with it.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RING = 2048, FRAMES = 4096, FRAME = 2048, BATCH = 64 };

struct ring {
    uint32_t *producer, *consumer, *flags;
    void *entries;
};
struct sock {
    int fd;
    struct ring fill, done, rx, tx;
};

static void fail(const char *what) {
    fprintf(stderr, "xdp_forward: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int bpf(int command, union bpf_attr *attr) {
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static void map_ring(struct ring *r, int fd, const struct xdp_ring_offset *at, size_t entry,
                     uint64_t page) {
    char *base = mmap(NULL, at->desc + RING * entry, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_POPULATE, fd, (off_t)page);
    if (base == MAP_FAILED)
        fail("mmap of a ring");
    r->producer = (uint32_t *)(base + at->producer);
    r->consumer = (uint32_t *)(base + at->consumer);
    r->flags = (uint32_t *)(base + at->flags);
    r->entries = base + at->desc;
}

/* `shared`: the socket whose memory this one uses, -1: its own. */
static void open_socket(struct sock *s, const char *interface, void *memory, int shared) {
    static const int rings[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
                                XDP_TX_RING};
    struct xdp_umem_reg area = {.addr = (uintptr_t)memory, .len = (uint64_t)FRAMES * FRAME,
                                .chunk_size = FRAME};
    struct xdp_mmap_offsets at;
    struct sockaddr_xdp address = {.sxdp_family = AF_XDP,
                                   .sxdp_ifindex = if_nametoindex(interface)};
    socklen_t size = sizeof at;
    int entries = RING;
    if ((s->fd = socket(AF_XDP, SOCK_RAW, 0)) < 0)
        fail("socket");
    if (shared < 0 && setsockopt(s->fd, SOL_XDP, XDP_UMEM_REG, &area, sizeof area))
        fail("XDP_UMEM_REG");
    for (int i = 0; i < 4; i++)
        if (setsockopt(s->fd, SOL_XDP, rings[i], &entries, sizeof entries))
            fail("a ring");
    if (getsockopt(s->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size))
        fail("XDP_MMAP_OFFSETS");
    map_ring(&s->rx, s->fd, &at.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
    map_ring(&s->tx, s->fd, &at.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
    map_ring(&s->fill, s->fd, &at.fr, 8, XDP_UMEM_PGOFF_FILL_RING);
    map_ring(&s->done, s->fd, &at.cr, 8, XDP_UMEM_PGOFF_COMPLETION_RING);
    address.sxdp_flags = shared < 0 ? XDP_COPY | XDP_USE_NEED_WAKEUP : XDP_SHARED_UMEM;
    address.sxdp_shared_umem_fd = shared < 0 ? 0 : (uint32_t)shared;
    if (bind(s->fd, (struct sockaddr *)&address, sizeof address))
        fail(interface);
}

/* All frames of the interface's queues go to the sockets of the queues. */
static void redirect(const char *interface, int fd) {
    union bpf_attr attr;
    uint32_t queue = 0, descriptor = (uint32_t)fd;
    int map, program;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_XSKMAP;
    attr.key_size = attr.value_size = 4;
    attr.max_entries = 1;
    if ((map = bpf(BPF_MAP_CREATE, &attr)) < 0)
        fail("XSKMAP");
    memset(&attr, 0, sizeof attr);
    attr.map_fd = (uint32_t)map;
    attr.key = (uintptr_t)&queue;
    attr.value = (uintptr_t)&descriptor;
    if (bpf(BPF_MAP_UPDATE_ELEM, &attr))
        fail("XSKMAP entry");
    struct bpf_insn code[] = {
        {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1,
         .off = offsetof(struct xdp_md, rx_queue_index)},
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD,
         .imm = map},
        {0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT},
    };
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.insns = (uintptr_t)code;
    attr.insn_cnt = sizeof code / sizeof *code;
    attr.license = (uintptr_t)"GPL";
    attr.expected_attach_type = BPF_XDP;
    if ((program = bpf(BPF_PROG_LOAD, &attr)) < 0)
        fail("program");
    memset(&attr, 0, sizeof attr);
    attr.link_create.prog_fd = (uint32_t)program;
    attr.link_create.target_ifindex = if_nametoindex(interface);
    attr.link_create.attach_type = BPF_XDP;
    attr.link_create.flags = 1U << 2; /* in the driver */
    if (bpf(BPF_LINK_CREATE, &attr) < 0)
        fail("attach");
}

/* Frames that were sent may be received into again. */
static void recycle(struct sock *in, struct sock *out) {
    uint32_t at = *out->done.consumer, to = *in->fill.producer;
    uint32_t end = __atomic_load_n(out->done.producer, __ATOMIC_ACQUIRE);
    if (at == end)
        return;
    for (; at != end; at++, to++)
        ((uint64_t *)in->fill.entries)[to % RING] =
            ((uint64_t *)out->done.entries)[at % RING] & ~(uint64_t)(FRAME - 1);
    __atomic_store_n(out->done.consumer, at, __ATOMIC_RELEASE);
    __atomic_store_n(in->fill.producer, to, __ATOMIC_RELEASE);
}

static uint32_t forward(struct sock *in, struct sock *out, char *memory, const uint8_t *macs) {
    uint32_t from = *in->rx.consumer, to = *out->tx.producer;
    uint32_t n = __atomic_load_n(in->rx.producer, __ATOMIC_ACQUIRE) - from;
    n = n < BATCH ? n : BATCH;
    for (uint32_t i = 0; i < n; i++) {
        const struct xdp_desc *frame = &((struct xdp_desc *)in->rx.entries)[(from + i) % RING];
        memcpy(memory + frame->addr, macs, 12);
        ((struct xdp_desc *)out->tx.entries)[(to + i) % RING] =
            (struct xdp_desc){.addr = frame->addr, .len = frame->len};
    }
    __atomic_store_n(in->rx.consumer, from + n, __ATOMIC_RELEASE);
    __atomic_store_n(out->tx.producer, to + n, __ATOMIC_RELEASE);
    return n;
}

/* Until the kernel has sent all of the ring: it takes 32 at a time and says then that there is
 * more. */
static void flush(struct sock *in, struct sock *out) {
    while (*out->tx.producer != __atomic_load_n(out->tx.consumer, __ATOMIC_ACQUIRE)) {
        if (sendto(out->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
            continue;
        if (errno != EAGAIN && errno != EBUSY && errno != EINTR && errno != ENOBUFS)
            fail("sendto");
        recycle(in, out);
    }
}

static void own_address(const char *interface, uint8_t *mac) {
    struct ifreq request = {0};
    int asker = socket(AF_INET, SOCK_DGRAM, 0);
    strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    if (ioctl(asker, SIOCGIFHWADDR, &request))
        fail(interface);
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    close(asker);
}

int main(int count, char **words) {
    static struct sock in, out;
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    uint8_t macs[12];
    if (count != 4 || sscanf(words[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", macs, macs + 1, macs + 2,
                             macs + 3, macs + 4, macs + 5) != 6) {
        fprintf(stderr, "usage: xdp_forward IN OUT STATION\n");
        return 2;
    }
    setrlimit(RLIMIT_MEMLOCK, &all);
    char *memory = mmap(NULL, (size_t)FRAMES * FRAME, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        fail("memory");
    own_address(words[2], macs + 6);
    open_socket(&in, words[1], memory, -1);
    open_socket(&out, words[2], memory, in.fd);
    for (uint32_t i = 0; i < RING; i++)
        ((uint64_t *)in.fill.entries)[i] = (uint64_t)i * FRAME;
    __atomic_store_n(in.fill.producer, RING, __ATOMIC_RELEASE);
    redirect(words[1], in.fd);
    puts("ready");
    fflush(stdout);
    for (struct pollfd wait = {.fd = in.fd, .events = POLLIN};;) {
        recycle(&in, &out);
        if (forward(&in, &out, memory, macs))
            flush(&in, &out);
        else
            poll(&wait, 1, -1);
    }
}
