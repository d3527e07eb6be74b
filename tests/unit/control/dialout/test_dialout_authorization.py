"""What CoA and Disconnect requests do to calls in service (RFC 5176)."""

from __future__ import annotations

import pytest
from dialout_bench import LOCAL, SITE, Bench, configuration
from test_dialout_accounting import advance, in_service, records

from control.config import Profile, Target
from control.dialout.authorization import carry_out
from control.dialout.session_table import SessionState as S
from control.ppp import events as ppp
from control.radius import events as radius
from control.radius.dynauth import AuthorizationRequest, Changes, ErrorCause

FIRST = "B00000001"


def bench(grant: radius.SessionGrant | None = None, **more) -> Bench:
    made = Bench(configuration(accounting=True, **more))
    in_service(made, grant)
    return made


def ipv6_bench() -> Bench:
    """A call with two IPv6 prefixes, whose site is 2001:db8:1:2::5."""
    made = Bench(
        configuration(
            accounting=True, targets=(Target("2001:db8::/32", "home", "example.org", "p"),)
        )
    )
    made.packet("2001:db8:1:2::5")
    made.grant()
    made.connected()
    grant = radius.SessionGrant(
        framed_ipv6_addresses=("2001:db8:1:2::7",),
        framed_ipv6_prefixes=("2001:db8:1::/64", "2001:db8:1:2::/64"),
    )
    made.link(
        ppp.LcpOpened(1500, False, False),
        ppp.AuthenticationRequested(7, "chap", "site", b"", 1, b"c" * 16, b"r" * 16),
    )
    made.answer(radius.SessionGranted(made.radius.number, grant))
    made.link(ppp.Ipv6Opened("0:0:0:1", "0:0:0:5"))
    assert made.state("2001:db8:1:2::5") is S.IN_SERVICE
    return made


def ask(b: Bench, changes: Changes | None = None, group: str = "r", **keys) -> ErrorCause | None:
    wanted = keys or {"session_id": FIRST}
    request = AuthorizationRequest(1, group, tuple(wanted.items()), changes)
    return carry_out(request, b.services.accounting, b.now)


def test_disconnect_ends_the_call_as_an_administrator_would():
    b = bench()
    assert ask(b) is None
    assert b.state() is S.DORMANT
    assert b.endpoint.closed == [1]
    status, told = records(b)[-1]
    assert (status, told["Acct-Terminate-Cause"]) == ("STOP", 6)
    assert ask(b) is ErrorCause.SESSION_CONTEXT_NOT_FOUND


@pytest.mark.parametrize(
    "keys",
    [
        {"framed_address": SITE},
        {"called_number": "49301234"},
        {"nas_port": 11 << 16 | 101},
        {"nas_port_id": "l2tp 11.101"},
        {"multi_session_id": "B-1"},
        {"session_id": FIRST, "framed_address": SITE},
    ],
)
def test_a_call_is_found_by_whatever_names_it(keys):
    assert ask(bench(), **keys) is None


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"framed_ipv6_prefixes": "2001:db8:1:2::/64"}, None),
        ({"framed_ipv6_prefixes": "2001:db8:1::/64", "framed_interface_id": "0:0:0:5"}, None),
        ({"framed_ipv6_addresses": "2001:db8:1:2::7"}, None),
        ({"framed_ipv6_prefixes": "2001:db8::/32"}, ErrorCause.SESSION_CONTEXT_NOT_FOUND),
        ({"framed_interface_id": "0:0:0:6"}, ErrorCause.SESSION_CONTEXT_NOT_FOUND),
    ],
)
def test_a_call_with_ipv6_is_found_by_one_of_its_prefixes_and_its_identifier(keys, found):
    assert ask(ipv6_bench(), **keys) is found


@pytest.mark.parametrize(
    "keys",
    [
        {"session_id": "B00000002"},
        {"session_id": FIRST, "framed_address": "10.1.2.4"},
        {"session_id": FIRST, "user_name": "somebody else"},
        {"framed_address": "10.9.9.9"},
    ],
)
def test_every_attribute_must_fit(keys):
    b = bench()
    assert ask(b, **keys) is ErrorCause.SESSION_CONTEXT_NOT_FOUND
    assert b.state() is S.IN_SERVICE


def test_clients_of_another_group_do_not_find_it():
    assert ask(bench(), group="other") is ErrorCause.SESSION_CONTEXT_NOT_FOUND


def test_attributes_that_fit_two_calls_end_none():
    b = bench()
    b.to(S.IN_SERVICE, "10.1.2.4")
    assert ask(b, called_number="49301234") is ErrorCause.MULTIPLE_SESSION_SELECTION_UNSUPPORTED
    assert len(b.services.accounting) == 2


def test_call_that_renegotiates_is_residual():
    b = bench()
    b.link(ppp.NetworkClosed())
    assert ask(b) is ErrorCause.RESIDUAL_SESSION_CONTEXT_REMOVED
    assert b.state() is S.DORMANT


def test_session_timeout_counts_from_the_request():
    b = bench(profile=Profile("p", idle_timeout=0))
    advance(b, 50)
    assert ask(b, Changes(session_timeout=100)) is None
    advance(b, 99)
    assert b.state() is S.IN_SERVICE
    advance(b, 1)
    assert b.state() is S.DORMANT
    assert records(b)[-1][1]["Acct-Terminate-Cause"] == 5


def test_session_timeout_of_zero_takes_the_limit_away():
    b = bench(profile=Profile("p", idle_timeout=0, session_timeout=100))
    assert ask(b, Changes(session_timeout=0)) is None
    advance(b, 10_000)
    assert b.state() is S.IN_SERVICE


def test_idle_timeout_may_be_set_shorter_and_be_over_at_once():
    b = bench(profile=Profile("p", idle_timeout=0))
    advance(b, 100)
    assert ask(b, Changes(idle_timeout=60)) is None
    advance(b, 0)
    assert b.state() is S.DORMANT
    assert records(b)[-1][1]["Acct-Terminate-Cause"] == 4


def test_filter_is_changed_and_stays_over_a_renegotiation():
    b = bench()
    assert ask(b, Changes(filter_id="web")) is None
    assert b.plane.filters[b.nh()] == ("web", "web")
    b.link(ppp.NetworkClosed(), ppp.NetworkOpened(LOCAL, SITE))
    assert b.plane.filters[b.nh()] == ("web", "web")


def test_policies_of_one_way_go_before_filter_id_and_that_before_the_profile():
    grant = radius.SessionGrant(SITE, filter_id="web", ingress_policy="in")
    b = bench(grant, profile=Profile("p", classifier="mail"))
    assert b.plane.filters[b.nh()] == ("web", "in")
    assert ask(b, Changes(egress_policy="out")) is None
    assert b.plane.filters[b.nh()] == ("out", "in")
    assert ask(b, Changes(filter_id="new")) is None
    assert b.plane.filters[b.nh()] == ("new", "new")
    assert ask(b, Changes(filter_id="x", ingress_policy="y", egress_policy="z")) is None
    b.link(ppp.NetworkClosed(), ppp.NetworkOpened(LOCAL, SITE))
    assert b.plane.filters[b.nh()] == ("z", "y")
    b.closed()
    told = records(b)[-1][1]
    assert told["ERX-Ingress-Policy-Name"] == "y"
    assert told["ERX-Egress-Policy-Name"] == "z"


def test_policy_of_one_way_leaves_the_other_to_the_profile():
    for grant, found in (
        (radius.SessionGrant(SITE, egress_policy="out"), ("out", "mail")),
        (radius.SessionGrant(SITE, ingress_policy="in"), ("mail", "in")),
        (radius.SessionGrant(SITE), ("mail", "mail")),
    ):
        b = bench(grant, profile=Profile("p", classifier="mail"))
        assert b.plane.filters[b.nh()] == found


def test_unknown_filter_changes_nothing_of_the_request():
    b = bench(profile=Profile("p", idle_timeout=0))
    b.plane.classifiers = {"web"}
    found = ask(b, Changes(filter_id="nobody's", session_timeout=10))
    assert found is ErrorCause.INVALID_ATTRIBUTE_VALUE
    advance(b, 100)
    assert b.state() is S.IN_SERVICE


def test_interim_interval_may_be_changed():
    b = bench(profile=Profile("p", idle_timeout=0))
    assert ask(b, Changes(interim_interval=60)) is None
    records(b)
    advance(b, 120)
    assert [status for status, _ in records(b)] == ["INTERIM_UPDATE"] * 2
