"""Filter expressions of tcpdump(8), compiled by libpcap into programs that the data plane runs.

libpcap is loaded when the first expression is compiled: without expressions nobody needs it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Final

from control.errors import ConfigurationError, ResourceError
from fastpath.packet_filter import PacketFilter

LINKTYPES: Final = {"ethernet": 1, "raw": 12}
"""DLT_* (pcap-linktype(7)) by the names of fastpath.ports.linktype."""
LONGEST: Final = 4096
"""Characters of an expression."""
_SNAPLEN: Final = 262144
_NETMASK_UNKNOWN: Final = 0xFFFFFFFF


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.POINTER(_Instruction)))


def compile_filter(expression: str, link: str) -> PacketFilter:
    """A program for packets that begin with a header of this link. Raises ConfigurationError with
    libpcap's own words for an expression that is none, ResourceError without libpcap."""
    if len(expression) > LONGEST or not expression.isprintable():
        raise ConfigurationError(
            f"filter {expression[:40]!r}: must be up to {LONGEST} printable characters"
        )
    library = _library()
    handle = library.pcap_open_dead(LINKTYPES[link], _SNAPLEN)
    program = _Program()
    try:
        text = expression.encode()
        if library.pcap_compile(handle, ctypes.byref(program), text, 1, _NETMASK_UNKNOWN) < 0:
            why = library.pcap_geterr(handle).decode("utf-8", "replace")
            raise ConfigurationError(f"filter {expression!r}: {why}")
        rows = (program.instructions[at] for at in range(program.length))
        try:
            return PacketFilter([(row.code, row.jt, row.jf, row.k) for row in rows])
        except ValueError as error:
            raise ConfigurationError(f"filter {expression!r}: {error}") from None
        finally:
            library.pcap_freecode(ctypes.byref(program))
    finally:
        library.pcap_close(handle)


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libpcap.so.0.8")
    except OSError:
        found = ctypes.util.find_library("pcap")
        if found is None:
            raise ResourceError("filters need libpcap (Debian: libpcap0.8)") from None
        library = ctypes.CDLL(found)
    library.pcap_open_dead.restype = ctypes.c_void_p
    library.pcap_open_dead.argtypes = (ctypes.c_int, ctypes.c_int)
    library.pcap_compile.argtypes = (
        ctypes.c_void_p,
        ctypes.POINTER(_Program),
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint32,
    )
    library.pcap_geterr.restype = ctypes.c_char_p
    library.pcap_geterr.argtypes = (ctypes.c_void_p,)
    library.pcap_freecode.argtypes = (ctypes.POINTER(_Program),)
    library.pcap_freecode.restype = None
    library.pcap_close.argtypes = (ctypes.c_void_p,)
    library.pcap_close.restype = None
    return library
