"""Every real capture through the whole system: all packets are accounted for, and damage ends a
file after its last whole packet.

The captures are not part of the project: DIALOUT_DATA names the folder that has them under pcap/
with their list, index.tsv. How many packets a file has is counted here by the drafts, not by our
reader.
"""

from __future__ import annotations

import csv
import os
import struct
from pathlib import Path

import pytest
from replay_run import DEMO, dialout, packets_of

from control.exit_codes import FAILED, OK

DATA = os.environ.get("DIALOUT_DATA")
FOLDER = Path(DATA or ".") / "pcap"
pytestmark = pytest.mark.skipif(not DATA, reason="DIALOUT_DATA is not set")

NETWORK_MONITOR = b"GMBU"
OBSOLETE, SIMPLE, ENHANCED = 2, 3, 6
SHORTEST = 40
"""Octets that a file keeps: less are no capture at all."""


def listed() -> list[tuple[str, int]]:
    """Names and numbers of packets."""
    if not DATA:
        return [("absent", 0)]
    with open(FOLDER / "index.tsv", newline="") as file:
        return [(row["file"], int(row["packets"])) for row in csv.DictReader(file, delimiter="\t")]


def captures() -> list[tuple[Path, int]]:
    """Those in a format of pcap."""
    known = [(FOLDER / name, packets) for name, packets in listed()]
    return [(path, n) for path, n in known if path.read_bytes()[:4] != NETWORK_MONITOR]


@pytest.fixture(params=listed(), ids=lambda row: row[0])
def capture(request, capsys):
    name, packets = request.param
    path = FOLDER / name
    if path.read_bytes()[:4] == NETWORK_MONITOR:
        refused = dialout(capsys, "replay", path)
        if "Microsoft Network Monitor" in refused.err:
            assert refused.code == FAILED
            pytest.skip("a format that is not read, and is named")
    return path, packets


def whole_packets(octets: bytes) -> tuple[int, bool]:
    """How many packets are whole, and whether anything is left behind the last whole record."""
    little = octets[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
    if not little and octets[:4] not in (b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
        return whole_blocks(octets)
    at, found = 24, 0
    while at + 16 <= len(octets):
        (captured,) = struct.unpack_from("<I" if little else ">I", octets, at + 8)
        if at + 16 + captured > len(octets):
            break
        at, found = at + 16 + captured, found + 1
    return found, at < len(octets)


def whole_blocks(octets: bytes) -> tuple[int, bool]:
    at, found, order = 0, 0, "<"
    while at + 12 <= len(octets):
        if octets[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if octets[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
        kind, total = struct.unpack_from(order + "II", octets, at)
        if at + total > len(octets):
            break
        at, found = at + total, found + (kind in (OBSOLETE, SIMPLE, ENHANCED))
    return found, at < len(octets)


def test_every_packet_of_a_capture_is_accounted_for(capsys, tmp_path, capture):
    path, packets = capture
    out, report = tmp_path / "out.pcapng", tmp_path / "report.json"
    result = dialout(capsys, "replay", path, "--write", out, "--report", report, "--json")
    assert (result.code, result.err) == (OK, "")
    told = result.json
    assert told["accounted_for"]
    assert told["packets"] == packets
    assert sum(told["verdicts"].values()) == packets
    # Without a configuration nothing is forwarded, and nothing is answered.
    assert told["verdicts"]["DROP"] == packets == sum(told["drop_reasons"].values())
    assert told["counters"]["sent"] == 0

    written = packets_of(out)
    assert len(written) == packets
    assert all(packet.comment.startswith("DROP ") for packet in written)
    again = dialout(capsys, "replay", out, "--json")
    assert again.code == OK
    assert again.json["verdicts"] == told["verdicts"]
    assert again.json["drop_reasons"] == told["drop_reasons"]
    assert again.json["octets"] == told["octets"]


def test_a_capture_replays_to_the_same_octets(capsys, tmp_path, capture):
    path, _ = capture
    files = []
    for name in ("first", "second"):
        out, report = tmp_path / f"{name}.pcapng", tmp_path / f"{name}.json"
        argv = ["replay", "-q", "--config", DEMO, path, "--write", out, "--report", report]
        assert dialout(capsys, *argv).code == OK
        files.append((out.read_bytes(), report.read_bytes()))
    assert files[0] == files[1]


@pytest.mark.parametrize("cut", ["last octet", "middle"])
def test_a_damaged_capture_ends_after_its_last_whole_packet(capsys, tmp_path, capture, cut):
    octets = capture[0].read_bytes()
    if octets.startswith(NETWORK_MONITOR):
        pytest.skip("packets of this format are not counted here")
    octets = octets[:-1] if cut == "last octet" else octets[: max(SHORTEST, len(octets) // 2)]
    packets, damaged = whole_packets(octets)
    path, out = tmp_path / "cut.pcap", tmp_path / "out.pcapng"
    path.write_bytes(octets)
    result = dialout(capsys, "replay", path, "--write", out, "--json")
    assert result.code == (FAILED if damaged else OK)
    assert result.err.count("\n") == damaged
    assert result.err.startswith(f"dialout: {path}: octet " if damaged else "")
    assert len(result.json["errors"]) == damaged
    assert result.json["packets"] == packets == len(packets_of(out))
    assert result.json["accounted_for"]


def test_all_captures_at_once_are_merged_by_time(capsys, tmp_path):
    known, out = captures(), tmp_path / "out.pcapng"
    paths = [path for path, _ in known]
    result = dialout(capsys, "replay", "--config", DEMO, "--json", "--write", out, *paths)
    assert (result.code, result.err) == (OK, "")
    assert result.json["packets"] == sum(packets for _, packets in known)
    assert result.json["accounted_for"]
    received = [packet.time for packet in packets_of(out) if packet.interface == "home"]
    assert received == sorted(received)
