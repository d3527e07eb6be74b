from fastpath.filters cimport FilterTable
from fastpath.forwarding cimport Forwarding
from fastpath.orders cimport order_t
from fastpath.trigger cimport TriggerTable
from fastpath.update cimport Update
from fastpath.worker cimport Worker
from libc.stdint cimport uint32_t

cdef enum:
    WORKERS_MAX = 64

cdef class Engine:
    cdef readonly Forwarding forwarding
    cdef readonly TriggerTable triggers
    cdef readonly FilterTable filters     # what set_filter's numbers stand for
    cdef readonly Worker worker       # number 0, which Python drives by the engine
    cdef list _workers
    cdef void* worker_at[WORKERS_MAX] # the same, for callers without the GIL
    cdef uint32_t worker_count        # stored last
    cdef uint32_t reading             # somebody takes punts: a ring has one reader
    cdef uint32_t first               # the worker whose punts are taken first
    cdef list _tables                 # routing table of each port, by index; None: it is gone
    cdef tuple _options               # of each worker
    cdef Worker asker                 # looks for those who only ask; made when somebody does
    cdef object _recorder
    cdef readonly Update update
    cdef Worker asked(self)
    cdef int _give(self, order_t* order, now_ns) except -1
