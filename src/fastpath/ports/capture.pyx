"""An opened capture file of any format, and the table of what can be wrong with one."""

import os

cimport cython
from fastpath.ports.mapping cimport Mapping, mapping_intact, mapping_size
from fastpath.ports.netmon_file cimport netmon_open, netmon_walk
from fastpath.ports.pcap_file cimport pcap_open, pcap_walk
from fastpath.ports.pcap_format cimport (
    BLOCK_SECTION, NETMON_1, NETMON_2, PCAP_MICROSECONDS, PCAP_NANOSECONDS, le32, load32, swap32,
)
from fastpath.ports.pcap_source cimport (
    FAULT_BLOCK_CAPTURED, FAULT_BLOCK_CUT, FAULT_BLOCK_MULTIPLE, FAULT_BLOCK_SHORT,
    FAULT_BLOCK_TRAILER, FAULT_CAPTURED, FAULT_FRAME, FAULT_HEADER_CUT, FAULT_INTERFACE,
    FAULT_INTERFACES, FAULT_MEMORY, FAULT_NONE, FAULT_OPTION_CUT, FAULT_OPTION_LENGTH, FAULT_ORDER,
    FAULT_OVERLAP, FAULT_RECORD_CUT, FAULT_RESOLUTION, FAULT_SHRANK, FAULT_START, FAULT_TABLE_CUT,
    FAULT_TABLE_LENGTH, FAULT_UNREADABLE, FAULT_VERSION, FORMAT_NETMON, FORMAT_PCAP,
    FORMAT_PCAPNG, record_t, source_fault, source_t,
)
from fastpath.ports.pcapng_file cimport pcapng_open, pcapng_walk
from libc.stdint cimport uint32_t, uint64_t, UINT64_MAX
from libc.stdlib cimport calloc, free
from libc.string cimport memmove

_FAULTS = {
    FAULT_HEADER_CUT: "{found} octets are left of a header of {allowed}",
    FAULT_RECORD_CUT: "record of {found} octets, only {allowed} are left in the file",
    FAULT_CAPTURED: "captured length {found}, at most {allowed} is allowed",
    FAULT_BLOCK_SHORT: "block length {found}, at least {allowed} is allowed",
    FAULT_BLOCK_MULTIPLE: "block length {found}, only multiples of {allowed} are allowed",
    FAULT_BLOCK_CUT: "block length {found}, only {allowed} octets are left in the file",
    FAULT_BLOCK_TRAILER: "block length {found} at the end of a block of {allowed} octets",
    FAULT_BLOCK_CAPTURED: "captured length {found}, the block has room for {allowed}",
    FAULT_ORDER: "byte-order mark {found:#010x}, allowed is {allowed:#010x} in either order",
    FAULT_VERSION: "format version {found}, allowed is {allowed}",
    FAULT_INTERFACE: "packet of interface {found}, the section has described {allowed} before it",
    FAULT_INTERFACES: "interface {found} of a section, at most {allowed} are allowed",
    FAULT_OPTION_CUT: "option of {found} octets, only {allowed} are left in the block",
    FAULT_OPTION_LENGTH: "option of {found} octets, it must have {allowed}",
    FAULT_RESOLUTION: "time stamp resolution {found:#04x}, at most {allowed:#04x} is allowed",
    FAULT_MEMORY: "no memory for {found} interfaces",
    FAULT_START: "start of the capture: {found} where at most {allowed} is allowed",
    FAULT_TABLE_LENGTH: "frame table of {found} octets, only multiples of {allowed} are allowed",
    FAULT_TABLE_CUT: "frame table of {found} entries, only {allowed} are left in the file",
    FAULT_FRAME: "frame at octet {found}, allowed are 32 to {allowed}, the end of the file",
    FAULT_OVERLAP: "frame of {found} octets, only {allowed} of the file belong to no other",
    FAULT_SHRANK: "the file shrank while it was read: {found} octets are left of {allowed}",
    FAULT_UNREADABLE: "the file could not be read here; is its device damaged?",
}

# What people take for a capture, by the first octets, and what to do about it.
_FOREIGN = (
    (b"\x1f\x8b", "compressed by gzip: run gunzip on it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: run unzstd on it first"),
    (b"\xfd7zXZ", "compressed by xz: run unxz on it first"),
    (b"BZh", "compressed by bzip2: run bunzip2 on it first"),
    (b"\x04\x22\x4d\x18", "compressed by lz4: run unlz4 on it first"),
    (b"\x34\xcd\xb2\xa1", "a capture of the modified pcap format: convert it with editcap -F pcap"),
    (b"\xa1\xb2\xcd\x34", "a capture of the modified pcap format: convert it with editcap -F pcap"),
)


class PcapError(Exception):
    """A capture file is damaged, or is none.

    `path` is the file, `offset` the octet of it where the fault begins, `reason` says what was
    found there and what is allowed.
    """

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(path, offset, reason)
        self.path = path
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: octet {self.offset}: {self.reason}"


cdef str _version(uint64_t major_minor):
    return f"{major_minor >> 16}.{major_minor & 0xFFFF}"


cdef void _settle(source_t* s) noexcept nogil:
    # A file that shrank goes on to its new end: records behind that are taken back, and its fault
    # replaces what the walk made of the zeros that the handler of sigbus.h put there.
    cdef uint64_t intact = mapping_intact(s.map)
    cdef record_t* r
    cdef int i
    if intact < s.size:
        s.size = intact
        # the walk is beyond repair where it has passed the new end, or read zeros before it; and
        # where it goes by a table, which lies at the end as a rule
        s.ended |= s.at > intact or s.format == FORMAT_NETMON
        for i in range(s.head, s.tail):
            r = &s.ahead[i]
            if <uint64_t>(r.data - s.base) + r.len + s.trailer > intact:
                s.tail = i
                break
    if s.ended and s.size < s.map.size:
        source_fault(s, FAULT_UNREADABLE if s.size < mapping_size(s.map) else FAULT_SHRANK,
                     s.size, s.size, s.map.size)
    s.settled = s.ended and s.head == s.tail


cdef int source_prepare(source_t* s, int wanted) noexcept nogil:
    cdef int left = s.tail - s.head
    if left < wanted and not s.ended:
        if s.head > 0:
            memmove(&s.ahead[0], &s.ahead[s.head], left * sizeof(record_t))
            s.head = 0
            s.tail = left
        if s.format == FORMAT_PCAP:
            pcap_walk(s)
        elif s.format == FORMAT_PCAPNG:
            pcapng_walk(s)
        else:
            netmon_walk(s)
    if not s.settled:
        _settle(s)
    return s.tail - s.head


@cython.final
cdef class Capture:
    """Opens `path`. Raises OSError if that is impossible, PcapError if it is no capture."""

    def __cinit__(self, path):
        self.path = os.fspath(path)
        self.mapping = Mapping(path)
        self.source = <source_t*>calloc(1, sizeof(source_t))
        if self.source == NULL:
            raise MemoryError
        self.source.map = &self.mapping.c
        self.source.base = self.mapping.c.base
        self.source.size = self.mapping.c.size
        self.size = self.mapping.c.size
        self.source.first_ts = UINT64_MAX
        self._open()

    def __dealloc__(self):
        if self.source != NULL:
            free(self.source.interfaces)
            free(self.source)

    cdef _open(self):
        cdef source_t* s = self.source
        cdef uint32_t magic
        if s.size < sizeof(magic):
            raise PcapError(self.path, 0, "the file is empty" if s.size == 0 else
                            f"{s.size} octets are too few for a capture")
        magic = load32(s.base)
        if magic == BLOCK_SECTION:
            s.format = FORMAT_PCAPNG
            pcapng_open(s)
        elif magic in (PCAP_MICROSECONDS, PCAP_NANOSECONDS) or swap32(magic) in (
                PCAP_MICROSECONDS, PCAP_NANOSECONDS):
            s.format = FORMAT_PCAP
            pcap_open(s)
        elif le32(magic) in (NETMON_1, NETMON_2):
            s.format = FORMAT_NETMON
            netmon_open(s)
        else:
            raise PcapError(self.path, 0, self._foreign())
        if s.fault != FAULT_NONE:
            raise self.error()

    def _foreign(self):
        first = (<const char*>self.source.base)[:min(<uint64_t>8, self.source.size)]
        for magic, remedy in _FOREIGN:
            if first.startswith(magic):
                return remedy
        return f"neither pcap, pcapng nor Network Monitor: it begins with {first[:4].hex(' ')}"

    def error(self):
        """What ended the reading early, as a PcapError; None: nothing did so far."""
        cdef source_t* s = self.source
        if s.fault == FAULT_NONE:
            return None
        found, allowed = s.found, s.allowed
        if s.fault == FAULT_VERSION:
            found, allowed = _version(s.found), _version(s.allowed)
        return PcapError(self.path, s.fault_at,
                         _FAULTS[s.fault].format(found=found, allowed=allowed))

    def close(self):
        """Unmaps the file. What was read ahead of the consumer is dropped."""
        cdef source_t* s = self.source
        s.at = self.position
        s.head = s.tail = s.scan = 0
        s.ended = s.settled = 1
        s.base = NULL
        self.mapping = None

    @property
    def position(self):
        """Offset in octets of what is consumed next: of its data, if that was read ahead. In a
        Network Monitor file, whose table may name frames in any order, it may go back."""
        cdef source_t* s = self.source
        return s.ahead[s.head].data - s.base if s.head < s.tail else s.at
