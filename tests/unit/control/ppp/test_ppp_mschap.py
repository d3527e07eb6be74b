"""MS-CHAPv2: the vectors of RFC 2759 9.2, and both roles of two links."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ppp_pair import Pair
from ppp_wire import CHAP, LCP, Wire

from control.errors import LocalProtocolError
from control.ppp import mschap_proof
from control.ppp.chap import Value, encode_value
from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticationRequested, LinkClosed, PeerAuthenticated

USER, PASSWORD = b"User", b"clientPass"
THEIRS = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
OURS = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
PROOF = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
SUCCESS = "S=407A5589115FD0D6209F510FE9C04566932CDA56"


def test_vectors_of_the_rfc() -> None:
    assert mschap_proof.challenge_hash(OURS, THEIRS, USER).hex() == "d02e4386bce91226"
    assert mschap_proof.password_hash(PASSWORD).hex() == "44ebba8d5312b8d611474411f56989ae"
    assert mschap_proof.nt_response(THEIRS, OURS, USER, PASSWORD) == PROOF
    shown = mschap_proof.authenticator_response(PASSWORD, PROOF, OURS, THEIRS, USER)
    assert shown == SUCCESS


def test_a_response_value_is_laid_out_as_in_the_rfc_and_verifies() -> None:
    value = mschap_proof.response_value(USER, PASSWORD, THEIRS, OURS)
    assert value == OURS + bytes(8) + PROOF + b"\x00"
    assert mschap_proof.verify(USER, PASSWORD, THEIRS, value) == SUCCESS
    assert mschap_proof.verify(USER, b"clientpass", THEIRS, value) == ""
    assert mschap_proof.verify(USER, b"", THEIRS, value) == ""
    assert mschap_proof.verify(USER, PASSWORD, OURS, value) == ""
    assert mschap_proof.verify(USER, PASSWORD, THEIRS, value[:-1]) == ""


def test_a_domain_before_the_name_does_not_count() -> None:
    value = mschap_proof.response_value(b"HOME\\User", PASSWORD, THEIRS, OURS)
    assert value[24:48] == PROOF


@pytest.mark.parametrize(
    ("message", "believed"),
    [
        (SUCCESS.encode(), True),
        (SUCCESS.encode() + b" M=welcome", True),
        (SUCCESS.lower().encode(), True),
        (SUCCESS.encode()[:-1], False),
        (SUCCESS.replace("7", "8").encode(), False),
        (b"", False),
        (b"welcome", False),
    ],
)
def test_a_success_counts_only_with_its_proof(message: bytes, believed: bool) -> None:
    value = OURS + bytes(8) + PROOF + b"\x00"
    assert mschap_proof.proves_itself(message, USER, PASSWORD, THEIRS, value) is believed


def test_a_password_that_is_no_utf_8_is_hashed_octet_by_octet() -> None:
    assert mschap_proof.password_hash(b"\xff") == mschap_proof.password_hash("\xff".encode())


def test_without_the_extra_the_method_cannot_be_configured(monkeypatch) -> None:
    monkeypatch.setattr(mschap_proof, "available", lambda: False)
    with pytest.raises(LocalProtocolError, match=r"dialout\[mschap\]"):
        LinkConfig(answer_protocols=("mschapv2",))
    LinkConfig(answer_protocols=("chap",))


def ends(left_secret: bytes = b"to-cpe", right_secret: bytes = b"to-lns") -> Pair:
    both = LinkConfig(authenticate_peer=("mschapv2",), answer_protocols=("mschapv2",))
    left = replace(both, username="lns", password=left_secret, local_address="10.0.0.1")
    right = replace(both, username="cpe", password=right_secret, local_address="10.9.9.9")
    pair = Pair(left, right)
    pair.ends[0].users = {"cpe": b"to-lns"}
    pair.ends[1].users = {"lns": b"to-cpe"}
    return pair


def test_both_ends_prove_themselves_to_each_other() -> None:
    pair = ends()
    pair.open()
    pair.run(20.0)
    for end in pair.ends:
        assert end.network is not None
        asked = next(e for e in end.events if isinstance(e, AuthenticationRequested))
        assert asked.protocol == "mschapv2"
        assert len(asked.chap_response) == 49
        assert any(isinstance(e, PeerAuthenticated) for e in end.events)


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_wrong_password_fails_either_way(wrong: int) -> None:
    secrets = [b"to-cpe", b"to-lns"]
    secrets[wrong] = b"guess"
    pair = ends(*secrets)
    pair.open()
    pair.run(20.0)
    closed = [end.closed for end in pair.ends]
    assert [end.network for end in pair.ends] == [None, None]
    assert "authentication" in [end.stage for end in closed if end is not None]
    failure = next(f for f in pair.ends[1 - wrong].sent if b"E=691 R=0 C=" in f)
    assert b" V=3 M=" in failure


CLAIMANT = LinkConfig(
    answer_protocols=("mschapv2",), username="User", password=PASSWORD, local_address="10.0.0.1"
)


def challenged() -> tuple[Wire, bytes, int]:
    """A claimant that has answered a Challenge: its value."""
    wire = Wire(CLAIMANT)
    wire.open_lcp(b"\x03\x05\xc2\x23\x81")
    wire.give(CHAP, 1, 9, encode_value(Value(THEIRS, b"lac")))
    ((protocol, response),) = wire.sent()
    assert (protocol, response.code, response.identifier) == (CHAP, 2, 9)
    assert response.data[50:] == USER
    return wire, response.data[1:50], response.identifier


def test_a_repeated_challenge_gets_the_same_response_and_a_new_one_another() -> None:
    wire, value, _ = challenged()
    wire.give(CHAP, 1, 9, encode_value(Value(THEIRS, b"lac")))
    assert wire.sent()[0][1].data[1:50] == value
    wire.give(CHAP, 1, 10, encode_value(Value(THEIRS, b"lac")))
    assert wire.sent()[0][1].data[1:17] != value[:16]


@pytest.mark.parametrize("message", [b"", b"S=00", b"welcome", SUCCESS.encode()])
def test_a_peer_that_does_not_know_the_password_is_left(message: bytes) -> None:
    wire, _, identifier = challenged()
    wire.give(CHAP, 3, identifier, message)
    closing = wire.sent()
    assert [(protocol, packet.code) for protocol, packet in closing] == [(LCP, 5)]
    assert wire.link.counters["bad_proof"] == 1
    wire.wait(60.0)
    assert isinstance(wire.closed(), LinkClosed)
    assert "does not prove" in wire.closed().reason


@pytest.mark.parametrize("size", [1, 15, 17, 255])
def test_a_challenge_of_another_size_is_not_answered(size: int) -> None:
    wire = Wire(CLAIMANT)
    wire.open_lcp(b"\x03\x05\xc2\x23\x81")
    wire.give(CHAP, 1, 9, encode_value(Value(bytes(size), b"lac")))
    assert wire.sent() == []
    assert wire.link.counters["malformed"] == 1
