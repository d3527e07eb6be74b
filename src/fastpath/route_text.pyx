"""Routes in text: a line `prefix/length [next hop]`, IPv4 and IPv6 in any order.

The next hop is a number, or an address for which a number is chosen. What follows a # is a comment.
"""

from fastpath.address cimport has_host_bits
from fastpath.route_columns cimport NH_FIRST, NH_LAST, NextHops, RouteColumns
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcpy

from fastpath.route_columns import RouteDataError

cdef extern from "<arpa/inet.h>" nogil:
    int AF_INET
    int AF_INET6
    int inet_pton(int family, const char* text, void* address)

cdef enum:
    LINE_LIMIT = 4096         # octets; longer ones are no text
    TOKEN_LIMIT = 64          # octets of the longest prefix, and a few more
    SHOWN = 60                # octets of a line that an error repeats


cdef class TextReader:
    """Reads text that comes in pieces. RouteDataError: a line that is none; its offset is that of
    the line."""

    cdef readonly RouteColumns v4
    cdef readonly RouteColumns v6
    cdef readonly Py_ssize_t line     # the last one that was read, from 1
    cdef readonly Py_ssize_t left_out # routes whose next hop was not chosen
    cdef NextHops next_hops
    cdef uint32_t default_nh
    cdef bytes pending
    cdef object base

    def __cinit__(self, NextHops next_hops not None, uint32_t default_nh=1):
        self.v4 = RouteColumns(4)
        self.v6 = RouteColumns(16)
        self.next_hops = next_hops
        self.default_nh = default_nh
        self.pending = b""
        self.base = 0

    def feed(self, bytes data not None):
        cdef bytes text = self.pending + data
        cdef const char* start = text
        cdef const char* at = start
        cdef const char* end = start + len(text)
        cdef const char* stop
        while True:
            stop = <const char*> memchr(at, c"\n", end - at)
            if stop == NULL:
                break
            self._line(at, stop, self.base + (at - start))
            at = stop + 1
        if end - at > LINE_LIMIT:
            self.line += 1
            self._fail(at, end, self.base + (at - start), f"is longer than {LINE_LIMIT} octets")
        self.base += at - start
        self.pending = text[at - start:]

    def finish(self):
        """The end of the data: the last line needs no line feed."""
        cdef bytes text = self.pending
        cdef const char* start = text
        if text:
            self._line(start, start + len(text), self.base)
        self.pending = b""

    cdef int _line(self, const char* at, const char* end, object offset) except -1:
        cdef uint8_t[16] address
        cdef char[TOKEN_LIMIT] token
        cdef const char* line = at
        cdef int length
        cdef uint32_t nh = self.default_nh
        cdef bint six = False
        cdef const char* comment = <const char*> memchr(at, c"#", end - at)
        cdef const char* stop = end if comment == NULL else comment
        self.line += 1
        if end - line > LINE_LIMIT:
            self._fail(line, end, offset, f"is longer than {LINE_LIMIT} octets")
        if _token(&at, stop, token) == 0:
            return 0
        length = _prefix(token, address, &six)
        if length < 0:
            self._fail(line, end, offset, PREFIX_FAULTS.get(length))
        if _token(&at, stop, token):
            nh = self._next_hop(line, end, offset, token)
            if nh == 0:
                self.left_out += 1
                return 0
        if _token(&at, stop, token):
            self._fail(line, end, offset, "has more than a prefix and a next hop")
        return (self.v6 if six else self.v4).append(address, length, nh)

    cdef uint32_t _next_hop(self, const char* line, const char* end, object offset,
                            const char* token) except? 0xFFFFFFFF:
        cdef uint8_t[16] address
        cdef long long number = _number(token, NH_LAST)
        if number >= NH_FIRST:
            return <uint32_t> number
        try:
            if inet_pton(AF_INET, token, address) == 1:
                return self.next_hops.number_of(address[:4])
            if inet_pton(AF_INET6, token, address) == 1:
                return self.next_hops.number_of(address[:16])
        except ValueError as error:
            self._fail(line, end, offset, f"has a next hop without a number: {error}")
        self._fail(line, end, offset,
                   f"has a next hop that is neither {NH_FIRST}..{NH_LAST} nor an address")

    cdef int _fail(self, const char* line, const char* end, object offset, what) except -1:
        shown = (<bytes> line[:min(end - line, SHOWN)]).decode("ascii", "backslashreplace").strip()
        raise RouteDataError(f"line {self.line}: {shown!r} {what}", offset)


cdef enum:
    NO_PREFIX = -1
    BAD_ADDRESS = -2
    BAD_LENGTH = -3
    HOST_BITS = -4

PREFIX_FAULTS = {
    NO_PREFIX: "does not begin with address/length",
    BAD_ADDRESS: "does not begin with an IPv4 or IPv6 address",
    BAD_LENGTH: "has a prefix length that is not in 0..32 (IPv6: 0..128)",
    HOST_BITS: "has host bits set",
}


cdef inline bint _is_space(char c) noexcept nogil:
    return c == c" " or c == c"\t" or c == c"\r"


cdef int _token(const char** at, const char* end, char* token) noexcept nogil:
    """Copies the next word, cut at TOKEN_LIMIT - 1 octets; its length, 0 if there is none."""
    cdef int size = 0
    while at[0] < end and _is_space(at[0][0]):
        at[0] += 1
    while at[0] < end and not _is_space(at[0][0]):
        if size < TOKEN_LIMIT - 1:
            # An embedded NUL would end the word early, and hide what follows it.
            token[size] = at[0][0] if at[0][0] else c"?"
            size += 1
        at[0] += 1
    token[size] = 0
    return size


cdef long long _number(const char* text, long long largest) noexcept nogil:
    """A number of decimal digits up to `largest`, or -1."""
    cdef long long value = 0
    if text[0] == 0:
        return -1
    while text[0]:
        if not c"0" <= text[0] <= c"9":
            return -1
        value = 10 * value + (text[0] - c"0")
        if value > largest:
            return -1
        text += 1
    return value


cdef int _prefix(char* token, uint8_t* address, bint* six) noexcept nogil:
    """The length of a prefix, or what is wrong with it."""
    cdef char* slash = token
    cdef long long length
    while slash[0] and slash[0] != c"/":
        slash += 1
    if slash[0] == 0:
        return NO_PREFIX
    slash[0] = 0
    six[0] = inet_pton(AF_INET6, token, address) == 1
    if not six[0] and inet_pton(AF_INET, token, address) != 1:
        return BAD_ADDRESS
    length = _number(slash + 1, 128 if six[0] else 32)
    if length < 0:
        return BAD_LENGTH
    if has_host_bits(address, <int> length, 16 if six[0] else 4):
        return HOST_BITS
    return <int> length
