"""Writer of pcapng (draft-ietf-opsawg-pcapng, 3 and 4), little-endian on every host.

One section; times in nanoseconds; each packet is an enhanced packet block with its direction and,
if there is one, its comment. The format ties a link type to an interface, and an interface of ours
may carry several: each pair of the two gets an interface block when it is first seen. The bytes
depend on nothing but what is written: neither host nor operating system nor time are named.
"""

cimport cython
from fastpath.ports.capture_output cimport (
    CaptureWriter, le16, le32, le64, output_captured, output_room, output_t, output_time,
)
from fastpath.ports.linktype cimport link_number, linktype_of
from fastpath.ports.pcap_format cimport (
    BLOCK_ENHANCED, BLOCK_INTERFACE, BLOCK_SECTION, MAXIMUM_SNAPLEN, OPTION_COMMENT,
    OPTION_EPB_FLAGS, OPTION_IF_NAME, OPTION_IF_TSRESOL, OPTION_SHB_USERAPPL, SECTION_ORDER,
    block_t, enhanced_block_t, interface_block_t, option_t, section_block_t,
)
from libc.errno cimport ENOMEM
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t, UINT64_MAX
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset, strlen

cdef enum:
    _LINKS = 16
    _TRAILER = 4
    _OPTION = 4               # code and length of an option
    _OPTION_MOST = 65535
    _INBOUND = 1              # epb_flags, bits 0 and 1
    _OUTBOUND = 2
    _TSRESOL = 9              # 10^-9 s


cdef inline uint32_t _padded(uint32_t octets) noexcept nogil:
    return (octets + 3) & ~<uint32_t>3


cdef uint8_t* _block(output_t* o, uint32_t type, uint32_t total) noexcept nogil:
    # Begins and ends a block; the octets between are zeros, which are padding and opt_endofopt too.
    cdef uint8_t* b = output_room(o, total)
    if b != NULL:
        (<block_t*>b).type = le32(type)
        (<block_t*>b).total = le32(total)
        (<uint32_t*>(b + total - _TRAILER))[0] = le32(total)
    return b


cdef uint8_t* _option(uint8_t* at, uint16_t code, const void* value,
                      uint16_t length) noexcept nogil:
    (<option_t*>at).code = le16(code)
    (<option_t*>at).length = le16(length)
    memcpy(at + _OPTION, value, length)
    return at + _OPTION + _padded(length)


cdef int32_t _interface(pcapng_writer_t* w, uint16_t interface, uint8_t link) noexcept nogil:
    cdef char text[32]
    cdef const char* name = text
    cdef uint8_t resolution = _TSRESOL
    cdef uint32_t length
    cdef uint8_t* b
    cdef uint8_t* at
    if interface < w.named:
        name = w.names[interface]
    else:
        snprintf(text, sizeof(text), b"interface %u", <unsigned int>interface)
    length = <uint32_t>min(strlen(name), <size_t>_OPTION_MOST)
    b = _block(w.output, BLOCK_INTERFACE, sizeof(interface_block_t) + _OPTION + _padded(length)
               + _OPTION + _padded(sizeof(resolution)) + _OPTION + _TRAILER)
    if b == NULL:
        return -1
    (<interface_block_t*>b).linktype = le16(linktype_of(link))
    (<interface_block_t*>b).snaplen = le32(MAXIMUM_SNAPLEN)
    at = _option(b + sizeof(interface_block_t), OPTION_IF_NAME, name, length)
    _option(at, OPTION_IF_TSRESOL, &resolution, sizeof(resolution))
    w.blocks[interface * _LINKS + link] = w.count
    w.count += 1
    return w.count - 1


cdef int _grow(pcapng_writer_t* w, uint32_t interfaces) noexcept nogil:
    cdef uint32_t room = w.room if w.room else 8
    cdef void* grown
    while room < interfaces:
        room *= 2
    grown = realloc(w.blocks, room * _LINKS * sizeof(int32_t))
    if grown == NULL:
        w.output.error = ENOMEM
        return -1
    w.blocks = <int32_t*>grown
    memset(w.blocks + w.room * _LINKS, 0xFF, (room - w.room) * _LINKS * sizeof(int32_t))
    w.room = room
    return 0


cdef inline int32_t _number(pcapng_writer_t* w, uint16_t interface, uint8_t link) noexcept nogil:
    cdef int32_t number
    if interface >= w.room and _grow(w, interface + 1) < 0:
        w.output.lost += 1
        return -1
    if link >= _LINKS:
        link = 0
    number = w.blocks[interface * _LINKS + link]
    return number if number >= 0 else _interface(w, interface, link)


cdef void _record(void* state, uint64_t ts, const uint8_t* data, uint32_t length,
                  uint32_t wire_len, uint8_t link, uint16_t interface, int outbound,
                  const char* comment) noexcept nogil:
    cdef pcapng_writer_t* w = <pcapng_writer_t*>state
    cdef uint32_t captured = output_captured(length)
    cdef uint32_t said = 0
    cdef uint32_t flags = le32(_OUTBOUND if outbound else _INBOUND)
    cdef int32_t number = _number(w, interface, link)
    cdef enhanced_block_t* b
    cdef uint8_t* at
    if number < 0:
        return
    if comment != NULL:
        said = <uint32_t>min(strlen(comment), <size_t>_OPTION_MOST)
    b = <enhanced_block_t*>_block(
        w.output, BLOCK_ENHANCED, sizeof(enhanced_block_t) + _padded(captured)
        + (_OPTION + _padded(said) if said else 0) + _OPTION + sizeof(flags) + _OPTION + _TRAILER)
    if b == NULL:
        return
    ts = output_time(w.output, ts)
    b.interface = le32(number)
    b.ts_high = le32(<uint32_t>(ts >> 32))
    b.ts_low = le32(<uint32_t>ts)
    b.captured = le32(captured)
    b.length = le32(wire_len if wire_len > captured else captured)
    at = <uint8_t*>(b + 1)
    if captured:
        memcpy(at, data, captured)
    at += _padded(captured)
    if said:
        at = _option(at, OPTION_COMMENT, comment, said)
    _option(at, OPTION_EPB_FLAGS, &flags, sizeof(flags))
    w.output.records += 1


@cython.final
cdef class PcapngWriter(CaptureWriter):
    """pcapng with the interfaces `[(name, link), ...]`, which packets name by their position.

    Packets of another interface or link type get an interface block of their own. Raises OSError
    if the file cannot be created, ValueError for an unknown link type or more than 65,536
    interfaces.
    """

    def __cinit__(self, path, interfaces=(), *, uint64_t base_ns=0):
        interfaces = [(name.encode(), link_number(link)) for name, link in interfaces]
        if len(interfaces) > 65536:
            raise ValueError(f"{len(interfaces)} interfaces, at most 65536 are allowed")
        self.names = [name for name, _ in interfaces]
        self.p.output = &self.c
        self.p.names = <const char**>calloc(len(interfaces) + 1, sizeof(char*))
        if self.p.names == NULL or _grow(&self.p, len(interfaces)) < 0:
            raise MemoryError
        for name in self.names:
            self.p.names[self.p.named] = name
            self.p.named += 1
        self.io.state = &self.p
        self.io.record = _record
        self._section()
        for number, (_, link) in enumerate(interfaces):
            _interface(&self.p, number, link)

    def __dealloc__(self):
        free(self.p.names)
        free(self.p.blocks)

    cdef _section(self):
        cdef const char* application = b"dialout"
        cdef uint16_t length = <uint16_t>strlen(application)
        cdef section_block_t* b = <section_block_t*>_block(
            &self.c, BLOCK_SECTION, sizeof(section_block_t) + _OPTION + _padded(length)
            + _OPTION + _TRAILER)
        b.order = le32(SECTION_ORDER)
        b.major = le16(1)
        b.length = le64(UINT64_MAX)
        _option(<uint8_t*>(b + 1), OPTION_SHB_USERAPPL, application, length)
