"""A whole dial-out call against the simulated LAC and CPE, for every outcome, in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sim_lns import (
    GOOD_CPE,
    GOOD_PPP,
    HOME,
    LAC,
    LNS,
    REMOTE,
    SITE_ADDRESS,
    Lns,
    assert_traffic_flows,
    lac,
)

from control.l2tp.events import CallClosed, CallConnected
from control.ppp.events import LcpOpened, LinkClosed, NetworkOpened
from control.sim import host


def test_a_call_is_answered_authenticated_both_ways_and_carries_traffic() -> None:
    lns = Lns(lac(dial_delay=2.0))
    session = lns.place()
    lns.run_until_open(session)
    assert session.kinds() == [
        "CallAccepted",
        "CallConnected",
        "LcpOpened",
        *session.kinds()[3:-1],
        "NetworkOpened",
    ]
    assert sorted(session.kinds()[3:-1]) == [
        "AuthenticatedToPeer",
        "AuthenticationRequested",
        "PeerAuthenticated",
    ]
    assert session.times[1] - session.times[0] == pytest.approx(2.0)
    assert session.last(NetworkOpened).peer_address == SITE_ADDRESS
    assert_traffic_flows(lns, session)
    assert lns.lac.results == {"answer": 1}
    assert lns.lac.bank.in_use == 1
    assert (lns.site.counters.pings, lns.site.counters.echoes) == (1, 1)


@pytest.mark.parametrize("demand", ["chap", "pap"])
@pytest.mark.parametrize("site_demand", [("chap",), ("pap",), ()])
def test_each_mix_of_authentication_methods_works(
    demand: str, site_demand: tuple[str, ...]
) -> None:
    lns = Lns(
        cpe=replace(GOOD_CPE, authentication=site_demand),
        ppp_config=replace(GOOD_PPP, authenticate_peer=(demand,)),
    )
    session = lns.place()
    lns.run_until_open(session)
    assert ("AuthenticatedToPeer" in session.kinds()) == bool(site_demand)
    assert_traffic_flows(lns, session)


def test_a_site_without_an_address_takes_the_one_it_is_given() -> None:
    lns = Lns(
        cpe=replace(GOOD_CPE, address=""),
        ppp_config=replace(GOOD_PPP, peer_address="10.9.8.7"),
    )
    session = lns.place()
    lns.run_until_open(session)
    assert session.last(NetworkOpened).peer_address == "10.9.8.7"


@pytest.mark.parametrize("method", ["chap", "pap"])
def test_our_wrong_secret_ends_the_call(method: str) -> None:
    lns = Lns(
        cpe=replace(GOOD_CPE, authentication=(method,)),
        ppp_config=replace(GOOD_PPP, password=b"wrong"),
    )
    session = lns.place()
    lns.run(30.0)
    assert session.last(LinkClosed).stage == "authentication"
    assert lns.site.counters.authentication_failures >= 1
    assert "NetworkOpened" not in session.kinds()
    assert lns.lac.bank.in_use == 0


@pytest.mark.parametrize("method", ["chap", "pap"])
def test_the_sites_wrong_secret_ends_the_call(method: str) -> None:
    lns = Lns(
        ppp_config=replace(GOOD_PPP, authenticate_peer=(method,)), site_secret=b"another secret"
    )
    session = lns.place()
    lns.run(30.0)
    assert session.last(LinkClosed).stage == "authentication"
    assert "NetworkOpened" not in session.kinds()
    assert lns.lac.bank.in_use == 0


OUTCOMES = [
    ("busy", 8, 0, 2.0, "busy"),
    ("no-carrier", 7, 0, 2.0, "no-carrier"),
    ("no-dial-tone", 9, 0, 2.0, "no-dial-tone"),
    ("no-answer", 10, 0, 2.0, "no-answer"),
    ("reject", 4, 0, 0.0, "reject"),
    ("reject:6", 6, 0, 0.0, "reject"),
    ("reject:2/7", 2, 7, 0.0, "reject"),
]


@pytest.mark.parametrize(("outcome", "result", "error", "delay", "name"), OUTCOMES)
def test_each_outcome_gives_its_disconnect(
    outcome: str, result: int, error: int, delay: float, name: str
) -> None:
    lns = Lns(lac(outcome=outcome))
    session = lns.place()
    lns.run(20.0)
    failure = session.last(CallClosed).failure
    assert (failure.stage, failure.result, failure.error) == ("cdn", result, error)
    assert ("CallAccepted" in session.kinds()) == bool(delay)
    if delay:
        assert session.times[1] - session.times[0] == pytest.approx(delay)
    assert lns.lac.results == {name: 1}
    assert lns.lac.bank.in_use == 0


def test_a_silent_lac_never_answers_the_request() -> None:
    lns = Lns(lac(outcome="silent"))
    session = lns.place()
    lns.run(20.0)
    assert "CallAccepted" not in session.kinds()
    assert "CallConnected" not in session.kinds()
    assert lns.lac.results == {"silent": 1}


def test_a_number_nobody_has_is_an_invalid_destination() -> None:
    lns = Lns(cpe=replace(GOOD_CPE, number="777*"))
    session = lns.place("5551000")
    lns.run(10.0)
    assert session.last(CallClosed).failure.result == 6
    assert lns.lac.results == {"unknown-number": 1}


def test_called_numbers_can_have_outcomes_of_their_own() -> None:
    lns = Lns(lac(outcomes=(("111", "busy"), ("2*", "reject:5")), outcome="answer"))
    busy, rejected, answered = lns.place("111"), lns.place("222"), lns.place("333")
    lns.run(10.0)
    assert busy.last(CallClosed).failure.result == 8
    assert rejected.last(CallClosed).failure.result == 5
    assert answered.is_open


def test_one_call_more_than_modems_finds_no_facilities_until_one_is_free() -> None:
    lns = Lns(lac(modems=2))
    first, second, third = lns.place("1"), lns.place("2"), lns.place("3")
    lns.run(10.0)
    assert first.is_open
    assert second.is_open
    assert third.last(CallClosed).failure.result == 4
    lns.hang_up(first)
    lns.run(5.0)
    assert lns.lac.bank.in_use == 1
    again = lns.place("4")
    lns.run(10.0)
    assert again.is_open


def test_a_call_that_is_closed_while_it_is_dialed_frees_its_modem() -> None:
    lns = Lns(lac(dial_delay=10.0))
    session = lns.place()
    lns.run(2.0)
    assert lns.lac.bank.in_use == 1
    lns.endpoint.close_call(session.call, lns.clock.now)
    lns.pump()
    lns.run(20.0)
    assert lns.lac.bank.in_use == 0
    assert lns.lac.results == {"cancelled": 1}
    assert lns.site.counters.calls == 0


def test_terminate_by_the_lns_ends_the_line_and_the_call() -> None:
    lns = Lns()
    session = lns.place()
    lns.run_until_open(session)
    lns.hang_up(session)
    lns.run(10.0)
    assert session.last(LinkClosed).stage == "local"
    assert lns.lac.bank.in_use == 0


def test_a_lost_carrier_closes_the_call_with_result_one() -> None:
    lns = Lns()
    session = lns.place()
    lns.run_until_open(session)
    lns.lac.drop_carriers()
    lns.run(5.0)
    assert session.last(CallClosed).failure.result == 1
    assert lns.lac.bank.in_use == 0


def test_shutdown_of_the_lac_closes_all_calls() -> None:
    lns = Lns()
    sessions = [lns.place(str(number)) for number in range(3)]
    lns.run(10.0)
    lns.lac.shutdown()
    lns.run(5.0)
    assert all("CallClosed" in session.kinds() for session in sessions)
    assert lns.lac.bank.in_use == 0


def test_a_lac_that_answers_from_another_port_is_followed_there() -> None:
    lns = Lns(lac(new_port=True))
    session = lns.place()
    lns.run_until_open(session)
    assert lns.lac.port != 1701
    assert session.last(CallConnected).peer == (LAC, lns.lac.port)
    assert_traffic_flows(lns, session)
    assert lns.lac.counters.wrong_port == lns.lac.counters.control_wrong_port == 0


def test_required_sequencing_is_kept_both_ways() -> None:
    lns = Lns(lac(sequencing=True))
    session = lns.place()
    lns.run_until_open(session)
    assert session.last(CallConnected).sequencing_required
    assert_traffic_flows(lns, session)
    numbers = [header.ns for header in session.headers]
    assert numbers == list(range(len(numbers)))
    counters = lns.lac.counters
    assert (counters.unsequenced, counters.late, counters.missing) == (0, 0, 0)


def test_early_data_reaches_the_lns_before_the_call_is_connected() -> None:
    lns = Lns(lac(early_data=True))
    session = lns.place()
    lns.run_until_open(session)
    assert lns.junk > 0
    assert_traffic_flows(lns, session)


def test_other_ip_is_counted_and_not_answered() -> None:
    lns = Lns()
    session = lns.place()
    lns.run_until_open(session)
    source, destination = host.pack_address(HOME), host.pack_address(REMOTE)
    before = len(session.packets)
    lns.send_ip(session, host.ip_packet(source, destination, host.TCP, bytes(20)))
    lns.send_ip(session, host.udp_packet(HOME, 1, "224.0.0.1", 2, b"x"))
    lns.send_ip(session, host.udp_packet(HOME, 1, REMOTE, 2, b"x")[:-1] + b"y")
    lns.send_ip(session, b"\x45" + bytes(19))
    lns.send_ip(session, host.udp_echo(host.udp_packet(HOME, 1, REMOTE, 2, b"x")))
    lns.run(1.0)
    counters = lns.site.counters
    assert len(session.packets) == before
    assert (counters.ignored, counters.bad_payload, counters.bad_header) == (3, 1, 1)
    assert counters.packets == 5


def test_a_site_that_does_not_echo_stays_quiet() -> None:
    lns = Lns(cpe=replace(GOOD_CPE, echo=False))
    session = lns.place()
    lns.run_until_open(session)
    lns.send_ip(session, host.ping_packet(HOME, REMOTE))
    lns.run(1.0)
    assert session.packets == []


def test_data_for_nobody_is_counted_by_reason() -> None:
    lns = Lns(lac(sequencing=True))
    session = lns.place()
    lns.run_until_open(session)
    connected = session.last(CallConnected)
    ids = connected.peer_tunnel.to_bytes(2, "big") + connected.peer_session.to_bytes(2, "big")
    counters = lns.lac.counters
    for sender, data in (
        (LNS, b"\x00\x02" + ids),
        (LNS, b"\x08\x02" + ids + b"\xff\xff\0\0"),
        (LNS, b"\x00\x02" + ids[:2] + bytes((ids[2] ^ 1, ids[3]))),
        (LNS, b"\x00\x03" + ids),
        ((LNS[0], 1702), b"\x00\x02" + ids),
        (("192.0.2.2", 1701), b"\x00\x02" + ids),
    ):
        lns.network.from_router(host.udp_packet(*sender, LAC, 1701, data))
    lns.run(1.0)
    assert (counters.unsequenced, counters.late) == (1, 1)
    assert (counters.unknown_session, counters.malformed, counters.wrong_peer) == (1, 1, 2)


def test_the_site_agrees_to_compressed_headers() -> None:
    lns = Lns(ppp_config=replace(GOOD_PPP, want_acfc=True, want_pfc=True))
    session = lns.place()
    lns.run_until_open(session)
    opened = session.last(LcpOpened)
    assert opened.send_acfc
    assert opened.send_pfc
    assert_traffic_flows(lns, session)
    assert lns.trace[-1][2][36:38] == b"\x21\x45"
