"""Every link type finds its IP header, and no prefix of a frame is read beyond its end."""

from __future__ import annotations

import pytest
from parse_packets import ipv4, ipv6

from fastpath.dissect import dissect
from fastpath.ports.linktype import LINKS

MAC = bytes(range(12))
PACKETS = {4: ipv4(b"payload", proto=99), 6: ipv6(b"payload", proto=99)}

# (description, link, octets before the IP header, IP version)
GOOD = [
    ("Ethernet", "ethernet", MAC + b"\x08\x00", 4),
    ("Ethernet", "ethernet", MAC + b"\x86\xdd", 6),
    ("802.1Q", "ethernet", MAC + b"\x81\x00\x20\x64\x08\x00", 4),
    ("802.1ad", "ethernet", MAC + b"\x88\xa8\x00\x01\x86\xdd", 6),
    ("QinQ", "ethernet", MAC + b"\x88\xa8\x00\x01\x81\x00\x00\x02\x08\x00", 4),
    ("old QinQ", "ethernet", MAC + b"\x91\x00\x00\x01\x81\x00\x00\x02\x86\xdd", 6),
    ("cooked", "sll", bytes.fromhex("0000000100060010db000001aaaa0800"), 4),
    ("cooked", "sll", bytes.fromhex("0000000100060010db000001aaaa86dd"), 6),
    ("cooked, tagged", "sll", bytes.fromhex("0000000100060010db000001aaaa810000640800"), 4),
    ("cooked v2", "sll2", bytes.fromhex("0800000000000003000100060010db000001aaaa"), 4),
    ("cooked v2", "sll2", bytes.fromhex("86dd000000000003000100060010db000001aaaa"), 6),
    *[("null", "null", family.to_bytes(4, order), 4 if family == 2 else 6)
      for family in (2, 10, 24, 28, 30) for order in ("big", "little")],
    *[("loop", "loop", family.to_bytes(4, "big"), 4 if family == 2 else 6)
      for family in (2, 10, 24, 28, 30)],
    ("raw", "raw", b"", 4),
    ("raw", "raw", b"", 6),
    ("IPv4", "ipv4", b"", 4),
    ("IPv6", "ipv6", b"", 6),
    ("PPP", "ppp", b"\xff\x03\x00\x21", 4),
    ("PPP, protocol compressed", "ppp", b"\xff\x03\x21", 4),
    ("PPP, address compressed", "ppp", b"\x00\x21", 4),
    ("PPP, both compressed", "ppp", b"\x21", 4),
    ("PPP", "ppp", b"\xff\x03\x00\x57", 6),
    ("PPP, both compressed", "ppp", b"\x57", 6),
    ("PPP in HDLC", "ppp-hdlc", b"\xff\x03\x00\x21", 4),
    ("PPP in HDLC, protocol compressed", "ppp-hdlc", b"\xff\x03\x57", 6),
    ("Cisco HDLC unicast", "ppp-hdlc", b"\x0f\x00\x08\x00", 4),
    ("Cisco HDLC broadcast", "ppp-hdlc", b"\x8f\x00\x86\xdd", 6),
    ("PPP with direction", "ppp-withdir", b"\x01\xff\x03\x00\x21", 4),
    ("PPP with direction, compressed", "ppp-withdir", b"\x00\x57", 6),
]  # fmt: skip

# (description, link, frame, reason)
BAD = [
    ("ARP", "ethernet", MAC + b"\x08\x06" + bytes(28), "not-ip"),
    ("PPPoE", "ethernet", MAC + b"\x88\x64" + bytes(46), "not-ip"),
    ("802.3 length and LLC", "ethernet", MAC + b"\x00\x26\x42\x42\x03" + bytes(35), "not-ip"),
    ("longest 802.3 length", "ethernet", MAC + b"\x05\xdc" + bytes(46), "not-ip"),
    ("tagged ARP", "ethernet", MAC + b"\x81\x00\x00\x01\x08\x06" + bytes(28), "not-ip"),
    ("three tags", "ethernet", MAC + b"\x81\x00\x00\x01" * 3 + b"\x08\x00", "vlan-nesting"),
    ("cooked ARP", "sll", bytes(14) + b"\x08\x06" + bytes(28), "not-ip"),
    ("cooked v2 ARP", "sll2", b"\x08\x06" + bytes(18 + 28), "not-ip"),
    ("null AppleTalk", "null", b"\x10\x00\x00\x00" + bytes(30), "not-ip"),
    ("null, family in both halves", "null", b"\x02\x00\x00\x02" + bytes(30), "not-ip"),
    ("loop in the wrong order", "loop", b"\x02\x00\x00\x00" + bytes(30), "not-ip"),
    ("raw version 5", "raw", b"\x55" + bytes(30), "ip-version"),
    ("IPv6 on an IPv4 link", "ipv4", ipv6(), "ip-version"),
    ("IPv4 on an IPv6 link", "ipv6", ipv4(bytes(40)), "ip-version"),
    ("LCP", "ppp", b"\xff\x03\xc0\x21" + bytes(8), "not-ip"),
    ("PPP address without control", "ppp", b"\xff\x21" + bytes(40), "not-ip"),
    ("HDLC without address", "ppp-hdlc", b"\x00\x21" + ipv4(), "not-ip"),
    ("Cisco SLARP", "ppp-hdlc", b"\x8f\x00\x80\x35" + bytes(18), "not-ip"),
    ("Cisco HDLC with control 3", "ppp-hdlc", b"\x0f\x03\x08\x00" + ipv4(), "not-ip"),
    ("a link type of its own", "unsupported", ipv4(), "link-unsupported"),
]


@pytest.mark.parametrize(("description", "link", "header", "version"), GOOD)
def test_link_header_leads_to_the_ip_header(description, link, header, version):
    seen = dissect(header + PACKETS[version], link)
    assert (seen["reason"], seen["family"], seen["l3"]) == ("none", version, len(header))
    assert seen["len"] == len(header + PACKETS[version])


@pytest.mark.parametrize(("description", "link", "frame", "reason"), BAD)
def test_frame_without_ip_names_its_reason(description, link, frame, reason):
    assert dissect(frame, link)["reason"] == reason


@pytest.mark.parametrize(("description", "link", "header", "version"), GOOD)
def test_every_prefix_of_a_frame_is_short(description, link, header, version):
    frame = header + PACKETS[version]
    for end in range(len(frame)):
        reason = dissect(frame[:end], link)["reason"]
        if end < len(header) or (link == "raw" and end == 0):
            assert reason == "link-short", end
        elif version == 6:
            assert reason == "ip6-header", end
        else:
            assert reason == ("ip-short" if end < len(header) + 20 else "ip-total-length"), end


@pytest.mark.parametrize(("description", "link", "header", "version"), GOOD)
def test_every_prefix_of_a_capture_is_captured_short(description, link, header, version):
    frame = header + PACKETS[version]
    for end in range(len(frame)):
        assert dissect(frame[:end], link, wire_len=len(frame))["reason"] == "captured-short", end


def test_every_link_type_has_a_row():
    assert {link for _, link, _, _ in GOOD} == set(LINKS) - {"unsupported"}


def test_unknown_link_name_is_an_error():
    with pytest.raises(ValueError, match="token-ring"):
        dissect(b"", "token-ring")


def test_wire_shorter_than_the_capture_is_an_error():
    with pytest.raises(ValueError, match="wire_len"):
        dissect(bytes(20), wire_len=19)
