"""LCP: options of both directions, loops, link maintenance."""

from __future__ import annotations

import pytest
from ppp_wire import IPCP, LCP, LNS, Wire

from control.errors import LocalProtocolError
from control.ppp.automaton import State
from control.ppp.config import LinkConfig
from control.ppp.events import LcpOpened, NetworkClosed
from control.ppp.frame import Packet, encode_frame
from control.ppp.phase import Phase

CHAPPER = LinkConfig(
    local_address="10.0.0.1",
    mru=1400,
    authenticate_peer=("chap", "pap"),
    answer_protocols=("chap",),
    want_acfc=True,
    want_pfc=True,
)


def test_request_has_all_that_is_configured_and_no_defaults() -> None:
    request = Wire(CHAPPER).open()
    assert request.data[:9] == bytes.fromhex("01040578" + "0305c22305")
    assert request.data[9:11] == b"\x05\x06"
    assert request.data[15:] == bytes.fromhex("0702" + "0802")
    assert Wire(LNS).open().data[:2] == b"\x05\x06"


JUDGED = [
    ("MRU", "01040578", 2, "01040578"),
    ("large MRU", "01042328", 2, "01042328"),
    ("tiny MRU", "0104007f", 3, "010405dc"),
    ("short MRU", "010305", 3, "010405dc"),
    ("ACCM", "0206000a0000", 2, "0206000a0000"),
    ("short ACCM", "020400ff", 3, "020600000000"),
    ("CHAP", "0305c22305", 2, "0305c22305"),
    ("PAP, which we do not answer", "0304c023", 3, "0305c22305"),
    ("MS-CHAP", "0305c22380", 3, "0305c22305"),
    ("MS-CHAPv2", "0305c22381", 3, "0305c22305"),
    ("EAP", "0304c227", 3, "0305c22305"),
    ("authentication without protocol", "0302", 3, "0305c22305"),
    ("quality", "0408c02500000000", 4, "0408c02500000000"),
    ("magic", "050600000001", 2, "050600000001"),
    ("PFC", "0702", 2, "0702"),
    ("long PFC", "070300", 4, "070300"),
    ("ACFC", "0802", 2, "0802"),
    ("callback", "0d0306", 4, "0d0306"),
    ("MRRU", "110405dc", 4, "110405dc"),
    ("SSNHF", "1202", 4, "1202"),
    ("endpoint", "1305016162", 4, "1305016162"),
    ("empty endpoint", "1302", 4, "1302"),
    ("reserved", "0002", 4, "0002"),
    ("unknown", "ff03aa", 4, "ff03aa"),
    ("reject goes before nak", "0104000a" + "110405dc" + "0702", 4, "110405dc"),
    ("nak lists what is wrong only", "0104000a" + "0702" + "0304c023", 3, "010405dc0305c22305"),
]


@pytest.mark.parametrize(
    ("asked", "code", "answer"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED]
)
def test_option_of_the_peer_is_answered(asked: str, code: int, answer: str) -> None:
    wire = Wire(CHAPPER)
    wire.open()
    wire.give(LCP, 1, 9, bytes.fromhex(asked))
    assert wire.sent() == [(LCP, Packet(code, 9, bytes.fromhex(answer)))]


@pytest.mark.parametrize("option", ["0702", "0802", "0305c22305", "0304c023"])
def test_option_we_do_not_want_is_rejected(option: str) -> None:
    wire = Wire(LNS)
    wire.open()
    wire.give(LCP, 1, 9, bytes.fromhex(option))
    assert wire.sent() == [(LCP, Packet(4, 9, bytes.fromhex(option)))]


def test_magic_of_zero_is_naked_with_a_number() -> None:
    wire = Wire()
    wire.open()
    wire.give(LCP, 1, 9, bytes.fromhex("050600000000"))
    ((_, packet),) = wire.sent()
    assert packet.code == 3
    assert packet.data[:2] == b"\x05\x06"
    assert any(packet.data[2:])


def test_opened_link_tells_what_the_peer_asked_for() -> None:
    wire = Wire(CHAPPER)
    wire.open_lcp(bytes.fromhex("01040300" + "0702" + "0802"))
    assert wire.last(LcpOpened) == LcpOpened(768, send_acfc=True, send_pfc=True)


def test_frames_other_than_lcp_are_compressed_once_agreed() -> None:
    wire = Wire(LinkConfig(local_address="10.0.0.1", mru=1500, want_acfc=True))
    request = wire.open()
    wire.give(LCP, 2, request.identifier, request.data)
    wire.give(LCP, 1, 1, bytes.fromhex("0802"))
    frames = wire.link.frames_to_send()
    assert [frame[:4].hex() for frame in frames] == ["ff03c021", "80210101"]


@pytest.mark.parametrize(
    ("nak", "wanted"),
    [
        ("01040500", "01040500"),
        ("01042328", "01040578"),
        ("01040010", "01040578"),
        ("010305", "01040578"),
        ("0305c22305" + "01040500", None),
    ],
    ids=["smaller", "larger", "too small", "short", "own method named again"],
)
def test_nak_of_mru_moves_it_only_downwards(nak: str, wanted: str | None) -> None:
    wire = Wire(CHAPPER)
    request = wire.open()
    wire.give(LCP, 3, request.identifier, bytes.fromhex(nak))
    ((_, again),) = wire.sent()
    if wanted is None:
        assert again.code == 5
    else:
        assert again.data[:4] == bytes.fromhex(wanted)


def test_nak_that_names_another_method_of_ours_switches_to_it() -> None:
    wire = Wire(CHAPPER)
    request = wire.open()
    wire.give(LCP, 3, request.identifier, bytes.fromhex("0304c023"))
    ((_, second),) = wire.sent()
    assert bytes.fromhex("0304c023") in second.data
    # Back to the first: the peer wants neither.
    wire.give(LCP, 3, second.identifier, bytes.fromhex("0305c22305"))
    wire.wait(20.0)
    assert wire.closed().stage == "authentication"


@pytest.mark.parametrize("offer", ["0305c22381", "0304c227", "0302"])
def test_nak_that_names_no_method_of_ours_ends_the_link(offer: str) -> None:
    wire = Wire(CHAPPER)
    request = wire.open()
    wire.give(LCP, 3, request.identifier, bytes.fromhex(offer))
    assert wire.codes() == [(LCP, 5)]
    wire.wait(20.0)
    assert wire.closed().stage == "authentication"


def test_downgrade_to_a_method_that_is_not_allowed_ends_the_link() -> None:
    wire = Wire(LinkConfig(authenticate_peer=("chap",), local_address="10.0.0.1"))
    request = wire.open()
    wire.give(LCP, 3, request.identifier, bytes.fromhex("0304c023"))
    wire.wait(20.0)
    assert wire.closed().stage == "authentication"


def test_reject_of_authentication_ends_the_link() -> None:
    wire = Wire(CHAPPER)
    request = wire.open()
    wire.give(LCP, 4, request.identifier, bytes.fromhex("0305c22305"))
    wire.wait(20.0)
    assert wire.closed().stage == "authentication"


def test_rejected_options_are_not_asked_for_again() -> None:
    wire = Wire(CHAPPER)
    request = wire.open()
    wire.give(LCP, 4, request.identifier, request.data[:4] + request.data[9:])
    ((_, second),) = wire.sent()
    assert second.data == bytes.fromhex("0305c22305")


def test_nak_of_a_flag_means_no() -> None:
    wire = Wire(CHAPPER)
    request = wire.open()
    wire.give(LCP, 3, request.identifier, bytes.fromhex("07020802"))
    ((_, second),) = wire.sent()
    assert not second.data.endswith(bytes.fromhex("0802"))
    assert bytes.fromhex("0702") not in second.data[15:]


def test_nak_that_suggests_options_we_did_not_ask_for_changes_nothing() -> None:
    wire = Wire(LNS)
    request = wire.open()
    wire.give(LCP, 3, request.identifier, bytes.fromhex("0305c22305" + "0802" + "110405dc"))
    ((_, second),) = wire.sent()
    assert second.data == request.data


def test_nak_of_our_magic_changes_it() -> None:
    wire = Wire(LNS)
    request = wire.open()
    wire.give(LCP, 3, request.identifier, b"\x05\x06\x01\x02\x03\x04")
    ((_, second),) = wire.sent()
    assert second.data[:2] == b"\x05\x06"
    assert second.data != request.data


def test_own_request_is_naked_and_the_looped_link_given_up() -> None:
    wire = Wire(CHAPPER)
    frames = [encode_frame(LCP, wire.open().encode())]
    count = 0
    while frames and count < 200:
        frame = frames.pop(0)
        count += 1
        wire.link.receive_frame(frame, wire.now)
        frames += wire.link.frames_to_send()
        wire.now += 0.01
    assert count < 200
    assert wire.closed().reason == "the link is looped back"
    assert wire.closed().stage == "lcp"


def test_echo_request_gets_a_reply_with_our_magic() -> None:
    wire = Wire()
    request = wire.open()
    wire.agree(LCP, request)
    wire.give(LCP, 9, 200, b"\x00\x00\x00\x07" + b"data")
    reply = wire.sent()[-1][1]
    assert reply == Packet(10, 200, request.data[2:6] + b"data")


def test_echo_before_open_and_discard_get_no_answer() -> None:
    wire = Wire()
    wire.open()
    wire.give(LCP, 9, 1, bytes(4))
    wire.give(LCP, 10, 1, bytes(4))
    assert wire.link.counters["early"] == 2
    wire.give(LCP, 12, 1, bytes(4) + b"a router")
    assert wire.link.counters["identification"] == 1
    assert wire.sent() == []
    wire = Wire()
    wire.open_lcp()
    wire.give(LCP, 11, 1, bytes(4))
    wire.give(LCP, 9, 1, bytes(3))
    assert wire.link.counters["malformed"] == 1
    assert wire.sent() == []


def test_echo_flood_is_answered_within_a_rate() -> None:
    wire = Wire()
    wire.open_lcp()
    wire.sent()
    for _ in range(5000):
        wire.give(LCP, 9, 1, bytes(1400))
    assert len(wire.sent()) == 40
    assert wire.link.counters["rate_limited"] == 4960


def test_echo_reply_is_cut_to_the_peers_mru() -> None:
    wire = Wire()
    wire.open_lcp(b"\x01\x04\x00\x80")
    wire.give(LCP, 9, 1, bytes(1400))
    assert len(wire.sent()[-1][1].encode()) == 128


def test_unanswered_echoes_end_the_link() -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    wire.wait(119.0)
    probes = [packet for _, packet in wire.sent()]
    assert [packet.code for packet in probes] == [9, 9, 9]
    wire.wait(120.0)
    assert wire.closed().stage == "echo"
    assert wire.events[-2] == NetworkClosed()
    assert wire.codes() == [(LCP, 5)]


def test_answered_echoes_keep_the_link() -> None:
    wire = Wire()
    wire.open_network()
    for second in range(0, 1000, 10):
        wire.wait(float(second))
        for _, packet in wire.sent():
            if packet.code == 9:
                wire.give(LCP, 10, packet.identifier, bytes(4))
    assert wire.link.phase is Phase.NETWORK
    wire.give(LCP, 10, 99, bytes(4))
    wire.wait(1200.0)
    assert wire.closed().stage == "echo"


def test_keepalive_stops_when_the_peer_does_not_know_echo_or_none_is_wanted() -> None:
    wire = Wire()
    wire.open_network()
    wire.give(LCP, 7, 1, Packet(9, 1, bytes(4)).encode())
    wire.wait(500.0)
    assert wire.link.phase is Phase.NETWORK
    wire = Wire(LinkConfig(local_address="10.0.0.1", mru=1500, echo_interval=0.0))
    wire.open_network()
    assert wire.link.get_timer() is None


@pytest.mark.parametrize("code", [9, 10])
def test_own_magic_in_echoes_is_a_loop(code: int) -> None:
    wire = Wire()
    request = wire.open()
    wire.agree(LCP, request)
    wire.sent()
    for _ in range(4):
        wire.give(LCP, code, 1, request.data[2:6])
    assert wire.sent() == []
    wire.give(LCP, code, 1, request.data[2:6])
    wire.wait(20.0)
    assert wire.closed().reason == "the link is looped back"


@pytest.mark.parametrize("protocol", [0x8057, 0x80FD, 0x0057, 0x003D, 0xC025, 0xC020])
def test_unknown_protocol_is_rejected_within_a_rate_once_the_network_phase_is_reached(
    protocol: int,
) -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    for _ in range(100):
        wire.give(protocol, 1, 1, b"abc")
    packets = [packet for _, packet in wire.sent()]
    assert len(packets) == 10
    assert packets[0].code == 8
    assert packets[0].data == protocol.to_bytes(2, "big") + Packet(1, 1, b"abc").encode()
    assert len({packet.identifier for packet in packets}) == 10


def test_protocol_reject_is_cut_to_the_peers_mru() -> None:
    wire = Wire()
    wire.open_lcp(b"\x01\x04\x00\x80")
    wire.give(0x8057, 1, 1, bytes(1000))
    assert len(wire.sent()[-1][1].encode()) == 128


def test_rejected_ipcp_ends_the_link() -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    wire.give(LCP, 8, 1, IPCP.to_bytes(2, "big") + b"\x01\x01\x00\x04")
    assert wire.codes() == [(LCP, 5)]
    wire.wait(20.0)
    assert wire.closed().stage == "ipcp"


def test_rejected_lcp_ends_the_link_and_other_rejects_do_not() -> None:
    wire = Wire()
    wire.open_network()
    wire.give(LCP, 8, 1, b"\x80")
    wire.give(LCP, 8, 1, b"\x80\x57")
    wire.give(LCP, 8, 1, b"\xc2\x23")
    assert wire.link.phase is Phase.NETWORK
    wire.give(LCP, 8, 1, b"\xc0\x21")
    wire.wait(20.0)
    assert wire.closed().stage == "lcp"


def test_protocol_reject_before_open_is_dropped() -> None:
    wire = Wire()
    wire.open()
    wire.give(LCP, 8, 1, b"\xc0\x21")
    assert wire.link.lcp_state is State.REQ_SENT


@pytest.mark.parametrize(
    "bad",
    [
        {"authenticate_peer": ("eap",)},
        {"answer_protocols": ("mschap",)},
        {"mru": 64},
        {"dns": ("1.1.1.1", "2.2.2.2", "3.3.3.3")},
        {"dns": ("one",)},
        {"local_address": "10.0.0.256"},
        {"peer_address": "::1"},
        {"username": "n" * 254},
        {"password": b"p" * 254},
        {"local_name": "n" * 254},
        {"negotiation_deadline": 0.0},
        {"restart": 0.0},
        {"max_failure": 0},
        {"echo_interval": -1.0},
    ],
    ids=str,
)
def test_configuration_that_cannot_work_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        LinkConfig(**bad)  # type: ignore[arg-type]
