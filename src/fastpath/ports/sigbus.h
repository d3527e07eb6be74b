/* SIGBUS of mapped captures: a file that shrinks while it is mapped makes the kernel send SIGBUS to
 * whoever reads behind its new end. This handler puts a page of zeros under the reader instead and
 * notes where, so that the reader can end with an error. Addresses outside the registered mappings
 * belong to somebody else and go on to the handler that was there before.
 *
 * One translation unit includes this file (mapping.pyx): the state is per process. Everything the
 * handler does is async-signal-safe: lock-free loads and stores and the system calls mmap,
 * sigaction, getpid and raise. It does not repair I/O errors, it only keeps the process alive.
 */
#ifndef DIALOUT_SIGBUS_H
#define DIALOUT_SIGBUS_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIGBUS_MAPPINGS = 256 };

struct sigbus_mapping {
    _Atomic uintptr_t start; /* 0: free, 1: being filled */
    _Atomic uintptr_t end;
    _Atomic uint64_t fault; /* offset of the lowest page that faulted, UINT64_MAX for none */
};

static struct sigbus_mapping sigbus_mappings[SIGBUS_MAPPINGS];
static struct sigaction sigbus_first;    /* in place before us: never leads back to us */
static struct sigaction sigbus_previous; /* called for foreign faults */
static _Atomic int sigbus_layered;       /* installed a second time, over somebody who may chain */
static uintptr_t sigbus_page;

static int sigbus_covered(uintptr_t address) {
    for (int i = 0; i < SIGBUS_MAPPINGS; i++) {
        struct sigbus_mapping* m = &sigbus_mappings[i];
        uintptr_t start = atomic_load_explicit(&m->start, memory_order_acquire);
        if (start <= 1 || address < start || address >= atomic_load(&m->end))
            continue;
        uintptr_t page = address & ~(sigbus_page - 1);
        void* zeros = mmap((void*)page, sigbus_page, PROT_READ,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (zeros == MAP_FAILED)
            return 0;
        uint64_t offset = page - start, lowest = atomic_load(&m->fault);
        while (offset < lowest && !atomic_compare_exchange_weak(&m->fault, &lowest, offset)) {
        }
        return 1;
    }
    return 0;
}

static void sigbus_give_up(const struct sigaction* action, int number) {
    sigaction(number, action, NULL);
    raise(number); /* blocked while this handler runs: delivered when it returns */
}

static void sigbus_chain(int number, siginfo_t* info, void* context) {
    /* A handler that we cover may have ours as its own previous one and end by raising the signal
     * again (Python's faulthandler does): going to it a second time would never end. */
    int raised = info->si_code == SI_TKILL && info->si_pid == getpid();
    if (raised && atomic_load(&sigbus_layered))
        sigbus_give_up(&sigbus_first, number);
    else if (sigbus_previous.sa_flags & SA_SIGINFO)
        sigbus_previous.sa_sigaction(number, info, context);
    else if (sigbus_previous.sa_handler != SIG_DFL && sigbus_previous.sa_handler != SIG_IGN)
        sigbus_previous.sa_handler(number);
    else if (sigbus_previous.sa_handler == SIG_IGN && info->si_code <= 0)
        return;
    else
        sigbus_give_up(&sigbus_previous, number);
}

static void sigbus_caught(int number, siginfo_t* info, void* context) {
    int saved = errno;
    /* si_code <= 0: sent by a process, si_addr means nothing */
    if (info->si_code <= 0 || !sigbus_covered((uintptr_t)info->si_addr))
        sigbus_chain(number, info, context);
    errno = saved;
}

/* Puts the handler on top, again if somebody has replaced it since. The caller holds the GIL. */
static int sigbus_install(void) {
    struct sigaction current, ours = {.sa_sigaction = sigbus_caught,
                                      .sa_flags = SA_SIGINFO | SA_ONSTACK};
    static int installed;
    if (sigaction(SIGBUS, NULL, &current) != 0)
        return -1;
    if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == sigbus_caught)
        return 0;
    sigbus_page = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&ours.sa_mask);
    sigbus_previous = current;
    if (!installed)
        sigbus_first = current;
    else
        atomic_store(&sigbus_layered, 1);
    installed = 1;
    return sigaction(SIGBUS, &ours, NULL);
}

/* Returns the mapping's slot, -1 when all are taken or no handler could be installed. */
static int sigbus_register(const void* start, size_t length) {
    if (sigbus_install() != 0)
        return -1;
    for (int i = 0; i < SIGBUS_MAPPINGS; i++) {
        struct sigbus_mapping* m = &sigbus_mappings[i];
        uintptr_t expected = 0;
        if (!atomic_compare_exchange_strong(&m->start, &expected, 1))
            continue;
        atomic_store(&m->end, (uintptr_t)start + length);
        atomic_store(&m->fault, UINT64_MAX);
        atomic_store_explicit(&m->start, (uintptr_t)start, memory_order_release);
        return i;
    }
    return -1;
}

static void sigbus_forget(int slot) {
    atomic_store(&sigbus_mappings[slot].start, 0);
}

static uint64_t sigbus_fault(int slot) {
    return atomic_load_explicit(&sigbus_mappings[slot].fault, memory_order_relaxed);
}

#endif
