"""What a LAC's answer means (specification 2.3), and which LAC is tried when (1.9)."""

from dataclasses import replace

import pytest
from dialout_bench import LAC1, LAC2, LAC3, LOCAL, candidate

from control import config
from control.dialout.failure import (
    LastFailure,
    Verdict,
    describe,
    from_l2tp,
    no_answer,
    verdict,
)
from control.dialout.lacs import Lacs
from control.l2tp.avp_value import DisconnectCause
from control.l2tp.events import Failure


@pytest.mark.parametrize(
    ("result", "error", "expected"),
    [
        (1, 0, Verdict.STOP),
        (2, 4, Verdict.NEXT),
        (2, 7, Verdict.NEXT),
        (2, 6, Verdict.NEXT),
        (3, 0, Verdict.NEXT),
        (4, 0, Verdict.NEXT),
        (5, 0, Verdict.SKIP_LAC),
        (6, 0, Verdict.SKIP_LAC),
        (7, 0, Verdict.STOP),
        (8, 0, Verdict.STOP),
        (9, 0, Verdict.STOP),
        (10, 0, Verdict.NEXT),
        (11, 0, Verdict.STOP),
        (99, 0, Verdict.NEXT),
    ],
)
def test_cdn_codes(result, error, expected):
    assert verdict(Failure("cdn", result, error)) is expected


@pytest.mark.parametrize(
    "stage", ["timeout", "stopccn", "protocol", "authentication", "capability", "tunnel", "local"]
)
def test_anything_but_a_cdn_is_a_matter_of_that_lac(stage):
    assert verdict(Failure(stage, 8)) is Verdict.NEXT


@pytest.mark.parametrize(
    ("stage", "accepted", "silent"),
    [
        ("timeout", False, True),
        ("tunnel", False, True),
        ("timeout", True, False),
        ("cdn", False, False),
    ],
)
def test_a_lac_is_silent_only_before_it_accepted(stage, accepted, silent):
    assert no_answer(Failure(stage), accepted=accepted) is silent


def test_a_failure_without_message_is_described():
    assert describe(Failure("cdn", 8)) == "busy"
    assert describe(Failure("cdn", 2, 4)) == "general error, no resources"
    assert describe(Failure("cdn", 77, 99)) == "result 77, error 99"
    assert describe(Failure("timeout")) == "timeout"
    kept = from_l2tp(Failure("cdn", 8, 0, "engaged", 17, DisconnectCause(3)), LAC1, 5.0)
    assert (kept.reason, kept.result, kept.q931_cause, kept.disconnect_cause) == (
        "engaged",
        8,
        17,
        3,
    )


def addresses(candidates):
    return [each.server_endpoint for each in candidates]


def test_preference_comes_first_and_equals_take_turns():
    lacs = Lacs((), "lns")
    offer = (candidate(LAC3, 3, 20), candidate(LAC1, 1, 10), candidate(LAC2, 2, 10))
    assert addresses(lacs.order(offer, 0.0)) == [LAC1, LAC2, LAC3]
    assert addresses(lacs.order(offer, 0.0)) == [LAC2, LAC1, LAC3]
    assert addresses(lacs.order(offer, 0.0)) == [LAC1, LAC2, LAC3]


def test_tunnel_parameters_come_from_radius_then_configuration():
    known = config.Lac(LAC1, "lac", b"configured", hide_avps=True, hello_interval=9.0)
    lacs = Lacs((known,), "our name")
    bare = lacs.parameters(candidate(LAC1, client_endpoint="", assignment_id="a"), LOCAL)
    assert (bare.local, bare.peer) == ((LOCAL, 1701), (LAC1, 1701))
    assert (bare.host_name, bare.peer_host_name, bare.assignment_id) == ("our name", "lac", "a")
    assert (bare.secret, bare.hide_avps, bare.hello_interval) == (b"tunnel", True, 9.0)
    named = candidate(LAC1, client_endpoint="10.0.0.7", client_auth_id="we", server_auth_id="they")
    full = lacs.parameters(named, LOCAL)
    assert (full.local, full.host_name, full.peer_host_name) == (("10.0.0.7", 1701), "we", "they")


def test_a_tunnel_without_the_secret_it_needs_cannot_be_opened():
    lacs = Lacs((config.Lac(LAC2, require_tunnel_auth=False),), "lns")
    assert lacs.parameters(replace(candidate(LAC1), password=b""), LOCAL) == "no tunnel secret"
    assert not isinstance(lacs.parameters(replace(candidate(LAC2), password=b""), LOCAL), str)
    assert lacs.parameters(candidate(LAC1), "") == "no local address"
    assert [lacs.has_secret(lac) for lac in (LAC1, LAC2)] == [False, True]


def test_a_lac_takes_no_more_calls_than_it_may():
    lacs = Lacs((config.Lac(LAC1, max_sessions=2),), "lns")
    full = "the LAC has as many calls as it may"
    assert [lacs.acquire(candidate(LAC1), 0.0) for _ in range(3)] == ["", "", full]
    lacs.release(LAC1, 0.0)
    assert lacs.acquire(candidate(LAC1, maximum_sessions=1), 0.0) == full
    assert lacs.acquire(candidate(LAC1), 0.0) == ""
    lacs.release(LAC1, 0.0)
    lacs.release(LAC1, 0.0)
    assert lacs.calls(LAC1) == 0


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (LastFailure(1.0, "aaa", "Access-Reject"), "aaa: Access-Reject"),
        (
            LastFailure(1.0, "cdn", "no facilities for now", "10.88.0.2", result=4),
            "cdn: no facilities for now, LAC 10.88.0.2, result 4",
        ),
        (
            LastFailure(1.0, "cdn", "busy", "10.88.0.2", result=2, error=7, q931_cause=17),
            "cdn: busy, LAC 10.88.0.2, result 2, error 7, Q.931 cause 17",
        ),
    ],
)
def test_failure_reads_as_a_line_of_words(failure, text):
    assert str(failure) == text
