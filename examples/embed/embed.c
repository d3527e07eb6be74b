/* A program that embeds the data plane and its control plane: two threads of its own forward, a
 * third one runs Python, and a ping to a site without a line makes it call there.
 *
 *     make PYTHON=/path/to/.venv/bin/python && ./embed ../demo.toml
 *
 * The home host pings 198.51.100.10. The first ping is a trigger: the control plane asks RADIUS,
 * opens a tunnel, has the LAC call, and routes the site into the session; the pings that waited go
 * first. The answers come back through the session. Memory is this program's throughout: packets
 * are changed where they lie.
 */
#include "python_side.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#define BURST 8
#define STRIDE 2240            /* no multiple of 4,096: slots must not share a line of the cache */
#define HEADROOM 128
#define ENOUGH 200             /* answers after which the program ends */
#define PATIENCE 30            /* seconds */

static struct router router;
static atomic_int stopping;
static atomic_int answers;
static atomic_int refused;     /* bursts that failed */

static uint16_t checksum(const uint8_t *octets, int length)
{
    uint32_t sum = 0;
    int i;
    for (i = 0; i + 1 < length; i += 2) {
        sum += (uint32_t)octets[i] << 8 | octets[i + 1];
    }
    while (sum >> 16) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

/* An ICMP echo request from 192.0.2.10 to 198.51.100.10. Returns its length. */
static uint32_t ping(uint8_t *ip, uint16_t number)
{
    static const uint8_t header[28] = {0x45, 0, 0, 60, 0, 0, 0x40, 0,  64, 1,   0,   0, 192, 0,
                                       2,    10, 198, 51, 100, 10, 8, 0, 0, 0, 0x12, 0x34, 0, 0};
    uint16_t sum;
    memset(ip, 0, 60);
    memcpy(ip, header, sizeof header);
    ip[26] = (uint8_t)(number >> 8);
    ip[27] = (uint8_t)number;
    sum = checksum(ip, 20);
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
    sum = checksum(ip + 20, 40);
    ip[22] = (uint8_t)(sum >> 8);
    ip[23] = (uint8_t)sum;
    return 60;
}

/* What left, wherever it came in: to the wire, or to the home host, who counts his answers. */
static void transmit(const fp_transmit_t *out)
{
    uint32_t i;
    to_wire(&router, &out[router.tunnel]);
    for (i = 0; i < out[router.home].count; i++) {
        const uint8_t *ip = out[router.home].packets[i]->data;
        if (ip[9] == 1 && ip[20] == 0) {
            atomic_fetch_add(&answers, 1);
        }
    }
}

/* The home port: pings, a burst every 10 ms. */
static void *home_worker(void *unused)
{
    static uint8_t memory[BURST * STRIDE] __attribute__((aligned(64)));
    fp_packet_t packets[BURST];
    const fp_transmit_t *out;
    fp_worker_t worker;
    fp_error_t failed;
    int last = -1, i;
    uint16_t number = 0;
    (void)unused;
    if (fp->worker_register(router.engine, &worker, &failed) < 0) {
        fprintf(stderr, "home: %s\n", failed.text);
        exit(1);
    }
    while (!atomic_load(&stopping)) {
        for (i = 0; i < BURST; i++) {
            uint8_t *ip = memory + i * STRIDE + HEADROOM;
            fp_packet_set(&packets[i], ip, ping(ip, number++), HEADROOM, FP_LINK_IPV4, now_ns());
        }
        if (fp->process(worker, router.home, packets, BURST, &out, &failed) != BURST) {
            atomic_fetch_add(&refused, 1);
        }
        transmit(out);
        if (packets[0].verdict != last) {
            last = packets[0].verdict;
            printf("%10.3f  %-10s  %s\n", (double)now_ns() / 1e9, "ping", fp->verdict_name(last));
            fflush(stdout);
        }
        poll(NULL, 0, 10);
    }
    fp->worker_unregister(worker, NULL);
    return NULL;
}

/* The tunnel port: whatever comes over the wire. */
static void *tunnel_worker(void *unused)
{
    static uint8_t memory[BURST * STRIDE] __attribute__((aligned(64)));
    struct pollfd ready = {router.wire[0], POLLIN, 0};
    fp_packet_t packets[BURST];
    const fp_transmit_t *out;
    fp_worker_t worker;
    fp_error_t failed;
    int n;
    (void)unused;
    if (fp->worker_register(router.engine, &worker, &failed) < 0) {
        fprintf(stderr, "tunnel: %s\n", failed.text);
        exit(1);
    }
    while (!atomic_load(&stopping)) {
        poll(&ready, 1, 2);
        for (n = 0; n < BURST; n++) {
            uint8_t *ip = memory + n * STRIDE + HEADROOM;
            ssize_t length = recv(router.wire[0], ip, STRIDE - HEADROOM, 0);
            if (length <= 0) {
                break;
            }
            fp_packet_set(&packets[n], ip, (uint32_t)length, HEADROOM, FP_LINK_IPV4, now_ns());
        }
        if (fp->process(worker, router.tunnel, packets, n, &out, &failed) != n) {
            atomic_fetch_add(&refused, 1);
        }
        transmit(out);
    }
    fp->worker_unregister(worker, NULL);
    return NULL;
}

/* What would become of one more ping. */
static void explain(void)
{
    fp_trace_t *trace = malloc(sizeof *trace);
    uint8_t ip[60];
    uint32_t length = ping(ip, 0);
    MUST(fp->trace(router.engine, router.home, ip, length, FP_LINK_IPV4, trace, &error));
    printf("%s", trace->text);
    free(trace);
}

int main(int argc, char **argv)
{
    pthread_t home, tunnel;
    char *folder = strdup(argv[0]);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = 0;
    }
    if (argc < 2) {
        fprintf(stderr, "usage: %s CONFIG [FOLDER of control_plane.py]\n", argv[0]);
        return 2;
    }
    router.config = argv[1];
    router.folder = argc > 2 ? argv[2] : slash ? folder : ".";
    python_start();
    router_create(&router);
    control_plane_start(&router);
    if (!control_plane_ready(&router)) {
        fprintf(stderr, "no dial-out route\n");
        return 1;
    }
    pthread_create(&home, NULL, home_worker, NULL);
    pthread_create(&tunnel, NULL, tunnel_worker, NULL);
    while (atomic_load(&answers) < ENOUGH && now_ns() < PATIENCE * 1000000000ull) {
        poll(NULL, 0, 20);
    }
    if (atomic_load(&answers) >= ENOUGH) {
        explain();
        report(&router);
    }
    control_plane_stop(&router);
    atomic_store(&stopping, 1);
    pthread_join(home, NULL);
    pthread_join(tunnel, NULL);
    printf("answers: %d, bursts refused: %d\n", atomic_load(&answers), atomic_load(&refused));
    router_destroy(&router);
    free(folder);
    return atomic_load(&answers) >= ENOUGH && atomic_load(&refused) == 0 ? 0 : 1;
}
