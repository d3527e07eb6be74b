"""Wireshark's tshark as a second opinion: what it reads in a capture, and what it remarks on.

A frame is an element of the PDML that tshark prints: layers (`proto`) with fields, in the order of
the octets. Checksums are checked at every layer that has one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

PREFERENCES = {
    "ip.check_checksum": "TRUE",
    "udp.check_checksum": "TRUE",
    "tcp.check_checksum": "TRUE",
}
COMMENT = 0x100000
"""Severity of an expert info that is a comment of the capture file."""
GOOD = "1"
"""Value of the `checksum.status` fields."""


@dataclass(frozen=True, order=True)
class Remark:
    """An expert info, or the mark that a dissector gave up."""

    layer: str
    """Of a packet inside an ICMP error, `icmp/` comes first."""
    text: str


@dataclass
class Layer:
    """One protocol of a frame."""

    name: str
    element: ElementTree.Element = field(repr=False)

    def show(self, name: str) -> str | None:
        """The text of the first field with this name."""
        return next((f.get("show") for f in self.named(name)), None)

    def number(self, name: str) -> int | None:
        text = self.show(name)
        return None if text is None else int(text, 0)

    def named(self, name: str) -> list[ElementTree.Element]:
        return [f for f in self.element.iter("field") if f.get("name") == name]

    def trees(self) -> list[ElementTree.Element]:
        """The unnamed subtrees, such as the AVPs of an L2TP message."""
        return [f for f in self.element if f.get("name") == "" and len(f)]

    @property
    def start(self) -> int:
        return int(self.element.get("pos", "0"))

    @property
    def size(self) -> int:
        return int(self.element.get("size", "0"))


class Frame:
    """One packet as tshark understands it."""

    def __init__(self, element: ElementTree.Element) -> None:
        protocols = {p.get("name", ""): Layer(p.get("name", ""), p) for p in element[:3]}
        self.number = protocols["geninfo"].number("num")
        comment = protocols.get("pkt_comment")
        self.comment = comment.show("_ws.expert.message") if comment else ""
        self.layers = [
            Layer(p.get("name", ""), p)
            for p in element
            if p.get("name") not in ("geninfo", "frame", "pkt_comment")
        ]

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.layers]

    def layer(self, name: str) -> Layer:
        """The outermost layer of this name. Raises StopIteration if there is none."""
        return next(layer for layer in self.layers if layer.name == name)

    def __repr__(self) -> str:
        return f"<frame {self.number} {':'.join(self.names)} {self.comment!r}>"


def frames(
    path: Path,
    *,
    two_passes: bool = False,
    preferences: dict[str, str] | None = None,
    decode_as: tuple[str, ...] = (),
) -> Iterator[Frame]:
    """All frames of a capture. Each is valid until the next is asked for. `decode_as`: what is
    behind ports that say nothing, as `udp.port==1645,radius`."""
    command = [program(), "-n", "-r", str(path), "-T", "pdml"]
    command += ["-2"] if two_passes else []
    for rule in decode_as:
        command += ["-d", rule]
    for name, value in (PREFERENCES | (preferences or {})).items():
        command += ["-o", f"{name}:{value}"]
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory() as profile:
        # Nobody's own preferences, and English.
        own = os.environ | {"WIRESHARK_CONFIG_DIR": profile, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=own)
        assert process.stdout is not None
        with process, process.stdout:
            for _, element in ElementTree.iterparse(process.stdout):
                if element.tag == "packet":
                    yield Frame(element)
                    element.clear()
        errors.seek(0)
        assert process.returncode == 0, errors.read().decode()


def program() -> str:
    """Where tshark is. Raises RuntimeError: these tests are for those who have it."""
    found = shutil.which("tshark")
    if found is None:
        raise RuntimeError("tshark is not installed: run `make deps` as root first")
    return found


def remarks(layers: list[Layer]) -> list[Remark]:
    """What tshark remarks on in these layers, sorted; numbers of other frames are left out."""
    return sorted(r for layer in layers for r in _remarks(layer.element, layer.name))


def _remarks(element: ElementTree.Element, where: str) -> Iterator[Remark]:
    if element.tag == "proto" and element.get("name", "").startswith("_ws."):
        yield Remark(where, element.get("showname", ""))
    if element.get("name") == "_ws.expert":
        fields = {f.get("name"): f.get("show", "") for f in element}
        if int(fields["_ws.expert.severity"]) != COMMENT:
            yield Remark(where, re.sub(r"frames? \d+", "frame", fields["_ws.expert.message"]))
        return
    for child in element:
        inside = f"{where}/{child.get('name')}" if child.tag == "proto" else where
        yield from _remarks(child, inside)
