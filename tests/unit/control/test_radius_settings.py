"""What the RADIUS parts are told of the configuration: our addresses of both families."""

from __future__ import annotations

from random import Random

from control import radius_settings
from control.config import Chassis, Config, Radius, RadiusServer, VirtualRouter
from control.radius.client import Client
from control.radius.requests import DialoutRequest
from control.radius.signed import raw_attributes

FOUR, SIX = "192.0.2.1", "2001:db8::1"
CONFIG = Config(
    chassis=Chassis("lns"),
    virtual_router=(
        VirtualRouter("elsewhere", 1, radius="other", local_address="192.0.2.9"),
        VirtualRouter("home", 2, radius="r", local_address=FOUR, local_address_ipv6=SIX),
    ),
    radius=(Radius("r", (RadiusServer("2001:db8:9::1"),), dynamic_authorization=True),),
)


def client() -> Client:
    settings = radius_settings.client_config(CONFIG, CONFIG.radius[0], lambda address: False)
    return Client(settings, Random(1))


def test_an_ipv6_server_is_asked_from_our_ipv6_address_and_told_it():
    asked = client()
    request = DialoutRequest("x@example.org", "s", sources=CONFIG.virtual_router[1].sources)
    asked.request_dialout(request, 0.0)
    (datagram,) = asked.datagrams_to_send()
    assert (datagram.server[0], datagram.source) == ("2001:db8:9::1", SIX)
    told = dict(raw_attributes(datagram.data))
    assert told[4] == bytes((192, 0, 2, 1))
    assert told[95] == bytes.fromhex("20010db8000000000000000000000001")


def test_the_client_itself_has_both_addresses_of_the_virtual_router_that_uses_it():
    settings = radius_settings.client_config(CONFIG, CONFIG.radius[0], lambda address: False)
    assert (settings.nas_address, settings.nas_address_ipv6) == (FOUR, SIX)


def test_change_requests_may_call_us_by_any_address_and_reach_us_at_both():
    assert radius_settings.nas_names(CONFIG) == [
        ("NAS-Identifier", "lns"),
        ("NAS-IP-Address", FOUR),
        ("NAS-IP-Address", "192.0.2.9"),
        ("NAS-IPv6-Address", SIX),
    ]
    assert radius_settings.authorization_addresses(CONFIG) == [(FOUR, 3799), (SIX, 3799)]
