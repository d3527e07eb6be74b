"""Rules as text: lines of ClassBench files, and our own syntax. Values, not structs (rules.pyx).

ClassBench line, blanks between the fields: @source/length destination/length low : high low : high
protocol/mask flags/mask. IPv6 prefixes are taken too, which ClassBench itself does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network

PASS, TRAFFIC, COUNT = 1, 2, 4
ACTIONS = {"permit": PASS, "deny": 0, "interesting": PASS | TRAFFIC}
PROTOCOLS = {
    "ip": (0, 0),
    **{
        name: (number, 0xFF)
        for name, number in (
            *(("icmp", 1), ("tcp", 6), ("udp", 17), ("gre", 47), ("esp", 50), ("ah", 51)),
            *(("icmp6", 58), ("sctp", 132), ("udplite", 136)),
        )
    },
}
WITH_PORTS = (6, 17, 33, 132, 136)
"""Protocols that have ports where UDP has them."""
FLAGS = {name: 1 << bit for bit, name in enumerate(("fin", "syn", "rst", "psh", "ack", "urg"))}
FRAGMENT = 0x40
DSCP_MASK = 0x3F
PRIORITY_MAX = 0xFFFFFFFF

Prefix = tuple[int, int]
"""Address as a number, and length."""


class RuleError(ValueError):
    """A rule or a set of rules that cannot be taken. The text names the place and the value."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it was written."""

    family: int = 0
    """4, 6, or 0 for both, which have no address but any in common."""
    source: Prefix = (0, 0)
    destination: Prefix = (0, 0)
    source_ports: tuple[int, int] = (0, 65535)
    destination_ports: tuple[int, int] = (0, 65535)
    protocol: tuple[int, int] = (0, 0)
    """Value and mask, as the next two."""
    flags: tuple[int, int] = (0, 0)
    """TCP flags in the upper octet; for ICMP type and code."""
    traffic: tuple[int, int] = (0, 0)
    """DSCP, and FRAGMENT for a piece of a fragmented packet."""
    action: int = PASS
    """PASS, TRAFFIC, COUNT."""
    priority: int = 0
    """The lowest wins, then the rule that stands first."""
    line: int = 0


def read_rules(lines: Sequence[str], place: str, flags: bool = True) -> Iterator[Rule]:
    """The rules of lines in ClassBench's form, if the first rule begins with @, or in our own.

    `place` and the number of a line are how messages name it. A # begins a comment. flags: False
    leaves ClassBench's last field out.
    """
    texts = (line.strip() for line in lines)
    first = next((text for text in texts if text and text[0] != "#"), "")
    if first.startswith("@"):
        yield from read_classbench(lines, place, flags)
        return
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            yield replace(read_rule(text, f"{place}{number}"), line=number)


# --- ClassBench -----------------------------------------------------------------------------------

_NUMBER = r"(0[xX][0-9a-fA-F]+|\d+)"
_CLASSBENCH = re.compile(
    r"@\s*([0-9a-fA-F.:]+/\d+)\s+([0-9a-fA-F.:]+/\d+)\s+(\d+)\s*:\s*(\d+)\s+(\d+)\s*:\s*(\d+)\s+"
    rf"{_NUMBER}\s*/\s*{_NUMBER}(?:\s+{_NUMBER}\s*/\s*{_NUMBER})?(?:\s+[\dxa-fA-F]+)*\s*"
)
_DOTTED = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})/(\d{1,2})")


def read_classbench(lines: Iterable[str], place: str, flags: bool) -> Iterator[Rule]:
    """The rules of a ClassBench file, in its order."""
    known: dict[str, tuple[int, int, int]] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] == "#":
            continue
        where = f"{place}{number}"
        match = _CLASSBENCH.fullmatch(text)
        if match is None:
            raise RuleError(
                f"{where}: {text[:120]!r} is not a ClassBench rule: @source/length "
                "destination/length low : high low : high protocol/mask flags/mask"
            )
        prefixes = []
        for part in match.group(1, 2):
            if part not in known:
                known[part] = _network(part, where)
            prefixes.append(known[part])
        (family, *source), (other, *destination) = prefixes
        if family != other:
            raise RuleError(f"{where}: {match[1]} and {match[2]} are of different families")
        low, high, low2, high2 = map(int, match.group(3, 4, 5, 6))
        protocol = _pair(match[7], match[8], 0xFF, "protocol", where)
        bits = (0, 0)
        if flags and match[9] is not None:
            bits = _pair(match[9], match[10], 0xFFFF, "flags", where)
        yield Rule(
            family,
            (source[0], source[1]),
            (destination[0], destination[1]),
            _range(low, high, where),
            _range(low2, high2, where),
            protocol,
            bits,
            line=number,
        )


def _network(text: str, where: str) -> tuple[int, int, int]:
    """(family, address, length) of a prefix, host bits zero."""
    if match := _DOTTED.fullmatch(text):
        a, b, c, d, length = map(int, match.groups())
        if max(a, b, c, d) < 256 and length <= 32:
            address = a << 24 | b << 16 | c << 8 | d
            if address & ((1 << (32 - length)) - 1) == 0:
                return 4, address, length
    try:
        network: IPv4Network | IPv6Network = ip_network(text)
    except ValueError as error:
        raise RuleError(f"{where}: {text!r} is not a prefix: {error}") from None
    return network.version, int(network.network_address), network.prefixlen


def _range(low: int, high: int, where: str) -> tuple[int, int]:
    if not low <= high <= 65535:
        raise RuleError(f"{where}: ports {low}-{high} are not a range within 0..65535")
    return low, high


def _pair(value: str, mask: str, limit: int, what: str, where: str) -> tuple[int, int]:
    number, bits = int(value, 0) if value[:2] != "00" else int(value), int(mask, 0)
    if number > limit or bits > limit:
        raise RuleError(f"{where}: {what} {value}/{mask} is above {limit:#x}")
    return number & bits, bits


# --- our own syntax -------------------------------------------------------------------------------


class _Words:
    """The words of a rule, taken from the left."""

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        self.left = text.split()

    def error(self, message: str) -> RuleError:
        return RuleError(f"{self.where}: {message} in {self.text[:120]!r}")

    def take(self, what: str) -> str:
        if not self.left:
            raise self.error(f"{what} is missing")
        return self.left.pop(0)

    def follows(self, word: str) -> bool:
        if self.left[:1] != [word]:
            return False
        self.left.pop(0)
        return True

    def number(self, what: str, limit: int, text: str | None = None) -> int:
        text = self.take(what) if text is None else text
        if not (text.isascii() and text.isdigit() and int(text) <= limit):
            raise self.error(f"{what} {text!r} is not a number in 0..{limit}")
        return int(text)


def read_rule(text: str, where: str) -> Rule:
    """One rule in our own syntax. `where` is how messages name its place."""
    words = _Words(text, where)
    priority = words.number("priority", PRIORITY_MAX) if words.follows("priority") else 0
    action = words.take("the action")
    if action == "counted":
        bits = PASS | COUNT
    elif action in ACTIONS:
        bits = ACTIONS[action] | (COUNT if words.follows("counted") else 0)
    else:
        raise words.error(f"action {action!r} is not one of {', '.join(ACTIONS)}, counted")
    protocol = _protocol(words)
    source = _address(words, "source")
    source_ports = _ports(words, protocol)
    destination = _address(words, "destination")
    destination_ports = _ports(words, protocol)
    families = {place[0] for place in (source, destination) if place is not None}
    if len(families) > 1:
        raise words.error("source and destination are of different families")
    rule = Rule(
        families.pop() if families else 0,
        source[1:] if source else (0, 0),
        destination[1:] if destination else (0, 0),
        source_ports,
        destination_ports,
        protocol,
        action=bits,
        priority=priority,
    )
    return _options(words, rule)


def _protocol(words: _Words) -> tuple[int, int]:
    text = words.take("the protocol")
    if text in PROTOCOLS:
        return PROTOCOLS[text]
    if not text.isascii() or not text.isdigit():
        raise words.error(
            f"protocol {text!r} is not a number in 0..255 or one of {', '.join(PROTOCOLS)}"
        )
    return words.number("protocol", 255, text), 0xFF


def _address(words: _Words, what: str) -> tuple[int, int, int] | None:
    text = words.take(f"the {what} address")
    if text == "any":
        return None
    try:
        network: IPv4Network | IPv6Network = ip_network(text)
    except ValueError as error:
        raise words.error(f"{what} {text!r} is not an address, a prefix or any ({error})") from None
    return network.version, int(network.network_address), network.prefixlen


def _ports(words: _Words, protocol: tuple[int, int]) -> tuple[int, int]:
    if not words.follows("port"):
        return 0, 65535
    if protocol[1] == 0 or protocol[0] not in WITH_PORTS:
        raise words.error("ports need a protocol that has them (tcp, udp, sctp, udplite)")
    first, dash, last = words.take("the port").partition("-")
    low = words.number("port", 65535, first)
    high = words.number("port", 65535, last) if dash else low
    if low > high:
        raise words.error(f"ports {low}-{high} are upside down")
    return low, high


def _options(words: _Words, rule: Rule) -> Rule:
    seen: set[str] = set()
    while words.left:
        option = words.take("an option")
        kind = "fragment" if option == "whole" else option
        if kind in seen:
            raise words.error(f"{option!r} stands there a second time")
        seen.add(kind)
        value, mask = rule.traffic
        if option == "flags":
            rule = replace(rule, flags=_flags(words, rule.protocol))
        elif option == "icmp":
            rule = replace(rule, flags=_icmp(words, rule.protocol))
        elif option == "dscp":
            dscp = words.number("dscp", DSCP_MASK)
            rule = replace(rule, traffic=(value | dscp, mask | DSCP_MASK))
        elif kind == "fragment":
            bit = FRAGMENT if option == "fragment" else 0
            rule = replace(rule, traffic=(value | bit, mask | FRAGMENT))
        else:
            raise words.error(f"{option!r} is not one of flags, icmp, dscp, fragment, whole")
    return rule


def _flags(words: _Words, protocol: tuple[int, int]) -> tuple[int, int]:
    if protocol != PROTOCOLS["tcp"]:
        raise words.error("flags need the protocol tcp")
    value = mask = 0
    for name in words.take("the list of flags").split(","):
        bit = FLAGS.get(name.removeprefix("!"))
        if bit is None:
            raise words.error(f"flag {name!r} is not one of {', '.join(FLAGS)}, or !flag")
        if mask & bit << 8:
            raise words.error(f"flag {name!r} stands there a second time")
        mask |= bit << 8
        value |= 0 if name.startswith("!") else bit << 8
    return value, mask


def _icmp(words: _Words, protocol: tuple[int, int]) -> tuple[int, int]:
    if protocol not in (PROTOCOLS["icmp"], PROTOCOLS["icmp6"]):
        raise words.error("icmp needs the protocol icmp or icmp6")
    kind, slash, code = words.take("the ICMP type").partition("/")
    value, mask = words.number("ICMP type", 255, kind) << 8, 0xFF00
    if slash:
        value, mask = value | words.number("ICMP code", 255, code), 0xFFFF
    return value, mask
