"""IPV6CP, and two network protocols on one link of which one may fail."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ppp_pair import Pair
from ppp_wire import IPCP, LCP, Wire

from control.errors import LocalProtocolError
from control.ppp.automaton import State
from control.ppp.config import LinkConfig, read_identifier, write_identifier
from control.ppp.events import (
    Ipv6Closed,
    Ipv6Opened,
    LinkClosed,
    NetworkClosed,
    NetworkOpened,
    NetworkRefused,
)
from control.ppp.frame import Packet
from control.ppp.ipv6cp import NO_IDENTIFIER

IPV6CP = 0x8057
BOTH = LinkConfig(local_address="10.0.0.1", mru=1500, ipv6=True)
ONLY = replace(BOTH, ipv4=False, required=("ipv6",))
FIXED = replace(ONLY, interface_identifier="0:0:0:1")
OURS = b"\x01\x0a" + bytes(7) + b"\x01"
THEIRS = b"\x01\x0a" + bytes(7) + b"\x02"
ADDRESS = b"\x03\x06\x0a\x09\x09\x09"


def opened(config: LinkConfig) -> tuple[Wire, dict[int, Packet]]:
    """A link in the network phase, and the requests it sent there."""
    wire = Wire(config)
    wire.open_lcp()
    return wire, {protocol: packet for protocol, packet in wire.kept if protocol != LCP}


def test_identifiers_are_agreed_on() -> None:
    wire, requests = opened(FIXED)
    assert requests[IPV6CP] == Packet(1, requests[IPV6CP].identifier, OURS)
    wire.agree(IPV6CP, requests[IPV6CP], THEIRS)
    assert wire.take_events()[-1] == Ipv6Opened("0:0:0:1", "0:0:0:2")
    assert wire.link.network_state("ipv6") is State.OPENED
    assert wire.link.network_state("ipv4") is None
    assert wire.link.get_timer() == 30.0


def test_a_random_identifier_is_local_and_never_zero() -> None:
    seen = set()
    for seed in range(50):
        wire = Wire(ONLY, seed)
        wire.open_lcp()
        value = next(packet.data for protocol, packet in wire.kept if protocol == IPV6CP)[2:]
        assert value[0] & 0x02 == 0
        assert any(value)
        seen.add(value)
    assert len(seen) == 50


@pytest.mark.parametrize(
    "wanted",
    [
        b"\x01\x0a" + bytes(8),
        OURS,
        b"",
        b"\x01\x02",
        b"\x01\x09" + bytes(7),
        b"\x01\x0b" + bytes(9),
    ],
    ids=["zero", "ours", "none", "empty", "short", "long"],
)
def test_an_identifier_that_will_not_do_gets_another_one_named(wanted: bytes) -> None:
    wire, _ = opened(FIXED)
    wire.give(IPV6CP, 1, 5, wanted)
    ((protocol, nak),) = wire.sent()
    assert (protocol, nak.code, nak.identifier, nak.data[:2]) == (IPV6CP, 3, 5, b"\x01\x0a")
    assert nak.data[2:] not in (bytes(8), OURS[2:])
    wire.give(IPV6CP, 1, 6, nak.data)
    assert wire.sent()[-1][1].code == 2


def test_an_assigned_identifier_is_insisted_on() -> None:
    wire, requests = opened(replace(FIXED, peer_interface_identifier="0:0:0:7"))
    wire.give(IPV6CP, 1, 5, THEIRS)
    assert wire.sent()[-1][1] == Packet(3, 5, b"\x01\x0a" + bytes(7) + b"\x07")
    wire.agree(IPV6CP, requests[IPV6CP], b"\x01\x0a" + bytes(7) + b"\x07")
    assert wire.take_events()[-1] == Ipv6Opened("0:0:0:1", "0:0:0:7")


def test_compression_is_rejected() -> None:
    wire, _ = opened(FIXED)
    wire.give(IPV6CP, 1, 5, THEIRS + b"\x02\x04\x00\x4f")
    assert wire.sent()[-1][1] == Packet(4, 5, b"\x02\x04\x00\x4f")


@pytest.mark.parametrize("offer", [b"\x00" * 8, OURS[2:], b"\x00" * 7 + b"\x09"])
def test_a_nak_gives_us_another_identifier(offer: bytes) -> None:
    wire, requests = opened(FIXED)
    wire.give(IPV6CP, 3, requests[IPV6CP].identifier, b"\x01\x0a" + offer)
    ((_, again),) = wire.sent()
    assert again.data[2:] not in (bytes(8), OURS[2:])
    if offer.endswith(b"\x09"):
        assert again.data[2:] == offer


def test_a_peer_that_takes_no_identifier_of_ours_has_no_ipv6() -> None:
    wire, requests = opened(FIXED)
    wire.give(IPV6CP, 4, requests[IPV6CP].identifier, OURS)
    wire.wait(20.0)
    assert wire.closed() == NO_IDENTIFIER


def test_two_ends_with_the_same_identifier_part() -> None:
    pair = Pair(FIXED, FIXED)
    pair.open()
    pair.run(20.0)
    found = [next(e for e in end.events if isinstance(e, Ipv6Opened)) for end in pair.ends]
    assert found[0].local_identifier == found[1].peer_identifier
    assert found[0].peer_identifier == found[1].local_identifier
    assert found[0].local_identifier != found[0].peer_identifier


# --- two networks ---------------------------------------------------------------------------------


def reject(wire: Wire, protocol: int) -> None:
    wire.give(LCP, 8, 77, protocol.to_bytes(2, "big") + b"\x01\x01\x00\x04")


def test_both_networks_open_and_close_apart() -> None:
    wire, requests = opened(BOTH)
    wire.agree(IPV6CP, requests[IPV6CP], THEIRS)
    wire.agree(IPCP, requests[IPCP], ADDRESS)
    wire.give(IPV6CP, 5, 9)
    names = [type(event) for event in wire.take_events()[1:]]
    assert names == [Ipv6Opened, NetworkOpened, Ipv6Closed]
    assert wire.link.network_state("ipv4") is State.OPENED
    wire.link.lower_down(wire.now)
    names = [type(event) for event in wire.take_events()[-2:]]
    assert names == [NetworkClosed, LinkClosed]


@pytest.mark.parametrize(("refused", "left"), [(IPV6CP, IPCP), (IPCP, IPV6CP)])
def test_the_link_does_without_a_network_that_the_peer_rejects(refused: int, left: int) -> None:
    wire, requests = opened(BOTH)
    reject(wire, refused)
    assert isinstance(wire.last(NetworkRefused), NetworkRefused)
    wire.agree(left, requests[left], ADDRESS if left == IPCP else THEIRS)
    assert wire.take_events()[-1].__class__ in (NetworkOpened, Ipv6Opened)
    wire.sent()
    wire.give(refused, 1, 5, THEIRS)
    assert [packet.code for _, packet in wire.sent()] == [8]


@pytest.mark.parametrize("required", [("ipv4",), ("ipv6",), ("ipv4", "ipv6")])
@pytest.mark.parametrize("refused", [IPCP, IPV6CP])
def test_the_link_does_not_do_without_one_that_is_required(
    refused: int, required: tuple[str, ...]
) -> None:
    wire, _ = opened(replace(BOTH, required=required))
    reject(wire, refused)
    wire.wait(10.0)
    vital = {IPCP: "ipv4", IPV6CP: "ipv6"}[refused] in required
    assert isinstance(wire.take_events()[-1], LinkClosed) == vital


def test_without_either_there_is_no_link() -> None:
    wire, _ = opened(BOTH)
    reject(wire, IPV6CP)
    reject(wire, IPCP)
    wire.wait(10.0)
    assert wire.closed() == LinkClosed("ipcp", "the peer rejects IPCP", "rejected")


def test_a_network_that_gets_no_answer_does_not_hold_up_the_other() -> None:
    wire, requests = opened(BOTH)
    wire.agree(IPCP, requests[IPCP], ADDRESS)
    wire.wait(100.0)
    assert NetworkRefused("ipv6cp", "the peer does not answer") in wire.take_events()
    assert wire.link.network_state("ipv4") is State.OPENED
    assert wire.link.network_state("ipv6") is None


def test_the_deadline_names_the_network_that_is_missing() -> None:
    wire, requests = opened(replace(BOTH, required=("ipv6",), negotiation_deadline=20.0))
    wire.agree(IPCP, requests[IPCP], ADDRESS)
    wire.wait(20.0)
    assert wire.closed() == LinkClosed("ipv6cp", "ipv6cp is not complete in time", "timeout")


def test_ipv6_that_is_not_wanted_is_protocol_rejected() -> None:
    wire, _ = opened(LinkConfig(local_address="10.0.0.1", mru=1500))
    wire.give(IPV6CP, 1, 5, THEIRS)
    ((protocol, packet),) = wire.sent()
    assert (protocol, packet.code, packet.data[:2]) == (LCP, 8, b"\x80\x57")


@pytest.mark.parametrize("text", ["", "1", "0:0:0:0", "0:0:0:1:2", "::1", "0:0:0:12345", "g:0:0:1"])
def test_text_that_is_no_identifier_is_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        read_identifier(text)


def test_identifiers_are_written_as_they_are_read() -> None:
    assert write_identifier(read_identifier("0123:0:ABCD:1")) == "123:0:abcd:1"


@pytest.mark.parametrize(
    "more",
    [{"ipv4": False, "ipv6": False}, {"required": ("ipv6",)}, {"rechallenge_interval": -1.0}],
)
def test_a_configuration_that_cannot_work_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        LinkConfig(**more)
