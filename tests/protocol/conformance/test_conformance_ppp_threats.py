"""PPP against peers that cheat (threats T17, T18; specification 1.10, 2.6)."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from raw_ppp import (
    ACK,
    ADDRESS,
    CHAP,
    CHAP_OPTION,
    CODE_REJ,
    ECHO_REP,
    ECHO_REQ,
    IPCP,
    LCP,
    NAK,
    PAP,
    PAP_OPTION,
    PROTO_REJ,
    REJ,
    REQ,
    TERM_ACK,
    TERM_REQ,
    FarPpp,
    Got,
    frame,
    md5,
    option,
    packet,
)

PASSWORD = b"our-own-password"
BOTH = {"authenticate_peer": ("chap",), "answer_protocols": ("chap",), "password": PASSWORD}
NO_MRRU = option(17, b"\x05\xdc")
METHODS = {"pap": PAP_OPTION, "chap": CHAP_OPTION, "eap": option(3, b"\xc2\x27")}


def mutual(seed: int = 1) -> FarPpp:
    """Both ends have agreed on CHAP; our Challenge is out."""
    far = FarPpp(seed, username="lns", **BOTH)
    far.open_lcp(CHAP_OPTION)
    return far


def prove(far: FarPpp) -> None:
    challenge = far.last(CHAP, 1)
    far.say(CHAP, 2, challenge.identifier, b"\x10" + md5(1, b"x", b"y") + b"cpe")


@pytest.mark.parametrize("order", list(permutations(("prove", "grant", "challenge", "success"))))
def test_network_opens_only_after_both_directions(order: tuple[str, ...]) -> None:
    """Whatever comes first; steps that are out of place count for nothing."""
    far = mutual()
    done: list[str] = []
    for step in order:
        far.say(IPCP, REQ, 1, ADDRESS)
        assert not [one for one in far.got if one.protocol == IPCP]
        if step == "prove":
            prove(far)
        elif step == "grant" and "prove" in done:
            far.decide(True)
        elif step == "challenge":
            far.say(CHAP, 1, 50, b"\x10" + b"c" * 16 + b"cpe")
        elif step == "success":
            far.say(CHAP, 3, 50)
        done.append(step)
    whole = done.index("prove") < done.index("grant")
    whole &= done.index("challenge") < done.index("success")
    far.say(IPCP, REQ, 1, ADDRESS)
    assert bool([one for one in far.got if one.protocol == IPCP]) == whole


@pytest.mark.parametrize("demanded", ["pap", "chap", "eap"])
@pytest.mark.parametrize("answers", [(), ("pap",), ("chap",), ("chap", "pap"), ("pap", "chap")])
def test_we_prove_ourselves_by_an_allowed_method_only(
    answers: tuple[str, ...], demanded: str
) -> None:
    far = FarPpp(answer_protocols=answers, username="lns", password=PASSWORD)
    far.acknowledge()
    got, *_ = far.say(LCP, REQ, 1, METHODS[demanded])
    if demanded in answers:
        assert got.code == ACK
        far.say(CHAP, 1, 9, b"\x10" + b"c" * 16 + b"cpe")
        sent = [one for one in far.got if one.protocol in (PAP, CHAP)]
        assert {one.protocol for one in sent} == {PAP if demanded == "pap" else CHAP}
    else:
        wanted = (NAK, METHODS[answers[0]]) if answers else (REJ, METHODS[demanded])
        assert (got.code, got.data) == wanted
        for protocol in (PAP, CHAP):
            far.say(protocol, 1, 9, b"\x10" + b"c" * 16 + b"cpe")
        assert not [one for one in far.got if one.protocol in (PAP, CHAP)]


@pytest.mark.parametrize("methods", [("chap",), ("pap",), ("chap", "pap")])
@pytest.mark.parametrize(
    "trick", ["reject", "nak to pap", "nak to eap", "ack without option", "never"]
)
def test_peer_that_will_not_prove_itself_gets_no_network(
    methods: tuple[str, ...], trick: str
) -> None:
    far = FarPpp(authenticate_peer=methods)
    request = far.last(LCP, REQ)
    ours = METHODS[methods[0]]
    match trick:
        case "reject":
            far.say(LCP, REJ, request.identifier, ours)
        case "nak to pap":
            far.say(LCP, NAK, request.identifier, PAP_OPTION)
        case "nak to eap":
            far.say(LCP, NAK, request.identifier, METHODS["eap"])
        case "ack without option":
            far.say(LCP, ACK, request.identifier, request.data.replace(ours, b""))
        case _:
            far.acknowledge()
    for _ in range(3):
        far.say(LCP, REQ, 1)
        far.say(IPCP, REQ, 1, ADDRESS)
        far.say(PAP, 2, 1)
        far.say(CHAP, 3, 1)
    assert "NetworkOpened" not in far.names()
    far.wait(60.0)
    assert far.names()[-1] == "LinkClosed"
    stepped_down = trick == "nak to pap" and methods == ("chap", "pap")
    assert bool([one for one in far.got if PAP_OPTION in one.data]) == (
        stepped_down or methods[0] == "pap"
    )


def secret_leaks(got: list[Got]) -> bool:
    return any(PASSWORD in one.data or PASSWORD[1:-1] in one.data for one in got)


@pytest.mark.parametrize("seed", range(40))
def test_random_peer_learns_no_password_and_no_answer_to_our_challenge(seed: int) -> None:
    rng = random.Random(seed)
    far = FarPpp(seed, username="lns", **BOTH)
    challenges: set[bytes] = set()
    for _ in range(150):
        challenges |= {one.data[1:17] for one in far.got if one.protocol == CHAP and one.code == 1}
        answers = {
            md5(number, PASSWORD, challenge) for number in range(256) for challenge in challenges
        }
        stolen = rng.choice(sorted(challenges)) if challenges else b"c" * 16
        match rng.randrange(7):
            case 0:
                got = far.acknowledge()
            case 1:
                got = far.say(LCP, REQ, rng.randrange(256), CHAP_OPTION)
            case 2:
                got = far.say(CHAP, 1, rng.randrange(256), b"\x10" + stolen + b"cpe")
            case 3:
                got = far.say(CHAP, rng.randrange(1, 5), rng.randrange(4), b"\x10" + stolen)
            case 4:
                got = far.say(PAP, rng.randrange(1, 4), 1, b"\x03lns\x02xx")
            case 5:
                got = far.say(LCP, rng.randrange(1, 14), rng.randrange(4), rng.randbytes(8))
            case _:
                got = far.wait(rng.random())
        assert not secret_leaks(got)
        replied = {one.data[1:17] for one in got if one.protocol == CHAP and one.code == 2}
        assert not replied & answers
        assert "NetworkOpened" not in far.names()


@pytest.mark.parametrize("size", [1, 15, 16, 17, 253])
def test_stranger_challenge_of_any_size_is_answered_with_md5(size: int) -> None:
    far = mutual()
    value = bytes(range(1, 1 + min(size, 200))).ljust(size, b"z")
    (got,) = [one for one in far.say(CHAP, 1, 50, bytes((size,)) + value) if one.protocol == CHAP]
    assert got.data == b"\x10" + md5(50, PASSWORD, value) + b"lns"


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\x00cpe", b"\x11" + bytes(16), b"\xff", b"\xff" + bytes(100)],
    ids=repr,
)
def test_challenge_with_an_impossible_value_size_is_discarded(data: bytes) -> None:
    far = mutual()
    assert far.say(CHAP, 1, 50, data) == []


@pytest.mark.parametrize("code", [0, CODE_REJ, PROTO_REJ, TERM_ACK, ECHO_REP, 13, 99, 255])
def test_two_links_do_not_throw_one_packet_to_and_fro(code: int) -> None:
    """Our own rejects, given to ourselves, end (RFC 1661 5.6, CVE class of reject loops)."""
    ends = [FarPpp(1), FarPpp(2, local_address="10.0.0.2")]
    flying = [(0, frame(LCP, code, 1, packet(99, 1) + bytes(4)))]
    for protocol in (LCP, 0x8057):
        flying.append((1, b"\xff\x03" + protocol.to_bytes(2, "big") + packet(code, 1, bytes(4))))
    for end in ends:
        end.open_lcp()
    count = 0
    while flying and count < 200:
        to, octets = flying.pop(0)
        count += 1
        ends[to].link.receive_frame(octets, 0.0)
        flying += [(1 - to, out) for out in ends[to].link.frames_to_send()]
    assert count < 60


@pytest.mark.parametrize("code", [REQ, TERM_REQ, 99, ECHO_REQ])
@pytest.mark.parametrize("opened", [False, True])
def test_flood_of_one_packet_gets_a_bounded_answer(code: int, opened: bool) -> None:
    """10,000 in ten seconds: no more replies than twenty a second and a burst of forty."""
    far = FarPpp(negotiation_deadline=1000.0)
    if opened:
        far.open_lcp()
    sent = 0
    for number in range(10_000):
        far.now = number / 1000
        sent += len(far.say(LCP, code, number & 0xFF, bytes(4) if code == ECHO_REQ else NO_MRRU))
        if "LinkClosed" in far.names():
            break
    assert sent <= 2 * (40 + 20 * 10)
