/* A DPDK program that embeds the data plane: bursts of mbufs are classified, encapsulated and
 * decapsulated where they lie, and the control plane places calls from a thread beside them.
 *
 *     make PYTHON=/path/to/.venv/bin/python
 *     ./dpdk ../demo.toml ../home-site.pcap answers.pcap
 *
 * The home port is net_pcap: it receives home-site.pcap over and over, and what it sends becomes
 * answers.pcap. The tunnel port is net_ring; at the far end of its rings a thread of this program
 * carries frames to the simulated network of ../embed/control_plane.py and back. Neither needs a
 * card, huge pages or root.
 *
 * An mbuf leaves room before its data (RTE_PKTMBUF_HEADROOM, 128 octets) into which the engine
 * writes outer headers. What the engine sends is a pointer to the descriptor it was given, so the
 * mbuf it belongs to has the same index; only what the engine makes itself is copied into a new one.
 */
#include "../embed/python_side.h"

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define BURST 32
#define MBUFS 4096
#define ENOUGH 200             /* answers after which the program ends */
#define PATIENCE 60            /* seconds */
#define PAUSE 4                /* milliseconds between two bursts of the home site */

static struct router router;
static struct rte_mempool *pool;
static struct rte_ring *to_network, *from_network;
static uint16_t device[2];     /* DPDK's numbers of the home and the tunnel port */
static uint16_t answer_device; /* net_pcap that only sends */
static atomic_int stopping, answers, in_place, made, moved, lost;

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, rte_strerror(rte_errno));
    exit(1);
}

static void nap(int milliseconds)
{
    const struct timespec time = {0, milliseconds * 1000000L};
    nanosleep(&time, NULL);
}

/* Devices ------------------------------------------------------------------------------------- */

static void start_device(uint16_t port, uint16_t receive, uint16_t send)
{
    struct rte_eth_conf none;
    uint16_t i;
    int done;
    memset(&none, 0, sizeof none);
    done = rte_eth_dev_configure(port, receive, send, &none);
    for (i = 0; i < receive && done >= 0; i++) {
        done = rte_eth_rx_queue_setup(port, i, 256, SOCKET_ID_ANY, NULL, pool);
    }
    for (i = 0; i < send && done >= 0; i++) {
        done = rte_eth_tx_queue_setup(port, i, 256, SOCKET_ID_ANY, NULL);
    }
    if (done < 0 || rte_eth_dev_start(port) < 0) {
        die("device");
    }
}

/* EAL on every processor this process may use, without huge pages, cards or files of its own. */
static void start_eal(const char *input, const char *output)
{
    static char lcores[4096], home[600], answer[1200];
    char *arguments[] = {"dpdk", "--no-pci", "--no-huge", "--no-shconf", "-m", "256",
                         "--no-telemetry", "--log-level=error", lcores, home, answer};
    cpu_set_t allowed;
    int cpu, length = snprintf(lcores, sizeof lcores, "--lcores=0@(");
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (cpu = 0; cpu < CPU_SETSIZE && length < 4000; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            length += snprintf(lcores + length, sizeof lcores - length, "%d,", cpu);
        }
    }
    lcores[length - 1] = ')';
    snprintf(home, sizeof home, "--vdev=net_pcap0,rx_pcap=%s,infinite_rx=1", input);
    snprintf(answer, sizeof answer, "--vdev=net_pcap1,tx_pcap=%s.icmp,tx_pcap=%s", output, output);
    if (rte_eal_init(RTE_DIM(arguments), arguments) < 0) {
        die("EAL");
    }
}

static void start_devices(void)
{
    int tunnel;
    pool = rte_pktmbuf_pool_create("packets", MBUFS, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                   SOCKET_ID_ANY);
    to_network = rte_ring_create("to network", 1024, SOCKET_ID_ANY, 0);
    from_network = rte_ring_create("from network", 1024, SOCKET_ID_ANY, 0);
    if (pool == NULL || to_network == NULL || from_network == NULL) {
        die("memory");
    }
    tunnel = rte_eth_from_rings("tunnel", &from_network, 1, &to_network, 1, 0);
    if (tunnel < 0 || rte_eth_dev_get_port_by_name("net_pcap0", &device[0]) < 0
        || rte_eth_dev_get_port_by_name("net_pcap1", &answer_device) < 0) {
        die("devices");
    }
    device[1] = (uint16_t)tunnel;
    start_device(device[0], 1, 0);
    start_device(device[1], 1, 1);
    start_device(answer_device, 0, 2);
}

/* The packet path ----------------------------------------------------------------------------- */

/* The mbuf of a packet that leaves, its data where the packet begins; NULL if there is none. */
static struct rte_mbuf *mbuf_of(fp_packet_t *p, fp_packet_t *packets, struct rte_mbuf **mbufs)
{
    struct rte_mbuf *m;
    if (p >= packets && p < packets + BURST) {
        m = mbufs[p - packets];
        mbufs[p - packets] = NULL;             /* no longer ours to free */
        m->data_off = (uint16_t)(p->data - (uint8_t *)m->buf_addr);
        m->data_len = (uint16_t)p->len;
        m->pkt_len = p->len;
        atomic_fetch_add(&in_place, 1);
        return m;
    }
    m = rte_pktmbuf_alloc(pool);
    if (m == NULL || rte_pktmbuf_append(m, (uint16_t)p->len) == NULL) {
        rte_pktmbuf_free(m);
        return NULL;
    }
    memcpy(rte_pktmbuf_mtod(m, void *), p->data, p->len);
    atomic_fetch_add(p->flags & FP_PACKET_GENERATED ? &made : &moved, 1);
    return m;
}

/* What left by a port, to a device; each worker has its own queue there. */
static void transmit(const fp_transmit_t *list, uint16_t port, uint16_t queue,
                     fp_packet_t *packets, struct rte_mbuf **mbufs)
{
    static const struct rte_ether_hdr header = {
        {{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 1}}, RTE_BE16(RTE_ETHER_TYPE_IPV4)};
    struct rte_mbuf *m;
    uint32_t i;
    for (i = 0; i < list->count; i++) {
        m = mbuf_of(list->packets[i], packets, mbufs);
        if (m == NULL || rte_pktmbuf_prepend(m, sizeof header) == NULL) {
            rte_pktmbuf_free(m);
            atomic_fetch_add(&lost, 1);
            continue;
        }
        memcpy(rte_pktmbuf_mtod(m, void *), &header, sizeof header);
        if (rte_eth_tx_burst(port, queue, &m, 1) == 0) {
            rte_pktmbuf_free(m);
            atomic_fetch_add(&lost, 1);
        } else if (list->packets[i]->flags & FP_PACKET_DECAPPED && port == answer_device) {
            atomic_fetch_add(&answers, 1);
        }
    }
}

/* One burst of a device: in, through the engine, out. Returns how many packets came. */
static int burst(fp_worker_t worker, int port)
{
    struct rte_mbuf *mbufs[BURST];
    fp_packet_t packets[BURST];
    const fp_transmit_t *out;
    fp_error_t failed;
    uint16_t queue = port == router.tunnel;
    int n = rte_eth_rx_burst(device[queue], 0, mbufs, BURST);
    uint64_t now = now_ns();
    int i;
    for (i = 0; i < n; i++) {
        rte_pktmbuf_linearize(mbufs[i]);
        fp_packet_set(&packets[i], rte_pktmbuf_mtod(mbufs[i], void *), mbufs[i]->data_len,
                      rte_pktmbuf_headroom(mbufs[i]), FP_LINK_ETHERNET, now);
    }
    if (fp->process(worker, port, packets, n, &out, &failed) != n) {
        fprintf(stderr, "process: %s\n", failed.text);
        exit(1);
    }
    transmit(&out[router.home], answer_device, queue, packets, mbufs);
    transmit(&out[router.tunnel], device[1], 0, packets, mbufs); /* a ring, which takes two */
    rte_pktmbuf_free_bulk(mbufs, (unsigned)n); /* what did not leave; NULL is skipped */
    return n;
}

static void *worker_thread(void *argument)
{
    int port = *(int *)argument;
    fp_worker_t worker;
    fp_error_t failed;
    rte_thread_register();
    if (fp->worker_register(router.engine, &worker, &failed) < 0) {
        fprintf(stderr, "worker: %s\n", failed.text);
        exit(1);
    }
    while (!atomic_load(&stopping)) {
        int n = burst(worker, port);
        if (port == router.home || n == 0) {
            nap(port == router.home ? PAUSE : 1);
        }
    }
    fp->worker_unregister(worker, NULL);
    rte_thread_unregister();
    return NULL;
}

/* The far end of the tunnel port: frames of its rings to the wire, packets of the wire to it. */
static void *network_thread(void *unused)
{
    struct rte_mbuf *m;
    (void)unused;
    rte_thread_register();
    while (!atomic_load(&stopping)) {
        while (rte_ring_dequeue(to_network, (void **)&m) == 0) {
            if (send(router.wire[0], rte_pktmbuf_mtod_offset(m, void *, RTE_ETHER_HDR_LEN),
                     m->pkt_len - RTE_ETHER_HDR_LEN, 0) < 0) {
                atomic_fetch_add(&lost, 1);
            }
            rte_pktmbuf_free(m);
        }
        while ((m = rte_pktmbuf_alloc(pool)) != NULL) {
            uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
            ssize_t n = recv(router.wire[0], frame + RTE_ETHER_HDR_LEN,
                             rte_pktmbuf_tailroom(m) - RTE_ETHER_HDR_LEN, 0);
            memset(frame, 0, RTE_ETHER_HDR_LEN);
            frame[12] = RTE_ETHER_TYPE_IPV4 >> 8;
            if (n <= 0 || rte_pktmbuf_append(m, (uint16_t)n + RTE_ETHER_HDR_LEN) == NULL
                || rte_ring_enqueue(from_network, m) != 0) {
                rte_pktmbuf_free(m);
                break;
            }
        }
        nap(1);
    }
    rte_thread_unregister();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t home, tunnel, network;
    if (argc < 4) {
        fprintf(stderr, "usage: %s CONFIG INPUT.pcap OUTPUT.pcap [FOLDER]\n", argv[0]);
        return 2;
    }
    router.config = argv[1];
    router.folder = argc > 4 ? argv[4] : "../embed";
    start_eal(argv[2], argv[3]);
    start_devices();
    python_start();
    router_create(&router);
    control_plane_start(&router);
    pthread_create(&network, NULL, network_thread, NULL);
    pthread_create(&tunnel, NULL, worker_thread, &router.tunnel);
    if (!control_plane_ready(&router)) {
        fprintf(stderr, "no dial-out route\n");
        return 1;
    }
    pthread_create(&home, NULL, worker_thread, &router.home);
    while (atomic_load(&answers) < ENOUGH && now_ns() < PATIENCE * 1000000000ull) {
        nap(20);
    }
    if (atomic_load(&answers) >= ENOUGH) {
        report(&router);
    }
    control_plane_stop(&router);
    atomic_store(&stopping, 1);
    pthread_join(home, NULL);
    pthread_join(tunnel, NULL);
    pthread_join(network, NULL);
    printf("answers: %d\nsent in place: %d, made by the engine: %d, copied: %d, lost: %d\n",
           atomic_load(&answers), atomic_load(&in_place), atomic_load(&made),
           atomic_load(&moved), atomic_load(&lost));
    router_destroy(&router);
    rte_eth_dev_stop(device[0]);
    rte_eth_dev_stop(device[1]);
    rte_eth_dev_stop(answer_device);
    rte_eth_dev_close(answer_device);
    rte_eal_cleanup();
    return atomic_load(&answers) >= ENOUGH ? 0 : 1;
}
