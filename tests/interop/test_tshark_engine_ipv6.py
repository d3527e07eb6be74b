"""tshark reads what the engine sends with IPv6 inside, outside or both: checksums, ids, payload."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import captures
import tshark

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "fastpath"))

from packets import LAC, Outer, datagram
from packets6 import LAC6, OTHER6, SITE6, Outer6, datagram6, ping6
from rig6 import Rig6

FORMS = list(itertools.product([False, True], repeat=3))
"""Address and protocol field compressed, sequenced."""
SIZES = (0, 1, 2, 33, 600, 1300)


def sent(form: tuple[bool, bool, bool], size: int) -> list[bytes]:
    """An inner packet of each family over each family, and two ICMPv6 answers."""
    names = dict(zip(("acfc", "pfc", "sequencing"), form, strict=True))
    rig = Rig6(outer=Outer(**names), outer6=Outer6(**names))
    body = bytes(range(256)) * 6
    rig.hand_in(
        datagram6(body[:size], dst=SITE6),
        datagram6(body[:size], dst=OTHER6),
        datagram(body[:size], dst="192.168.6.1"),
        datagram6(body[:size], dst="2001:db9::1"),
        ping6(size=size),
    )
    # Home comes first: the answers.
    return [packet for _, packet in rig.sent()]


def test_tshark_reads_each_form(tmp_path: Path) -> None:
    made = [p for form in FORMS for size in SIZES for p in sent(form, size)]
    path = tmp_path / "ipv6.pcap"
    captures.write(path, captures.RAW, ((10**18 + i, packet) for i, packet in enumerate(made)))
    answers = data = 0
    for frame in tshark.frames(path):
        outer = frame.layers[1]
        if "l2tp" not in frame.names:
            assert frame.layer("icmpv6").show("icmpv6.checksum.status") == tshark.GOOD
            answers += 1
            continue
        first = [layer for layer in frame.layers if layer.name in ("udp", "l2tp", "ppp")][:3]
        assert tshark.remarks(frame.layers[: frame.names.index("ppp") + 1]) == []
        assert [layer.name for layer in first] == ["udp", "l2tp", "ppp"]
        assert first[0].show("udp.checksum.status") == tshark.GOOD
        assert outer.show(f"{outer.name}.dst") == (LAC if outer.name == "ip" else LAC6)
        ids = first[1].number("l2tp.tunnel"), first[1].number("l2tp.session")
        assert ids == (3, 4)
        inner = frame.layers[frame.names.index("ppp") + 1]
        protocol = {"ip": 0x21, "ipv6": 0x57}[inner.name]
        assert first[2].number("ppp.protocol") == protocol
        transport = [layer for layer in frame.layers if layer.name == "udp"][1]
        assert transport.show("udp.checksum.status") == tshark.GOOD
        data += 1
    assert (answers, data) == (2 * len(FORMS) * len(SIZES), 3 * len(FORMS) * len(SIZES))
