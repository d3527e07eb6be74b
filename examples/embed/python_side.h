/* What both embedding examples need of Python: the interpreter, the ABI, and the control plane in a
 * thread of its own.
 */
#ifndef PYTHON_SIDE_H
#define PYTHON_SIDE_H

#include <Python.h>

#include "fp_abi.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const fp_abi_t *fp;
static fp_error_t error;      /* of the main thread's calls */

/* Ends the program unless a call of the main thread was done. */
#define MUST(call) must((call), #call)

static inline int must(int result, const char *call)
{
    if (result < 0) {
        fprintf(stderr, "%.60s: error %d: %s\n", call, result, error.text);
        exit(1);
    }
    return result;
}

/* The clock that workers and the control plane share: CLOCK_MONOTONIC since the program began. */
static uint64_t epoch;

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec - epoch;
}

/* The engine as this program configures it, for the control plane. */
struct router {
    fp_engine_t engine;
    int table;
    int home;                  /* ports */
    int tunnel;
    uint32_t tunnel_nh;        /* leads out of the tunnel port */
    int wire[2];               /* IP packets of the tunnel port: our end, the network's end */
    const char *config;
    const char *folder;        /* of control_plane.py */
    pthread_t thread;
};

/* Python, with the environment of the interpreter that the Makefile was told. Nothing here holds
 * the GIL afterwards.
 */
static inline void python_start(void)
{
    PyConfig config;
    PyStatus status;
    epoch = now_ns();
    PyConfig_InitPythonConfig(&config);
    config.install_signal_handlers = 0;
    status = PyConfig_SetBytesString(&config, &config.program_name, PYTHON);
    if (!PyStatus_Exception(status)) {
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) {
        Py_ExitStatusException(status);
    }
    fp = fp_abi_get(FP_ABI_VERSION, &error);
    if (fp == NULL) {
        must(error.code, "fp_abi_get");
    }
    PyEval_SaveThread();
}

/* An engine with a home and a tunnel port, and the routes that are there before any call: our own
 * address, the home network, and the way to the LACs.
 */
static inline void router_create(struct router *r)
{
    static const uint8_t address[4] = {10, 88, 0, 1};
    fp_adjacency_t home = {FP_ADJACENCY_IP, 0, 0, 0, 1500, 0};
    fp_adjacency_t tunnel = {FP_ADJACENCY_IP, 0, 0, 0, 1500, 0};
    fp_adjacency_t local = {FP_ADJACENCY_LOCAL, 1, 0, FP_PORT_INVALID, 1500, 0};
    fp_route_t routes[2];
    fp_transaction_t t;
    MUST(fp->engine_create(NULL, &r->engine, &error));
    r->table = MUST(fp->add_table(r->engine, "default", address, NULL, &error));
    r->home = MUST(fp->add_port(r->engine, "home", r->table, &error));
    r->tunnel = MUST(fp->add_port(r->engine, "tunnel", r->table, &error));
    home.port = (uint16_t)r->home;
    tunnel.port = (uint16_t)r->tunnel;
    MUST(fp->begin(r->engine, &t, &error));
    MUST(fp->add_adjacency(t, &tunnel, &r->tunnel_nh, &error));
    routes[0].prefix = fp_prefix4(192, 0, 2, 0, 24);
    MUST(fp->add_adjacency(t, &home, &routes[0].nh, &error));
    routes[1].prefix = fp_prefix4(10, 88, 0, 1, 32);
    MUST(fp->add_adjacency(t, &local, &routes[1].nh, &error));
    MUST(fp->add_routes(t, r->table, routes, 2, &error));
    MUST(fp->commit(t, &error));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, r->wire) != 0) {
        perror("socketpair");
        exit(1);
    }
}

static inline void *control_plane_run(void *argument)
{
    struct router *r = (struct router *)argument;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *path = PySys_GetObject("path");
    PyObject *folder = PyUnicode_DecodeFSDefault(r->folder);
    PyObject *module, *done = NULL;
    PyList_Insert(path, 0, folder);
    Py_DECREF(folder);
    module = PyImport_ImportModule("control_plane");
    if (module != NULL) {
        done = PyObject_CallMethod(module, "run", "KiiIiKs", (unsigned long long)r->engine,
                                   r->table, r->tunnel, r->tunnel_nh, r->wire[1],
                                   (unsigned long long)epoch, r->config);
    }
    if (done == NULL) {
        PyErr_Print();
        exit(1);
    }
    Py_DECREF(done);
    Py_DECREF(module);
    PyGILState_Release(gil);
    return NULL;
}

static inline void control_plane_start(struct router *r)
{
    pthread_create(&r->thread, NULL, control_plane_run, r);
}

/* Waits until the control plane has installed its dial-out route: before, a packet to the site has
 * no route. Returns 0 if that does not happen.
 */
static inline int control_plane_ready(struct router *r)
{
    fp_prefix_t site = fp_prefix4(198, 51, 100, 10, 32);
    const struct timespec nap = {0, 1000000};
    uint32_t nh = FP_NH_NONE;
    int patience = 20000;
    while (nh == FP_NH_NONE && patience-- > 0) {
        nanosleep(&nap, NULL);
        MUST(fp->resolve(r->engine, r->table, &site, &nh, &error));
    }
    return nh != FP_NH_NONE;
}

/* Hangs up all calls. Workers must go on until this returns: they carry the goodbyes. */
static inline void control_plane_stop(struct router *r)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("control_plane");
    PyObject *done = module ? PyObject_CallMethod(module, "stop", NULL) : NULL;
    if (done == NULL) {
        PyErr_Print();
    }
    Py_XDECREF(done);
    Py_XDECREF(module);
    PyGILState_Release(gil);
    pthread_join(r->thread, NULL);
}

/* Hands packets that left by the tunnel port to the wire. */
static inline void to_wire(struct router *r, const fp_transmit_t *list)
{
    uint32_t i;
    for (i = 0; i < list->count; i++) {
        if (send(r->wire[0], list->packets[i]->data, list->packets[i]->len, 0) < 0) {
            perror("wire");    /* full: what it cannot take is lost, as on a wire */
        }
    }
}

/* What the engine did, for people. */
static inline void report(struct router *r)
{
    fp_prefix_t site = fp_prefix4(198, 51, 100, 10, 32);
    fp_session_counters_t session;
    fp_counters_t counters;
    uint64_t all = 0;
    uint32_t nh;
    int i;
    MUST(fp->resolve(r->engine, r->table, &site, &nh, &error));
    MUST(fp->session_counters(r->engine, nh, &session, &error));
    printf("session: %llu packets out, %llu in, %llu refused\n",
           (unsigned long long)session.packets_out, (unsigned long long)session.packets_in,
           (unsigned long long)session.refused);
    MUST(fp->counters(r->engine, &counters, &error));
    for (i = 0; i < FP_VERDICT_COUNT; i++) {
        all += counters.verdict[i];
        if (counters.verdict[i]) {
            printf("%s: %llu packets\n", fp->verdict_name(i),
                   (unsigned long long)counters.verdict[i]);
        }
    }
    printf("%s: %llu of %llu packets\n", "accounted for", (unsigned long long)all,
           (unsigned long long)counters.count[FP_COUNTER_RECEIVED]);
    fflush(stdout);
}

static inline void router_destroy(struct router *r)
{
    MUST(fp->engine_destroy(r->engine, &error));
    close(r->wire[0]);
    PyGILState_Ensure();
    if (Py_FinalizeEx() < 0) {
        exit(1);
    }
}

#endif
