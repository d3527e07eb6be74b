"""Rules as text: what a line means, and what is said about lines that mean nothing."""

from __future__ import annotations

import lzma

import pytest

from fastpath.rule_text import COUNT, FRAGMENT, PASS, TRAFFIC, Rule, RuleError, read_rule
from fastpath.rules import RuleSet

NET = (10 << 24, 8)
HOST = (192 << 24 | 2 << 8 | 1, 32)
SYN_ONLY = (0x0200, 0x1200)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("permit ip any any", Rule()),
        ("deny ip any any", Rule(action=0)),
        ("interesting udp any any", Rule(protocol=(17, 255), action=PASS | TRAFFIC)),
        ("permit counted ip any any", Rule(action=PASS | COUNT)),
        ("deny counted ip any any", Rule(action=COUNT)),
        ("counted ip any any", Rule(action=PASS | COUNT)),
        ("priority 7 permit ip any any", Rule(priority=7)),
        (
            "permit tcp 10.0.0.0/8 any port 80",
            Rule(4, NET, (0, 0), (0, 65535), (80, 80), (6, 255)),
        ),
        (
            "permit udp any port 1024-65535 192.0.2.1 port 53",
            Rule(4, (0, 0), HOST, (1024, 65535), (53, 53), (17, 255)),
        ),
        ("permit 89 any any", Rule(protocol=(89, 255))),
        ("permit tcp any any flags syn,!ack", Rule(protocol=(6, 255), flags=SYN_ONLY)),
        ("deny icmp any any icmp 8", Rule(protocol=(1, 255), flags=(0x0800, 0xFF00), action=0)),
        ("deny icmp6 any any icmp 1/4", Rule(protocol=(58, 255), flags=(0x0104, 0xFFFF), action=0)),
        ("permit ip any any dscp 46", Rule(traffic=(46, 0x3F))),
        ("deny ip any any fragment", Rule(traffic=(FRAGMENT, FRAGMENT), action=0)),
        ("permit ip any any whole dscp 0", Rule(traffic=(0, 0x7F))),
        ("permit ip 2001:db8::/32 any", Rule(6, (0x20010DB8 << 96, 32))),
    ],
)
def test_a_line_means_a_rule(text, rule):
    assert read_rule(text, "here") == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("allow ip any any", "action 'allow' is not one of permit, deny, interesting, counted"),
        ("permit", "the protocol is missing in 'permit'"),
        ("permit ip any", "the destination address is missing"),
        ("permit ipv5 any any", "protocol 'ipv5' is not a number in 0..255 or one of ip, icmp"),
        ("permit 256 any any", "protocol '256' is not a number in 0..255"),
        ("permit ip 10.0.0.1/8 any", "source '10.0.0.1/8' is not an address, a prefix or any"),
        ("permit ip any 10.0.0.0/33", "destination '10.0.0.0/33' is not an address"),
        ("permit ip 10.0.0.0/8 ::1", "source and destination are of different families"),
        ("permit ip any port 80 any", "ports need a protocol that has them"),
        ("permit icmp any any port 80", "ports need a protocol that has them"),
        ("permit tcp any any port 80-79", "ports 80-79 are upside down"),
        ("permit tcp any any port 65536", "port '65536' is not a number in 0..65535"),
        ("permit tcp any any port", "the port is missing"),
        ("permit udp any any flags syn", "flags need the protocol tcp"),
        ("permit tcp any any flags sin", "flag 'sin' is not one of fin, syn, rst"),
        ("permit tcp any any flags syn,!syn", "flag '!syn' stands there a second time"),
        ("permit tcp any any icmp 8", "icmp needs the protocol icmp or icmp6"),
        ("permit icmp any any icmp 8/256", "ICMP code '256' is not a number in 0..255"),
        ("permit ip any any dscp 64", "dscp '64' is not a number in 0..63"),
        ("permit ip any any dscp 1 dscp 2", "'dscp' stands there a second time"),
        ("permit ip any any fragment whole", "'whole' stands there a second time"),
        ("permit ip any any log", "'log' is not one of flags, icmp, dscp, fragment, whole"),
        ("priority x permit ip any any", "priority 'x' is not a number in 0..4294967295"),
    ],
)
def test_a_line_that_means_nothing_says_why(text, message):
    with pytest.raises(RuleError) as raised:
        RuleSet.parse(["# first", "", text], name="office.rules")
    assert str(raised.value).startswith("office.rules:3: ")
    assert message in str(raised.value)


LINE = "@10.0.0.0/8\t192.0.2.1/32\t0 : 65535\t53 : 53\t0x11/0xFF\t0x0000/0x0000\t"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (LINE, (10 << 24, 8, HOST[0], 32, 0, 65535, 53, 53, 17, 255, 0, 0)),
        (
            LINE.replace("0x11/0xFF", "0x00/0x00"),
            (10 << 24, 8, HOST[0], 32, 0, 65535, 53, 53) + 4 * (0,),
        ),
        (
            LINE.replace("0x0000/0x0000", "0x1000/0x1000"),
            (10 << 24, 8, HOST[0], 32, 0, 65535, 53, 53, 17, 255, 0x1000, 0x1000),
        ),
    ],
)
def test_a_classbench_line_means_a_rule(line, rule):
    assert RuleSet.classbench([line]).table().tolist() == [rule]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (LINE[1:], "is not a ClassBench rule: @source/length"),
        (LINE[:40], "is not a ClassBench rule"),
        (LINE.replace("10.0.0.0/8", "10.0.0.1/8"), "'10.0.0.1/8' is not a prefix"),
        (LINE.replace("10.0.0.0/8", "10.0.0.0/33"), "'10.0.0.0/33' is not a prefix"),
        (LINE.replace("10.0.0.0/8", "300.0.0.0/8"), "'300.0.0.0/8' is not a prefix"),
        (LINE.replace("53 : 53", "54 : 53"), "ports 54-53 are not a range within 0..65535"),
        (LINE.replace("53 : 53", "53 : 65536"), "ports 53-65536 are not a range"),
        (LINE.replace("0x11/0xFF", "0x111/0xFF"), "protocol 0x111/0xFF is above 0xff"),
        (LINE.replace("0x0000/0x0000", "0x10000/0"), "flags 0x10000/0 is above 0xffff"),
        (LINE.replace("10.0.0.0/8", "2001:db8::/32"), "are of different families"),
        ("@\0", "is not a ClassBench rule"),
    ],
)
def test_a_damaged_classbench_line_says_why(line, message):
    with pytest.raises(RuleError) as raised:
        RuleSet.classbench([LINE, line], name="fw")
    assert str(raised.value).startswith("fw:2: ")
    assert message in str(raised.value)


def test_files_of_both_kinds_are_told_apart(tmp_path):
    ours, theirs = tmp_path / "ours.rules", tmp_path / "theirs.txt.xz"
    ours.write_text("# comment\npermit ip any any # all\n")
    theirs.write_bytes(lzma.compress(f"{LINE}\n{LINE}\n".encode()))
    assert len(RuleSet.load(ours)) == 1
    assert len(RuleSet.load(theirs)) == 2
    assert RuleSet.load(theirs).origins == (1, 2)


@pytest.mark.parametrize("octets", [b"\xfd7zXZ\x00cut", b"no xz at all"])
def test_a_damaged_compressed_file_is_named(tmp_path, octets):
    path = tmp_path / "rules.xz"
    path.write_bytes(octets)
    with pytest.raises(RuleError, match=r"rules\.xz: "):
        RuleSet.load(path)


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "rules"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RuleError, match="rules: "):
        RuleSet.load(path)


def test_without_interesting_rules_all_that_passes_is_traffic():
    plain = RuleSet.parse(["permit tcp any any", "deny counted ip any any"])
    assert plain.actions() == [PASS | TRAFFIC, COUNT]


def test_interesting_rules_make_the_others_no_traffic():
    some = RuleSet.parse(["interesting tcp any any", "permit udp any any", "deny ip any any"])
    assert some.actions() == [PASS | TRAFFIC, PASS, 0]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule(4, (1, 24)), "host bits are set"),
        (Rule(4, (0, 33)), "prefix length 33"),
        (Rule(0, (0, 8)), "prefix length 8 of an address of family 0"),
    ],
)
def test_rules_made_by_hand_are_checked(rule, message):
    with pytest.raises(ValueError, match=message):
        RuleSet([rule])
