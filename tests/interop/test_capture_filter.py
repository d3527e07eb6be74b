"""Filter expressions: libpcap's programs in our interpreter against libpcap's own."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator

import pytest

from control.capture_filter import LINKTYPES, _library, _Program, compile_filter
from control.errors import ConfigurationError
from control.sim import host6
from control.sim.host import ip_packet, pack_address, ping_packet, udp_packet

pytestmark = pytest.mark.interop

EXPRESSIONS = (
    "ip",
    "ip6",
    "udp",
    "udp port 1701",
    "icmp or icmp6",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "host 192.0.2.10",
    "src net 198.51.100.0/24 and not udp",
    "net 2001:db8::/32",
    "portrange 1000-2000",
    "greater 100",
    "less 64",
    "ip[8] < 5",
    "ip proto 17 and udp[8:2] = 0xc802",
    "(dst host 192.0.2.10 and udp) or (src host 192.0.2.10 and icmp)",
    "ip[6:2] & 0x1fff != 0",
    "len - ip[2:2] = 0",
    "ip6[6] = 58",
)


class _Header(ctypes.Structure):
    _fields_ = (
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("captured", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
    )


def packets() -> Iterator[bytes]:
    """Of every kind, whole and cut."""
    rng = random.Random(4)
    ends = ("192.0.2.10", "198.51.100.7", "203.0.113.9")
    six = ("2001:db8::1", "2001:db9::1")
    for _ in range(400):
        source, destination = rng.choice(ends), rng.choice(ends)
        ports = rng.choice((53, 1701, 1500)), rng.choice((1701, 999, 2000))
        payload = rng.choice((b"\xc8\x02", b"\x00\x02")) + rng.randbytes(rng.randrange(120))
        kind = rng.randrange(4)
        if kind == 0:
            yield udp_packet(source, ports[0], destination, ports[1], payload, ttl=rng.randrange(9))
        elif kind == 1:
            yield ping_packet(source, destination, data=payload)
        elif kind == 2:
            segment = rng.randbytes(13) + bytes((rng.randrange(64),)) + payload + bytes(8)
            yield ip_packet(pack_address(source), pack_address(destination), 6, segment)
        else:
            yield host6.udp_packet(rng.choice(six), ports[0], rng.choice(six), ports[1], payload)
    yield host6.ping_packet(*six)
    for _ in range(200):
        whole = udp_packet(ends[0], 1701, ends[1], 1701, rng.randbytes(30))
        cut = bytearray(whole[: rng.randrange(len(whole))])
        if cut:
            cut[rng.randrange(len(cut))] ^= rng.randrange(256)
        yield bytes(cut)


@pytest.mark.parametrize("link", sorted(LINKTYPES))
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_takes_what_it_takes_in_libpcap(expression: str, link: str) -> None:
    library = _library()
    library.pcap_offline_filter.argtypes = (
        ctypes.POINTER(_Program), ctypes.POINTER(_Header), ctypes.c_char_p,
    )  # fmt: skip
    handle = library.pcap_open_dead(LINKTYPES[link], 262144)
    program = _Program()
    assert library.pcap_compile(handle, ctypes.byref(program), expression.encode(), 1, 0) == 0
    ours = compile_filter(expression, link)
    taken = 0
    for packet in packets():
        if link == "ethernet":
            version = b"\x86\xdd" if packet[:1] and packet[0] >> 4 == 6 else b"\x08\x00"
            packet = bytes(12) + version + packet
        header = _Header(0, 0, len(packet), len(packet))
        theirs = library.pcap_offline_filter(ctypes.byref(program), ctypes.byref(header), packet)
        assert ours.matches(packet) == (theirs != 0), packet.hex()
        taken += theirs != 0
    library.pcap_freecode(ctypes.byref(program))
    library.pcap_close(handle)
    assert 0 < taken < 600


def test_libpcaps_own_words_say_what_is_wrong_with_an_expression() -> None:
    with pytest.raises(ConfigurationError, match=r"filter 'prot 17': .*syntax error"):
        compile_filter("prot 17", "raw")
