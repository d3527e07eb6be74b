"""Counters at four levels: they add up whatever happens."""

from dataclasses import replace
from random import Random

from dialout_bench import LAC1, LAC2, LOCAL, Bench, candidate, configuration, grant_of
from hypothesis import given, settings
from hypothesis import strategies as st

from control.config import Budget, Profile, Target, VirtualRouter
from control.dialout import snapshot
from control.dialout.counters import (
    LATENCY_BOUNDS,
    MIB_COUNTERS,
    ROWS,
    Counters,
    Kind,
    LatencyHistogram,
)
from control.dialout.counters import SessionCounter as C
from control.dialout.levels import ChassisState, TargetState
from control.dialout.session_table import SessionState as S
from control.l2tp import events as l2tp
from control.ppp import events as ppp
from control.radius import events as radius


def test_one_row_a_counter():
    assert [row.counter for row in ROWS] == list(C)
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert MIB_COUNTERS == 18


def test_a_count_reaches_every_level():
    levels = [Counters()]
    for _ in range(3):
        levels.append(Counters(levels[-1]))
    levels[3].add(C.AUTH_GRANTS, 2)
    levels[1].add(C.AUTH_GRANTS)
    assert [level[C.AUTH_GRANTS] for level in levels] == [3, 3, 2, 2]


def test_the_maximum_of_enqueued_is_each_levels_own():
    system = Counters()
    first, second = Counters(system), Counters(system)
    first.trigger_received()
    first.buffer_forwarded(3)
    second.trigger_received()
    second.trigger_received()
    second.buffer_dropped(1)
    assert [level[C.TRIGGERS_MAX_ENQUEUED] for level in (first, second, system)] == [3, 2, 3]
    assert system[C.TRIGGERS_RECEIVED] == 5
    assert (system[C.TRIGGERS_FORWARDED], system[C.TRIGGERS_DISCARDED]) == (3, 2)
    assert system[C.TRIGGERS_ENQUEUED] == 0


def test_the_latency_histogram_puts_a_time_into_its_class():
    histogram = LatencyHistogram()
    for seconds in (0.01, 0.05, 3.0, 500.0):
        histogram.observe(seconds)
    assert histogram.counts[0] == 2
    assert histogram.counts[LATENCY_BOUNDS.index(5.0)] == 1
    assert histogram.counts[-1] == 1
    assert histogram.count == 4


DESTINATIONS = ("10.1.0.1", "10.1.0.2", "10.1.0.3", "10.2.0.1", "10.2.0.2")
KINDS = (
    *(["packet"] * 6 + ["aaa"] * 10 + ["connect"] * 6 + ["close"] * 2 + ["link"] * 6),
    *(["time"] * 4 + ["reset"] * 2 + ["delete", "target", "router", "limits", "stop"]),
)


class Monkey:
    """Plays random steps and keeps the counters of deleted sessions."""

    def __init__(self, *, fail_fast: bool, flush_delay: int) -> None:
        budget = Budget(dial_rate=2.0, dial_burst=8, lac_dial_rate=2.0, deny_numbers=("900",))
        targets = tuple(Target(f"10.{n}.0.0/16", "home", "d", "p", 2) for n in (1, 2))
        config = configuration(
            targets=targets,
            budget=budget,
            max_connecting=2,
            max_pending=1,
            fail_fast=fail_fast,
            flush_delay=flush_delay,
        )
        self.bench = Bench(config)
        self.bench.plane.buffer_limit = 2
        self.seen = {}
        self.targets = {}
        self.routers = {}
        remove = self.bench.manager.chassis.unregister
        self.bench.manager.chassis.unregister = lambda s, now: (self.note(), remove(s, now))
        self.note()

    def note(self) -> None:
        self.seen |= self.bench.manager.sessions
        self.routers |= {id(r): r for r in self.bench.manager.chassis.routers.values()}
        self.targets |= {t.number: t for t in self.bench.manager.targets.all()}

    def play(self, kind: str, which: int, how: int) -> None:
        getattr(self, kind)(which, how)
        self.note()

    def packet(self, which, how) -> None:
        self.bench.packet(DESTINATIONS[which % len(DESTINATIONS)], table=1 + (how == 9))

    def aaa(self, which, how) -> None:
        requests = self.bench.services.requests
        known = [*requests._owners, *requests._retired, ("r", 10**6)]
        request = known[which % len(known)]
        owner = requests.find(request)
        number = request[1]
        if how == 0:
            self.bench.answer(radius.Denied(number, "no"))
        elif how == 1:
            self.bench.answer(radius.TimedOut(number))
        elif owner is None or owner[0].attempt is None:
            lacs = (candidate(LAC1, 1), candidate(LAC2, 2))
            grant = grant_of(*lacs, number="900" if how == 2 else "1")
            self.bench.answer(radius.DialoutGranted(number, grant))
        else:
            prefix = "10.99.0.1" if how == 2 else owner[0].destination
            mask = "255.255.255.252" if how > 7 else ""
            self.bench.answer(radius.SessionGranted(number, radius.SessionGrant(prefix, mask)))

    def _call(self, which) -> int:
        known = [*self.bench.services.calls._owners, ("", 10**6)]
        return known[which % len(known)][1]

    def connect(self, which, how) -> None:
        call = self._call(which)
        found = self.bench.services.calls.find(("10.0.0.1", call))
        if found and found[0].attempt.connected is None:
            self.bench.connected(call)

    def close(self, which, how) -> None:
        failure = l2tp.Failure("cdn", (1, 4, 4, 6)[how % 4])
        self.bench.l2tp(l2tp.CallClosed(self._call(which), failure))

    def link(self, which, how) -> None:
        up = [link for link in self.bench.links if not link.down]
        if not up:
            return
        at = self.bench.links.index(up[which % len(up)])
        session = self.bench.services.adjacencies.find(self.bench.nh(at))[0]
        address = session.destination if how != 1 else "10.98.0.1"
        asked = ppp.AuthenticationRequested(1, "pap", "s", b"p")
        opened = ppp.NetworkOpened("10.0.0.1", address)
        events = {
            0: [ppp.LinkClosed("echo", "dead")],
            2: [ppp.NetworkClosed()],
            3: [asked],
            4: [opened, ppp.NetworkClosed()],
        }.get(how, [opened])
        self.bench.link(*events, at=at)

    def time(self, which, how) -> None:
        long = (10.0, 70.0, 300.0)[how % 3]
        self.bench.pass_time((0.05, 0.05, 0.2, 0.5, 1.0, 1.0, 1.0, long)[which])

    def reset(self, which, how) -> None:
        manager = self.bench.manager
        manager.reset_session("home", DESTINATIONS[which % len(DESTINATIONS)], self.bench.now)

    def delete(self, which, how) -> None:
        manager = self.bench.manager
        manager.delete_session("home", DESTINATIONS[which % len(DESTINATIONS)], self.bench.now)

    def target(self, which, how) -> None:
        manager = self.bench.manager
        prefix = ("10.1.0.0/16", "10.2.0.0/16")[which % 2]
        if manager.targets.find("home", prefix) is None:
            manager.add_target(Target(prefix, "home", "d", "p", 2), self.bench.now)
        elif how < 2:
            manager.remove_target("home", prefix, self.bench.now)

    def router(self, which, how) -> None:
        """A virtual router comes, is used, goes down, and goes."""
        manager, now = self.bench.manager, self.bench.now
        if "late" not in manager.chassis.routers:
            manager.add_router(VirtualRouter("late", 7, radius="r", local_address=LOCAL), now)
            manager.add_target(Target("10.3.0.0/16", "late", "d", "p", 2), now)
        elif how < 6:
            self.bench.packet(f"10.3.0.{which}", table=7)
        elif how < 9:
            manager.set_router_down("late", how == 7, now)
        else:
            manager.remove_router("late", now)

    def limits(self, which, how) -> None:
        """A reload of the chassis' limits, a target's and a profile."""
        manager, now = self.bench.manager, self.bench.now
        limits = replace(self.bench.config.chassis, max_sessions=(2, 3, 65536)[how % 3])
        manager.set_chassis(limits, now)
        if manager.targets.find("home", "10.1.0.0/16") is not None:
            manager.replace_target(Target("10.1.0.0/16", "home", "d", "p", 1 + how % 2), now)
        manager.replace_profile(Profile("p", mru=1400 + how))

    def stop(self, which, how) -> None:
        """Freeze, drain and shutdown."""
        manager, now, on = self.bench.manager, self.bench.now, how % 3 == 0
        if which < 3:
            scope = ({}, {"virtual_router": "home"}, {"virtual_router": "other"})[which]
            manager.freeze(on, now, hangup=how == 9, **scope)
        elif which == 3 and how < 2:
            manager.shutdown_lac(LAC1, now)
        else:
            manager.drain_lac((LAC1, LAC2)[which % 2], on, now)

    def check(self) -> None:
        chassis = self.bench.manager.chassis
        self.routers |= {id(router): router for router in chassis.routers.values()}
        levels = [
            [session.counters for session in self.seen.values()],
            [target.counters for target in self.targets.values()],
            [router.counters for router in self.routers.values()],
            [chassis.counters],
        ]
        for row in ROWS:
            if row.kind is Kind.HIGH_WATER:
                continue
            sums = {sum(counters[row.counter] for counters in level) for level in levels}
            assert len(sums) == 1, (row.name, sums)
        for counters in (each for level in levels for each in level):
            self.check_one(counters)
        self.check_state()

    def check_one(self, counters: Counters) -> None:
        assert counters[C.TRIGGERS_RECEIVED] == (
            counters[C.TRIGGERS_ENQUEUED]
            + counters[C.TRIGGERS_DISCARDED]
            + counters[C.TRIGGERS_FORWARDED]
        )
        assert counters[C.ACTIVE] == counters[C.CREATED] - counters[C.REMOVED]
        assert min(counters.as_dict().values()) >= 0
        assert counters[C.TRIGGERS_MAX_ENQUEUED] >= counters[C.TRIGGERS_ENQUEUED]

    def check_state(self) -> None:
        manager, plane = self.bench.manager, self.bench.plane
        chassis = manager.chassis
        live = list(manager.sessions.values())
        for state in S:
            if state is not S.NONE:
                count = sum(session.state is state for session in live)
                assert chassis.states[state.value] == count
        assert chassis.counters[C.ACTIVE] == len(live) == chassis.sessions
        assert chassis.triggers_discarded == sum(
            r.triggers_discarded for r in self.routers.values()
        )
        assert chassis.triggers_discarded == sum(
            t.triggers_discarded for t in self.targets.values()
        )
        assert chassis.full is (chassis.state is ChassisState.RESTRICTED)
        for router in chassis.routers.values():
            mine = [session for session in live if session.target.router is router]
            assert router.sessions == len(mine) == sum(router.states) <= router.sessions_seen
            assert router.targets_up == len(router.targets)
        for target in manager.targets.all():
            assert target.full is (target.state is TargetState.INHIBITED)
            assert len(target.sessions) <= target.sessions_seen
        assert chassis.connecting <= 2
        assert len(chassis.pending) <= 1
        in_service = [session for session in live if session.state is S.IN_SERVICE]
        established = chassis.counters[C.DIALOUTS_ESTABLISHED]
        assert established - chassis.counters[C.DIALOUTS_TORN_DOWN] == len(in_service)
        # What is in the data plane belongs to a session, and the other way round.
        attempts = [session.attempt for session in live if session.attempt is not None]
        assert set(plane.sessions) == {a.nh for a in attempts if a.nh is not None}
        assert {e.key for e in plane.entries.values()} == {
            session.key for session in live if session.key is not None
        }
        assert len(plane.gleans) == len(manager.targets.all())
        assert sum(self.bench.services.lacs.calls(lac) for lac in (LAC1, LAC2)) == len(
            [a for a in attempts if a.call is not None]
        )
        snapshot.chassis(manager, self.bench.now)
        assert len(snapshot.sessions(manager, self.bench.now)) == len(live)


@settings(deadline=None, max_examples=60)
@given(st.booleans(), st.sampled_from([0, 100]), st.integers(0, 2**32))
def test_counters_and_state_agree_after_random_events(fail_fast, flush_delay, seed):
    # A generator of its own: lists of hypothesis are too short and too tame to get deep.
    random = Random(seed)
    monkey = Monkey(fail_fast=fail_fast, flush_delay=flush_delay)
    for number in range(250):
        monkey.play(random.choice(KINDS), random.randrange(8), random.randrange(10))
        if number % 10 == 0:
            monkey.check()
    monkey.check()
    monkey.bench.manager.shutdown(monkey.bench.now)
    monkey.check()
    assert monkey.bench.plane.entries == {}
    assert monkey.bench.plane.sessions == {}
