"""tshark reads an IPv6 dial-out: IPV6CP, MS-CHAPv2 with later Challenges, Identification, Router
Advertisements and the packets themselves, without a remark."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tshark

sys.path.insert(0, str(Path(__file__).parents[1] / "protocol"))

from replay_run import demo_config, write_pcap
from test_replay_ipv6 import CHANGES, frames

from control.cli import main

pytestmark = pytest.mark.interop

PROFILE = 'authentication = ["chap"]\n\n[[radius]]'
MORE = (
    'authentication = ["mschapv2"]\nidentification = "a router"\nrechallenge_interval = 5\n'
    'nbns = ["192.0.2.53"]\n\n[[radius]]'
)


def test_everything_of_an_ipv6_dial_out_is_decoded_without_a_remark(tmp_path: Path) -> None:
    config = demo_config(tmp_path, *CHANGES, (PROFILE, MORE))
    capture = write_pcap(tmp_path / "home.pcap", frames(20))
    written = tmp_path / "out.pcapng"
    assert main(["replay", "--config", str(config), "--write", str(written), str(capture)]) == 0
    layers: set[str] = set()
    for frame in tshark.frames(written):
        assert tshark.remarks(frame.layers) == []
        layers |= {layer.name for layer in frame.layers}
    assert {"l2tp", "lcp", "chap", "ipv6cp", "ipcp", "ipv6", "icmpv6"} <= layers
