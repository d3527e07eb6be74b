"""Bursts of a worker as numpy arrays (contract in batch.pxd).

A call passes one number: arrays are looked at once, when they are attached, because a view of an
array as an argument costs more than the packet path of some packets.
"""

cimport cython
from fastpath.handover cimport Bursts, list_t, slots_t
from fastpath.packet cimport packet_t
from fastpath.ports.linktype cimport link_number
from fastpath.ports.port cimport Port
from fastpath.types cimport BURST_MAX
from fastpath.worker cimport Worker
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

_FIELDS = (
    ("data", "u8"), ("frame", "u8"), ("ts", "u8"), ("len", "u4"), ("frame_len", "u4"),
    ("wire_len", "u4"), ("nh", "u4"), ("session", "u4"), ("l3", "u2"), ("l4", "u2"),
    ("headroom", "u2"), ("table", "u2"), ("port", "u2"), ("link", "u1"), ("family", "u1"),
    ("proto", "u1"), ("verdict", "u1"), ("reason", "u1"), ("flags", "u1"), ("neighbour", "u2"))

_STARTS = np.cumsum([0, *(int(form[1]) for _, form in _FIELDS)]).tolist()
PACKET = np.dtype({"names": [name for name, _ in _FIELDS], "formats": [f for _, f in _FIELDS],
                   "offsets": _STARTS[:len(_FIELDS)], "itemsize": sizeof(packet_t)})
"""A packet descriptor, packet_t. `data` and `frame` are addresses."""

if PACKET.fields["flags"][1] != <size_t>&(<packet_t*>NULL).flags:
    raise ImportError(f"PACKET has flags at {PACKET.fields['flags'][1]}, packet_t elsewhere")


@cython.final
cdef class Batches:
    """The queues of a worker for bursts that Python hands over.

    Ports of the engine that this worker has no queue for, or only an empty one (`Port()`), get one
    here; packets that leave by them are found with sent() and made(). One thread uses it.
    """

    def __cinit__(self, Worker worker not None):
        self.worker = worker
        self._bursts = Bursts()
        self._sent = NULL
        for port in range(len(worker._tables)):
            queue = worker._attached[port] if port < len(worker._attached) else None
            if queue is None or type(queue) is Port:
                worker.attach(port, self._bursts.queue(port))

    def attach(self, int port, frames not None, *, int headroom=128, str link="ethernet") -> Batch:
        """Slots of a port: row i of `frames`, a writable uint8 array (n, stride), holds a frame of
        up to stride - headroom octets from `headroom` on. The array is kept, not copied.

        Raises KeyError for an unknown port, ValueError for another array; a headroom below 64 lets
        packets be copied.
        """
        cdef Batch batch = Batch()
        cdef slots_t slots
        if port < 0 or port >= self.worker.ports:
            raise KeyError(f"port {port} is not attached; there are {self.worker.ports}")
        if not (isinstance(frames, np.ndarray) and frames.ndim == 2 and frames.dtype == np.uint8
                and frames.flags.c_contiguous and frames.flags.writeable):
            raise ValueError("frames are not a writable, contiguous uint8 array (n, stride)")
        if not 0 <= headroom <= 0xFFFF:
            raise ValueError(f"headroom {headroom} is not 0..65535")
        memset(&slots, 0, sizeof(slots))
        slots.base = <uint8_t*><size_t>frames.ctypes.data
        slots.slots, slots.stride = frames.shape
        slots.headroom = headroom
        slots.link = link_number(link)
        room = np.zeros(slots.slots * sizeof(packet_t) + 63, dtype=np.uint8)
        start = -room.ctypes.data % 64
        batch.packets = room[start:start + slots.slots * sizeof(packet_t)].view(PACKET)
        slots.packets = <packet_t*><size_t>batch.packets.ctypes.data
        batch._at = self._bursts.attach_slots(port, slots)
        batch._owner = self
        batch._port = port
        batch._slots = slots.slots
        batch._room = slots.stride - headroom
        batch.frames = frames
        batch.lengths = np.zeros(batch._slots, dtype=np.uint32)
        batch._lengths = <const uint32_t*><size_t>batch.lengths.ctypes.data
        return batch

    def sent(self, Batch batch not None, int port) -> np.ndarray:
        """Rows of a batch whose packets left by a port in the last burst, in order (uint32). Each
        lies in its row, from `batch.starts()[row]` on."""
        cdef list_t* out = self._list(port)
        cdef uint32_t[::1] rows = np.empty(0 if out == NULL else out.count, dtype=np.uint32)
        cdef uint32_t i
        cdef uint32_t n = 0
        if out != NULL:
            for i in range(out.count):
                if batch._at <= out.packets[i] < batch._at + batch._slots:
                    rows[n] = <uint32_t>(out.packets[i] - batch._at)
                    n += 1
        return np.asarray(rows)[:n]

    def made(self, int port) -> list[bytes]:
        """The other packets that left by a port since the burst before: what the engine made itself
        (answers, fragments, injected frames), or copied for want of headroom."""
        cdef list_t* out = self._list(port)
        cdef list packets = []
        cdef const packet_t* p
        cdef uint32_t i
        if out != NULL:
            for i in range(out.count):
                p = out.packets[i]
                # Copies lie in memory of the lists' own, described there.
                if self._bursts.is_copy(p):
                    packets.append((<const uint8_t*>p.data)[:p.len])
        return packets

    cdef list_t* _list(self, int port) except? NULL:
        if port < 0 or port >= self.worker.ports:
            raise KeyError(f"port {port} is not attached; there are {self.worker.ports}")
        return NULL if self._sent == NULL else &self._sent[port]


@cython.final
cdef class Batch:
    """Slots of a port, made by Batches.attach().

    `frames`: the array; `lengths`: octets of the frame in each row, to be filled in before
    process(); `packets`: their descriptors (dtype PACKET), where verdicts, next hops and lengths
    are afterwards.
    """

    def process(self, uint32_t n, uint32_t first=0, uint64_t now_ns=0) -> int:
        """Handles the n frames from row `first` on, as a burst that arrived at `now_ns`, in place.

        Returns n. Raises ValueError, with nothing done, for rows that do not exist, more than 256,
        or a length above what fits; RuntimeError while another thread is in the worker.
        """
        cdef Worker worker = self._owner.worker
        cdef Bursts bursts = self._owner._bursts
        cdef int done = 0
        cdef bint fits
        if n > BURST_MAX:
            raise ValueError(f"a burst of {n} packets is above {BURST_MAX}")
        if first > self._slots or n > self._slots - first:
            raise ValueError(f"{n} frames from row {first} on: there are {self._slots} rows")
        if not worker.enter():
            raise RuntimeError("another thread is in this worker")
        with nogil:
            fits = bursts.describe(self._port, first, self._lengths + first, n, now_ns)
            if fits:
                bursts.c.packets = self._at + first
                bursts.c.n = n
                if n > 0:
                    done = worker.handle_burst(self._port, self._at + first, n)
                self._owner._sent = bursts.hand_over(worker.ports)
            worker.leave()
        if not fits:
            rows = np.flatnonzero(self.lengths[first:first + n] > self._room)
            raise ValueError(f"row {first + rows[0]}: a frame of {self.lengths[first + rows[0]]}"
                             f" octets, and room for {self._room}")
        return done

    def starts(self) -> np.ndarray:
        """Where in its row each packet begins now (int64)."""
        rows = self.frames.ctypes.data + np.arange(self._slots) * self.frames.shape[1]
        return self.packets["data"].astype(np.int64) - rows
