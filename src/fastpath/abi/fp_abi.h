/* The C ABI of the data plane, for a program that embeds it: C11, and C++ as it stands.
 *
 * A table of function pointers, fp_abi_t, which fp_abi_get() below hands out once Python has been
 * initialised; Python itself has it as the capsule fastpath.abi._C_API. docs/embedding.md explains
 * ownership, threads, lifetime and versions, examples/embed and examples/dpdk use all of it.
 *
 * Threads. No call needs the GIL, and every call may be made from any thread, but for the calls of
 * a worker (those that take an fp_worker_t): only the thread that registered it may make them, any
 * other gets FP_ERROR_THREAD. A transaction is for the thread that began it, likewise.
 * Calls marked [gil] take the GIL inside, so a thread that holds a lock which a Python thread may
 * wait for must not make them; calls marked [callback] call functions of the embedder.
 *
 * Errors. A call that can fail returns a negative fp_error_code, and tells in *error (which may be
 * NULL) which item was wrong; then nothing was changed, unless the call says otherwise. A call that
 * is not marked differently returns 0.
 *
 * Memory. Whatever a call takes by pointer is the caller's and is not kept, whatever it fills is
 * the caller's; the exceptions are said at fp_queue_t, fp_memory_t, and fp_transmit_t.
 *
 * Numbers are in host byte order; addresses are octets, the first one first; times are nanoseconds
 * of a clock of the embedder's choice that does not go back.
 */
#ifndef FP_ABI_H
#define FP_ABI_H

#include "fp_types.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* declarations: from here to the mark at the end this is plain C99, for cffi too */

#define FP_ABI_VERSION 3   /* raised when what follows changes other than at the end of fp_abi_t */

/* The table. New calls are added at its end, and `size` tells how many there are. */
typedef struct fp_abi {
    uint32_t version;          /* FP_ABI_VERSION of the library */
    uint32_t size;             /* sizeof(fp_abi_t) of the library */

    /* Names, static: "FORWARD", "ttl-expired", "received"; "?" for a number that has none. */
    const char *(*verdict_name)(int verdict);
    const char *(*reason_name)(int reason);
    const char *(*counter_name)(int counter);

    /* Engines ------------------------------------------------------------------------------- */

    /* [gil] A new engine; config NULL: all defaults. It lives until engine_destroy(). */
    int (*engine_create)(const fp_config_t *config, fp_engine_t *engine, fp_error_t *error);
    /* [gil] Closes an engine: its handle and all that came of it end, an open transaction is rolled
     * back. FP_ERROR_BUSY while workers are registered whose threads exist, or calls are under
     * way. An engine that Python made lives on in Python. */
    int (*engine_destroy)(fp_engine_t engine, fp_error_t *error);
    /* [gil] A routing table, empty. address: our IPv4 address in it, four octets, the source of
     * ICMP answers; NULL: there are none. address6: the same of ICMPv6, 16 octets. Returns its
     * number. FP_ERROR_ARGUMENT: the name exists. */
    int (*add_table)(fp_engine_t engine, const char *name, const uint8_t *address,
                     const uint8_t *address6, fp_error_t *error);
    /* [gil] A port that workers feed, its packets looked up in a table. Returns its number. Ports
     * are added before workers register. */
    int (*add_port)(fp_engine_t engine, const char *name, int table, fp_error_t *error);

    /* Workers: on one thread ---------------------------------------------------------------- */

    /* [gil] Makes the calling thread a worker of an engine; it may be one of several. The thread
     * unregisters it before it ends. */
    int (*worker_register)(fp_engine_t engine, fp_worker_t *worker, fp_error_t *error);
    /* [gil] Its counters stay in the engine's. */
    int (*worker_unregister)(fp_worker_t worker, fp_error_t *error);
    /* [gil] The worker's queue of a port, for poll(); what leaves by the port goes to tx_burst and
     * no longer to transmit lists. */
    int (*attach_queue)(fp_worker_t worker, int port, const fp_queue_t *queue, fp_error_t *error);
    /* [gil] The worker's slots of a port, for process_slots(). *packets is where their descriptors
     * are, one a slot, in the worker's memory. */
    int (*attach_memory)(fp_worker_t worker, int port, const fp_memory_t *memory,
                         fp_packet_t **packets, fp_error_t *error);
    /* Handles a burst that arrived at a port, in place. packets: n of 0 to FP_BURST_MAX whose "in"
     * fields are filled; the octets are the caller's and may be changed by the engine, up to
     * `headroom` before `data`. *out (if out is not NULL) becomes an array by port number of what
     * leaves. With n = 0 it only passes the burst boundary, and hands out what others sent through
     * this worker (inject, flush). Returns how many were handled, which is n. */
    int (*process)(fp_worker_t worker, int port, fp_packet_t *packets, int n,
                   const fp_transmit_t **out, fp_error_t *error);
    /* As process() with n slots from `first` on, whose frames have these lengths and arrived at
     * `now_ns`. */
    int (*process_slots)(fp_worker_t worker, int port, uint32_t first, const uint32_t *lengths,
                         int n, uint64_t now_ns, const fp_transmit_t **out, fp_error_t *error);
    /* [callback] One burst of at most `most` packets, none later than until_ns, from the worker's
     * queue of a port. Returns how many, FP_ERROR_FAILED if the queue says it is damaged. */
    int (*poll)(fp_worker_t worker, int port, int most, uint64_t until_ns,
                const fp_transmit_t **out, fp_error_t *error);

    /* Control: from any thread -------------------------------------------------------------- */

    /* Takes up to `most` packets for control, oldest first, their octets into `octets`, which has
     * `room`. Returns how many; FP_ERROR_FULL if the first one does not fit, item telling its
     * octets. */
    int (*poll_punts)(fp_engine_t engine, fp_punt_t *punts, int most, uint8_t *octets,
                      uint32_t room, fp_error_t *error);
    /* Takes up to `most` triggers, oldest first. Returns how many. */
    int (*poll_triggers)(fp_engine_t engine, fp_trigger_t *triggers, int most, fp_error_t *error);
    /* Sends for control: an IPv4 packet over an IP adjacency, or a PPP frame, with its PPP header,
     * inside a session. It leaves by a worker, at its next burst at the latest. */
    int (*inject)(fp_engine_t engine, uint32_t nh, const uint8_t *frame, uint32_t len,
                  uint64_t now_ns, fp_error_t *error);
    /* Packets of a trigger's key are buffered (as at first), or discarded. */
    int (*trigger_hold)(fp_engine_t engine, uint64_t key, fp_error_t *error);
    int (*trigger_discard)(fp_engine_t engine, uint64_t key, fp_error_t *error);
    /* Sends what is buffered over a session, in order, ends its hold and forgets the key. Returns
     * how many packets were sent. */
    int (*trigger_flush)(fp_engine_t engine, uint64_t key, uint32_t nh, uint64_t now_ns,
                         fp_error_t *error);
    /* Gives up what is buffered. forget: the next packet is a new trigger, else it is discarded.
     * Returns how many packets were dropped. */
    int (*trigger_drop)(fp_engine_t engine, uint64_t key, int forget, fp_error_t *error);

    /* Transactions: changes that packets see together, or not at all ------------------------ */

    /* Waits while another thread has one open, of C or of Python; FP_ERROR_BUSY: this thread has.
     * What was replaced before is used again once no worker can see it any more. */
    int (*begin)(fp_engine_t engine, fp_transaction_t *transaction, fp_error_t *error);
    /* Routes a prefix to a next hop; an equal prefix is replaced. */
    int (*add_route)(fp_transaction_t transaction, int table, const fp_route_t *route,
                     fp_error_t *error);
    /* n routes, all of one family. An error names the first bad one and nothing of them is added.
     */
    int (*add_routes)(fp_transaction_t transaction, int table, const fp_route_t *routes, uint32_t n,
                      fp_error_t *error);
    int (*delete_route)(fp_transaction_t transaction, int table, const fp_prefix_t *prefix,
                        fp_error_t *error);
    int (*add_adjacency)(fp_transaction_t transaction, const fp_adjacency_t *adjacency,
                         uint32_t *nh, fp_error_t *error);
    int (*add_session)(fp_transaction_t transaction, const fp_session_t *session, uint32_t *nh,
                       fp_error_t *error);
    /* Another header form and MTU; ids, addresses, ports, neighbour and table stay and are not
     * looked at. */
    int (*update_session)(fp_transaction_t transaction, uint32_t nh, const fp_session_t *session,
                          fp_error_t *error);
    /* IPv4 prefixes that the peer of a session may send from even if the route to them leads
     * elsewhere. Replaces those of before. */
    int (*set_sources)(fp_transaction_t transaction, uint32_t nh, const fp_prefix_t *prefixes,
                       uint32_t n, fp_error_t *error);
    /* From the commit on packets for this session join a trigger's buffer, until its flush. */
    int (*hold)(fp_transaction_t transaction, uint32_t nh, uint64_t key, fp_error_t *error);
    /* An adjacency, and its session. At the commit no route may lead to it. */
    int (*delete_adjacency)(fp_transaction_t transaction, uint32_t nh, fp_error_t *error);
    /* Next hop of an address, the changes of this transaction included; 0: no route. */
    int (*resolve_open)(fp_transaction_t transaction, int table, const fp_prefix_t *address,
                        uint32_t *nh, fp_error_t *error);
    /* Either ends the transaction; a commit that is refused changed nothing. FP_ERROR_FULL: there
     * is a worker that has been inside one burst for too long and keeps too much memory from being
     * used again; the text names it. */
    int (*commit)(fp_transaction_t transaction, fp_error_t *error);
    int (*rollback)(fp_transaction_t transaction, fp_error_t *error);

    /* What is there now --------------------------------------------------------------------- */

    int (*resolve)(fp_engine_t engine, int table, const fp_prefix_t *address, uint32_t *nh,
                   fp_error_t *error);
    /* Next hops of up to 2^20 addresses, back to back, 4 or 16 octets each, of one version. */
    int (*lookup)(fp_engine_t engine, int table, int family, const uint8_t *addresses,
                  uint32_t *nhs, uint32_t n, fp_error_t *error);
    /* All workers together, read while they count: each number is one that was true. */
    int (*counters)(fp_engine_t engine, fp_counters_t *counters, fp_error_t *error);
    int (*port_counters)(fp_engine_t engine, int port, fp_port_counters_t *counters,
                         fp_error_t *error);
    int (*session_counters)(fp_engine_t engine, uint32_t nh, fp_session_counters_t *counters,
                            fp_error_t *error);
    /* [gil] Up to `most` workers. Returns how many. */
    int (*workers)(fp_engine_t engine, fp_worker_info_t *workers, int most, fp_error_t *error);
    /* [gil] What would become of a frame that arrives at a port now. */
    int (*trace)(fp_engine_t engine, int port, const uint8_t *frame, uint32_t len, int link,
                 fp_trace_t *trace, fp_error_t *error);

    /* Another neighbour for a plain next hop or a session, in a transaction; the port stays. */
    int (*set_neighbour)(fp_transaction_t transaction, uint32_t nh, uint16_t neighbour,
                         fp_error_t *error);
} fp_abi_t;

/* end of the declarations */

#define FP_ABI_CAPSULE "fastpath.abi._C_API"

/* Whether the table of a library can be used with a header of this version whose table has `size`
 * octets: the same version, and at least as many calls. Returns FP_OK or FP_ERROR_VERSION.
 */
static inline int fp_abi_check(const fp_abi_t *abi, uint32_t version, size_t size,
                               fp_error_t *error)
{
    if (abi->version == version && abi->size >= size) {
        return FP_OK;
    }
    if (error != NULL) {
        error->code = FP_ERROR_VERSION;
        error->item = abi->version;
        snprintf(error->text, sizeof error->text,
                 "version %u of fp_abi.h with %u octets of calls, but the library has version %u"
                 " with %u", (unsigned)version, (unsigned)size, (unsigned)abi->version,
                 (unsigned)abi->size);
    }
    return FP_ERROR_VERSION;
}

#ifdef Py_PYTHON_H
/* The table, once Python is initialised, from any thread, with the GIL or without; include Python.h
 * before this file. NULL if there is none, or it is of another version: *error says which.
 *
 *     fp_error_t error;
 *     const fp_abi_t *fp = fp_abi_get(FP_ABI_VERSION, &error);
 */
static inline const fp_abi_t *fp_abi_get(uint32_t version, fp_error_t *error)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("fastpath.abi");
    PyObject *capsule = module ? PyObject_GetAttrString(module, "_C_API") : NULL;
    const fp_abi_t *abi =
        capsule ? (const fp_abi_t *)PyCapsule_GetPointer(capsule, FP_ABI_CAPSULE) : NULL;
    if (abi == NULL) {
        if (error != NULL) {
            PyObject *type, *value, *trace, *text;
            PyErr_Fetch(&type, &value, &trace);
            text = value ? PyObject_Str(value) : NULL;
            error->code = FP_ERROR_FAILED;
            error->item = 0;
            snprintf(error->text, sizeof error->text, "fastpath.abi cannot be imported: %s",
                     text && PyUnicode_AsUTF8(text) ? PyUnicode_AsUTF8(text) : "no reason given");
            Py_XDECREF(text);
            Py_XDECREF(trace);
            Py_XDECREF(value);
            Py_XDECREF(type);
        }
        PyErr_Clear();
    } else if (fp_abi_check(abi, version, sizeof(fp_abi_t), error) != FP_OK) {
        abi = NULL;
    }
    Py_XDECREF(capsule);
    Py_XDECREF(module);
    PyGILState_Release(gil);
    return abi;
}
#endif

#ifdef __cplusplus
}
#endif
#endif
