"""Two links back to back: every pair of demands, wrong secrets, bad lines, odd peers."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from ppp_pair import Line, Pair
from ppp_wire import CHAP, IPCP, LCP, PAP, Wire

from control.fsm import IllegalEvent
from control.ppp import chap, pap
from control.ppp.automaton import State
from control.ppp.config import LinkConfig
from control.ppp.events import (
    AuthenticatedToPeer,
    AuthenticationRequested,
    LcpOpened,
    LinkClosed,
    NetworkClosed,
    NetworkOpened,
    PeerAuthenticated,
)
from control.ppp.frame import Packet
from control.ppp.link import Link
from control.ppp.phase import PHASES, Change, Phase

LNS = LinkConfig(
    answer_protocols=("chap", "pap"),
    username="lns",
    password=b"to-cpe",
    local_address="10.0.0.1",
)
CPE = LinkConfig(
    answer_protocols=("chap", "pap"), username="cpe", password=b"to-lns", local_name="cpe"
)
DEMANDS = [(), ("pap",), ("chap",)]
MUTUAL = ("chap",)


def make(
    lns: LinkConfig = LNS,
    cpe: LinkConfig = CPE,
    *,
    demands: tuple[tuple[str, ...], tuple[str, ...]] = (MUTUAL, MUTUAL),
    seed: int = 1,
    line: Line | None = None,
) -> Pair:
    pair = Pair(
        replace(lns, authenticate_peer=demands[0]),
        replace(cpe, authenticate_peer=demands[1]),
        seed=seed,
        line=line,
    )
    left, right = pair.ends
    left.users, right.users = {"cpe": b"to-lns"}, {"lns": b"to-cpe"}
    left.assign = "10.1.1.1"
    return pair


def assert_order(events: list[object]) -> None:
    """Every NetworkOpened has its NetworkClosed before the next one and before LinkClosed."""
    opened = False
    for position, event in enumerate(events):
        if isinstance(event, NetworkOpened):
            assert not opened
            opened = True
        elif isinstance(event, NetworkClosed):
            assert opened
            opened = False
        elif isinstance(event, LinkClosed):
            assert not opened
            assert position == len(events) - 1


@pytest.mark.parametrize("left", DEMANDS, ids=lambda demand: f"lns-{demand}")
@pytest.mark.parametrize("right", DEMANDS, ids=lambda demand: f"cpe-{demand}")
def test_network_opens_after_all_that_was_demanded(
    left: tuple[str, ...], right: tuple[str, ...]
) -> None:
    pair = make(replace(LNS, peer_address="10.1.1.1"), demands=(left, right))
    pair.open()
    pair.run(10.0)
    for end, mine, theirs, addresses in (
        (pair.ends[0], left, right, ("10.0.0.1", "10.1.1.1")),
        (pair.ends[1], right, left, ("10.1.1.1", "10.0.0.1")),
    ):
        assert end.network == NetworkOpened(*addresses)
        assert [type(event) for event in end.events if isinstance(event, PeerAuthenticated)] == (
            [PeerAuthenticated] if mine else []
        )
        assert [event for event in end.events if isinstance(event, AuthenticatedToPeer)] == [
            AuthenticatedToPeer(method) for method in theirs
        ]
        assert isinstance(end.events[0], LcpOpened)
        assert end.events[-1] == end.network
        assert end.link.phase is Phase.NETWORK
        assert (end.link.lcp_state, end.link.network_state("ipv4")) == (State.OPENED, State.OPENED)


@pytest.mark.parametrize("method", ["pap", "chap"])
@pytest.mark.parametrize("wrong", [0, 1], ids=["cpe-lies", "lns-lies"])
def test_wrong_secret_ends_both_links(method: str, wrong: int) -> None:
    pair = make(demands=((method,), (method,)))
    pair.ends[wrong].users = dict.fromkeys(pair.ends[wrong].users, b"another")
    pair.open()
    pair.run(20.0)
    for end in pair.ends:
        assert end.closed is not None
        assert end.network is None
    checking = pair.ends[wrong]
    assert checking.closed is not None
    assert checking.closed.stage == "authentication"
    assert "PeerAuthenticated" not in checking.names()
    other = pair.ends[1 - wrong].closed
    assert other is not None
    assert other.stage == "authentication"


@pytest.mark.parametrize(
    ("offer", "answers", "method"),
    [
        (("chap", "pap"), ("pap",), "pap"),
        (("pap", "chap"), ("chap",), "chap"),
        (("chap", "pap"), ("chap", "pap"), "chap"),
        (("chap",), ("pap",), None),
        (("chap", "pap"), (), None),
    ],
)
def test_method_is_agreed_on_or_the_link_fails(
    offer: tuple[str, ...], answers: tuple[str, ...], method: str | None
) -> None:
    pair = make(cpe=replace(CPE, answer_protocols=answers), demands=(offer, ()))
    pair.open()
    pair.run(20.0)
    left = pair.ends[0]
    if method is None:
        assert left.closed is not None
        assert left.closed.stage == "authentication"
    else:
        asked = [event for event in left.events if isinstance(event, AuthenticationRequested)]
        assert [event.protocol for event in asked] == [method]
        assert left.network is not None


@pytest.mark.parametrize("seed", range(40))
def test_bad_line_ends_in_an_open_network_or_a_clean_failure(seed: int) -> None:
    rng = Random(seed)
    line = Line(loss=rng.choice((0.0, 0.1, 0.2)), duplicate=0.1, reorder=rng.choice((0.0, 0.3)))
    patient = {"negotiation_deadline": 120.0, "authentication_deadline": 60.0}
    demands = (rng.choice(DEMANDS), rng.choice(DEMANDS))
    lns = replace(LNS, peer_address="10.1.1.1", echo_interval=0.0, **patient)
    cpe = replace(CPE, echo_interval=0.0, **patient)
    pair = make(lns, cpe, demands=demands, seed=seed, line=line)
    pair.open()
    pair.run(150.0)
    for end in pair.ends:
        assert_order(list(end.events))
        assert end.link.phase is Phase.NETWORK, (seed, [end.closed for end in pair.ends])


def test_same_seed_gives_the_same_octets() -> None:
    line = Line(loss=0.1, duplicate=0.1, reorder=0.3)
    runs = []
    for _ in range(2):
        pair = make(seed=5, line=line)
        pair.open()
        pair.run(60.0)
        runs.append([(end.sent, end.events) for end in pair.ends])
    assert runs[0] == runs[1]


def test_line_that_swallows_everything_closes_both_ends() -> None:
    pair = make(line=Line(loss=1.0))
    pair.open()
    pair.run(100.0)
    assert [end.closed.stage if end.closed else "" for end in pair.ends] == ["lcp", "lcp"]
    assert [len(end.sent) for end in pair.ends] == [10, 10]


def test_line_that_dies_later_is_noticed_by_echo() -> None:
    pair = make()
    pair.open()
    pair.run(10.0)
    pair.line.loss = 1.0
    pair.run(300.0)
    for end in pair.ends:
        assert end.closed is not None
        assert end.closed.stage == "echo"
        assert_order(list(end.events))


def test_echoes_keep_a_quiet_link_for_hours() -> None:
    pair = make()
    pair.open()
    pair.run(7200.0)
    assert all(end.link.phase is Phase.NETWORK for end in pair.ends)


def test_close_of_one_end_is_the_peers_word_at_the_other() -> None:
    pair = make()
    pair.open()
    pair.run(10.0)
    pair.ends[0].link.close(pair.now, "session timeout")
    pair.pump()
    pair.run(20.0)
    assert pair.ends[0].closed == LinkClosed("local", "session timeout")
    other = pair.ends[1].closed
    assert other is not None
    assert other.stage == "peer"
    assert "session timeout" in other.reason


def test_peer_that_agrees_and_never_authenticates_runs_out_of_time() -> None:
    for method in ("pap", "chap"):
        wire = Wire(replace(LNS, authenticate_peer=(method,)))
        wire.open_lcp()
        wire.wait(60.0)
        assert wire.closed().stage == "authentication"
        assert wire.now == 60.0
        assert len(wire.sent()) <= 10


def test_peer_that_demands_chap_and_never_challenges_runs_out_of_time() -> None:
    wire = Wire(LNS)
    wire.open_lcp(b"\x03\x05\xc2\x23\x05")
    wire.wait(19.9)
    assert wire.link.phase is Phase.AUTHENTICATE
    wire.wait(20.0)
    assert wire.closed().stage == "authentication"


def test_owner_that_never_answers_runs_out_of_time() -> None:
    pair = make(demands=(("chap",), ()))
    pair.ends[0].answers = False
    pair.open()
    pair.run(40.0)
    left = pair.ends[0].closed
    assert left is not None
    assert left.stage == "authentication"
    pair.ends[0].link.authentication_result(1, True, pair.now)
    assert pair.ends[0].link.next_event() is None


def test_reflected_challenge_gets_no_answer() -> None:
    wire = Wire(replace(LNS, authenticate_peer=MUTUAL))
    wire.open_lcp(b"\x03\x05\xc2\x23\x05")
    challenge = next(packet for protocol, packet in wire.kept if protocol == CHAP)
    wire.give(CHAP, 1, 99, challenge.data)
    assert wire.codes() == [(LCP, 5)]
    wire.wait(20.0)
    assert wire.closed().stage == "authentication"


def test_packet_of_a_method_that_was_not_negotiated_is_dropped() -> None:
    wire = Wire(replace(LNS, authenticate_peer=MUTUAL))
    wire.open_lcp()
    wire.give(PAP, 1, 1, pap.encode_request(pap.Credentials(b"cpe", b"to-lns")))
    assert wire.link.counters["not_negotiated"] == 1
    assert wire.sent() == []
    # CHAP is in use, but only for the other direction: this Challenge is nobody's.
    wire.give(CHAP, 1, 1, chap.encode_value(chap.Value(b"\x01" * 16, b"cpe")))
    assert wire.link.counters["not_expected"] == 1
    assert wire.sent() == []


def test_authentication_before_our_lcp_is_open_is_dropped() -> None:
    wire = Wire(LNS)
    wire.open()
    wire.give(LCP, 1, 1, b"\x03\x05\xc2\x23\x05")
    assert wire.link.lcp_state is State.ACK_SENT
    wire.sent()
    wire.give(CHAP, 1, 1, chap.encode_value(chap.Value(b"\x01" * 16, b"cpe")))
    assert wire.sent() == []
    assert wire.link.counters["early"] == 1


def test_ipcp_before_both_authentications_is_dropped() -> None:
    wire = Wire(replace(LNS, authenticate_peer=MUTUAL))
    wire.open_lcp()
    for protocol in (IPCP, 0x8057):
        wire.give(protocol, 1, 1, b"\x03\x06\x0a\x01\x01\x01")
    assert wire.sent() == []
    assert wire.link.counters["early"] == 2
    assert wire.link.network_state("ipv4") is State.STARTING


def test_peer_that_rejects_the_protocol_it_agreed_to_ends_the_link() -> None:
    wire = Wire(replace(LNS, authenticate_peer=MUTUAL))
    wire.open_lcp()
    wire.give(LCP, 8, 1, b"\xc0\x23")
    assert wire.link.phase is Phase.AUTHENTICATE
    wire.give(LCP, 8, 1, b"\xc2\x23\x01")
    wire.wait(20.0)
    assert wire.closed().stage == "authentication"


def test_negotiating_lcp_again_authenticates_again() -> None:
    pair = make()
    pair.open()
    pair.run(10.0)
    # A peer that has restarted its automaton: unknown to it, all is as before.
    pair.ends[0].link.receive_frame(b"\xff\x03\xc0\x21" + Packet(6, 1).encode(), pair.now)
    pair.pump()
    pair.run(30.0)
    for end in pair.ends:
        assert end.names().count("LcpOpened") == 2
        assert end.names().count("PeerAuthenticated") == 2
        assert end.names().count("AuthenticatedToPeer") == 2
        assert end.names().count("NetworkOpened") == 2
        assert end.names().count("NetworkClosed") == 1
        assert end.link.phase is Phase.NETWORK
        assert_order(list(end.events))


def test_late_peer_is_waited_for() -> None:
    pair = make()
    pair.ends[0].link.open(0.0)
    pair.pump()
    pair.run(8.0)
    pair.ends[1].link.open(8.0)
    pair.pump()
    pair.run(20.0)
    assert all(end.network for end in pair.ends)


PHASE_GRID = """
                DEAD       ESTABLISH          AUTHENTICATE    NETWORK         TERMINATE
UP            | ESTABLISH  -                  -               -               -
OPENED        | -          AUTH/AUTHENTICATE  -               -               -
AUTHENTICATED | -          -                  NET/NETWORK     -               -
RENEGOTIATE   | -          -                  STOP/ESTABLISH  STOP/ESTABLISH  -
CLOSE         | DEAD       TERMINATE          STOP/TERMINATE  STOP/TERMINATE  TERMINATE
DOWN          | DEAD       DEAD               STOP/DEAD       STOP/DEAD       DEAD
"""
PHASE_WORK = {"AUTH": "START_AUTHENTICATION", "NET": "START_NETWORK", "STOP": "STOP", "": ""}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("change", Change)
def test_phase_cell(phase: Phase, change: Change) -> None:
    head, *lines = PHASE_GRID.strip("\n").splitlines()
    row = next(line for line in lines if line.split()[0] == change.name)
    cell = row.partition("|")[2].split()[head.split().index(phase.name)]
    if cell == "-":
        with pytest.raises(IllegalEvent):
            PHASES.step(phase, change)
        return
    actions, _, target = cell.rpartition("/")
    found = PHASES.step(phase, change)
    assert found.next.name == target
    assert ",".join(action.name for action in found.actions) == PHASE_WORK[actions]


def test_secrets_appear_in_no_event_or_error() -> None:
    pair = make(demands=(("pap",), ("pap",)))
    pair.open()
    pair.run(10.0)
    shown = "".join(repr(end.events) + repr(end.link.counters) for end in pair.ends)
    assert "to-lns" not in shown
    assert "to-cpe" not in shown
    assert "to-cpe" not in repr(Link(LNS, Random(1))) + repr(LNS)
