"""Scenarios of `dialout sim` in virtual time: phases, faults, triggers and calls in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from sim_lns import GOOD_CPE, LNS, SECRET, Lns, Session, lac

from control import config as settings
from control.config import SimPhase
from control.l2tp import events as l2tp
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import CallClosed, TunnelParameters
from control.sim.lac import SimLac
from control.sim.scenario import Scenario, cycle_addresses

FAST_CPE = replace(GOOD_CPE, answer="fast")


@dataclass
class Host:
    """A LAC without a line of its own."""

    lac: SimLac

    def retune(self, config: settings.SimLac) -> None:
        self.lac.retune(config)


class Play:
    """A scenario over the LAC of a small LNS."""

    def __init__(self, *phases: SimPhase, lns: Lns | None = None) -> None:
        self.lns = lns or Lns(lac(dial_delay=0.0), FAST_CPE)
        self.triggers: list[tuple[float, str]] = []
        self.told: list[str] = []
        self.over = False
        self.scenario = Scenario(
            phases,
            [Host(self.lns.lac)],
            self.lns.clock,
            trigger=lambda to: self.triggers.append((self.lns.clock.now, to)),
            told=self.told.append,
            ended=self.end,
        )
        self.scenario.start()

    def end(self) -> None:
        self.over = True

    def results(self, key: str = "ends") -> list[object]:
        return [phase[key] for phase in self.scenario.report()]


def test_phases_follow_each_other_and_give_the_lac_back_as_it_was() -> None:
    play = Play(SimPhase(5.0, "good"), SimPhase(5.0, "busy", outcome="busy", loss=0.5), SimPhase(5))
    before = play.lns.lac.config
    assert play.told == ["phase good: 5 s"]
    first = play.lns.place("1")
    play.lns.run(6.0)
    assert first.is_open
    assert (play.lns.lac.config.outcome, play.lns.lac.config.loss) == ("busy", 0.5)
    second = play.lns.place("2")
    play.lns.run(5.0)
    assert second.last(CallClosed).failure.result == 8
    assert play.lns.lac.config == before
    third = play.lns.place("3")
    play.lns.run(5.0)
    assert third.is_open
    assert play.over
    assert play.told[1:] == ["phase busy: 5 s", "phase 3: 5 s"]


def test_each_phase_is_measured_by_itself_and_all_together() -> None:
    play = Play(SimPhase(5.0), SimPhase(5.0, outcome="busy"))
    play.lns.place("1")
    play.lns.run(5.5)
    for number in "23":
        play.lns.place(number)
    play.lns.run(5.0)
    assert [rate["count"] for rate in play.results("calls_per_second")] == [1, 2]
    assert [rate["count"] for rate in play.results("opened_per_second")] == [1, 0]
    assert play.results() == [{}, {"our CDN 8/0": 2}]
    assert play.scenario.meter().requests.count == 3
    assert play.scenario.meter().set_up.count == 1


@pytest.mark.parametrize("fault", ["stopccn", "reboot", "carriers"])
def test_a_fault_ends_the_calls_of_the_phase_before(fault: str) -> None:
    play = Play(SimPhase(5.0), SimPhase(60.0, fault=fault))
    session = play.lns.place()
    play.lns.run(5.5)
    assert play.lns.lac.bank.in_use == 0
    assert ("CallClosed" in session.kinds()) == (fault != "reboot")
    if fault == "reboot":
        # A tunnel that the peer has forgotten is dead when its next message has no answer.
        play.lns.endpoint.close_call(session.call, play.lns.clock.now)
        play.lns.pump()
        play.lns.run(45.0)
    again = play.lns.place()
    play.lns.run(5.0)
    assert again.is_open


def test_a_fault_happens_again_after_its_interval() -> None:
    play = Play(SimPhase(10.5, fault="carriers", fault_interval=2.0))
    for second in range(5):
        play.lns.run(1.0)
        session = play.lns.place(str(second))
        play.lns.run(0.5)
        assert session.is_open
        play.lns.run(0.6)
        assert "CallClosed" in session.kinds()


def test_a_silent_phase_is_a_lac_that_is_not_there() -> None:
    play = Play(SimPhase(3.0, silent=True), SimPhase(20.0))
    session = play.lns.place()
    play.lns.run(2.9)
    assert session.kinds() == []
    play.lns.run(15.0)
    assert session.is_open


def test_a_phase_may_concern_some_of_the_lacs_only() -> None:
    play = Play(SimPhase(5.0, lacs=("192.0.2.99",), outcome="busy"))
    session = play.lns.place()
    play.lns.run(2.0)
    assert session.is_open


def test_triggers_go_to_the_destinations_in_turn_at_their_rate() -> None:
    play = Play(SimPhase(2.0, trigger_rate=10.0, destinations="198.51.100.0/29"), SimPhase(1.0))
    play.lns.run(5.0)
    assert len(play.triggers) == 20
    assert [to[-1] for _, to in play.triggers] == list("123456" * 3 + "12")
    assert play.triggers[10][0] == pytest.approx(1.0)


def test_rates_above_a_thousand_are_kept() -> None:
    play = Play(SimPhase(1.0, trigger_rate=25_000.0, destinations="2001:db8::/64"))
    play.lns.run(2.0)
    assert abs(len(play.triggers) - 25_000) <= 25  # a portion


@pytest.mark.parametrize(
    ("prefix", "first"),
    [
        ("10.0.0.0/30", ["10.0.0.1", "10.0.0.2", "10.0.0.1"]),
        ("10.0.0.8/31", ["10.0.0.8", "10.0.0.9", "10.0.0.8"]),
        ("10.0.0.9/32", ["10.0.0.9", "10.0.0.9", "10.0.0.9"]),
        ("::/0", ["::1", "::2", "::3"]),
    ],
)
def test_destinations_are_host_addresses(prefix: str, first: list[str]) -> None:
    found = cycle_addresses(prefix)
    assert [next(found) for _ in first] == first


class Called(Lns):
    """An LNS that takes incoming calls."""

    def __init__(self, *, takes: bool = True, **more: object) -> None:
        super().__init__(lac(), FAST_CPE, **more)
        self.takes = takes
        policy = TunnelParameters(LNS, ("", 0), "lns", secret=SECRET)
        config = EndpointConfig(
            "lns", "lns", accept_tunnels=True, incoming_calls=True, incoming={"": policy}
        )
        self.endpoint = Endpoint(config, self.rng)

    def on_l2tp(self, event: l2tp.Event) -> None:
        if isinstance(event, l2tp.CallArrived):
            self.sessions[event.call] = Session(event.call)
            if self.takes:
                self.endpoint.accept_call(event.call, self.clock.now)
            else:
                self.endpoint.close_call(event.call, self.clock.now, result=4)
        super().on_l2tp(event)


CALLS = SimPhase(2.0, call_rate=10.0, lns=LNS[0], caller="777", called="1")


def test_sites_call_in_at_their_rate() -> None:
    lns = Called()
    play = Play(CALLS, lns=lns)
    lns.run(10.0)
    assert len(lns.sessions) == 20
    assert all(session.is_open for session in lns.sessions.values())
    arrived = next(iter(lns.sessions.values())).events[0]
    assert isinstance(arrived, l2tp.CallArrived)
    assert (arrived.request.calling_number, arrived.request.called_number) == ("777", "1")
    assert play.scenario.meter().opens.count == 20
    assert lns.lac.results == {"offered": 20}
    assert lns.lac.bank.in_use == 20


def test_refused_calls_in_are_counted_by_code_and_free_their_modems() -> None:
    lns = Called(takes=False)
    play = Play(CALLS, lns=lns)
    lns.run(10.0)
    assert play.scenario.meter().ends == {"their CDN 4/0": 20}
    assert lns.lac.bank.in_use == lns.lac.calls == 0


def test_calls_in_for_an_lns_that_is_not_there_end_with_their_tunnel() -> None:
    lns = Lns(lac(), FAST_CPE)
    play = Play(replace(CALLS, lns="192.0.2.200"), lns=lns)
    lns.run(120.0)
    ends = play.scenario.meter().ends
    assert sum(ends.values()) == 20
    assert set(ends) <= {"timeout", "tunnel"}
    assert lns.lac.bank.in_use == 0


def test_a_scenario_replayed_is_the_same() -> None:
    def run() -> object:
        play = Play(SimPhase(5.0, loss=0.2), SimPhase(5.0, fault="stopccn"))
        for number in range(20):
            play.lns.place(str(number))
            play.lns.run(0.5)
        return play.scenario.report()

    assert run() == run()
