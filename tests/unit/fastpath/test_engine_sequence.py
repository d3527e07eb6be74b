"""Numbered data messages behind newer ones (RFC 2661 5.4): dropped where the session says so."""

from __future__ import annotations

from engine_rig import Rig, session
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import HOME, LCP_ECHO, PPP_IP, SITE, data_message, datagram

from control.sim.data_header import DataHeader

RESTART = 64


class Line:
    """One session, and its messages' verdicts."""

    def __init__(self, *, drop_old: bool = True) -> None:
        self.rig = Rig()
        with self.rig.engine.transaction() as t:
            port = self.rig.index["tunnel"]
            arguments = session(7, self.rig.outer, table=self.rig.table, port=port)
            self.session = t.add_session(**arguments, drop_old=drop_old)

    def take(self, ns: int | None) -> bool:
        """False: it was dropped as old."""
        header = DataHeader(1, 7, ns=ns)
        verdict, _ = self.rig.outcome(data_message(LCP_ECHO, header), port="tunnel")
        assert verdict in ("PUNT_PPP", "DROP sequence-old")
        return verdict == "PUNT_PPP"


class Slow:
    """The obvious twin, with numbers that do not wrap around."""

    def __init__(self) -> None:
        self.newest: int | None = None
        self.old = 0

    def take(self, ns: int) -> bool:
        if self.newest is not None:
            ahead = (ns - self.newest) % 65536
            if ahead == 0 or ahead > 32767:
                self.old += 1
                if self.old < RESTART:
                    return False
        self.newest, self.old = ns, 0
        return True


def test_old_messages_and_copies_are_dropped_and_what_is_missing_is_not_waited_for():
    line = Line()
    assert [line.take(ns) for ns in (0, 1, 1, 5, 3, 4, 6, 0)] == [
        True, True, False, True, False, False, True, False,
    ]  # fmt: skip


def test_numbers_wrap_around():
    line = Line()
    assert [line.take(ns) for ns in (65534, 65535, 0, 65535, 1)] == [True, True, True, False, True]


def test_first_number_may_be_any():
    assert Line().take(40_000)


def test_messages_without_a_number_are_taken_and_change_nothing():
    line = Line()
    assert [line.take(ns) for ns in (7, None, 6, None, 8)] == [True, True, False, True, True]


def test_a_lac_that_counts_anew_is_heard_again():
    line = Line()
    assert line.take(30_000)
    assert [line.take(ns) for ns in range(RESTART + 2)] == [False] * (RESTART - 1) + [True] * 3


def test_packets_are_dropped_as_control_frames_are_and_both_are_numbered_together():
    line = Line()
    inner = datagram(src=SITE, dst=HOME)
    with line.rig.engine.transaction() as t:
        t.delete_route(line.rig.table, "198.51.100.0/24")
        t.add_route(line.rig.table, "198.51.100.0/24", line.session)

    def packet(ns: int) -> str:
        message = data_message(PPP_IP + inner, DataHeader(1, 7, ns=ns))
        return line.rig.outcome(message, port="tunnel")[0]

    assert (packet(0), packet(2), line.take(1), packet(1)) == (
        "DELIVER",
        "DELIVER",
        False,
        "DROP sequence-old",
    )


def test_by_default_nothing_is_dropped():
    line = Line(drop_old=False)
    assert all(line.take(ns) for ns in (5, 4, 5, 60_000, 0))


@settings(max_examples=50)
@given(
    st.lists(st.integers(0, 65535) | st.integers(65500, 65535) | st.integers(0, 40), max_size=90)
)
def test_it_does_what_its_twin_does(numbers):
    line, twin = Line(), Slow()
    assert [line.take(ns) for ns in numbers] == [twin.take(ns) for ns in numbers]
