"""PPP on the wire: the rows of RFC 1661 4.1 that a packet causes, and sentences of its chapters 5
and 6, of RFC 1332 and RFC 1994 (specification 2.6)."""

from __future__ import annotations

import pytest
from raw_ppp import (
    ACK,
    ADDRESS,
    CHAP,
    CHAP_OPTION,
    CODE_REJ,
    DISCARD,
    ECHO_REP,
    ECHO_REQ,
    IDENT,
    IPCP,
    LCP,
    NAK,
    PAP,
    PROTO_REJ,
    REJ,
    REQ,
    TERM_ACK,
    TERM_REQ,
    FarPpp,
    codes,
    frame,
    option,
    packet,
)

from control.ppp.events import LcpOpened, LinkClosed, NetworkOpened

# RFC 1661 4.1, the columns that a peer can meet, rows of received packets. The name is that of the
# packet code sent, in the order of the wire; `/` and the new state.
RFC = """
      Closing  Stopping  Req-Sent  Ack-Rcvd  Ack-Sent  Opened
RCR+  4        5         sca/8     sca/9     sca/8     scr,sca/8
RCR-  4        5         scn/6     scn/7     scn/6     scr,scn/6
RCA   4        5         7         scr/6     9         scr/6
RCN   4        5         scr/6     scr/6     scr/8     scr/6
RTR   sta/4    sta/5     sta/6     sta/6     sta/6     sta/5
RTA   2        3         6         6         8         scr/6
RUC   scj/4    scj/5     scj/6     scj/7     scj/8     scj/9
RXJ+  4        5         6         6         8         9
RXJ-  2        3         3         3         3         str/5
RXR   4        5         6         7         8         ser/9
"""
SENT = {"scr": REQ, "sca": ACK, "scn": REJ, "str": TERM_REQ, "sta": TERM_ACK, "scj": CODE_REJ}
SENT["ser"] = ECHO_REP
NUMBERS = ("Closed", "Stopped", "Closing", "Stopping", "Req-Sent", "Ack-Rcvd", "Ack-Sent", "Opened")
NO_OPTION = option(17, b"\x05\xdc")
"""MRRU: refused (specification 2.10)."""


def cells() -> list[object]:
    head, *lines = RFC.strip("\n").splitlines()
    return [
        pytest.param(state, event, cell, id=f"{event}-in-{state}")
        for line in lines
        for event, *row in [line.split()]
        for state, cell in zip(head.split(), row, strict=True)
    ]


def link_in(state: str) -> FarPpp:
    far = FarPpp()
    if state in ("Ack-Rcvd", "Opened", "Closing", "Stopping"):
        far.acknowledge()
    if state in ("Ack-Sent", "Opened", "Closing", "Stopping"):
        far.say(LCP, REQ, 9)
    if state == "Closing":
        far.link.close(far.now)
    if state == "Stopping":
        far.say(LCP, TERM_REQ, 9)
    far.hear()
    assert far.link.lcp_state.name == state.upper().replace("-", "_")
    far.events.clear()
    return far


def play(far: FarPpp, event: str) -> list[int]:
    request = far.last(LCP, REQ)
    match event:
        case "RCR+":
            got = far.say(LCP, REQ, 10, option(2, bytes(4)))
        case "RCR-":
            got = far.say(LCP, REQ, 10, NO_OPTION)
        case "RCA":
            got = far.acknowledge()
        case "RCN":
            got = far.say(LCP, NAK, request.identifier, option(5, b"\x01\x02\x03\x04"))
        case "RTR":
            got = far.say(LCP, TERM_REQ, 10)
        case "RTA":
            got = far.say(LCP, TERM_ACK, 10)
        case "RUC":
            got = far.say(LCP, 99, 10)
        case "RXJ+":
            got = far.say(LCP, CODE_REJ, 10, packet(IDENT, 1))
        case "RXJ-":
            got = far.say(LCP, CODE_REJ, 10, packet(REQ, 1))
        case _:
            got = far.say(LCP, ECHO_REQ, 10, bytes(4))
    return codes(got)


# A reply that answers no outstanding request is invalid before it can be an event (RFC 1661 4.3,
# 5.2): there is none once we have had the Ack.
INVALID = {(e, s) for e in ("RCA", "RCN") for s in ("Ack-Rcvd", "Opened", "Closing", "Stopping")}


@pytest.mark.parametrize(("state", "event", "cell"), cells())
def test_row_of_the_automaton(state: str, event: str, cell: str) -> None:
    far = link_in(state)
    sent = play(far, event)
    actions, _, number = cell.rpartition("/")
    wanted = [SENT[action] for action in actions.split(",") if action]
    after = NUMBERS[int(number) - 2]
    if (event, state) in INVALID:
        assert sent == []
        assert far.link.lcp_state.name == state.upper().replace("-", "_")
        return
    assert sent == wanted
    names = far.names()
    assert ("LcpOpened" in names) == (after == "Opened" != state)
    # A switched line has nothing to wait for in Closed and Stopped: there the link ends.
    ended = after in ("Closed", "Stopped")
    assert ("LinkClosed" in names) == ended
    if not ended:
        assert far.link.lcp_state.name == after.upper().replace("-", "_")


def test_silent_peer_gets_ten_requests_three_seconds_apart_then_the_link_ends() -> None:
    far = FarPpp(negotiation_deadline=100.0)
    times = [0.0]
    while not far.events:
        before = far.now
        times += [far.now] * len(codes(far.wait(0.5)))
        assert far.now > before
    assert len(far.got) == 10
    assert times == pytest.approx([3.0 * n for n in range(10)], abs=0.5)
    assert isinstance(far.events[-1], LinkClosed)
    assert 29.5 <= far.now <= 30.5


def test_ack_repeats_the_options_octet_for_octet() -> None:
    far = FarPpp(want_pfc=True)
    data = b"".join(
        (option(5, b"\xde\xad\xbe\xef"), option(1, b"\x02\x58"), option(2, b"\xff" * 4))
    )
    (ack,) = far.say(LCP, REQ, 77, data + option(7))
    assert (ack.code, ack.identifier, ack.data) == (ACK, 77, data + option(7))


def test_what_is_unknown_is_rejected_before_what_is_wrong_is_naked() -> None:
    """RFC 1661 5.4: a Reject holds the unacceptable ones that we never negotiate and no other."""
    far = FarPpp(answer_protocols=("chap",))
    bad_auth, unknown = option(3, b"\xc2\x27"), option(99, b"x")
    (rejected,) = far.say(LCP, REQ, 1, unknown + bad_auth + NO_OPTION + option(1, b"\x05\xdc"))
    assert (rejected.code, rejected.data) == (REJ, unknown + NO_OPTION)
    (naked,) = far.say(LCP, REQ, 2, bad_auth + option(1, b"\x05\xdc"))
    assert (naked.code, naked.data) == (NAK, CHAP_OPTION)


@pytest.mark.parametrize(
    "value",
    [b"\xc2\x27", b"\xc2\x23\x80", b"\xc2\x23\x81", b"\xc0\x23", b"\xc2\x23", b"", b"\xc0\x25\0\0"],
    ids=["EAP", "MS-CHAP", "MS-CHAPv2", "PAP", "CHAP without algorithm", "empty", "odd"],
)
def test_every_method_but_ours_is_naked_with_ours(value: bytes) -> None:
    far = FarPpp(answer_protocols=("chap",))
    (got,) = far.say(LCP, REQ, 1, option(3, value))
    assert (got.code, got.data) == (NAK, CHAP_OPTION)


@pytest.mark.parametrize("kind", [13, 17, 18, 19, 4, 9, 11, 23])
def test_options_of_the_specification_that_are_refused(kind: int) -> None:
    far = FarPpp()
    (got,) = far.say(LCP, REQ, 1, option(kind, b"\x01\x02"))
    assert (got.code, got.data) == (REJ, option(kind, b"\x01\x02"))


@pytest.mark.parametrize("kind", [1, 2, 130, 132])
def test_options_of_ipcp_that_are_refused(kind: int) -> None:
    far = FarPpp()
    far.open_lcp()
    (got,) = far.say(IPCP, REQ, 1, option(kind, b"\x00\x2d\x0f\x01") + ADDRESS)
    assert (got.code, got.data) == (REJ, option(kind, b"\x00\x2d\x0f\x01"))


def test_code_and_protocol_rejects_have_new_identifiers_each_time() -> None:
    """RFC 1661 5.6, 5.7."""
    far = FarPpp()
    far.open_lcp()
    got = [far.say(LCP, 99, 5, b"abc")[0] for _ in range(3)]
    got += [far.put(b"\xff\x03\x80\x57" + packet(REQ, 5, b"six"))[0] for _ in range(3)]
    assert len({one.identifier for one in got}) == 6
    assert [one.data for one in got[:3]] == [packet(99, 5, b"abc")] * 3
    assert [one.code for one in got[3:]] == [PROTO_REJ] * 3
    assert got[3].data == b"\x80\x57" + packet(REQ, 5, b"six")


@pytest.mark.parametrize("protocol", [0x8057, 0x80FD, 0x003D, 0xC025, 0x0057, 0xC227, 0x8281])
def test_protocols_of_the_specification_that_we_lack_are_rejected_in_the_network_phase(
    protocol: int,
) -> None:
    far = FarPpp()
    far.open_lcp()
    (got,) = far.put(b"\xff\x03" + protocol.to_bytes(2, "big") + b"\x01\x01\x00\x04")
    assert (got.protocol, got.code) == (LCP, PROTO_REJ)
    assert got.data == protocol.to_bytes(2, "big") + b"\x01\x01\x00\x04"


def test_maintenance_outside_of_opened_is_silently_discarded() -> None:
    for state in ("Req-Sent", "Ack-Rcvd", "Ack-Sent", "Closing", "Stopping"):
        far = link_in(state)
        for code in (PROTO_REJ, ECHO_REQ, ECHO_REP, DISCARD):
            assert far.say(LCP, code, 1, b"\xc0\x21" + bytes(6)) == []
        assert far.link.lcp_state.name == state.upper().replace("-", "_")


@pytest.mark.parametrize("head", [b"", b"\xff\x03"])
def test_every_form_of_a_frame_is_taken_though_nothing_was_agreed(head: bytes) -> None:
    """Specification 2.6: accept both always on receive."""
    for protocol in (b"\x80\x21",):
        far = FarPpp()
        far.open_lcp()
        (got,) = far.put(head + protocol + packet(REQ, 3, ADDRESS) + b"padding")
        assert (got.protocol, got.code) == (IPCP, ACK)
    far.link.receive_frame(head + b"\x21" + b"\x45", 0.0)
    far.link.receive_frame(head + b"\x00\x21" + b"\x45", 0.0)
    assert far.link.counters["data"] == 2


def test_lcp_is_never_compressed_and_the_rest_is_when_agreed() -> None:
    far = FarPpp(want_acfc=True, want_pfc=True)
    far.say(LCP, REJ, far.got[0].identifier, option(7) + option(8))
    far.acknowledge()
    (ack,) = far.link.frames_to_send() or [b""]
    assert ack == b""
    far.link.receive_frame(frame(LCP, REQ, 9, option(8) + option(7)), 0.0)
    lcp, ipcp = far.link.frames_to_send()
    assert lcp[:4] == b"\xff\x03\xc0\x21"
    assert ipcp[:2] == b"\x80\x21"
    opened = far.link.next_event()
    assert opened == LcpOpened(1500, True, True)


@pytest.mark.parametrize("assigned", ["", "10.7.7.7"])
def test_peer_without_an_address_is_told_one_or_refused(assigned: str) -> None:
    far = FarPpp(peer_address=assigned)
    far.open_lcp()
    (got,) = far.say(IPCP, REQ, 1, option(3, bytes(4)))
    if assigned:
        assert (got.code, got.data) == (NAK, option(3, bytes((10, 7, 7, 7))))
    else:
        assert (got.code, got.data) == (REJ, option(3, bytes(4)))


def test_address_that_radius_gives_is_what_the_peer_has_to_take() -> None:
    far = FarPpp(authenticate_peer=("pap",))
    far.acknowledge()
    far.say(LCP, REQ, 1)
    far.say(PAP, 1, 5, b"\x03cpe\x02pw")
    far.decide(True, "10.7.7.7")
    (got,) = far.say(IPCP, REQ, 1, ADDRESS)
    assert (got.code, got.data) == (NAK, option(3, bytes((10, 7, 7, 7))))
    far.acknowledge(IPCP)
    assert codes(far.say(IPCP, REQ, 2, option(3, bytes((10, 7, 7, 7)))), IPCP) == [ACK]
    assert far.events[-1] == NetworkOpened("10.0.0.1", "10.7.7.7")


def test_success_and_failure_repeat_the_identifier_of_the_response() -> None:
    """RFC 1994 4.2, for each verdict; a second Response gets the same code."""
    for accepted, code in ((True, 3), (False, 4)):
        far = FarPpp(authenticate_peer=("chap",))
        far.open_lcp()
        challenge = far.last(CHAP, 1)
        assert challenge.data[0] == 16
        assert challenge.data[17:] == b"lns"
        response = b"\x10" + bytes(16) + b"cpe"
        far.say(CHAP, 2, challenge.identifier, response)
        (got,) = [one for one in far.decide(accepted) if one.protocol == CHAP]
        assert (got.code, got.identifier) == (code, challenge.identifier)
