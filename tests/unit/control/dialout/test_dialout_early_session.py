"""Frames that come between OCRQ and the link: behind OCRP, behind OCCN, or before either."""

from dataclasses import replace

import pytest
from dialout_bench import LAC1, LOCAL, Bench

from control.dialout.early_session import MOST_FRAMES
from control.dialout.session_table import SessionState as S
from control.l2tp import events as l2tp


def line(call: int = 1, **more) -> l2tp.CallConnected:
    return l2tp.CallConnected(call, (LOCAL, 1701), (LAC1, 2701), 11, 101, 12, 201, **more)


def asked() -> l2tp.CallAsked:
    return l2tp.CallAsked(1, replace(line(), peer_session=0))


def requested() -> Bench:
    bench = Bench()
    bench.packet()
    bench.grant()
    bench.l2tp(asked())
    return bench


def accepted() -> Bench:
    bench = requested()
    bench.l2tp(l2tp.CallAccepted(1))
    return bench


@pytest.mark.parametrize("bench", [requested, accepted])
def test_frames_before_occn_wait_for_the_link_in_order(bench):
    bench = bench()
    (nh,) = bench.plane.sessions
    for number in range(3):
        bench.manager.on_ppp(nh, b"frame %d" % number, bench.now)
    assert bench.links == []
    bench.l2tp(line())
    assert bench.links[0].received == [b"frame 0", b"frame 1", b"frame 2"]
    assert list(bench.plane.sessions) == [nh] == [bench.nh()]


def test_no_more_than_a_few_frames_are_kept():
    bench = accepted()
    (nh,) = bench.plane.sessions
    for number in range(3 * MOST_FRAMES):
        bench.manager.on_ppp(nh, b"%d" % number, bench.now)
    bench.l2tp(line())
    assert len(bench.links[0].received) == MOST_FRAMES


def test_the_peers_session_id_goes_to_the_session_with_occn():
    bench = accepted()
    bench.l2tp(line())
    assert bench.plane.sessions[bench.nh()].peer_session == 201


def test_what_occn_says_goes_to_the_session_that_was_there():
    bench = accepted()
    bench.l2tp(line(sequencing_required=True))
    assert bench.plane.sessions[bench.nh()].sequencing


def test_a_call_that_ends_before_it_is_answered_takes_its_session_with_it():
    bench = accepted()
    bench.l2tp(l2tp.CallClosed(1, l2tp.Failure("cdn", 8)))
    assert bench.plane.sessions == {}
    assert len(bench.manager.services.adjacencies) == 0
    assert bench.session().state is S.INHIBITED


def test_an_administrator_takes_it_as_well():
    bench = accepted()
    bench.manager.reset_session("home", bench.session().destination, bench.now)
    assert bench.plane.sessions == {}
    assert bench.endpoint.closed == [1]


def test_without_room_in_the_data_plane_the_call_goes_on_as_if_nothing_were_early():
    bench = Bench()
    bench.packet()
    bench.grant()
    bench.l2tp(l2tp.CallAccepted(1))
    assert bench.plane.sessions == {}
    bench.l2tp(line())
    assert len(bench.plane.sessions) == 1
