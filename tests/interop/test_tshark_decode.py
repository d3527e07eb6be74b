"""tshark and we read the same out of L2TP: every form of the data header, every message and AVP."""

from __future__ import annotations

from dataclasses import astuple, is_dataclass
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import captures
import l2tp_frames
import pytest
import tshark
from tshark import Frame, Remark

from control.l2tp.avp import Avp, RawAvp, walk
from control.l2tp.avp_table import AVPS, ROWS, MessageType
from control.l2tp.message import decode
from control.sim import host
from fastpath.dissect import dissect

DATA_ROUNDS, CONTROL_ROUNDS = 750, 1_900
"""72,000 data messages and 28,500 control messages."""
LEAST = 100_000
UNKNOWN = Remark("l2tp", "Vendor-Specific AVP data")
IPV4 = 0x21

AVP_HEADER = {f"l2tp.avp.{name}" for name in ("mandatory", "hidden", "length", "vendor_id", "type")}
# Numbers of which tshark shows parts, as (shift, mask): version and revision, the two known bits.
SPLIT = {2: ((8, 255), (0, 255))} | dict.fromkeys((3, 4, 18, 19), ((1, 1), (0, 1)))
# Where tshark's name of an AVP is not the RFC's.
NAMES = {
    "Message Type": "Control Message",
    "Result Code": "Result-Error Code",
    "Q.931 Cause Code": "Cause Code",
    "Assigned Session ID": "Assigned Session",
    "(Tx) Connect Speed": "Connect Speed",
    "Physical Channel ID": "Physical Channel",
    "Call Errors": "Call status AVPs",
    "Private Group ID": "Private group ID",
    "Rx Connect Speed": "RxConnect Speed",
}


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    rng = Random(2661)
    made = [*l2tp_frames.data_packets(rng, DATA_ROUNDS)]
    made += l2tp_frames.control_packets(rng, CONTROL_ROUNDS)
    rng.shuffle(made)
    path = tmp_path_factory.mktemp("decode") / "l2tp.pcap"
    captures.write(path, captures.RAW, ((10**18 + i, packet) for i, packet in enumerate(made)))
    return path, made


def test_tshark_reads_what_we_read(packets: tuple[Path, list[bytes]]) -> None:
    path, made = packets
    assert len(made) >= LEAST
    differ: list[tuple[int | None, object, object]] = []
    forms: set[int] = set()
    types: set[int | None] = set()
    avps: set[tuple[object, object]] = set()
    for packet, frame in zip(made, tshark.frames(path), strict=True):
        ours, theirs = our_reading(packet), reading(frame)
        if ours != theirs:
            differ.append((frame.number, ours, theirs))
        if "type" in ours:
            types.add(ours["type"])
            avps.update(avp[:2] for avp in ours["avps"])
        else:
            forms.add(ours["flags"])
    assert differ[:3] == []
    assert len(forms) == 16
    assert types == set(MessageType) | {None}
    unknown = {(0, l2tp_frames.UNKNOWN), (l2tp_frames.VENDOR, 7)}
    assert {key for key, _ in avps if key is not None} == set(AVPS) | unknown
    hideable = {NAMES.get(row.name, row.name) for row in ROWS if row.hideable}
    assert {name for key, name in avps if key is None} == hideable


def our_reading(packet: bytes) -> dict[str, Any]:
    seen = dissect(packet, "raw")
    assert seen["reason"] == "none"
    header = seen["l2tp"]
    found = {
        "checksums": ("1", "1"),
        "remarks": [],
        "flags": header["flags"],
        "ports": (seen["udp"]["source"], seen["udp"]["destination"]),
        "start": seen["udp"]["payload"],
        "length": header["length"] if header["flags"] & 0x4000 else None,
        "ids": (header["tunnel"], header["session"]),
        "sequence": (header["ns"], header["nr"]),
    }
    if header["control"]:
        message = decode(packet[seen["udp"]["payload"] :], l2tp_frames.SECRET)
        ids = (message.tunnel_id, message.session_id)
        assert (ids, (message.ns, message.nr)) == (found["ids"], found["sequence"])
        raw = walk(packet[found["start"] + 12 :])
        avps = [our_avp(*pair) for pair in zip(message.avps, raw, strict=True)]
        # tshark remarks on what it does not know, and that is all it may remark on.
        remarks = [UNKNOWN] * sum(not avp.known for avp in message.avps)
        return found | {"type": message.type, "avps": avps, "remarks": remarks}
    ppp = seen["ppp"]
    found |= {"payload": header["payload"], "protocol": ppp["protocol"], "inner": ppp["payload"]}
    if ppp["protocol"] != IPV4:
        return found
    inner = packet[ppp["payload"] :]
    addresses = tuple(map(host.format_address, (inner[12:16], inner[16:20])))
    return found | {"addresses": addresses}


def reading(frame: Frame) -> dict[str, Any]:
    """The same, as tshark has it."""
    ip, udp, l2tp = (frame.layer(name) for name in ("ip", "udp", "l2tp"))
    checksums = (ip.show("ip.checksum.status"), udp.show("udp.checksum.status"))
    inner = frame.names.index("ppp") + 1 if "ppp" in frame.names else len(frame.names)
    found = {
        "checksums": checksums,
        "remarks": tshark.remarks(frame.layers[:inner]),
        "flags": l2tp.number("l2tp.flags"),
        "ports": (udp.number("udp.srcport"), udp.number("udp.dstport")),
        "start": l2tp.start,
        "length": l2tp.number("l2tp.length"),
        "ids": (l2tp.number("l2tp.tunnel"), l2tp.number("l2tp.session")),
        "sequence": (l2tp.number("l2tp.Ns"), l2tp.number("l2tp.Nr")),
    }
    if l2tp.number("l2tp.type") == 1:
        avps = [their_avp(tree) for tree in l2tp.trees()]
        return found | {"type": l2tp.number("l2tp.avp.message_type"), "avps": avps}
    ppp, payload = frame.layer("ppp"), frame.layers[inner]
    found |= {"payload": ppp.start, "protocol": ppp.number("ppp.protocol"), "inner": payload.start}
    if payload.name != "ip":
        return found
    return found | {"addresses": (payload.show("ip.src"), payload.show("ip.dst"))}


Values = list[int | bytes]


def our_avp(avp: Avp, raw: RawAvp) -> tuple[object, ...]:
    """Vendor and type, name, M, H, length, and what the value is made of."""
    row = AVPS.get((avp.vendor, avp.attribute))
    name = NAMES.get(row.name, row.name) if row else ""
    shown = avp.known and not avp.hidden
    key = None if avp.hidden else (avp.vendor, avp.attribute)
    length = len(raw.octets) + 6
    return key, name, avp.mandatory, avp.hidden, length, values(avp) if shown else []


def values(avp: Avp) -> Values:
    value = avp.value
    if isinstance(value, int):
        split = SPLIT.get(avp.attribute, ((0, 0xFFFFFFFF),))
        return [value >> shift & mask for shift, mask in split]
    parts = astuple(value) if is_dataclass(value) else (value,)
    octets = [part.encode() if isinstance(part, str) else part for part in parts]
    return [part for part in octets if part not in (None, b"")]


def their_avp(tree: ElementTree.Element) -> tuple[object, ...]:
    fields = {f.get("name"): f for f in tree}
    number = {name: int(fields[name].get("show", ""), 0) for name in AVP_HEADER if name in fields}
    hidden = bool(number["l2tp.avp.hidden"])
    vendor, kind = number.get("l2tp.avp.vendor_id"), number.get("l2tp.avp.type")
    known = not vendor and kind != l2tp_frames.UNKNOWN
    return (
        None if hidden else (vendor, kind),
        tree.get("show", "").removesuffix(" AVP") if known else "",
        bool(number["l2tp.avp.mandatory"]),
        hidden,
        number["l2tp.avp.length"],
        [] if hidden or not known else [v for f in tree if (v := leaf(f)) not in (None, b"")],
    )


def leaf(field: ElementTree.Element) -> int | bytes | None:
    """The value of a field: a number if tshark prints one."""
    if field.get("name") in AVP_HEADER:
        return None
    show, octets = field.get("show", ""), field.get("value", "")
    if octets and show == str(int(octets, 16)):
        return int(show)
    return bytes.fromhex(octets)
