"""Traffic of a home site, written as classic pcap: input for demonstrations, replays, benchmarks.

home_site_capture() is a small, mixed and readable capture; flood_capture() is millions of equal
packets, made in bulk. Both are one direction only, what the site sends: the answers come from the
simulated remote site. Every checksum is right. The same arguments give the same octets.
"""

from __future__ import annotations

import ipaddress
import os
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Path = str | os.PathLike[str]

HOME_HOSTS = ("192.0.2.10", "192.0.2.11", "192.0.2.12")
REMOTE_HOSTS = ("198.51.100.10", "198.51.100.77")
UNROUTED_HOSTS = ("203.0.113.5", "203.0.113.80")
"""Documentation addresses (RFC 5737): the home site, the remote site, and nowhere."""

START = 1_767_225_600
"""Time of the first packet of all captures, seconds since the epoch: 2026-01-01 00:00 UTC."""
MAXIMUM_PACKETS = 100_000_000
MAXIMUM_MIXED = 1_000_000
"""Packets of a home site's capture, which is made in memory."""
MINIMUM_SIZE = 60
MAXIMUM_SIZE = 1514
"""Octets of an Ethernet frame without its check sequence."""

PCAP_HEADER = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
GATEWAY = bytes.fromhex("020000000001")
BROADCAST = b"\xff" * 6
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
SYN, ACK, PSH, FIN = 0x02, 0x10, 0x08, 0x01
ECHO_PORT, DNS_PORT, HTTP_PORT = 7, 53, 80


@dataclass(frozen=True, slots=True)
class _Timed:
    """A frame and its time in microseconds since the start."""

    time: int
    frame: bytes


def home_site_capture(
    path: Path,
    *,
    seed: int = 1,
    sources: Sequence[str] = HOME_HOSTS,
    destinations: Sequence[str] = REMOTE_HOSTS,
    unrouted: Sequence[str] = UNROUTED_HOSTS,
    duration: float = 6.0,
    rate: float = 33.4,
    sizes: Sequence[int] = (60, 120, 256, 512),
) -> int:
    """Writes a home site's traffic of `duration` seconds and returns the number of packets.

    The first packet is a ping from the first source to the first destination. About `rate` packets
    a second follow, of frames of `sizes` octets: pings, UDP to the echo port, DNS queries, and to
    each destination a TCP exchange; besides them an ARP broadcast, an IPv6 packet, one whose TTL
    ends here, and some to `unrouted` addresses. Raises ValueError for arguments out of range,
    OSError if the file cannot be written.
    """
    if not sources or not destinations:
        raise ValueError("a capture needs a source and a destination")
    if not 0 < duration * rate <= MAXIMUM_MIXED:
        raise ValueError(f"duration * rate is {duration * rate}, allowed is 0 to {MAXIMUM_MIXED}")
    for size in sizes:
        _check_size(size)
    rng = random.Random(seed)
    end = int(duration * 1e6)
    timed = [_Timed(0, ping_frame(sources[0], destinations[0], 1, 0, 98))]
    timed += _odd_packets(sources, destinations, unrouted, end)
    for number, destination in enumerate(destinations):
        source = sources[number % len(sources)]
        timed += _tcp_exchange(rng, source, destination, end // 3 + number * 1000, end)
    wanted = max(0, int(duration * rate) - len(timed))
    timed += _mixed(rng, wanted, sources, destinations, unrouted, sizes, end)
    _write(path, sorted(timed, key=lambda t: t.time))
    return len(timed)


def flood_capture(
    path: Path,
    *,
    packets: int = 10_000_000,
    size: int = 60,
    sources: Sequence[str] = ("192.0.2.0/24",),
    destinations: Sequence[str] = ("198.51.100.0/24",),
    rate: float = 1_000_000.0,
    seed: int = 1,
    chunk: int = 1 << 16,
) -> int:
    """Writes `packets` UDP frames of `size` octets, `rate` a second, and returns their number.

    Each goes from a random address of the prefixes `sources` to one of `destinations`. The payload
    begins with the packet's number, 8 octets. Memory is bounded by `chunk` packets. Raises
    ValueError for arguments out of range, OSError if the file cannot be written.
    """
    _check_size(size)
    if not 0 <= packets <= MAXIMUM_PACKETS or rate <= 0 or chunk < 1:
        raise ValueError(f"{packets} packets, allowed are 0 to {MAXIMUM_PACKETS}; rate {rate}")
    rng = np.random.Generator(np.random.PCG64(seed))
    template = _flood_template(size)
    nets = _prefixes(sources), _prefixes(destinations)
    with open(path, "wb") as file:
        file.write(PCAP_HEADER)
        for first in range(0, packets, chunk):
            count = min(chunk, packets - first)
            numbers = np.arange(first, first + count, dtype=np.uint64)
            file.write(_flood_records(rng, template, numbers, nets, rate).data)
    return packets


def ping_frame(source: str, destination: str, ident: int, sequence: int, size: int) -> bytes:
    """An ICMP Echo Request (RFC 792) in an Ethernet frame of `size` octets."""
    payload = bytes(i & 0xFF for i in range(size - 42))
    icmp = struct.pack("!BBHHH", 8, 0, 0, ident, sequence) + payload
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    return _ip_frame(source, destination, ICMP, icmp, sequence)


def udp_frame(
    source: str, destination: str, sport: int, dport: int, payload: bytes, *, ttl: int = 64
) -> bytes:
    """A UDP datagram (RFC 768) in an Ethernet frame."""
    length = 8 + len(payload)
    head = struct.pack("!HHHH", sport, dport, length, 0)
    value = checksum(_pseudo_header(source, destination, UDP, length) + head + payload) or 0xFFFF
    return _ip_frame(source, destination, UDP, head[:6] + _u16(value) + payload, sport, ttl)


def tcp_frame(
    source: str, destination: str, ports: tuple[int, int], numbers: tuple[int, int], flags: int,
    payload: bytes = b"",
) -> bytes:  # fmt: skip
    """A TCP segment (RFC 9293) in an Ethernet frame; `numbers` are sequence and acknowledgment."""
    head = struct.pack("!HHIIBBHHH", *ports, *numbers, 5 << 4, flags, 64240, 0, 0)
    value = checksum(_pseudo_header(source, destination, TCP, 20 + len(payload)) + head + payload)
    segment = head[:16] + _u16(value) + head[18:] + payload
    return _ip_frame(source, destination, TCP, segment, numbers[0] & 0xFFFF)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of the octets, padded to an even number."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# frames


def _u16(value: int) -> bytes:
    return struct.pack("!H", value)


def _address(text: str) -> bytes:
    return ipaddress.IPv4Address(text).packed


def _mac(address: bytes) -> bytes:
    """The MAC address that stands for a host of the home site: locally administered."""
    return b"\x02\x00" + address


def _pseudo_header(source: str, destination: str, protocol: int, length: int) -> bytes:
    return _address(source) + _address(destination) + struct.pack("!HH", protocol, length)


def _ip_frame(
    source: str, destination: str, protocol: int, payload: bytes, ident: int, ttl: int = 64
) -> bytes:
    a, b = _address(source), _address(destination)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ident, 0x4000, ttl, protocol, 0)
    head = head[:10] + _u16(checksum(head + a + b)) + a + b
    frame = GATEWAY + _mac(a) + b"\x08\x00" + head + payload
    return frame + bytes(max(0, MINIMUM_SIZE - len(frame)))


UDP_PAYLOAD = 42
"""Octets of a frame before the payload of its UDP datagram: Ethernet, IPv4, UDP."""


def _arp_frame(source: str, target: str) -> bytes:
    """An ARP request (RFC 826) to everybody."""
    a = _address(source)
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + _mac(a) + a + bytes(6) + _address(target)
    return (BROADCAST + _mac(a) + b"\x08\x06" + body).ljust(MINIMUM_SIZE, b"\0")


def _ping6_frame() -> bytes:
    """An ICMPv6 Echo Request (RFC 4443) between documentation addresses (RFC 3849)."""
    a = ipaddress.IPv6Address("2001:db8:1::10").packed
    b = ipaddress.IPv6Address("2001:db8:2::10").packed
    icmp = struct.pack("!BBHHH", 128, 0, 0, 6, 1) + b"dialout!"
    value = checksum(a + b + struct.pack("!II", len(icmp), ICMP6) + icmp)
    head = struct.pack("!IHBB", 6 << 28, len(icmp), ICMP6, 64) + a + b
    return GATEWAY + _mac(a[-4:]) + b"\x86\xdd" + head + icmp[:2] + _u16(value) + icmp[4:]


def _dns_query(ident: int, name: str) -> bytes:
    """A DNS query for an address (RFC 1035 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


# the home site


def _write(path: Path, timed: Sequence[_Timed]) -> None:
    with open(path, "wb") as file:
        file.write(PCAP_HEADER)
        for t in timed:
            head = (START + t.time // 1_000_000, t.time % 1_000_000, len(t.frame), len(t.frame))
            file.write(struct.pack("<IIII", *head) + t.frame)


def _odd_packets(
    sources: Sequence[str], destinations: Sequence[str], unrouted: Sequence[str], end: int
) -> Iterator[_Timed]:
    """What a router must not, or cannot, forward."""
    source, target = sources[0], destinations[0]
    yield _Timed(end // 10, _arp_frame(source, sources[-1]))
    yield _Timed(end // 5, _ping6_frame())
    yield _Timed(end // 4, udp_frame(source, target, 33434, 33434, b"traceroute", ttl=1))
    for number, address in enumerate(unrouted):
        yield _Timed(end // 2 + number, ping_frame(source, address, 2, number, 98))


def _tcp_exchange(
    rng: random.Random, source: str, destination: str, start: int, end: int
) -> Iterator[_Timed]:
    """One side of a short exchange: the acknowledged numbers are made up."""
    ports = 40000 + rng.getrandbits(14), HTTP_PORT
    ours, theirs = rng.getrandbits(31), rng.getrandbits(31)
    step = max(1, (end - start) // 40)

    def segment(flags: int, payload: bytes = b"") -> bytes:
        return tcp_frame(source, destination, ports, (ours, theirs), flags, payload)

    yield _Timed(start, tcp_frame(source, destination, ports, (ours, 0), SYN))
    ours, theirs = ours + 1, theirs + 1
    yield _Timed(start + step, segment(ACK))
    for number in range(6):
        data = f"GET /{number} HTTP/1.1\r\nHost: {destination}\r\n\r\n".encode()
        yield _Timed(start + (2 + 2 * number) * step, segment(ACK | PSH, data))
        ours, theirs = ours + len(data), theirs + 512
        yield _Timed(start + (3 + 2 * number) * step, segment(ACK))
    yield _Timed(start + 15 * step, segment(ACK | FIN))


def _mixed(
    rng: random.Random,
    count: int,
    sources: Sequence[str],
    destinations: Sequence[str],
    unrouted: Sequence[str],
    sizes: Sequence[int],
    end: int,
) -> Iterator[_Timed]:
    """Pings, UDP echo and DNS at random times, one in ten to an address without a route."""

    def one_of(choices: Sequence[str]) -> str:
        return choices[int(rng.random() * len(choices))]

    for number, time in enumerate(sorted(int(rng.random() * end) for _ in range(count))):
        stray = unrouted and rng.random() < 0.1
        source, target = one_of(sources), one_of(unrouted if stray else destinations)
        size = sizes[int(rng.random() * len(sizes))] if sizes else MINIMUM_SIZE
        kind, port = rng.random(), 32768 + rng.getrandbits(14)
        if kind < 0.4:
            frame = ping_frame(source, target, 3, number, size)
        elif kind < 0.85:
            text = f"echo {number} ".encode()
            payload = (text * (size // len(text) + 1))[: size - UDP_PAYLOAD]
            frame = udp_frame(source, target, port, ECHO_PORT, payload)
        else:
            query = _dns_query(port, f"host{number}.example")
            frame = udp_frame(source, target, port, DNS_PORT, query)
        yield _Timed(time, frame)


# the flood

_Words = npt.NDArray[np.uint32]
_IP = 16 + 14
_UDP = _IP + 20
"""Offsets in a record of the flood."""


def _check_size(size: int) -> None:
    if not MINIMUM_SIZE <= size <= MAXIMUM_SIZE:
        raise ValueError(f"frame of {size} octets, allowed are {MINIMUM_SIZE} to {MAXIMUM_SIZE}")


def _prefixes(texts: Sequence[str]) -> tuple[_Words, _Words]:
    nets = [ipaddress.IPv4Network(text) for text in texts]
    if not nets:
        raise ValueError("a flood needs a source and a destination prefix")
    bases = np.array([int(net.network_address) for net in nets], np.uint32)
    return bases, np.array([int(net.hostmask) for net in nets], np.uint32)


def _addresses(rng: np.random.Generator, nets: tuple[_Words, _Words], count: int) -> _Words:
    bases, masks = nets
    which = rng.integers(0, len(bases), count)
    hosts = rng.integers(0, 2**32, count, dtype=np.uint32)
    chosen: _Words = bases[which] | (hosts & masks[which])
    return chosen


def _layout(size: int) -> np.dtype[np.void]:
    """Where the values that differ lie in a record: its header, Ethernet, IPv4, UDP, payload."""
    ip, udp = _IP, _UDP
    fields = {
        "seconds": ("<u4", 0),
        "microseconds": ("<u4", 4),
        "mac": (">u4", _IP - 6),
        "ident": (">u2", ip + 4),
        "ip_checksum": (">u2", ip + 10),
        "source": (">u4", ip + 12),
        "destination": (">u4", ip + 16),
        "sport": (">u2", udp),
        "udp_checksum": (">u2", udp + 6),
        "number": (">u8", udp + 8),
    }
    return np.dtype(
        {
            "names": list(fields),
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [at for _, at in fields.values()],
            "itemsize": size,
        }
    )


def _folded(sums: _Words) -> _Words:
    """Checksum of sums of 16-bit words. Two folds: the sums are below 2^32."""
    word, bits = np.uint32(0xFFFF), np.uint32(16)
    for _ in range(2):
        sums = (sums & word) + (sums >> bits)
    return sums ^ word


def _flood_template(size: int) -> bytes:
    frame = udp_frame("0.0.0.0", "0.0.0.0", 0, ECHO_PORT, bytes(size - UDP_PAYLOAD))
    record = bytearray(struct.pack("<IIII", 0, 0, size, size) + frame)
    record[_IP + 10 : _IP + 12] = record[_UDP + 6 : _UDP + 8] = b"\0\0"
    return bytes(record)


def _flood_records(
    rng: np.random.Generator,
    template: bytes,
    numbers: npt.NDArray[np.uint64],
    nets: tuple[tuple[_Words, _Words], tuple[_Words, _Words]],
    rate: float,
) -> npt.NDArray[np.void]:
    """Records of a chunk: the template, whose fields of _layout are 0, with those put in."""
    count = len(numbers)
    records = np.empty(count, _layout(len(template)))
    records.view(np.uint8).reshape(count, -1)[:] = np.frombuffer(template, np.uint8)
    times = (numbers * (1e6 / rate)).astype(np.uint64)
    source, destination = (_addresses(rng, net, count) for net in nets)
    sport = 1024 + (rng.integers(0, 2**32, count, dtype=np.uint32) >> 17)
    ident = (numbers & np.uint64(0xFFFF)).astype(np.uint32)
    records["seconds"] = START + times // np.uint64(1_000_000)
    records["microseconds"] = times % np.uint64(1_000_000)
    records["mac"] = records["source"] = source
    records["destination"] = destination
    records["ident"] = ident
    records["sport"] = sport
    records["number"] = numbers
    # RFC 1071: the order of the addends does not matter, so what all packets share is added once.
    # Numbers are below 2^32: two of their four words are 0.
    pairs = (source >> 16) + (source & 0xFFFF) + (destination >> 16) + (destination & 0xFFFF)
    shared = checksum(template[_IP:_UDP]) ^ 0xFFFF
    records["ip_checksum"] = _folded(pairs + ident + np.uint32(shared))
    pseudo = struct.pack("!HH", UDP, len(template) - _UDP)
    shared = checksum(pseudo + template[_UDP:]) ^ 0xFFFF
    high = (numbers >> np.uint64(16)).astype(np.uint32)
    value = _folded(pairs + sport + ident + high + np.uint32(shared))
    records["udp_checksum"] = np.where(value == 0, 0xFFFF, value)
    return records
