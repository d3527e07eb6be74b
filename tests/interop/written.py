"""What tshark and an obvious reader see in a capture that a replay wrote.

`read` puts both side by side, takes L2TP and PPP off by hand and finds the packet of the input that
each packet was: the same octets but for what a router changes, TTL and header checksum.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import captures
import tshark
from captures import Record
from tshark import Frame, Remark

from control.sim import data_header

L2TP_PORT = (1701).to_bytes(2, "big")
IP_FRAMES = (b"\xff\x03\x00\x21", b"\x00\x21", b"\x21", b"\xff\x03\x21")
MORE_FRAGMENTS, OFFSET = 0x2000, 0x1FFF
UDP = 17


@dataclass(frozen=True)
class Packet:
    """A packet of the written capture."""

    record: Record
    number: int
    comment: str
    names: tuple[str, ...]
    """Protocols that tshark names, outermost first."""
    outer: tuple[Remark, ...]
    """Remarks on what we put around the packet: IP, UDP, L2TP, PPP; for control messages and PPP
    negotiation, and for our own ICMP errors, on all of it."""
    inner: tuple[Remark, ...]
    """Remarks on the packet that is carried, or on one that is in no tunnel."""
    carried: bytes | None
    """The IPv4 packet, taken out of its tunnel if it is in one."""
    faults: tuple[str, ...]
    """What is wrong with checksums and names in the outer layers."""
    source: int | None = None
    """Index of the input packet that it was, or is a fragment of. None: it came from elsewhere."""
    last: bool = True
    """Not a fragment that we made, but for the last one of a packet."""

    @property
    def tunnelled(self) -> bool:
        return "l2tp" in self.names

    @property
    def generated(self) -> bool:
        """Made by router or LAC, not by a host: control messages, PPP negotiation, ICMP errors."""
        return self.comment in ("control", "PUNT_L2TP", "PUNT_PPP", "ICMP answer")


def read(path: Path, home: list[Record], **options: Any) -> list[Packet]:
    """All packets of a written capture, `source` filled in for those of the home site's capture.
    The options are those of `tshark.frames`."""
    records = captures.read(path)
    frames = tshark.frames(path, **options)
    packets = [_examine(*pair) for pair in zip(records, frames, strict=True)]
    return _match(packets, home)


def _examine(record: Record, frame: Frame) -> Packet:
    """One frame, its layers parted into ours and those of the packet carried."""
    names = frame.names
    ours = 0
    if "l2tp" in names:
        carries_ip = "ppp" in names and names[names.index("ppp") + 1 :][:1] == ["ip"]
        ours = names.index("ppp") + 1 if carries_ip else len(names)
    outer = tshark.remarks(frame.layers[:ours])
    inner = tshark.remarks(frame.layers[ours:])
    if frame.comment == "ICMP answer":
        # The packet quoted is cut off: what tshark makes of it is not about the answer.
        outer += [remark for remark in inner if "/" not in remark.layer]
    return Packet(
        record,
        frame.number or 0,
        frame.comment or "",
        tuple(names),
        tuple(outer),
        tuple(inner),
        carried(record),
        tuple(_faults(frame)) if ours else (),
    )


def carried(record: Record) -> bytes | None:
    """The IPv4 packet of a record; if that is L2TP with an IPv4 packet inside, the inner one."""
    packet = record.ip()
    if packet is None or packet[9] != UDP or L2TP_PORT not in (packet[20:22], packet[22:24]):
        return packet
    if packet[28] & 0x80:
        return packet
    *_, start, end = data_header.locate(packet[28:])
    frame = packet[28 + start : 28 + end]
    prefix = next((p for p in IP_FRAMES if frame.startswith(p)), None)
    return packet if prefix is None else frame[len(prefix) :]


def _faults(frame: Frame) -> Iterable[str]:
    """Checksums that are not good, and what tshark has no name for, in a frame that holds L2TP."""
    for name in ("ip", "udp"):
        if frame.layer(name).show(f"{name}.checksum.status") != tshark.GOOD:
            yield f"{name} checksum"
    message = frame.layer("l2tp")
    if message.number("l2tp.type") == 1:
        for tree in message.trees():
            names = [f.get("showname", "") for f in tree.iter("field")] + [tree.get("show", "")]
            yield from (text for text in names if "nknown" in text or "Vendor-Specific" in text)
        body = b"".join(bytes.fromhex(t.get("value", "")) for t in message.trees())
        if len(body) != message.size - 12:
            yield f"{len(body)} octets of AVPs in {message.size}"
    elif frame.names[frame.names.index("l2tp") + 1 :][:1] != ["ppp"]:
        yield "no PPP"
    elif frame.names[-1] in ("ppp", "data"):
        yield "PPP protocol without a name"


def _match(packets: list[Packet], home: list[Record]) -> list[Packet]:
    by_ip: dict[bytes, deque[int]] = defaultdict(deque)
    by_frame: dict[Record, deque[int]] = defaultdict(deque)
    for index, record in enumerate(home):
        packet = record.ip()
        if packet is None:
            by_frame[replace(record, time=0)].append(index)
        else:
            by_ip[identity(packet)].append(index)
    wholes = _reassemble(packets)
    found = []
    for number, packet in enumerate(packets):
        if packet.generated:
            found.append(packet)
            continue
        places = by_frame[replace(packet.record, time=0)]
        if packet.carried is not None:
            places = by_ip[identity(packet.carried)]
        part = not places and number in wholes
        if part:
            places = by_ip[identity(wholes[number])]
        last = not part or not _fragment_bits(packet.carried) & MORE_FRAGMENTS
        index = None
        if places:
            index = places.popleft() if last else places[0]
        found.append(replace(packet, source=index, last=last))
    return found


def identity(packet: bytes) -> bytes:
    """An IPv4 packet without TTL and header checksum."""
    return packet[:8] + packet[9:10] + packet[12:]


def _fragment_bits(packet: bytes | None) -> int:
    word = 0 if packet is None else int.from_bytes(packet[6:8], "big")
    return word & (MORE_FRAGMENTS | OFFSET)


def _reassemble(packets: list[Packet]) -> dict[int, bytes]:
    """For each fragment that we made, by its place, the packet that it is of: a run of fragments
    in one tunnel, in order, without a gap."""
    wholes: dict[int, bytes] = {}
    run: list[int] = []
    data = b""
    for number, packet in enumerate(packets):
        piece = packet.carried
        if piece is None or not packet.tunnelled or not _fragment_bits(piece):
            continue
        header = (piece[0] & 15) * 4
        offset = (_fragment_bits(piece) & OFFSET) * 8
        if offset == 0:
            run, data = [], piece[:header]
        if offset + header != len(data):
            continue
        run.append(number)
        data += piece[header:]
        if not _fragment_bits(piece) & MORE_FRAGMENTS:
            flags = int.from_bytes(data[6:8], "big") & ~MORE_FRAGMENTS
            length = len(data).to_bytes(2, "big")
            whole = data[:2] + length + data[4:6] + flags.to_bytes(2, "big") + data[8:]
            wholes |= dict.fromkeys(run, whole)
    return wholes
