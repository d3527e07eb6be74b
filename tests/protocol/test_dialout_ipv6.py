"""IPv6 on the way from trigger to traffic, in virtual time: targets, both families on one session,
routes of RADIUS, Router Advertisements."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from dialout_network import Network, site_user, tunnels

from control.config import Profile, SimUser
from control.dialout.events import AccessRouteInstalled, AccessRouteRemoved, LinkProgress
from control.dialout.session_table import SessionState as S

LAC = "10.9.0.1"
SITE = "2001:db8:1::5"
PREFIX = "2001:db8:1::/64"


def start(site: SimUser | None = None, *, profile: Profile | None = None, ipv6: bool = True):
    """A network whose target is IPv6, and whose site knows IPV6CP."""
    grant = site or site_user(Framed_IPv6_Prefix=PREFIX)
    network = Network(tunnels(LAC), site=grant, profile=profile, prefix="2001:db8::/32")
    network.add_lac(LAC)
    network.site_more = {"ipv6": ipv6}
    return network


def dial(network: Network, destination: str = SITE) -> Network:
    network.packet(destination, "first")
    network.run(5)
    return network


def stages(network: Network) -> list[str]:
    return [fact.stage for fact in network.timeline if isinstance(fact, LinkProgress)]


def installed(network: Network) -> list[tuple[str, ...]]:
    facts = [f for f in network.timeline if isinstance(f, AccessRouteInstalled)]
    return [fact.prefixes for fact in facts]


def test_an_ipv6_trigger_brings_the_site_up_and_is_forwarded_first() -> None:
    network = dial(start())
    assert network.state(SITE) is S.IN_SERVICE
    network.packet("2001:db8:1::99", "second")
    assert [payload for _, payload in network.plane.sent] == ["first", "second"]
    nh = network.plane.sent[0][0]
    assert PREFIX in network.plane.sources[nh]


def test_the_user_name_is_in_the_form_of_rfc_5952() -> None:
    seen: list[str] = []
    network = start()
    asked = network.lns.clients["r"].request_dialout
    network.lns.clients["r"].request_dialout = lambda r, now: (
        seen.append(r.user_name) or asked(r, now)
    )
    dial(network, "2001:db8:1::5")
    assert seen == ["2001:db8:1::5@example.org"]


def test_every_attribute_that_names_a_network_becomes_a_route() -> None:
    rows = (
        ("Framed-IPv6-Prefix", PREFIX),
        ("Framed-IPv6-Address", "2001:db8:9::1"),
        ("Framed-IPv6-Route", "2001:db8:2::/48 :: 1"),
        ("Delegated-IPv6-Prefix", "2001:db8:3::/56"),
    )
    network = dial(start(SimUser("site", b"site-secret", rows)))
    ipv6 = next(prefixes for prefixes in installed(network) if ":" in prefixes[0])
    assert ipv6 == (PREFIX, "2001:db8:9::1/128", "2001:db8:2::/48", "2001:db8:3::/56")
    for address in ("2001:db8:9::1", "2001:db8:2::7", "2001:db8:3::7"):
        network.packet(address, address)
    assert [payload for _, payload in network.plane.sent][1:] == [
        *("2001:db8:9::1", "2001:db8:2::7", "2001:db8:3::7")
    ]


def test_both_families_come_up_on_one_session_and_go_together() -> None:
    site = site_user(Framed_IPv6_Prefix=PREFIX, Framed_IP_Address="10.1.2.3")
    network = dial(start(site))
    assert sorted(installed(network)) == [("10.1.2.3/32",), (PREFIX,)]
    network.hang_up(network.lacs[LAC])
    network.run(1)
    gone = [f.prefixes for f in network.timeline if isinstance(f, AccessRouteRemoved)]
    assert sorted(prefix for prefixes in gone for prefix in prefixes) == ["10.1.2.3/32", PREFIX]
    assert network.plane.routes[1].keys() == {"2001:db8::/32"}


def test_radius_alone_brings_ipv6_to_a_session_of_ipv4() -> None:
    site = site_user(Framed_IP_Address="10.1.2.3", Delegated_IPv6_Prefix="2001:db8:3::/56")
    network = Network(tunnels(LAC), site=site)
    network.add_lac(LAC)
    network.site_more = {"ipv6": True}
    dial(network, "10.1.2.3")
    assert network.state() is S.IN_SERVICE
    assert installed(network) == [("10.1.2.3/32",), ("2001:db8:3::/56",)]


def test_a_session_of_ipv4_does_without_ipv6_where_the_site_has_none() -> None:
    site = site_user(Framed_IP_Address="10.1.2.3", Framed_IPv6_Prefix=PREFIX)
    network = Network(tunnels(LAC), site=site)
    network.add_lac(LAC)
    dial(network, "10.1.2.3")
    assert network.state() is S.IN_SERVICE
    assert "no ipv6cp" in stages(network)
    assert installed(network) == [("10.1.2.3/32",)]


def test_a_session_of_ipv6_fails_where_the_site_has_none() -> None:
    network = dial(start(ipv6=False))
    assert network.state(SITE) is S.INHIBITED
    (view,) = network.lns.sessions(network.now)
    assert view.last_failure["stage"] == "ipv6cp"


def test_a_session_of_ipv6_does_without_ipv4_where_the_profile_says_so() -> None:
    network = dial(start(profile=Profile("p", ipv4=False)))
    assert network.state(SITE) is S.IN_SERVICE
    assert "ipcp" not in stages(network)
    assert installed(network) == [(PREFIX,)]


def test_routes_of_ipv4_that_do_not_fit_end_no_session_of_ipv6() -> None:
    site = site_user(Framed_IPv6_Prefix=PREFIX, Framed_Route="0.0.0.0/0 0.0.0.0 1")
    network = dial(start(site))
    assert network.state(SITE) is S.IN_SERVICE
    assert "ipv4 not routed" in stages(network)
    assert installed(network) == [(PREFIX,)]


@pytest.mark.parametrize(
    "rows",
    [
        {"Framed_IPv6_Prefix": "2001:db8:2::/64"},
        {"Framed_IP_Address": "10.1.2.3"},
        {"Framed_IPv6_Prefix": "fe80::/64"},
        {"Delegated_IPv6_Prefix": "ff00::/8"},
    ],
)
def test_routes_that_do_not_reach_the_trigger_fail_the_session(rows: dict[str, str]) -> None:
    network = dial(start(site_user(**rows)))
    assert network.state(SITE) is S.FAILED
    assert network.plane.routes[1].keys() == {"2001:db8::/32"} | (
        {"10.1.2.3/32"} & network.plane.routes[1].keys()
    )


def test_a_site_that_renegotiates_ipv6cp_loses_only_its_ipv6_routes_meanwhile() -> None:
    site = site_user(Framed_IPv6_Prefix=PREFIX, Framed_IP_Address="10.1.2.3")
    network = dial(start(site))
    link = network.site().link
    ipv6 = link._networks.named("ipv6").negotiation
    ipv6.down(network.now)
    ipv6.up(network.now)
    link._advance(network.now)
    network.settle()
    network.run(0.015)
    assert "10.1.2.3/32" in network.plane.routes[1]
    assert PREFIX not in network.plane.routes[1]
    network.run(5)
    assert PREFIX in network.plane.routes[1]
    assert network.state(SITE) is S.IN_SERVICE


# --- Router Advertisements ------------------------------------------------------------------------


def parse(packet: bytes) -> dict[str, object]:
    """Fields of an advertisement; raises if a checksum or length is wrong."""
    _, length, after, hops = struct.unpack("!IHBB", packet[:8])
    source, destination = packet[8:24], packet[24:40]
    message = packet[40:]
    assert len(message) == length
    pseudo = source + destination + struct.pack("!II", length, after) + message
    pseudo += b"\x00" * (len(pseudo) % 2)
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    assert total % 0xFFFF == 0
    kind, code, _, hop_limit, flags, lifetime, _, _ = struct.unpack("!BBHBBHII", message[:16])
    options = []
    at = 16
    while at < len(message):
        size = 8 * message[at + 1]
        options.append((message[at], message[at + 2 : at + size]))
        at += size
    assert at == len(message)
    return {
        "outer": (after, hops, kind, code),
        "source": str(ipaddress.IPv6Address(source)),
        "destination": str(ipaddress.IPv6Address(destination)),
        "router": (hop_limit, flags, lifetime),
        "options": options,
    }


def test_the_site_hears_its_prefix_mtu_and_dns_servers() -> None:
    rows = (("Framed-IPv6-Prefix", PREFIX), ("DNS-Server-IPv6-Address", "2001:db8::53"))
    profile = Profile("p", interface_identifier="0:0:0:1")
    network = dial(start(SimUser("site", b"site-secret", rows), profile=profile))
    seen = parse(network.site().packets[0])
    assert seen["outer"] == (58, 255, 134, 0)
    assert (seen["source"], seen["destination"]) == ("fe80::1", "ff02::1")
    assert seen["router"] == (64, 0, 1800)
    (mtu, prefix, dns) = seen["options"]
    assert mtu == (5, b"\x00\x00" + (1460).to_bytes(4, "big"))
    assert prefix[0] == 3
    assert prefix[1][:2] == b"\x40\x40"
    assert prefix[1][14:] == ipaddress.IPv6Address("2001:db8:1::").packed
    assert dns[0] == 25
    assert dns[1][6:] == ipaddress.IPv6Address("2001:db8::53").packed


def test_a_prefix_that_is_no_64_makes_no_address_and_a_delegated_one_is_not_told() -> None:
    rows = (("Framed-IPv6-Prefix", "2001:db8:1::/56"), ("Delegated-IPv6-Prefix", "2001:db8:5::/56"))
    network = dial(start(SimUser("site", b"site-secret", rows)))
    options = parse(network.site().packets[0])["options"]
    assert [(kind, value[:2]) for kind, value in options if kind == 3] == [(3, b"\x38\x00")]


def test_it_hears_it_three_times_soon_and_then_every_ten_minutes() -> None:
    network = start(profile=Profile("p", idle_timeout=0))
    dial(network)
    assert len(network.site().packets) == 1
    network.run(40)
    assert len(network.site().packets) == 3
    network.run(500)
    assert len(network.site().packets) == 3
    network.run(700)
    assert len(network.site().packets) in (4, 5)


def solicitation(source: str = "fe80::2", **changes: object) -> bytes:
    """A PPP frame with a Router Solicitation."""
    addresses = ipaddress.IPv6Address(source).packed + ipaddress.IPv6Address("ff02::2").packed
    message = struct.pack("!BBHI", changes.get("kind", 133), changes.get("code", 0), 0, 0)
    message += changes.get("options", b"")
    pseudo = addresses + struct.pack("!II", len(message), 58) + message
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo + b"\x00" * (len(pseudo) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    check = (~total & 0xFFFF) ^ changes.get("damage", 0)
    message = message[:2] + check.to_bytes(2, "big") + message[4:]
    hops = changes.get("hops", 255)
    return (
        b"\xff\x03\x00\x57"
        + struct.pack("!IHBB", 6 << 28, len(message), 58, hops)
        + addresses
        + message
    )


def ask(network: Network, frame: bytes) -> int:
    """Advertisements that come of a frame of the site."""
    before = len(network.site().packets)
    ((nh, _),) = network.plane.sessions.items()
    network.lns.receive_ppp(nh, frame, network.now)
    network.settle()
    network.run(0.1)
    return len(network.site().packets) - before


@pytest.mark.parametrize("cut", [0, 2, 3])
def test_a_solicitation_is_answered_in_every_compressed_form(cut: int) -> None:
    network = dial(start())
    network.run(100)
    assert ask(network, solicitation()[cut:]) == 1


def test_solicitations_are_answered_once_in_three_seconds() -> None:
    network = dial(start())
    network.run(100)
    assert [ask(network, solicitation()) for _ in range(20)] == [1] + [0] * 19
    network.run(3)
    assert ask(network, solicitation()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        *({"kind": 134}, {"code": 1}, {"hops": 254}, {"damage": 1}),
        *({"options": b"\x01\x00" + bytes(6)}, {"options": b"\x01\x02" + bytes(6)}),
    ],
)
def test_a_solicitation_that_is_none_gets_no_answer(changes: dict[str, object]) -> None:
    network = dial(start())
    network.run(100)
    assert ask(network, solicitation(**changes)) == 0


@pytest.mark.parametrize("length", range(60))
def test_a_solicitation_cut_short_gets_no_answer_and_harms_nobody(length: int) -> None:
    network = dial(start())
    network.run(100)
    whole = solicitation()
    assert ask(network, whole[:length]) == (length >= len(whole))
    assert network.state(SITE) is S.IN_SERVICE


def test_nobody_is_told_anything_before_ipv6cp_or_after_the_end() -> None:
    network = start()
    network.packet(SITE)
    network.run(1.1)
    assert network.state(SITE) is S.CONNECTING
    dial(network)
    network.close_ppp()
    network.run(2)
    assert network.plane.ppp == []
    heard = len(network.site().packets)
    network.run(60)
    assert len(network.site().packets) == heard
