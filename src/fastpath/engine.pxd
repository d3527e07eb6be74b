from fastpath.filters cimport FilterTable
from fastpath.forwarding cimport Forwarding
from fastpath.trigger cimport TriggerTable
from fastpath.update cimport Update
from fastpath.worker cimport Worker, order_t

cdef class Engine:
    cdef readonly Forwarding forwarding
    cdef readonly TriggerTable triggers
    cdef readonly FilterTable filters     # what set_filter's numbers stand for
    cdef readonly Worker worker       # number 0, which Python drives by the engine
    cdef list _workers
    cdef list _tables                 # routing table of each port, by index
    cdef tuple _options               # of each worker
    cdef object _recorder
    cdef readonly Update update
    cdef int _give(self, order_t* order, now_ns) except -1
