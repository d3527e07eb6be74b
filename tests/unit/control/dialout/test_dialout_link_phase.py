"""The PPP part of an attempt, and its end."""

import pytest
from dialout_bench import LAC1, LAC2, LAC3, LOCAL, SITE, Bench, candidate, configuration

from control.config import Profile
from control.dialout.counters import SessionCounter as C
from control.dialout.events import AnswerUnused, CallPlaced
from control.dialout.failure import LastFailure
from control.dialout.session_table import SessionState as S
from control.l2tp import events as l2tp
from control.l2tp.avp_value import DisconnectCause
from control.ppp import events as ppp
from control.ppp.config import LinkConfig
from control.radius import events as radius

TWO = (candidate(LAC1, 1, 10), candidate(LAC2, 2, 20))


def connecting(*candidates, config=None, **more):
    bench = Bench(config)
    bench.packet()
    bench.grant(*candidates, **more)
    return bench, bench.session()


def called(bench):
    return [tunnel.peer[0] for tunnel, *_ in bench.endpoint.placed]


def test_the_link_is_built_from_profile_and_grant():
    profile = Profile(
        "p",
        authentication=("chap", "pap"),
        mru=1400,
        acfc=True,
        echo_interval=10.0,
        echo_failures=5,
        ip_address="10.0.0.2",
        accept_peer_address=False,
        dns=("10.0.0.53",),
    )
    bench, _ = connecting(config=configuration(profile=profile))
    bench.connected()
    config = bench.links[0].config
    assert (config.mru, config.want_acfc, config.want_pfc) == (1400, True, False)
    assert (config.authenticate_peer, config.answer_protocols) == (("chap", "pap"),) * 2
    assert (config.username, config.password, config.local_name) == ("lns", b"ppp", "lns")
    assert (config.local_address, config.accept_peer_address) == ("10.0.0.2", False)
    assert (config.dns, config.echo_interval, config.echo_failures) == (("10.0.0.53",), 10.0, 5)
    assert bench.links[0].opened


@pytest.mark.parametrize(
    ("username", "given", "profile", "answer"),
    [
        ("lns", ("pap",), ("chap",), ("pap",)),
        ("lns", (), ("chap",), ()),
        ("lns", None, ("chap",), ("chap",)),
        ("lns", None, (), ("chap",)),
        ("", ("chap",), ("chap",), ()),
    ],
)
def test_which_methods_we_answer_with(username, given, profile, answer):
    bench = Bench(configuration(profile=Profile("p", profile)))
    bench.packet()
    grant = radius.DialoutGrant((candidate(),), "1", username, b"s", answer_protocols=given)
    bench.answer(radius.DialoutGranted(1, grant))
    bench.connected()
    assert bench.links[0].config.answer_protocols == answer


def test_the_data_plane_session_is_what_occn_said():
    bench, session = connecting()
    bench.connected()
    spec = bench.plane.sessions[session.attempt.nh]
    assert (spec.table, spec.local, spec.peer) == (1, (LOCAL, 1701), (LAC1, 2701))
    assert (spec.tunnel, spec.session, spec.peer_tunnel, spec.peer_session) == (11, 101, 12, 201)
    assert (spec.mtu, spec.acfc, spec.pfc, spec.sequencing) == (1460, False, False, False)


def test_sequencing_is_on_where_the_lac_requires_it():
    bench, session = connecting()
    bench.l2tp(
        l2tp.CallConnected(1, (LOCAL, 1701), (LAC1, 1701), 1, 2, 3, 4, sequencing_required=True)
    )
    assert bench.plane.sessions[session.attempt.nh].sequencing


@pytest.mark.parametrize(("out_of_order", "dropped"), [("keep", False), ("drop", True)])
def test_the_profile_says_what_becomes_of_old_data_messages(out_of_order, dropped):
    profile = Profile("p", out_of_order=out_of_order)
    bench, session = connecting(config=configuration(profile=profile))
    bench.connected()
    assert bench.plane.sessions[session.attempt.nh].drop_old is dropped


def test_what_lcp_negotiated_goes_to_the_data_plane():
    bench, session = connecting()
    bench.connected()
    bench.link(ppp.LcpOpened(1000, True, True))
    spec = bench.plane.sessions[session.attempt.nh]
    assert (spec.mtu, spec.acfc, spec.pfc) == (1000, True, True)
    bench.network(radius.SessionGrant(SITE, framed_mtu=900))
    assert bench.plane.sessions[session.attempt.nh].mtu == 900


def test_a_lac_that_frames_characters_is_told_what_to_escape_once():
    bench, _ = connecting()
    bench.l2tp(l2tp.CallConnected(1, (LOCAL, 1701), (LAC1, 1701), 1, 2, 3, 4, framing_type=2))
    bench.link(ppp.LcpOpened(1500, False, False))
    assert bench.endpoint.link_infos == []
    bench.link(ppp.LcpOpened(1500, False, False, 0xA0000))
    bench.link(ppp.LcpOpened(1500, False, False, 0xA0000))
    assert bench.endpoint.link_infos == [(1, 0xA0000, 0xFFFFFFFF)]
    bench.link(ppp.LcpOpened(1500, False, False))
    assert bench.endpoint.link_infos[1:] == [(1, 0xFFFFFFFF, 0xFFFFFFFF)]


def test_a_lac_that_frames_bits_is_told_nothing():
    bench, _ = connecting()
    bench.connected()
    bench.link(ppp.LcpOpened(1500, False, False, 0))
    assert bench.endpoint.link_infos == []


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        ("lcp", 5),
        ("lcp silent", 6),
        ("lcp looped", 7),
        ("echo", 8),
        ("authentication timeout", 13),
        ("authentication method", 15),
        ("authentication", 16),
        ("ipcp timeout", 17),
        ("ipcp rejected", 18),
        ("ipcp address", 19),
        ("ipv6cp", 17),
        ("ipv6cp address", 19),
        ("peer", 3),
        ("local", 3),
    ],
)
def test_the_lac_is_told_what_ppp_had_to_do_with_the_end(stage, code):
    bench, _ = connecting()
    bench.connected()
    stage, _, kind = stage.partition(" ")
    bench.link(ppp.LinkClosed(stage, "over", kind))
    assert [cause.code for cause in bench.endpoint.causes] == [code]


def test_an_administrators_order_is_told_as_such_whatever_failed_before():
    bench, session = connecting()
    bench.connected()
    session.last_failure = LastFailure(0.0, "echo", "older")
    bench.manager.reset_session("home", session.destination, bench.now)
    assert bench.endpoint.causes == [DisconnectCause(1)]


@pytest.mark.parametrize("protocol", ["pap", "chap"])
def test_the_peer_is_checked_by_radius(protocol):
    bench, _ = connecting()
    bench.connected()
    bench.link(ppp.AuthenticationRequested(7, protocol, "site", b"pw", 1, b"c" * 16, b"r" * 16))
    request = bench.radius.session[0]
    assert (request.user_name, request.session_id) == ("site", "B00000001")
    assert request.password == (b"pw" if protocol == "pap" else None)
    assert (request.chap_identifier, request.chap_challenge) == (1, b"c" * 16)
    bench.answer(radius.SessionGranted(2, radius.SessionGrant("10.1.2.3")))
    assert bench.links[0].results == [(7, True, "10.1.2.3")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(radius.Denied(2, "bad password"), "bad password"), (radius.TimedOut(2), "no answer")],
)
def test_a_peer_that_radius_does_not_accept_fails_the_attempt(answer, reason):
    bench, session = connecting()
    bench.connected()
    bench.link(ppp.AuthenticationRequested(7, "chap", "site", b"", 1, b"c" * 16, b"r" * 16))
    bench.answer(answer)
    assert bench.links[0].results == [(7, False, "")]
    bench.link(ppp.LinkClosed("authentication", "the peer did not authenticate"))
    assert session.state is S.INHIBITED
    assert bench.endpoint.closed == [1]
    assert session.last_failure.stage == "authentication"
    assert reason in session.last_failure.reason


def test_ppp_failure_says_goodbye_then_closes_the_call_and_tries_no_other_lac():
    bench, session = connecting(*TWO)
    bench.connected()
    bench.link(ppp.LinkClosed("lcp", "no answer"))
    assert session.state is S.INHIBITED
    assert called(bench) == [LAC1]
    assert bench.endpoint.closed == [1]
    assert bench.plane.ppp[-1][1] == b"bye"
    assert session.counters[C.DIALOUTS_REJECTED] == 1


def test_a_call_lost_during_ppp_fails_the_attempt_without_a_cdn():
    bench, session = connecting(*TWO)
    bench.connected()
    bench.closed(1, result=1)
    assert session.state is S.INHIBITED
    assert bench.endpoint.closed == []
    assert bench.plane.sessions == {}
    assert bench.links[0].down
    assert bench.services.lacs.calls(LAC1) == 0


def test_a_link_that_dies_in_service_ends_the_call():
    bench, session = connecting()
    bench.connected()
    bench.network()
    bench.pass_time(100)
    bench.link(ppp.LinkClosed("echo", "3 Echo-Requests unanswered"))
    assert session.state is S.DORMANT
    assert bench.endpoint.closed == [1]
    assert session.counters[C.DIALOUTS_TORN_DOWN] == 1


def test_pending_radius_requests_end_with_the_call():
    bench, _ = connecting()
    bench.connected()
    bench.link(ppp.AuthenticationRequested(7, "pap", "site", b"pw"))
    bench.closed(1, result=1)
    assert bench.radius.cancelled == [2]
    bench.answer(radius.SessionGranted(2, radius.SessionGrant(SITE)))
    assert bench.manager.chassis.stale_events == 1


def test_a_full_data_plane_fails_the_attempt():
    bench, session = connecting()
    bench.plane.no_room = True
    bench.connected()
    assert session.state is S.INHIBITED
    assert session.last_failure.stage == "resources"
    assert bench.endpoint.closed == [1]


def test_a_ppp_name_that_cannot_be_used_fails_the_attempt():
    bench = Bench()
    bench.services.new_link = lambda config: LinkConfig(username="x" * 300)
    bench.packet()
    bench.grant()
    bench.connected()
    assert bench.state() is S.INHIBITED


def test_the_link_drives_the_managers_clock():
    bench, _ = connecting()
    bench.connected()
    bench.links[0].timer = bench.now + 3
    bench.link()
    assert bench.manager.get_timer() == bench.now + 3
    bench.pass_time(3)
    assert bench.links[0].timer is None


def test_minutes_run_while_a_call_is_connected():
    bench, _ = connecting()
    bench.pass_time(30)
    bench.connected()
    bench.pass_time(30)
    bench.closed(1)
    bench.pass_time(30)
    assert bench.services.budget.as_dict(bench.now)["minutes_today"] == 0.5


def test_events_without_a_call_are_harmless():
    bench, session = connecting(candidate(LAC3))
    attempt = session.attempt
    attempt.close(bench.now, "")
    attempt.call_accepted(bench.now)
    attempt.call_closed(l2tp.Failure("cdn"), bench.now)
    attempt.receive_ppp(b"", bench.now)
    attempt.authenticated(("r", 1), radius.SessionGrant(), bench.now)
    attempt.not_authenticated(("r", 1), "", bench.now)
    attempt.handle_timer(bench.now)
    attempt.close(bench.now, "")
    assert attempt.get_timer() is None
    assert attempt.next_outcome() is None


def test_every_call_is_on_the_timeline():
    bench, _ = connecting(*TWO, number="4930555")
    bench.closed(result=4)
    placed = [fact for fact in bench.timeline() if isinstance(fact, CallPlaced)]
    assert [(fact.number, fact.lac) for fact in placed] == [("4930555", LAC1), ("4930555", LAC2)]


def dialing(bench):
    """OCRQ went out, OCRP has arrived."""
    lac = bench.endpoint.placed[0][0].peer[0]
    link = l2tp.CallConnected(1, (LOCAL, 1701), (lac, 2701), 11, 101, 12, 0)
    bench.l2tp(l2tp.CallAsked(1, link))
    bench.l2tp(l2tp.CallAccepted(1))
    (nh,) = bench.plane.sessions
    return nh


def test_frames_that_come_before_occn_wait_for_the_link():
    bench, _ = connecting()
    nh = dialing(bench)
    for number in range(6):
        bench.manager.on_ppp(nh, bytes((number,)), bench.now)
    assert not bench.links
    bench.connected()
    assert bench.links[0].received == [b"\0", b"\1", b"\2", b"\3"]
    assert list(bench.plane.sessions) == [nh]


def test_a_call_that_fails_after_ocrp_leaves_no_session_behind():
    bench, session = connecting()
    dialing(bench)
    bench.closed(1)
    assert not bench.plane.sessions
    assert len(bench.services.adjacencies) == 0
    assert session.attempt is None


def test_link_carries_the_tos_of_radius_and_tells_radius_the_number_dialed():
    bench = Bench()
    bench.packet()
    grant = radius.DialoutGrant((candidate(),), "4930", ppp_username="lns", tunnel_tos=184)
    bench.answer(radius.DialoutGranted(1, grant))
    bench.connected()
    bench.network()
    assert bench.plane.sessions[bench.nh()].tos == 184
    assert bench.radius.session[0].called_station_id == "4930"


def test_name_servers_of_radius_reach_the_link():
    bench, _ = connecting()
    bench.connected()
    bench.network(radius.SessionGrant(SITE, dns=("10.0.0.53",)))
    assert bench.links[0].name_servers == ("10.0.0.53",)


@pytest.mark.parametrize(
    ("answer", "told"), [(radius.TimedOut, None), (lambda n: radius.Denied(n, "no"), False)]
)
def test_a_later_challenge_that_radius_does_not_answer_is_no_reject(answer, told):
    bench, _ = connecting()
    bench.connected()
    bench.network()
    bench.link(
        ppp.AuthenticationRequested(8, "chap", "site", b"", 2, b"c" * 16, b"r" * 16, again=True)
    )
    bench.answer(answer(bench.radius.number))
    assert bench.links[0].results[-1][:2] == (8, told)
    assert bench.state() is S.IN_SERVICE


@pytest.mark.parametrize("way", ["ingress_policy", "egress_policy", "filter_id"])
def test_a_filter_that_nobody_has_ends_the_call_and_leaves_nothing(way):
    bench, session = connecting()
    bench.plane.classifiers = {"web"}
    bench.connected()
    bench.network(radius.SessionGrant(SITE, **{way: "nobody's"}))
    assert bench.state() is S.INHIBITED
    assert session.last_failure.stage == "resources"
    assert bench.plane.sessions == {}
    assert bench.plane.resolve(1, SITE) == session.target.glean


def unused(bench):
    return [fact for fact in bench.timeline() if isinstance(fact, AnswerUnused)]


def test_what_is_of_no_use_in_an_answer_is_told_with_the_reason():
    bench = Bench()
    bench.packet()
    bench.grant(candidate(), unusable=("tag 2: no Tunnel-Type",), ignored=("a: b",))
    bench.connected()
    bench.network(radius.SessionGrant(SITE, ignored=("c: d",)))
    told = [(fact.group, fact.what) for fact in unused(bench)]
    assert told == [("r", ("tag 2: no Tunnel-Type", "a: b")), ("r", ("c: d",))]


def test_answer_whose_parts_are_all_of_use_tells_nothing_and_a_thousand_are_told_in_part():
    bench = Bench()
    bench.packet()
    bench.grant(candidate(), ignored=tuple(map(str, range(1000))))
    bench.connected()
    bench.network()
    (fact,) = unused(bench)
    assert fact.what == tuple(map(str, range(8)))
