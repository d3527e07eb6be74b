"""Calls of the C ABI that handle bursts, on the thread of their worker."""

from fastpath.abi.fp_abi cimport (
    FP_BURST_MAX, FP_ERROR_ARGUMENT, FP_ERROR_BUSY, FP_ERROR_FAILED, FP_ERROR_UNKNOWN, FP_OK,
    fp_abi_t, fp_error_t, fp_memory_t, fp_packet_t, fp_queue_t, fp_transmit_t, fp_worker_t)
from fastpath.abi.handle cimport fail, fail_with, worker_here, worker_slot_t
from fastpath.atomic cimport sched_yield
from fastpath.handover cimport BurstQueue, Bursts, Bursts_t, slots_t
from fastpath.packet cimport packet_t
from fastpath.worker cimport Worker
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef int _burst(worker_slot_t* slot, int port, packet_t* packets, int n,
                const fp_transmit_t** out) noexcept nogil:
    """Hands a burst over. Whoever else is in the worker carries an order of control out: not for
    long."""
    cdef Bursts_t* bursts = (<Bursts>slot.bursts).c
    while not (<Worker>slot.worker).enter():
        sched_yield()
    bursts.packets = packets
    bursts.n = n
    if n > 0:
        n = (<Worker>slot.worker).handle_burst(port, packets, n)
    _hand_over(slot, out)
    (<Worker>slot.worker).leave()
    return n


cdef inline void _hand_over(worker_slot_t* slot, const fp_transmit_t** out) noexcept nogil:
    cdef const fp_transmit_t* lists = <const fp_transmit_t*>(<Bursts>slot.bursts).hand_over(
        (<Worker>slot.worker).ports)
    if out != NULL:
        out[0] = lists


cdef int _describe(worker_slot_t* slot, int port, uint32_t first, const uint32_t* lengths, int n,
                   uint64_t now_ns, fp_error_t* error) noexcept nogil:
    cdef slots_t* slots = &(<Bursts>slot.bursts).c.lane[port].slots
    cdef uint32_t i = 0
    if n > 0 and lengths == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"lengths is NULL")
    if first > slots.slots or <uint32_t>n > slots.slots - first:
        return fail(error, FP_ERROR_ARGUMENT, first, b"%lld frames from slot %lld on: there are"
                    b" %lld slots", n, first, slots.slots)
    if (<Bursts>slot.bursts).describe(port, first, lengths, n, now_ns):
        return FP_OK
    while lengths[i] <= slots.stride - slots.headroom:
        i += 1
    return fail(error, FP_ERROR_ARGUMENT, first + i, b"slot %lld: a frame of %lld octets is longer"
                b" than its slot", first + i, lengths[i])


cdef int _check(worker_slot_t* slot, int port, int n, fp_error_t* error) noexcept nogil:
    cdef int ports = (<Worker>slot.worker).ports
    if port < 0 or port >= ports:
        return fail(error, FP_ERROR_UNKNOWN, 0, b"port %lld does not exist; there are %lld", port,
                    ports)
    if n < 0 or n > FP_BURST_MAX:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"a burst of %lld packets is not 0..%lld", n,
                    FP_BURST_MAX)
    return FP_OK


cdef int _process(fp_worker_t worker, int port, fp_packet_t* packets, int n,
                  const fp_transmit_t** out, fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef worker_slot_t* slot = worker_here(worker, error, &code)
    if slot == NULL:
        return code
    code = _check(slot, port, n, error)
    if code != FP_OK:
        return code
    if packets == NULL and n > 0:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"packets is NULL")
    return _burst(slot, port, <packet_t*>packets, n, out)


cdef int _process_slots(fp_worker_t worker, int port, uint32_t first, const uint32_t* lengths,
                        int n, uint64_t now_ns, const fp_transmit_t** out,
                        fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef worker_slot_t* slot = worker_here(worker, error, &code)
    if slot == NULL:
        return code
    code = _check(slot, port, n, error)
    if code != FP_OK:
        return code
    code = _describe(slot, port, first, lengths, n, now_ns, error)
    if code != FP_OK:
        return code
    return _burst(slot, port, (<Bursts>slot.bursts).c.lane[port].slots.packets + first, n, out)


cdef int _poll(fp_worker_t worker, int port, int most, uint64_t until_ns,
               const fp_transmit_t** out, fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef worker_slot_t* slot = worker_here(worker, error, &code)
    if slot == NULL:
        return code
    code = _check(slot, port, most, error)
    if code != FP_OK:
        return code
    while not (<Worker>slot.worker).enter():
        sched_yield()
    code = (<Worker>slot.worker).take_burst(port, most, until_ns)
    _hand_over(slot, out)
    (<Worker>slot.worker).leave()
    if code < 0:
        return fail(error, FP_ERROR_FAILED, 0, b"port %lld: its queue is damaged", port)
    return code


cdef int _attach_queue(fp_worker_t worker, int port, const fp_queue_t* queue,
                       fp_error_t* error) noexcept with gil:
    cdef int code = FP_OK
    cdef worker_slot_t* slot = worker_here(worker, error, &code)
    if slot == NULL:
        return code
    code = _check(slot, port, 0, error)
    if code != FP_OK:
        return code
    if queue == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"queue is NULL")
    if (queue.rx_burst == NULL or queue.rx_consume == NULL or queue.next_ns == NULL
            or queue.tx_burst == NULL):
        return fail(error, FP_ERROR_ARGUMENT, 0, b"queue: a function is NULL")
    if not isinstance((<Worker>slot.worker)._attached[port], BurstQueue):
        return fail(error, FP_ERROR_BUSY, 0, b"port %lld has a queue of Python's", port)
    while not (<Worker>slot.worker).enter():
        sched_yield()
    # It is a port_io without its end, fd.
    memcpy((<Worker>slot.worker).port[port].io, queue, sizeof(fp_queue_t))
    (<Worker>slot.worker).leave()
    return FP_OK


cdef int _attach_memory(fp_worker_t worker, int port, const fp_memory_t* memory,
                        fp_packet_t** packets, fp_error_t* error) noexcept with gil:
    cdef int code = FP_OK
    cdef slots_t slots
    cdef packet_t* made
    cdef worker_slot_t* slot = worker_here(worker, error, &code)
    if slot == NULL:
        return code
    code = _check(slot, port, 0, error)
    if code != FP_OK:
        return code
    if memory == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"memory is NULL")
    memset(&slots, 0, sizeof(slots))
    slots.base = memory.base
    slots.stride = memory.stride
    slots.slots = memory.slots
    slots.headroom = memory.headroom
    slots.link = memory.link
    try:
        made = (<Bursts>slot.bursts).attach_slots(port, slots)
    except BaseException as exception:
        return fail_with(error, exception)
    if packets != NULL:
        packets[0] = <fp_packet_t*>made
    return FP_OK


cdef void fill_packet_calls(fp_abi_t* abi) noexcept:
    abi.attach_queue = _attach_queue
    abi.attach_memory = _attach_memory
    abi.process = _process
    abi.process_slots = _process_slots
    abi.poll = _poll
