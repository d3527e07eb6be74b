"""Runs the command in this process, and reads what it wrote. Captures are read from their octets,
not by our own reader."""

from __future__ import annotations

import gc
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control.cli import main
from control.commands import DEMO
from control.sim import traffic

HOME, SITE = traffic.HOME_HOSTS[0], traffic.REMOTE_HOSTS[0]
DEMO_TEXT = DEMO.read_text()
ETHERNET = 1


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def dialout(capsys, *argv: object) -> Result:
    """`dialout ARGV...`"""
    capsys.readouterr()
    thresholds = gc.get_threshold()
    code = main([str(argument) for argument in argv])
    # Benchmarks and routers tell the collector to leave alone what is there; tests go on.
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    out, err = capsys.readouterr()
    return Result(code, out, err)


def replayed(capsys, config: Path, capture: Path, *argv: object) -> dict[str, Any]:
    """The report of a replay that has to work."""
    result = dialout(capsys, "replay", "--config", config, "--json", *argv, capture)
    assert (result.code, result.err) == (0, "")
    return result.json


def demo_config(folder: Path, *changes: tuple[str, str], name: str = "changed.toml") -> Path:
    """The demonstration's configuration with some text replaced by other."""
    text = DEMO_TEXT
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path


def home_site(folder: Path, name: str = "home.pcap", **more: Any) -> Path:
    path = folder / name
    traffic.home_site_capture(path, **more)
    return path


def write_pcap(path: Path, frames: Iterable[tuple[float, bytes]]) -> Path:
    """A classic capture of Ethernet frames at these seconds after its start."""
    octets = [traffic.PCAP_HEADER]
    for seconds, frame in frames:
        micro = round(seconds * 1e6)
        head = (traffic.START + micro // 10**6, micro % 10**6, len(frame), len(frame))
        octets.append(struct.pack("<IIII", *head) + frame)
    path.write_bytes(b"".join(octets))
    return path


def ping(number: int, destination: str = SITE, source: str = HOME) -> bytes:
    return traffic.ping_frame(source, destination, 9, number, 98)


@dataclass(frozen=True)
class Packet:
    """One enhanced packet block."""

    time: int
    """Nanoseconds since 1970."""
    interface: str
    ip: bytes
    """Without the Ethernet header."""
    comment: str
    outbound: bool

    @property
    def source(self) -> str:
        return ".".join(map(str, self.ip[12:16]))

    @property
    def destination(self) -> str:
        return ".".join(map(str, self.ip[16:20]))


def packets_of(path: Path) -> list[Packet]:
    """The packets of a pcapng file that we wrote: little-endian, nanoseconds."""
    octets, found, interfaces, at = path.read_bytes(), [], [], 0
    while at < len(octets):
        kind, total = struct.unpack_from("<II", octets, at)
        assert total >= 12
        assert struct.unpack_from("<I", octets, at + total - 4) == (total,)
        body = octets[at + 8 : at + total - 4]
        if kind == 1:
            interfaces.append((_options(body[8:])[2].decode(), int.from_bytes(body[:2], "little")))
        elif kind == 6:
            found.append(_packet(body, interfaces))
        at += total
    assert at == len(octets)
    return found


def _packet(body: bytes, interfaces: list[tuple[str, int]]) -> Packet:
    number, high, low, captured, _ = struct.unpack_from("<IIIII", body)
    name, link = interfaces[number]
    options = _options(body[20 + (captured + 3) // 4 * 4 :])
    return Packet(
        time=high << 32 | low,
        interface=name,
        ip=body[20 + (14 if link == ETHERNET else 0) : 20 + captured],
        comment=options.get(1, b"").decode(),
        outbound=int.from_bytes(options[2], "little") & 3 == 2,
    )


def _options(octets: bytes) -> dict[int, bytes]:
    found = {}
    while octets:
        code, length = struct.unpack_from("<HH", octets)
        found[code] = octets[4 : 4 + length]
        octets = octets[4 + (length + 3) // 4 * 4 :]
    return found


def happened(report: dict[str, Any], event: str, **fields: object) -> list[dict[str, Any]]:
    """Events of the timeline of one kind and with these values."""
    return [
        row
        for row in report["timeline"]
        if row["event"] == event and all(row[key] == value for key, value in fields.items())
    ]
