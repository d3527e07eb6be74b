/* The packet path as little code as it can be: the yardstick of benchmarks/packet_path.py.
 *
 * Per packet: IPv4 header and checksum, longest match in a flat table of 2^24 cells, one session of
 * one cache line, TTL, 40 octets of IPv4 + UDP + L2TP + PPP written before the packet, a packet
 * count. No verdicts, no drop reasons, no octet counters, no MTU, no ports, no queues, one form of
 * header, AVX-512 without a choice. Compiled for the machine it runs on and called through ctypes;
 * it also fills the packet pool and times the engine, so that both run on the same memory and clock.
 */
#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { HEAD = 40, BATCH_MAX = 256, HUGE_PAGE = 2 << 20 };
enum mode { CHECKSUM_NONE, CHECKSUM_COMPUTED };

struct session { uint8_t rewrite[HEAD]; uint32_t ip_sum, udp_sum; uint64_t packets, spare; };
struct pool { uint8_t *base; uint64_t slots, stride, headroom, length; };

static struct session *sessions;
static uint64_t session_count;
static uint32_t *cells, *blocks, block_count, first_session, rejected;

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *huge(size_t size) {
    uint8_t *at = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return NULL;
    at = (uint8_t *)(((uintptr_t)at + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    madvise(at, size, MADV_HUGEPAGE);
    return at;
}

static uint16_t fold(uint64_t s) {
    s = (s >> 32) + (uint32_t)s;
    s = (s >> 32) + (uint32_t)s;
    s = (s >> 16) + (s & 0xffff);
    s = (s >> 16) + (s & 0xffff);
    return (uint16_t)((s >> 16) + (s & 0xffff));
}

static inline uint16_t header_sum(const uint8_t *p) {
    uint64_t a, b;
    uint32_t c;
    memcpy(&a, p, 8), memcpy(&b, p + 8, 8), memcpy(&c, p + 16, 4);
    uint64_t s = (a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32) + c;
    s = (s & 0xffffffff) + (s >> 32);
    s = (s & 0xffff) + (s >> 16);
    s = (s & 0xffff) + (s >> 16);
    return (uint16_t)((s & 0xffff) + (s >> 16));
}

/* Never reads behind p + n: a masked load over the end of a line would fetch the next one. */
static inline uint64_t sum(const uint8_t *p, uint32_t n) {
    uint64_t s = 0;
    if (n >= 128) {
        const __m512i low = _mm512_set1_epi64(0xffffffff);
        __m512i even = _mm512_setzero_si512(), odd = even;
        for (; n >= 64; p += 64, n -= 64) {
            __m512i v = _mm512_loadu_si512(p);
            even = _mm512_add_epi64(even, _mm512_and_si512(v, low));
            odd = _mm512_add_epi64(odd, _mm512_srli_epi64(v, 32));
        }
        s = _mm512_reduce_add_epi64(_mm512_add_epi64(even, odd));
    }
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        s += (v & 0xffffffff) + (v >> 32);
    }
    if (n & 4) { uint32_t v; memcpy(&v, p, 4); s += v; p += 4; }
    if (n & 2) { uint16_t v; memcpy(&v, p, 2); s += v; p += 2; }
    return n & 1 ? s + *p : s;
}

/* --- tables ------------------------------------------------------------------------------------ */

/* Routes come shortest first; a next hop from `sessions_from` on is a session. 0: no memory. */
int path_routes(const uint32_t *address, const uint8_t *length, const uint32_t *nh, uint64_t count,
                uint32_t sessions_from, uint32_t block_room) {
    cells = huge(4ull << 24);
    blocks = huge(1024ull * block_room);
    if (!cells || !blocks) return 0;
    first_session = sessions_from;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t cell = address[i] >> 8;
        if (length[i] <= 24) {
            for (uint32_t n = 0; n < 1u << (24 - length[i]); n++) cells[cell + n] = nh[i];
            continue;
        }
        if (!(cells[cell] & 0x80000000)) {
            if (block_count == block_room) return 0;
            for (int n = 0; n < 256; n++) blocks[256 * block_count + n] = cells[cell];
            cells[cell] = 0x80000000 | block_count++;
        }
        uint32_t *block = blocks + 256 * (cells[cell] & 0x7fffffff) + (address[i] & 255);
        for (uint32_t n = 0; n < 1u << (32 - length[i]); n++) block[n] = nh[i];
    }
    return 1;
}

/* rewrite: `count` headers of 40 octets with lengths and checksums 0. */
int path_sessions(const uint8_t *rewrite, uint64_t count) {
    sessions = huge(count * sizeof *sessions);
    if (!sessions) return 0;
    session_count = count;
    for (uint64_t i = 0; i < count; i++) {
        uint8_t *r = sessions[i].rewrite;
        memcpy(r, rewrite + HEAD * i, HEAD);
        sessions[i].ip_sum = header_sum(r);
        sessions[i].udp_sum = fold(sum(r + 12, 28) + __builtin_bswap16(17));
    }
    return 1;
}

uint64_t path_packets(void) {
    uint64_t total = 0;
    for (uint64_t i = 0; i < session_count; i++) total += sessions[i].packets;
    return total;
}

uint32_t path_rejected(void) { return rejected; }

/* AVX-512 gathers merge into their destination: it is zeroed, and the mask hidden, so that one
 * iteration does not wait for the one before. */
static inline __m512i gather(__m512i at, const uint32_t *from) {
    __mmask16 all = 0xffff;
    __asm__("" : "+Yk"(all));
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), all, at, from, 4);
}

static inline void lookup(const uint32_t *keys, uint32_t *out, uint32_t n) {
    for (uint32_t i = 0; i < n; i += 16) {
        __m512i key = _mm512_loadu_si512(keys + i);
        __m512i cell = gather(_mm512_srli_epi32(key, 8), cells);
        __mmask16 deep = _mm512_movepi32_mask(cell);
        if (__builtin_expect(deep, 0)) {
            __m512i at = _mm512_and_si512(key, _mm512_set1_epi32(255));
            at = _mm512_add_epi32(_mm512_slli_epi32(cell, 8), at);
            cell = _mm512_mask_i32gather_epi32(cell, deep, at, blocks, 4);
        }
        _mm512_storeu_si512(out + i, cell);
    }
}

/* --- packets ----------------------------------------------------------------------------------- */

static inline uint32_t below(uint64_t *seed, uint32_t bound) {
    *seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
    return (uint32_t)(((*seed >> 32) * bound) >> 32);
}

static void fill_packet(uint8_t *p, uint32_t length, uint32_t source, uint32_t destination) {
    uint16_t total = __builtin_bswap16(length), udp = __builtin_bswap16(length - 20), c;
    uint32_t s = __builtin_bswap32(source), d = __builtin_bswap32(destination);
    memset(p, 0, 28);
    p[0] = 0x45, p[8] = 64, p[9] = 17, p[21] = 53, p[23] = 99;
    memcpy(p + 2, &total, 2), memcpy(p + 12, &s, 4), memcpy(p + 16, &d, 4);
    memcpy(p + 24, &udp, 2);
    c = ~header_sum(p), memcpy(p + 10, &c, 2);
    for (uint32_t i = 28; i < length; i++) p[i] = (uint8_t)(i * 7 + destination);
    c = ~fold(sum(p + 12, length - 12) + udp + __builtin_bswap16(17)), memcpy(p + 26, &c, 2);
}

/* Fresh packets from `home` to random ones of `count` destinations. */
void pool_fill(const struct pool *pool, const uint32_t *destination, uint32_t count, uint32_t home,
               uint64_t seed) {
    for (uint64_t i = 0; i < pool->slots; i++)
        fill_packet(pool->base + i * pool->stride + pool->headroom, pool->length, home,
                    destination[below(&seed, count)]);
}

/* The same the other way: from random destinations to `home`, inside the header that their session
 * receives (40 octets, lengths and IP checksum 0, UDP checksum stays 0 or is computed). */
void pool_fill_tunnel(const struct pool *pool, const uint32_t *source, const uint8_t *rewrite,
                      uint32_t count, uint32_t home, int checksum, uint64_t seed) {
    for (uint64_t i = 0; i < pool->slots; i++) {
        uint8_t *o = pool->base + i * pool->stride + pool->headroom;
        uint32_t inner = pool->length - HEAD, which = below(&seed, count);
        uint16_t tl = __builtin_bswap16(inner + 40), ul = __builtin_bswap16(inner + 20),
                 ll = __builtin_bswap16(inner + 12), c;
        fill_packet(o + HEAD, inner, source[which], home);
        memcpy(o, rewrite + HEAD * which, HEAD);
        memcpy(o + 2, &tl, 2), memcpy(o + 24, &ul, 2), memcpy(o + 30, &ll, 2);
        c = ~header_sum(o), memcpy(o + 10, &c, 2);
        if (checksum == CHECKSUM_COMPUTED) {
            c = ~fold(sum(o + 12, inner + 28) + ul + __builtin_bswap16(17));
            memcpy(o + 26, &c, 2);
        }
    }
}

/* --- what is timed ----------------------------------------------------------------------------- */

static inline void encapsulate(uint8_t *p, struct session *s, int mode) {
    uint32_t length = (uint32_t)p[2] << 8 | p[3];
    uint16_t c, tl = __builtin_bswap16(length + 40), ul = __builtin_bswap16(length + 20),
             ll = __builtin_bswap16(length + 12);
    p[8]--;
    memcpy(&c, p + 10, 2);
    uint32_t t = c + 1u;
    c = (uint16_t)(t + (t >> 16)), memcpy(p + 10, &c, 2);
    uint8_t *o = p - HEAD;
    const __mmask64 head = (1ull << HEAD) - 1;
    _mm512_mask_storeu_epi8(o, head, _mm512_maskz_loadu_epi8(head, s->rewrite));
    memcpy(o + 2, &tl, 2), memcpy(o + 24, &ul, 2), memcpy(o + 30, &ll, 2);
    t = s->ip_sum + tl;
    t = (t & 0xffff) + (t >> 16);
    c = (uint16_t)~((t & 0xffff) + (t >> 16)), memcpy(o + 10, &c, 2);
    if (mode == CHECKSUM_COMPUTED) {
        /* A valid inner IPv4 header sums to zero: only what follows it is read. */
        c = (uint16_t)~fold(sum(p + 20, length - 20) + s->udp_sum + 2ull * ul + ll);
        memcpy(o + 26, &c, 2);
    }
    s->packets++;
}

static inline __attribute__((always_inline)) void pass(const struct pool *pool, uint32_t batch,
                                                       int mode) {
    static uint32_t keys[BATCH_MAX + 16], nh[BATCH_MAX + 16];
    static uint8_t *at[BATCH_MAX];
    for (uint64_t i = 0; i < pool->slots; i += batch) {
        uint32_t n = 0;
        for (uint32_t j = 0; j < batch; j++) {
            at[j] = pool->base + (i + j) * pool->stride + pool->headroom;
            __builtin_prefetch(at[j]);
            __builtin_prefetch(at[j] - 64, 1);
        }
        for (uint32_t j = 0; j < batch; j++) {
            uint8_t *p = at[j];
            uint32_t d;
            memcpy(&d, p + 16, 4);
            keys[n] = __builtin_bswap32(d), at[n] = p;
            n += p[0] == 0x45 && p[8] > 1 && header_sum(p) == 0xffff;
        }
        rejected += batch - n;
        lookup(keys, nh, n);
        for (uint32_t j = 0; j < n; j++) {
            nh[j] = nh[j] >= first_session ? nh[j] - first_session : 0;
            __builtin_prefetch(&sessions[nh[j]], 1);
        }
        for (uint32_t j = 0; j < n; j++) encapsulate(at[j], &sessions[nh[j]], mode);
    }
}

/* Nanoseconds a packet for one pass over the pool; batch <= 256 divides its slots. */
double path_run(const struct pool *pool, uint32_t batch, int mode) {
    double start = now_ns();
    if (mode == CHECKSUM_NONE) pass(pool, batch, CHECKSUM_NONE);
    else pass(pool, batch, CHECKSUM_COMPUTED);
    return (now_ns() - start) / pool->slots;
}

/* The same for an engine's worker: poll(worker, port, batch) until `packets` were handled. */
double engine_run(int (*poll)(void *, int, int), void *worker, int port, int batch,
                  uint64_t packets) {
    double start = now_ns();
    for (uint64_t done = 0; done < packets;) {
        int n = poll(worker, port, batch);
        if (n <= 0) return -1;
        done += n;
    }
    return (now_ns() - start) / packets;
}
