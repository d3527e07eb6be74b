"""PAP and CHAP: the two roles cell by cell, and their exchanges."""

from __future__ import annotations

from collections import Counter
from itertools import count
from random import Random

import pytest

from control.fsm import IllegalEvent
from control.ppp import chap, pap
from control.ppp.authentication_table import (
    AUTHENTICATOR,
    CLAIMANT,
    Authenticating,
    Claiming,
    Hearing,
    Judging,
)
from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticatedToPeer, AuthenticationRequested, PeerAuthenticated
from control.ppp.frame import Packet, decode_packet
from control.ppp.mutual import MutualAuthentication
from control.ppp.outbox import Outbox

CONFIG = LinkConfig(username="us", password=b"secret", local_name="lns")

AUTHENTICATOR_GRID = """
           IDLE              WAITING           CHECKING
START    | CHALLENGE/WAITING -                 -
STOP     | IDLE              IDLE              IDLE
ANSWER   | IDLE              ASK/CHECKING      CHECKING
ACCEPT   | IDLE              WAITING           RESULT,GRANT,KEEP/ACCEPTED
REFUSE   | IDLE              WAITING           RESULT,FAIL/REFUSED
UNKNOWN  | IDLE              WAITING           RESULT,FAIL/REFUSED
TIMEOUT  | -                 CHALLENGE/WAITING -
GIVE_UP  | -                 FAIL/REFUSED      -
"""

JUDGED_GRID = """
           ACCEPTED           RENEWING           RECHECKING           REFUSED
START    | -                  -                  -                    -
STOP     | IDLE               IDLE               IDLE                 IDLE
ANSWER   | RESULT/ACCEPTED    ASK/RECHECKING     RECHECKING           RESULT/REFUSED
ACCEPT   | ACCEPTED           RENEWING           RESULT,KEEP/ACCEPTED REFUSED
REFUSE   | ACCEPTED           RENEWING           RESULT,FAIL/REFUSED  REFUSED
UNKNOWN  | ACCEPTED           RENEWING           KEEP/ACCEPTED        REFUSED
TIMEOUT  | CHALLENGE/RENEWING CHALLENGE/RENEWING -                    -
GIVE_UP  | -                  FAIL/REFUSED       -                    -
"""

CLAIMANT_GRID = """
           IDLE     WAITING        CLAIMED         ACCEPTED        REFUSED
START    | WAITING  -              -               -               -
STOP     | IDLE     IDLE           IDLE            IDLE            IDLE
CHALLENGE| IDLE     PROVE/CLAIMED  PROVE/CLAIMED   PROVE/ACCEPTED  REFUSED
SUCCESS  | IDLE     WAITING        TELL/ACCEPTED   ACCEPTED        REFUSED
FAILURE  | IDLE     WAITING        FAIL/REFUSED    FAIL/REFUSED    REFUSED
TIMEOUT  | -        -              PROVE/CLAIMED   -               -
GIVE_UP  | -        -              FAIL/REFUSED    -               -
"""


def read_grid(grid: str) -> dict[tuple[str, str], str]:
    head, *lines = grid.strip("\n").splitlines()
    return {
        (state, line.partition("|")[0].strip()): cell
        for line in lines
        for state, cell in zip(head.split(), line.partition("|")[2].split(), strict=True)
    }


@pytest.mark.parametrize("state", Authenticating)
@pytest.mark.parametrize("event", Judging)
def test_authenticator_cell(state: Authenticating, event: Judging) -> None:
    grid = read_grid(AUTHENTICATOR_GRID) | read_grid(JUDGED_GRID)
    cell = grid[state.name, event.name]
    if cell == "-":
        with pytest.raises(IllegalEvent):
            AUTHENTICATOR.step(state, event)
        return
    actions, _, target = cell.rpartition("/")
    row = AUTHENTICATOR.step(state, event)
    assert row.next.name == target
    assert ",".join(action.name for action in row.actions) == actions


@pytest.mark.parametrize("state", Claiming)
@pytest.mark.parametrize("event", Hearing)
def test_claimant_cell(state: Claiming, event: Hearing) -> None:
    cell = read_grid(CLAIMANT_GRID)[state.name, event.name]
    if cell == "-":
        with pytest.raises(IllegalEvent):
            CLAIMANT.step(state, event)
        return
    actions, _, target = cell.rpartition("/")
    row = CLAIMANT.step(state, event)
    assert row.next.name == target
    assert ",".join(action.name for action in row.actions) == actions


class Peers:
    """Both roles of one end, with what it has sent and said."""

    def __init__(self, demanded: str = "", claimed: str = "") -> None:
        self.counters: Counter[str] = Counter()
        self.box = Outbox(self.counters)
        self.mutual = MutualAuthentication(CONFIG, Random(7), self.box)
        self.mutual.start(demanded, claimed, 0.0)

    def sent(self) -> list[Packet]:
        packets = [decode_packet(data) for _, data in self.box.packets]
        self.box.packets.clear()
        return packets

    def event(self) -> object:
        return self.box.events.pop(0) if self.box.events else None


PAP, CHAP = 0xC023, 0xC223
REQUEST = pap.encode_request(pap.Credentials(b"cpe", b"guess"))


def test_pap_request_is_asked_once_and_answered_under_its_newest_identifier() -> None:
    end = Peers(demanded="pap")
    end.mutual.receive(PAP, Packet(1, 5, REQUEST), 1.0)
    end.mutual.receive(PAP, Packet(1, 6, REQUEST), 2.0)
    event = end.event()
    assert isinstance(event, AuthenticationRequested)
    assert (event.protocol, event.username, event.password) == ("pap", "cpe", b"guess")
    assert end.event() is None
    assert end.sent() == []
    assert end.mutual.result(event.request, True, "welcome", 3.0)
    assert end.sent() == [Packet(2, 6, b"\x07welcome")]
    assert end.event() == PeerAuthenticated("cpe")
    assert end.mutual.complete
    end.mutual.receive(PAP, Packet(1, 7, REQUEST), 4.0)
    assert end.sent() == [Packet(2, 7, b"\x07welcome")]
    assert end.event() is None


def test_pap_second_password_does_not_ride_on_the_answer_to_the_first() -> None:
    end = Peers(demanded="pap")
    end.mutual.receive(PAP, Packet(1, 5, REQUEST), 1.0)
    other = pap.encode_request(pap.Credentials(b"root", b"guess"))
    end.mutual.receive(PAP, Packet(1, 9, other), 1.0)
    assert end.counters["not_expected"] == 1
    event = end.event()
    assert isinstance(event, AuthenticationRequested)
    end.mutual.result(event.request, True, "", 2.0)
    assert end.sent() == [Packet(2, 5, b"\x00")]
    assert end.event() == PeerAuthenticated("cpe")


def test_refused_peer_gets_nak_and_no_other_reply_later() -> None:
    end = Peers(demanded="pap")
    end.mutual.receive(PAP, Packet(1, 5, REQUEST), 1.0)
    event = end.event()
    assert isinstance(event, AuthenticationRequested)
    end.mutual.result(event.request, False, "", 1.0)
    good = pap.encode_request(pap.Credentials(b"cpe", b"right"))
    end.mutual.receive(PAP, Packet(1, 6, good), 1.0)
    assert [packet.code for packet in end.sent()] == [3, 3]
    assert end.mutual.failure is not None
    assert end.mutual.failure.stage == "authentication"
    assert not end.mutual.complete


def test_result_of_an_old_request_is_ignored() -> None:
    end = Peers(demanded="pap")
    assert not end.mutual.result(1, True, "", 0.0)
    end.mutual.receive(PAP, Packet(1, 5, REQUEST), 1.0)
    event = end.event()
    assert isinstance(event, AuthenticationRequested)
    end.mutual.stop(1.5)
    end.mutual.start("pap", "", 2.0)
    assert not end.mutual.result(event.request, True, "", 3.0)
    assert not end.mutual.complete
    assert end.sent() == []


def test_chap_challenge_is_repeated_with_new_identifier_and_value_until_given_up() -> None:
    end = Peers(demanded="chap")
    seen = end.sent()
    now = 0.0
    while end.mutual.failure is None:
        timer = end.mutual.get_timer()
        assert timer == now + 3.0
        now = timer
        end.mutual.handle_timer(now)
        seen += end.sent()
    assert len(seen) == 10
    assert len({packet.identifier for packet in seen}) == 10
    assert len({packet.data for packet in seen}) == 10
    assert end.mutual.get_timer() is None


def answer(challenge: Packet, secret: bytes, name: bytes = b"cpe") -> Packet:
    value = chap.decode_value(challenge.data).value
    response = chap.digest(challenge.identifier, secret, value)
    return Packet(2, challenge.identifier, chap.encode_value(chap.Value(response, name)))


def test_chap_response_is_asked_and_repeated_with_the_same_result() -> None:
    end = Peers(demanded="chap")
    (challenge,) = end.sent()
    response = answer(challenge, b"theirs")
    end.mutual.receive(CHAP, response, 1.0)
    end.mutual.receive(CHAP, response, 1.0)
    event = end.event()
    assert isinstance(event, AuthenticationRequested)
    assert chap.verify(event.chap_identifier, b"theirs", event.chap_challenge, event.chap_response)
    assert end.event() is None
    end.mutual.result(event.request, True, "", 2.0)
    wrong = answer(challenge, b"another")
    end.mutual.receive(CHAP, wrong, 3.0)
    assert [packet.code for packet in end.sent()] == [3, 3]
    end.mutual.receive(CHAP, Packet(2, challenge.identifier + 1, response.data), 3.0)
    assert end.sent() == []
    assert end.counters["stale_reply"] == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x0f" + bytes(15) + b"cpe",
        b"\x11" + bytes(17) + b"cpe",
        b"\x10" + bytes(16),
        b"\x10" + bytes(16) + b"n" * 254,
    ],
    ids=["short value", "long value", "no name", "name too long for RADIUS"],
)
def test_chap_response_that_md5_cannot_give_is_dropped(data: bytes) -> None:
    end = Peers(demanded="chap")
    (challenge,) = end.sent()
    end.mutual.receive(CHAP, Packet(2, challenge.identifier, data), 1.0)
    assert end.event() is None
    assert end.counters["malformed"] == 1


def test_claimant_answers_each_challenge_and_repeats_until_success() -> None:
    end = Peers(claimed="chap")
    assert end.sent() == []
    challenge = Packet(1, 9, chap.encode_value(chap.Value(b"\x01" * 16, b"cpe")))
    end.mutual.receive(CHAP, Packet(3, 9), 0.5)
    assert not end.mutual.complete
    end.mutual.receive(CHAP, challenge, 1.0)
    end.mutual.handle_timer(4.0)
    expected = answer(challenge, b"secret", b"us")
    assert end.sent() == [expected, expected]
    end.mutual.receive(CHAP, Packet(3, 8), 4.0)
    assert not end.mutual.complete
    end.mutual.receive(CHAP, Packet(3, 9, b"ok"), 4.0)
    assert end.event() == AuthenticatedToPeer("chap")
    assert end.mutual.get_timer() is None
    again = Packet(1, 10, chap.encode_value(chap.Value(b"\x02" * 16, b"cpe")))
    end.mutual.receive(CHAP, again, 60.0)
    assert end.sent() == [answer(again, b"secret", b"us")]
    assert end.mutual.complete
    end.mutual.receive(CHAP, Packet(4, 10), 60.0)
    assert end.mutual.failure is not None


def test_pap_claimant_takes_a_late_ack_for_an_earlier_request() -> None:
    end = Peers(claimed="pap")
    end.mutual.handle_timer(3.0)
    first, second = end.sent()
    assert first.data == second.data == pap.encode_request(pap.Credentials(b"us", b"secret"))
    assert first.identifier != second.identifier
    end.mutual.receive(PAP, Packet(2, second.identifier + 1), 3.5)
    assert not end.mutual.complete
    end.mutual.receive(PAP, Packet(2, first.identifier), 3.5)
    assert end.event() == AuthenticatedToPeer("pap")


@pytest.mark.parametrize("method", ["pap", "chap"])
def test_claimant_gives_up_on_a_silent_peer(method: str) -> None:
    end = Peers(claimed=method)
    if method == "chap":
        end.mutual.receive(CHAP, Packet(1, 1, b"\x10" + b"\x05" * 16), 0.0)
    while end.mutual.failure is None:
        timer = end.mutual.get_timer()
        assert timer is not None
        end.mutual.handle_timer(timer)
    assert timer == 30.0
    assert len(end.sent()) == 10


def test_new_challenge_begins_the_count_of_responses_anew_and_a_repeated_one_does_not() -> None:
    end = Peers(claimed="chap")
    for number in range(1, 12):
        challenge = Packet(1, number, b"\x10" + bytes((number,)) * 16)
        end.mutual.receive(CHAP, challenge, float(number))
    end.mutual.handle_timer(14.0)
    assert end.mutual.failure is None
    assert len(end.sent()) == 12
    for second in range(15, 23):
        end.mutual.receive(CHAP, challenge, float(second))
    end.mutual.handle_timer(25.0)
    assert end.mutual.failure is not None
    assert len(end.sent()) == 8


def test_own_challenge_is_never_answered() -> None:
    end = Peers(demanded="chap", claimed="chap")
    (challenge,) = end.sent()
    end.mutual.receive(CHAP, Packet(1, 77, challenge.data), 1.0)
    assert end.sent() == []
    assert end.counters["reflected"] == 1
    assert end.mutual.failure is not None
    assert "reflects" in end.mutual.failure.reason


def test_challenge_of_an_earlier_negotiation_is_still_known() -> None:
    end = Peers(demanded="chap", claimed="chap")
    (challenge,) = end.sent()
    end.mutual.stop(1.0)
    end.mutual.start("chap", "chap", 2.0)
    end.sent()
    end.mutual.receive(CHAP, Packet(1, 1, challenge.data), 3.0)
    assert end.mutual.failure is not None
    assert end.sent() == []


@pytest.mark.parametrize("code", [0, 5, 255])
@pytest.mark.parametrize("protocol", [PAP, CHAP])
def test_unknown_code_is_dropped_and_counted(protocol: int, code: int) -> None:
    end = Peers(demanded="pap", claimed="chap")
    end.sent()
    end.mutual.receive(protocol, Packet(code, 1, b"\x00\x00"), 1.0)
    assert end.counters["not_expected"] == 1
    assert end.sent() == []


@pytest.mark.parametrize("length", range(65))
@pytest.mark.parametrize("protocol", [PAP, CHAP])
def test_every_code_with_every_length_is_survived(protocol: int, length: int) -> None:
    for method in ("pap", "chap"):
        end = Peers(demanded=method, claimed=method)
        for code in range(6):
            for fill in (0, 1, 16, 255):
                end.mutual.receive(protocol, Packet(code, 1, bytes([fill]) * length), 1.0)
                assert len(end.sent()) <= 2


def test_secrets_are_not_shown() -> None:
    credentials = pap.Credentials(b"us", b"hunter2")
    asked = AuthenticationRequested(1, "pap", "us", password=b"hunter2")
    config = LinkConfig(username="us", password=b"hunter2")
    assert "hunter2" not in f"{credentials!r}{asked!r}{config!r}"


def test_challenges_are_shared_by_both_roles_only_of_one_link() -> None:
    box = Outbox(Counter())
    authenticator = chap.ChapAuthenticator(CONFIG, box, count(1), Random(1), [])
    authenticator.start(0.0)
    ((_, data),) = box.packets
    stranger = chap.ChapClaimant(CONFIG, box, [])
    stranger.start(0.0)
    stranger.receive(decode_packet(data), 0.0)
    assert stranger.failure is None
    assert len(box.packets) == 2
