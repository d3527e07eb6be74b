"""control.sim.cpe over IPv6: addresses from Router Advertisements, pings and UDP; and MS-CHAPv2."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_sim_cpe import CALLER, SITE, Caller

from control.dialout import router_advertisement
from control.ppp import mschap_proof
from control.ppp.events import AuthenticatedToPeer, AuthenticationRequested, Ipv6Opened
from control.sim import cpe_ipv6, host6

HOME, REMOTE = "2001:db8::5", "2001:db8:9::4"
SITE6 = replace(SITE, ipv6=True, interface_identifier="0:0:0:2")
CALLER6 = replace(CALLER, ipv6=True, interface_identifier="0:0:0:1")
HEADER = b"\xff\x03\x00\x57"


def called() -> Caller:
    caller = Caller(SITE6, CALLER6).open()
    assert Ipv6Opened in caller.kinds()
    assert caller.line.ipv6.open
    caller.site.counters.packets = 0
    return caller


def give(caller: Caller, *frames: bytes) -> list[bytes]:
    """What comes back within a second."""
    caller.frames.clear()
    for frame in frames:
        caller.line.receive_frame(frame)
    caller.clock.run_until(caller.clock.now + 1.0)
    return [frame for _, frame in caller.frames]


@pytest.mark.parametrize("prefix", cpe_ipv6.PREFIXES)
def test_pings_and_udp_are_answered_in_every_compressed_form(prefix: bytes) -> None:
    ping = host6.ping_packet(HOME, REMOTE, data=b"abc")
    udp = host6.udp_packet(HOME, 7, REMOTE, 9, b"hello")
    pong, echo = give(called(), prefix + ping, prefix + udp)
    # The caller takes compressed frames: it asked for neither.
    assert pong == HEADER + host6.ping_reply(ping)
    assert echo == HEADER + host6.udp_echo(udp)


def test_addresses_are_made_of_prefixes_of_64_bits() -> None:
    caller = called()
    prefixes = ("2001:db8:1::/64", "2001:db8:2::/56", "2001:db8:3::/64")
    assert give(caller, router_advertisement.encode("0:0:0:1", prefixes, (), 1460)) == []
    assert caller.line.ipv6.addresses == ("2001:db8:1::2", "2001:db8:3::2")
    assert caller.site.counters.advertisements == 1


@pytest.mark.parametrize("length", range(49, 120, 3))
def test_an_advertisement_cut_short_is_not_heard(length: int) -> None:
    caller = called()
    whole = router_advertisement.encode("0:0:0:1", ("2001:db8:1::/64",), ("2001:db8::53",), 1460)
    packet = whole[4 : 4 + length]
    size = max(len(packet) - 40, 0)
    give(caller, HEADER + packet[:4] + size.to_bytes(2, "big") + packet[6:])
    complete = length in (40 + 16, 40 + 24, 40 + 56, 40 + 80)
    assert caller.site.counters.advertisements == complete


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "bad_header"),
        (bytes(40), "bad_header"),
        (host6.ping_packet(HOME, "ff02::1"), "ignored"),
        (host6.ip_packet(bytes(15) + b"\x01", bytes(15) + b"\x02", 6, b"tcp"), "ignored"),
        (host6.udp_echo(host6.udp_packet(HOME, 7, REMOTE, 9, b"x")), "ignored"),
        (host6.ping_packet(HOME, REMOTE)[:-1] + b"\x77", "bad_payload"),
        (host6.ping_packet(HOME, REMOTE, data=bytes(2000)), "too_big"),
    ],
)
def test_what_is_not_answered_is_counted_once(packet: bytes, reason: str) -> None:
    caller = called()
    assert give(caller, HEADER + packet) == []
    assert getattr(caller.site.counters, reason) == 1
    assert caller.site.counters.packets == 1


def test_before_ipv6cp_nothing_is_answered() -> None:
    caller = Caller(replace(SITE6, ipv6=False), CALLER).open()
    assert give(caller, HEADER + host6.ping_packet(HOME, REMOTE)) == []
    assert caller.site.counters.not_open == 1


@pytest.mark.parametrize("secret", [b"home secret", b"guess"])
def test_a_site_may_demand_mschap(secret: bytes) -> None:
    site = replace(SITE, authentication=("mschapv2",))
    config = replace(CALLER, answer_protocols=("mschapv2",), password=secret)
    caller = Caller(site, config)
    caller.clock.run_until(10.0)
    good = secret == b"home secret"
    assert (AuthenticatedToPeer in caller.kinds()) == good
    assert caller.site.counters.authentication_failures == (not good)


def test_a_site_proves_itself_by_mschap() -> None:
    caller = Caller(SITE, replace(CALLER, authenticate_peer=("mschapv2",)))
    caller.clock.run_until(10.0)
    asked = next(e for e in caller.events if isinstance(e, AuthenticationRequested))
    assert asked.username == "site"
    challenge, value = asked.chap_challenge, asked.chap_response
    assert mschap_proof.verify(b"site", b"site secret", challenge, value)
