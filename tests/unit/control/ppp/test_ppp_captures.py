"""Real PPP conversations: every control packet decodes and re-encodes, lab secrets verify.

Needs the captures in the folder that the environment variable DIALOUT_DATA names.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.errors import DecodeError
from control.ppp import chap, pap
from control.ppp.frame import Frame, Packet, decode_frame, decode_packet
from control.ppp.options import decode_options, encode_options

FOLDER = Path(os.environ.get("DIALOUT_DATA", "")) / "pcap"
NAMES = [
    "ppp-chap-full-lab.pcap",
    "ppp-chap-three-packets.pcap",
    "ppp-cisco-negotiation.cap",
    "ppp-eap.cap",
    "ppp-lcp-config-nak-chap-vs-pap.pcapng",
    "ppp-ncp-mplscp.pcapng",
    "ppp-noauth-full.pcap",
    "ppp-pap-full-lab.pcap",
    "ppp-pap-short.pcap",
]
"""All captures with a PPP link type that are not there to be malformed."""

CISCO_HDLC = b"\x0f\x00"
CONTROL = (0xC021, 0x8021, 0xC023, 0xC223)
OPTIONS_OF = (1, 2, 3, 4)


def read(name: str) -> list[bytes]:
    path = FOLDER / name
    if "DIALOUT_DATA" not in os.environ or not path.exists():
        pytest.skip("no captures: set DIALOUT_DATA")
    data = path.read_bytes()
    return list(read_pcapng(data) if name.endswith("ng") else read_pcap(data))


def read_pcap(data: bytes) -> Iterator[bytes]:
    order = "<" if data[0] == 0xD4 else ">"
    at = 24
    while at < len(data):
        size = struct.unpack_from(order + "8xI", data, at)[0]
        yield data[at + 16 : at + 16 + size]
        at += 16 + size


def read_pcapng(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            size = struct.unpack_from("<I", data, at + 20)[0]
            yield data[at + 28 : at + 28 + size]
        at += length


def control_packets(name: str) -> list[tuple[Frame, Packet]]:
    found = []
    for data in read(name):
        if not data.startswith(CISCO_HDLC):
            frame = decode_frame(data)
            if frame.protocol in CONTROL:
                found.append((frame, decode_packet(frame.information)))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_control_packets_encode_to_the_octets_they_came_from(name: str) -> None:
    packets = control_packets(name)
    assert packets
    for frame, packet in packets:
        assert frame.information.startswith(packet.encode())
        assert body(frame.protocol, packet) == packet.data


def body(protocol: int, packet: Packet) -> bytes:
    """The data of a packet, decoded and encoded again."""
    if protocol in (0xC021, 0x8021):
        if packet.code in OPTIONS_OF:
            return encode_options(decode_options(packet.data))
        return packet.data
    if protocol == 0xC023:
        if packet.code == pap.Code.AUTHENTICATE_REQUEST:
            return pap.encode_request(pap.decode_request(packet.data))
        return pap.encode_result(pap.decode_result(packet.data))
    if packet.code in (chap.Code.CHALLENGE, chap.Code.RESPONSE):
        return chap.encode_value(chap.decode_value(packet.data))
    return packet.data


@pytest.mark.parametrize(
    ("name", "secret"),
    [("ppp-chap-full-lab.pcap", b"123"), ("ppp-chap-three-packets.pcap", b"123abc")],
)
def test_chap_exchange_verifies_with_its_lab_secret(name: str, secret: bytes) -> None:
    packets = {
        packet.code: packet for frame, packet in control_packets(name) if frame.protocol == 0xC223
    }
    challenge = chap.decode_value(packets[chap.Code.CHALLENGE].data)
    response = chap.decode_value(packets[chap.Code.RESPONSE].data)
    assert packets[chap.Code.RESPONSE].identifier == 1
    assert chap.verify(1, secret, challenge.value, response.value)
    assert not chap.verify(1, secret + b"4", challenge.value, response.value)
    assert chap.Code.SUCCESS in packets


@pytest.mark.parametrize(
    "name", ["bad-tcpdump-ppp-invalid-lengths.pcap", "bad-tcpdump-truncated-aack-ppp.pcap"]
)
def test_malformed_capture_is_an_error_or_a_value(name: str) -> None:
    for data in read(name):
        try:
            frame = decode_frame(data)
            packet = decode_packet(frame.information)
            body(frame.protocol, packet)
        except DecodeError:
            continue
