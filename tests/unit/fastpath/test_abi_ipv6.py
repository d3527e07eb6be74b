"""IPv6 through the C ABI: sessions over it, sources of both families, addresses of punts."""

from __future__ import annotations

import ipaddress

import pytest
from abi_rig import NUMBERS, Router, call, ffi, octets, prefix, route
from parse_packets import ipv6, udp

from control.sim import host6


@pytest.fixture
def router():
    made = Router()
    made.nhs = made.configure()
    yield made
    made.close()


def test_a_session_over_ipv6_forwards_and_its_punts_tell_ipv6_addresses(router):
    local, lac, site = "2001:db8:88::1", "2001:db8:88::2", "2001:db8:2::10"
    ends = {name: list(ipaddress.ip_address(a).packed) for name, a in
            (("local", local), ("peer", lac))}  # fmt: skip
    t = router.begin()
    flags = NUMBERS.FP_SESSION_UDP_CHECKSUM
    nh = router.session(t, family=6, mtu=1440, flags=flags, **ends)
    call("add_route", t, router.table, route("2001:db8:2::/48", nh))
    call("add_route", t, router.table, route(f"{local}/128", router.nhs["local"]))
    sources = ffi.new("fp_prefix_t[2]", [prefix("2001:db8:3::/48")[0], prefix("10.3.0.0/16")[0]])
    call("set_sources", t, nh, sources, 2)
    call("commit", t)
    _, out = router.process(router.home, ipv6(udp(b"six"), dst=site))
    (sent,) = (octets(p) for p in out[router.tunnel])
    assert host6.read_udp(sent)[0] == 48
    assert sent[-3:] == b"six"
    message = bytes.fromhex("c802 000c 0000 0000 0000 0000")
    router.process(router.tunnel, host6.udp_packet(lac, 1702, local, 1701, message))
    punts, room = ffi.new("fp_punt_t[1]"), ffi.new("uint8_t[64]")
    assert call("poll_punts", router.engine, punts, 1, room, 64) == 1
    assert bytes(punts[0].source) == ipaddress.ip_address(lac).packed
    assert bytes(punts[0].destination) == ipaddress.ip_address(local).packed
