"""The lean site of load tests (`answer = "fast"`) against control.ppp, in virtual time: a caller
sees the same as with a whole one."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sim_lns import GOOD_CPE, GOOD_PPP, LAC, SECRET, SITE_ADDRESS, Lns, assert_traffic_flows

from control import config as settings
from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticationRequested, LinkClosed, NetworkOpened
from control.ppp.link import Link
from control.sim.fast_link import FastLink

CHAP = b"\xc2\x23"
FAST = replace(GOOD_CPE, answer="fast")


@pytest.mark.parametrize("demand", [("chap",), ("pap",), ()])
@pytest.mark.parametrize("site_demand", [("chap",), ("pap",), ()])
def test_each_mix_of_authentication_methods_opens_the_same_link(
    demand: tuple[str, ...], site_demand: tuple[str, ...]
) -> None:
    seen = []
    for answer in ("full", "fast"):
        lns = Lns(
            cpe=replace(GOOD_CPE, authentication=site_demand, answer=answer),
            ppp_config=replace(GOOD_PPP, authenticate_peer=demand),
        )
        session = lns.place()
        lns.run_until_open(session)
        assert_traffic_flows(lns, session)
        seen.append((sorted(session.kinds()), session.last(NetworkOpened)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("method", ["chap", "pap"])
def test_our_wrong_secret_ends_the_call(method: str) -> None:
    lns = Lns(
        cpe=replace(FAST, authentication=(method,)),
        ppp_config=replace(GOOD_PPP, password=b"wrong"),
    )
    session = lns.place()
    lns.run(30.0)
    assert session.last(LinkClosed).stage == "authentication"
    assert lns.site.counters.authentication_failures == 1
    assert lns.lac.bank.in_use == 0


@pytest.mark.parametrize("method", ["chap", "pap"])
def test_the_sites_wrong_secret_ends_the_call(method: str) -> None:
    ppp = replace(GOOD_PPP, authenticate_peer=(method,))
    lns = Lns(cpe=FAST, ppp_config=ppp, site_secret=b"another secret")
    session = lns.place()
    lns.run(30.0)
    assert session.last(LinkClosed).stage == "authentication"
    assert lns.lac.bank.in_use == 0


def test_an_address_it_is_given_is_taken() -> None:
    lns = Lns(cpe=replace(FAST, address=""), ppp_config=replace(GOOD_PPP, peer_address="10.9.8.7"))
    session = lns.place()
    lns.run_until_open(session)
    assert session.last(NetworkOpened).peer_address == "10.9.8.7"


def test_compressed_headers_are_agreed_to() -> None:
    lns = Lns(cpe=FAST, ppp_config=replace(GOOD_PPP, want_acfc=True, want_pfc=True))
    session = lns.place()
    lns.run_until_open(session)
    assert_traffic_flows(lns, session)
    assert lns.trace[-1][2][36:38] == b"\x21\x45"


def test_a_terminated_link_ends_the_call() -> None:
    lns = Lns(cpe=FAST)
    session = lns.place()
    lns.run_until_open(session)
    lns.hang_up(session)
    lns.run(10.0)
    assert session.last(LinkClosed).stage == "local"
    assert lns.lac.bank.in_use == 0


def test_keepalives_are_answered() -> None:
    lns = Lns(cpe=FAST, ppp_config=replace(GOOD_PPP, echo_interval=5.0, echo_failures=2))
    session = lns.place()
    lns.run_until_open(session)
    lns.run(60.0)
    assert session.is_open


@pytest.mark.parametrize("seed", range(8))
def test_calls_come_up_over_a_line_that_loses_and_reorders(seed: int) -> None:
    bad = settings.SimLac(LAC, secret=SECRET, loss=0.1, reorder=0.1, duplicate=0.1)
    patient = replace(GOOD_PPP, negotiation_deadline=120.0, authentication_deadline=100.0)
    lns = Lns(bad, FAST, patient, seed=seed)
    session = lns.place()
    lns.run_until_open(session, 150.0)
    assert session.last(NetworkOpened).peer_address == SITE_ADDRESS


def test_a_caller_that_never_answers_is_given_up() -> None:
    link = FastLink(LinkConfig(restart=3.0, max_configure=3), random.Random(1))
    link.open(0.0)
    asked = link.frames_to_send()
    for now in (1.0, 3.0, 6.0, 9.0, 12.0):
        link.handle_timer(now)
        asked += link.frames_to_send()
    assert len(asked) == 3
    assert isinstance(link.next_event(), LinkClosed)
    assert link.get_timer() is None


def exchange(caller: Link, site: FastLink, now: float) -> list[AuthenticationRequested]:
    """Carries one turn of frames from the caller, and what it is answered. Proofs it brought."""
    for frame in caller.frames_to_send():
        site.receive_frame(frame, now)
    proofs = []
    while (event := site.next_event()) is not None:
        if isinstance(event, AuthenticationRequested):
            proofs.append(event)
    for frame in site.frames_to_send():
        caller.receive_frame(frame, now)
    return proofs


def test_a_late_proof_of_an_earlier_challenge_is_no_wrong_one() -> None:
    site = FastLink(LinkConfig(authenticate_peer=("chap",), local_name="site"), random.Random(1))
    caller = Link(replace(GOOD_PPP, local_address="10.0.0.1"), random.Random(2))
    site.open(0.0)
    caller.open(0.0)
    assert exchange(caller, site, 0.0) == []
    # The Challenge is said again while the proof of the first one is on its way.
    assert exchange(caller, site, 0.0) == []
    late = caller.frames_to_send()
    assert any(frame[2:4] == CHAP for frame in late)
    site.handle_timer(10.0)
    for frame in late:
        site.receive_frame(frame, 10.0)
    assert exchange(caller, site, 10.0) == []
    (proof,) = exchange(caller, site, 10.0)
    assert proof.chap_identifier == 2


def test_another_protocol_is_rejected() -> None:
    link = FastLink(LinkConfig(), random.Random(1))
    link.open(0.0)
    link.frames_to_send()
    link.receive_frame(b"\xff\x03\x80\x57\x01\x05\x00\x04", 0.0)
    assert link.frames_to_send() == [b"\xff\x03\xc0\x21\x08\x05\x00\x0a\x80\x57\x01\x05\x00\x04"]


def test_a_method_it_does_not_know_is_answered_with_one_it_knows() -> None:
    lns = Lns(cpe=FAST, ppp_config=replace(GOOD_PPP, authenticate_peer=("mschapv2", "chap")))
    session = lns.place()
    lns.run_until_open(session)
    assert_traffic_flows(lns, session)


def whole_dialog() -> list[bytes]:
    """What a caller says to a site until the network is open."""
    config = replace(GOOD_PPP, local_address="10.0.0.1")
    caller = Link(config, random.Random(1))
    site = FastLink(LinkConfig(username="site", password=b"s"), random.Random(2))
    caller.open(0.0)
    site.open(0.0)
    said = []
    for _ in range(10):
        for frame in caller.frames_to_send():
            said.append(frame)
            site.receive_frame(frame, 0.0)
        for frame in site.frames_to_send():
            caller.receive_frame(frame, 0.0)
    return said


DIALOG = whole_dialog()


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(DIALOG),
            st.tuples(st.sampled_from(DIALOG), st.integers(0, 40), st.integers(0, 255)).map(
                lambda t: t[0][: t[1]] + bytes((t[2],)) + t[0][t[1] + 1 :]
            ),
        ),
        max_size=30,
    ),
    st.sampled_from([(), ("chap",), ("pap",)]),
)
def test_whatever_arrives_is_survived(frames: list[bytes], demand: tuple[str, ...]) -> None:
    link = FastLink(LinkConfig(authenticate_peer=demand, username="u"), random.Random(1))
    link.open(0.0)
    for frame in frames:
        link.receive_frame(frame, 1.0)
        for answer in link.frames_to_send():
            assert len(answer) <= 1504
            assert int.from_bytes(answer[6:8], "big") == len(answer) - 4
    while link.next_event() is not None:
        pass
