"""The second Access-Accept's meaning, one row a rule (RFC 2865 5)."""

from __future__ import annotations

import pytest

from control.errors import RemoteProtocolError
from control.radius.codec import Attribute, Fault, Reply
from control.radius.events import FramedRoute, SessionGrant
from control.radius.refused import REFUSED
from control.radius.session import parse_framed_route, parse_session_grant, refusal


def parse(*rows: tuple[str, object], faults=()) -> SessionGrant:
    return parse_session_grant(
        Reply(2, tuple(Attribute(name, None, value) for name, value in rows), tuple(faults))
    )


@pytest.mark.parametrize(
    ("text", "prefix", "metric"),
    [
        ("10.10.1.0/24 0.0.0.0 1", "10.10.1.0/24", 1),
        ("10.10.1.0/24 10.10.1.1 2 3", "10.10.1.0/24", 2),
        ("10.10.1.0/24 0.0.0.0", "10.10.1.0/24", 1),
        ("10.10.1.0/24", "10.10.1.0/24", 1),
        ("  192.0.2.7/32\t0.0.0.0  5 ", "192.0.2.7/32", 5),
        ("0.0.0.0/0 0.0.0.0 1", "0.0.0.0/0", 1),
        ("10.0.0.0", "10.0.0.0/8", 1),
        ("127.0.0.0", "127.0.0.0/8", 1),
        ("172.16.0.0 0.0.0.0 1", "172.16.0.0/16", 1),
        ("192.168.1.0 0.0.0.0 1", "192.168.1.0/24", 1),
        ("192.168.1.0 0.0.0.0 2147483647", "192.168.1.0/24", 2147483647),
    ],
)
def test_framed_route_is_prefix_gateway_metric(text, prefix, metric):
    assert parse_framed_route(text) == FramedRoute(prefix, metric)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "10.10.1.0/33",
        "10.10.1.0/-1",
        "10.10.1.0/",
        "10.10.1.0/ 24",
        "10.10.1.0/255.255.255.0",
        "10.10.1.0/٢٤",
        "10.10.1.1/24",
        "10.10.1/24",
        "010.10.1.0/24",
        "172.16.1.0",
        "224.0.0.0/4",
        "224.0.0.0",
        "240.0.0.0 0.0.0.0 1",
        "999.1.1.0",
        "2001:db8::/32 :: 1",
        "10.10.1.0/24 gateway 1",
        "10.10.1.0/24 :: 1",
        "10.10.1.0/24 0.0.0.0 x",
        "10.10.1.0/24 0.0.0.0 -1",
        "10.10.1.0/24 0.0.0.0 2147483648",
        "10.10.1.0/24 0.0.0.0 1 99999999999",
    ],
)
def test_bad_framed_route_is_ignored_and_the_next_counts(text):
    with pytest.raises(RemoteProtocolError):
        parse_framed_route(text)
    grant = parse(("Framed-Route", text), ("Framed-Route", "10.0.0.0/8 0.0.0.0 1"))
    assert grant.framed_routes == (FramedRoute("10.0.0.0/8", 1),)
    assert len(grant.ignored) == 1
    assert grant.ignored[0].startswith("Framed-Route ")


def test_framed_routes_keep_their_order_and_come_once():
    rows = [("Framed-Route", f"10.{n}.0.0/16 0.0.0.0 1") for n in (3, 1, 3, 2)]
    assert [r.prefix for r in parse(*rows).framed_routes] == [
        "10.3.0.0/16",
        "10.1.0.0/16",
        "10.2.0.0/16",
    ]


@pytest.mark.parametrize(
    ("address", "meaning", "ignored"),
    [
        ("10.10.1.1", "10.10.1.1", 0),
        ("255.255.255.255", "", 0),
        ("255.255.255.254", "", 0),
        ("0.0.0.0", "", 1),
        ("224.0.0.1", "", 1),
        ("127.0.0.1", "", 1),
        ("240.0.0.1", "", 1),
    ],
)
def test_framed_address(address, meaning, ignored):
    grant = parse(("Framed-IP-Address", address))
    assert grant.framed_address == meaning
    assert len(grant.ignored) == ignored


@pytest.mark.parametrize(
    ("mask", "meaning"),
    [
        ("255.255.255.0", "255.255.255.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.0.255.0", ""),
        ("0.0.0.255", ""),
    ],
)
def test_netmask_has_no_gap(mask, meaning):
    assert parse(("Framed-IP-Netmask", mask)).framed_netmask == meaning


@pytest.mark.parametrize(
    ("mtu", "meaning"), [(64, 64), (1500, 1500), (65535, 65535), (63, None), (65536, None)]
)
def test_mtu_has_the_range_of_the_rfc(mtu, meaning):
    assert parse(("Framed-MTU", mtu)).framed_mtu == meaning


def test_everything_else_is_taken_over():
    assert parse(
        ("Idle-Timeout", 60),
        ("Session-Timeout", 3600),
        ("Class", b"\1"),
        ("Class", b"\2"),
        ("Reply-Message", "hello "),
        ("Reply-Message", "there"),
        ("Filter-Id", "f"),
    ) == SessionGrant(
        filter_id="f",
        idle_timeout=60,
        session_timeout=3600,
        state_class=(b"\1", b"\2"),
        reply_message="hello there",
    )


def test_empty_accept_grants_nothing_special():
    assert parse() == SessionGrant()


def test_faults_are_named():
    grant = parse(faults=[Fault("Framed-IP-Address", "is not a value of type ipaddr")])
    assert grant.ignored == ("Framed-IP-Address is not a value of type ipaddr",)


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("Service-Type", 2, False),
        ("Service-Type", 5, False),
        ("Service-Type", 1, True),
        ("Service-Type", 6, True),
        ("Service-Type", 99, True),
        ("Framed-Protocol", 1, False),
        ("Framed-Protocol", 2, True),
        ("Class", b"", False),
    ],
)
def test_service_that_is_not_provided_counts_as_reject(name, value, refused):
    assert bool(refusal(Reply(2, (Attribute(name, None, value),)))) is refused


def test_name_servers_are_those_of_vendor_4874_that_are_hosts():
    rows = ("ERX-Primary-Dns", "10.0.0.53"), ("ERX-Secondary-Dns", "10.0.0.54")
    assert parse(*rows).dns == ("10.0.0.53", "10.0.0.54")
    grant = parse(("ERX-Primary-Dns", "0.0.0.0"), rows[1])
    assert grant.dns == ("10.0.0.54",)
    assert grant.ignored == ("ERX-Primary-Dns 0.0.0.0 is not the address of a host",)


def test_policies_name_classifiers_of_one_way_each():
    grant = parse(("ERX-Ingress-Policy-Name", "in"), ("ERX-Egress-Policy-Name", "out"))
    assert (grant.ingress_policy, grant.egress_policy, grant.ignored) == ("in", "out", ())


@pytest.mark.parametrize("name", REFUSED)
def test_attribute_that_is_not_carried_out_is_named_with_the_reason(name):
    assert parse((name, 2)).ignored == (f"{name}: {REFUSED[name]}",)
