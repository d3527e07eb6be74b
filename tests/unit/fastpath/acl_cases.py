"""Rule sets and keys for the tests of the classifier: random ones, and generated ones with the
character of ClassBench's seeds (Taylor and Turner, "ClassBench: A Packet Classification Benchmark",
2007): access lists name pairs of networks and one port, firewalls leave one side open and nest
ranges, IP chains mix both."""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from fastpath.rule_text import COUNT, FRAGMENT, PASS, TRAFFIC, Rule
from fastpath.rules import KEY4, KEY6

WIDTH = {4: 32, 6: 128}
PORTS = [(0, 65535), (1024, 65535), (0, 1023), (80, 80), (53, 53), (1521, 1526), (6000, 6063)]
ANY = (0, 65535)


@dataclass(frozen=True)
class Character:
    """How a kind of rule set looks."""

    open_source: float
    """Share of rules with any source, or one with a short prefix."""
    open_destination: float
    source_ports: tuple
    destination_ports: tuple
    hosts: float
    """Share of addresses that are one host."""


CHARACTERS = {
    "acl": Character(0.02, 0.05, (ANY,), (*PORTS, ANY), 0.7),
    "fw": Character(0.5, 0.3, (ANY, ANY, *PORTS), (*PORTS, ANY, ANY, ANY), 0.5),
    "ipc": Character(0.12, 0.12, (ANY, *PORTS), (ANY, *PORTS), 0.4),
}


def generated(kind: str, count: int, seed: int, family: int = 4) -> list[Rule]:
    """Rules of a character; about one network for every eight rules, with parts of it."""
    random_ = random.Random(f"{kind} {count} {seed}")
    character, width = CHARACTERS[kind], WIDTH[family]
    bits = width // 2
    networks = [random_.getrandbits(bits) << (width - bits) for _ in range(max(2, count // 8))]

    def prefix(open_share: float) -> tuple[int, int]:
        if random_.random() < open_share:
            length = random_.choice((0, 0, 0, 1, 4, 8))
        elif random_.random() < character.hosts:
            length = width
        else:
            length = random_.randrange(bits, width, 4)
        address = random_.choice(networks) | random_.randrange(1 << 12)
        return address >> (width - length) << (width - length), length

    def rule() -> Rule:
        protocol = random_.choice((6, 6, 6, 17, 17, 1, None))
        ports = protocol in (6, 17)
        return Rule(
            family,
            prefix(character.open_source),
            prefix(character.open_destination),
            random_.choice(character.source_ports) if ports else ANY,
            random_.choice(character.destination_ports) if ports else ANY,
            (0, 0) if protocol is None else (protocol, 0xFF),
            random_.choice(((0, 0), (0, 0), (0x0200, 0x1200))) if protocol == 6 else (0, 0),
        )

    return [rule() for _ in range(count)]


def keys_near(rules: list[Rule], family: int, count: int, seed: int) -> np.ndarray:
    """Keys most of which fit a rule or miss one by little, in every field."""
    random_ = random.Random(seed)
    width = WIDTH[family]
    keys = np.zeros(count, KEY4 if family == 4 else KEY6)
    mine = [rule for rule in rules if rule.family in (0, family)]

    def address(prefix: tuple[int, int]) -> int | list[int]:
        number = prefix[0] | (random_.getrandbits(width) >> prefix[1])
        if random_.random() < 0.1:
            number ^= 1 << random_.randrange(width)
        if family == 4:
            return number
        return [number >> shift & 0xFFFFFFFF for shift in (96, 64, 32, 0)]

    def port(ports: tuple[int, int]) -> int:
        edge = random_.choice((ports[0], ports[1], random_.randint(*ports), ports[0] - 1))
        return min(max(edge + (random_.random() < 0.1), 0), 65535)

    for key in keys:
        rule = random_.choice(mine) if mine else Rule(family)
        key["source"], key["destination"] = address(rule.source), address(rule.destination)
        key["source_port"], key["destination_port"] = map(
            port, (rule.source_ports, rule.destination_ports)
        )
        for name, (value, mask), size in (
            ("flags", rule.flags, 16),
            ("protocol", rule.protocol, 8),
            ("traffic", rule.traffic, 8),
        ):
            noise = random_.getrandbits(size) & random_.getrandbits(size)
            key[name] = value | (noise & ~mask if random_.random() < 0.9 else noise)
    return keys


def obvious(rules: list[Rule], family: int, key: np.void) -> int | None:
    """Position of the first rule that fits, by priority: what the linear search has to say."""
    space = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    network = ipaddress.IPv4Network if family == 4 else ipaddress.IPv6Network

    def inside(words: object, prefix: tuple[int, int]) -> bool:
        number = 0
        for word in np.atleast_1d(words):
            number = number << 32 | int(word)
        return space(number) in network(prefix)

    order = sorted(range(len(rules)), key=lambda at: rules[at].priority)
    for rank, at in enumerate(order):
        rule = rules[at]
        headless = bool(key["traffic"] & 0x80)
        if rule.family not in (0, family):
            continue
        if rule.family and not (
            inside(key["source"], rule.source) and inside(key["destination"], rule.destination)
        ):
            continue
        if headless and (rule.source_ports, rule.destination_ports) != (ANY, ANY):
            continue
        if headless and rule.flags[1]:
            continue
        low, high = rule.source_ports
        if not headless and not low <= key["source_port"] <= high:
            continue
        low, high = rule.destination_ports
        if not headless and not low <= key["destination_port"] <= high:
            continue
        if not headless and int(key["flags"]) & rule.flags[1] != rule.flags[0] & rule.flags[1]:
            continue
        if all(
            int(key[name]) & mask == value & mask
            for name, (value, mask) in (("protocol", rule.protocol), ("traffic", rule.traffic))
        ):
            return rank
    return None


# --- hypothesis -----------------------------------------------------------------------------------


@st.composite
def prefixes(draw: st.DrawFn, family: int) -> tuple[int, int]:
    """Few leading octets, so that prefixes nest."""
    width = WIDTH[family]
    length = draw(st.integers(0, width) | st.sampled_from((0, 8, 16, 24, width)))
    octets = draw(
        st.lists(st.sampled_from((0, 1, 10, 255)), min_size=width // 8, max_size=width // 8)
    )
    number = int.from_bytes(bytes(octets), "big")
    return number >> (width - length) << (width - length), length


def ranges() -> st.SearchStrategy[tuple[int, int]]:
    edge = st.sampled_from((0, 1, 79, 80, 255, 256, 1023, 1024, 65535))
    return st.just(ANY) | st.tuples(edge, edge).map(lambda pair: (min(pair), max(pair)))


def masked(*values: int, mask: int) -> st.SearchStrategy[tuple[int, int]]:
    some = st.sampled_from((mask, mask & 0x1200, mask & 0x0F))
    return st.just((0, 0)) | st.tuples(st.sampled_from(values), some).map(
        lambda pair: (pair[0] & pair[1], pair[1])
    )


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    family = draw(st.sampled_from((4, 4, 6, 6, 0)))
    return Rule(
        family,
        draw(prefixes(family)) if family else (0, 0),
        draw(prefixes(family)) if family else (0, 0),
        draw(ranges()),
        draw(ranges()),
        draw(masked(1, 6, 17, 58, mask=0xFF)),
        draw(masked(0x0200, 0x1000, 0x1200, 0x0801, mask=0xFFFF)),
        draw(masked(0, 10, FRAGMENT, FRAGMENT | 46, mask=0x7F)),
        draw(st.sampled_from((0, PASS, PASS | TRAFFIC, PASS | COUNT))),
        draw(st.integers(0, 3)),
    )
