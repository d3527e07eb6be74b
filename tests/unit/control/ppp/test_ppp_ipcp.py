"""IPCP: addresses of both directions and the options beside them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from ppp_wire import IPCP, LCP, Wire

from control.errors import LocalProtocolError
from control.ppp.automaton import State
from control.ppp.config import LinkConfig
from control.ppp.events import NetworkClosed, NetworkOpened
from control.ppp.frame import Packet
from control.ppp.ipcp import is_host
from control.ppp.network import Networks
from control.ppp.options import Option
from control.ppp.outbox import Outbox


def ipcp(**changes: object) -> Wire:
    """A link whose IPCP has sent its first request, kept in `wire.request`."""
    settings: dict[str, object] = {"local_address": "10.0.0.1", "mru": 1500} | changes
    wire = Wire(LinkConfig(**settings))  # type: ignore[arg-type]
    wire.open_lcp()
    wire.request = next(packet for protocol, packet in wire.kept if protocol == IPCP)
    return wire


def address(text: str) -> bytes:
    return b"\x03\x06" + bytes(int(part) for part in text.split("."))


def exchange(wire: Wire, data: bytes, identifier: int = 9) -> Packet:
    wire.give(IPCP, 1, identifier, data)
    return wire.sent()[-1][1]


ASSIGNED = {"peer_address": "10.1.1.1"}
STRICT = {"accept_peer_address": False}
DNS = {"dns": ("8.8.8.8", "1.1.1.1")}

JUDGED = [
    ("asks for the assigned one", ASSIGNED, address("0.0.0.0"), 3, address("10.1.1.1")),
    ("names the assigned one", ASSIGNED, address("10.1.1.1"), 2, address("10.1.1.1")),
    ("names another than assigned", ASSIGNED, address("10.2.2.2"), 3, address("10.1.1.1")),
    ("names none, one is assigned", ASSIGNED, b"", 3, address("10.1.1.1")),
    ("short address, one is assigned", ASSIGNED, b"\x03\x05abc", 3, address("10.1.1.1")),
    ("names its own", {}, address("10.2.2.2"), 2, address("10.2.2.2")),
    ("names none", {}, b"", 3, address("0.0.0.0")),
    ("asks, nothing is assigned", {}, address("0.0.0.0"), 4, address("0.0.0.0")),
    ("names ours", {}, address("10.0.0.1"), 4, address("10.0.0.1")),
    ("names loopback", {}, address("127.0.0.1"), 4, address("127.0.0.1")),
    ("names multicast", {}, address("224.0.0.1"), 4, address("224.0.0.1")),
    ("names broadcast", {}, address("255.255.255.255"), 4, address("255.255.255.255")),
    ("short address", {}, b"\x03\x02", 4, b"\x03\x02"),
    ("its own against the policy", STRICT, address("10.2.2.2"), 4, address("10.2.2.2")),
    ("none, as the policy has it", STRICT, b"", 2, b""),
    ("header compression", ASSIGNED, b"\x02\x06\x00\x2d\x0f\x01", 4, b"\x02\x06\x00\x2d\x0f\x01"),
    ("deprecated addresses", {}, b"\x01\x0a" + bytes(8), 4, b"\x01\x0a" + bytes(8)),
    ("NBNS", DNS, b"\x82\x06" + bytes(4), 4, b"\x82\x06" + bytes(4)),
    ("secondary NBNS", DNS, b"\x84\x06" + bytes(4), 4, b"\x84\x06" + bytes(4)),
    ("DNS that we have not", {}, b"\x81\x06" + bytes(4), 4, b"\x81\x06" + bytes(4)),
    ("mobile", {}, b"\x04\x06" + bytes(4), 4, b"\x04\x06" + bytes(4)),
    (
        "DNS that we have",
        DNS,
        address("10.2.2.2") + b"\x81\x06" + bytes(4) + b"\x83\x06" + bytes(4),
        3,
        b"\x81\x06\x08\x08\x08\x08" + b"\x83\x06\x01\x01\x01\x01",
    ),
    (
        "DNS as we said",
        DNS,
        address("10.2.2.2") + b"\x81\x06\x08\x08\x08\x08",
        2,
        address("10.2.2.2") + b"\x81\x06\x08\x08\x08\x08",
    ),
]


@pytest.mark.parametrize(
    ("config", "asked", "code", "answer"),
    [row[1:] for row in JUDGED],
    ids=[row[0] for row in JUDGED],
)
def test_option_of_the_peer_is_answered(
    config: dict[str, object], asked: bytes, code: int, answer: bytes
) -> None:
    assert exchange(ipcp(**config), asked) == Packet(code, 9, answer)


def test_peer_that_insists_on_another_address_is_rejected_and_may_go_without() -> None:
    wire = ipcp(**ASSIGNED)
    codes = [exchange(wire, address("10.2.2.2"), identifier).code for identifier in range(6)]
    assert codes == [3, 3, 3, 3, 3, 4]
    assert exchange(wire, b"").code == 2
    wire.give(IPCP, 2, wire.request.identifier, wire.request.data)
    assert wire.last(NetworkOpened) == NetworkOpened("10.0.0.1", "10.1.1.1")


def test_repeated_request_does_not_count_as_insisting() -> None:
    wire = ipcp(**ASSIGNED)
    codes = [exchange(wire, address("0.0.0.0")).code for _ in range(8)]
    assert codes == [3] * 8


def test_peer_that_goes_on_insisting_ends_the_link() -> None:
    wire = ipcp(**ASSIGNED)
    for _ in range(25):
        wire.give(IPCP, 1, 9, address("10.2.2.2"))
        wire.now += 0.1
    wire.wait(25.0)
    assert wire.closed().stage == "ipcp"


def test_our_own_address_is_not_for_the_peer_to_choose() -> None:
    wire = ipcp()
    request = wire.request
    wire.give(IPCP, 3, request.identifier, address("10.7.7.7"))
    assert wire.sent()[-1][1].data == address("10.0.0.1")


def test_without_an_address_we_ask_for_one_and_take_it() -> None:
    wire = ipcp(local_address="")
    request = wire.request
    assert request.data == address("0.0.0.0")
    assert wire.link.local_address == ""
    wire.give(IPCP, 3, request.identifier, address("10.7.7.7"))
    again = wire.sent()[-1][1]
    assert again.data == address("10.7.7.7")
    wire.agree(IPCP, again, address("10.8.8.8"))
    assert wire.last(NetworkOpened) == NetworkOpened("10.7.7.7", "10.8.8.8")


@pytest.mark.parametrize("offer", [address("0.0.0.0"), address("127.1.1.1"), b"\x03\x03\x0a"])
def test_useless_address_is_not_taken(offer: bytes) -> None:
    wire = ipcp(local_address="")
    request = wire.request
    wire.give(IPCP, 3, request.identifier, offer)
    assert wire.sent()[-1][1].data == address("0.0.0.0")


def test_peer_that_gives_us_no_address_ends_the_link() -> None:
    wire = ipcp(local_address="")
    request = wire.request
    wire.give(IPCP, 4, request.identifier, request.data)
    wire.wait(20.0)
    assert wire.closed().stage == "ipcp"
    wire = ipcp(local_address="")
    request = wire.request
    wire.agree(IPCP, request, address("10.8.8.8"))
    wire.wait(20.0)
    assert wire.closed().stage == "ipcp"
    assert "NetworkOpened" not in [type(event).__name__ for event in wire.events]


def test_peer_may_reject_to_hear_our_address() -> None:
    wire = ipcp()
    request = wire.request
    wire.give(IPCP, 4, request.identifier, request.data)
    again = wire.sent()[-1][1]
    assert again.data == b""
    wire.agree(IPCP, again, address("10.8.8.8"))
    assert wire.last(NetworkOpened) == NetworkOpened("10.0.0.1", "10.8.8.8")


def test_negotiating_again_closes_and_opens_the_network() -> None:
    wire = ipcp()
    request = wire.request
    wire.agree(IPCP, request, address("10.8.8.8"))
    wire.now = 50.0
    wire.give(IPCP, 1, 77, address("10.9.9.9"))
    assert wire.last(NetworkClosed)
    codes = wire.sent()
    assert [(protocol, packet.code) for protocol, packet in codes] == [(IPCP, 1), (IPCP, 2)]
    wire.give(IPCP, 2, codes[0][1].identifier, codes[0][1].data)
    assert wire.last(NetworkOpened) == NetworkOpened("10.0.0.1", "10.9.9.9")
    assert wire.link.lcp_state is State.OPENED


def test_peer_that_terminates_ipcp_ends_the_link() -> None:
    wire = ipcp()
    request = wire.request
    wire.agree(IPCP, request, address("10.8.8.8"))
    wire.give(IPCP, 5, 3)
    assert wire.sent() == [(IPCP, Packet(6, 3))]
    assert wire.last(NetworkClosed)
    wire.wait(3.0)
    assert wire.codes() == [(LCP, 5)]
    wire.wait(20.0)
    assert wire.closed().stage == "ipcp"


@pytest.mark.parametrize("code", [0, 8, 9, 10, 11, 255])
def test_code_that_only_lcp_has_is_rejected(code: int) -> None:
    wire = ipcp()
    wire.give(IPCP, code, 3, b"\x80\x21")
    ((protocol, packet),) = wire.sent()
    assert (protocol, packet.code) == (IPCP, 7)
    assert packet.data == Packet(code, 3, b"\x80\x21").encode()


def test_address_of_the_result_goes_before_the_configured_one_and_must_be_one() -> None:
    wire = Wire(LinkConfig(authenticate_peer=("pap",), **ASSIGNED, local_address="10.0.0.1"))
    with pytest.raises(LocalProtocolError):
        wire.link.authentication_result(1, True, 0.0, peer_address="here")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("10.0.0.1", True),
        ("223.255.255.255", True),
        ("0.1.2.3", False),
        ("127.0.0.1", False),
        ("224.0.0.1", False),
        ("", False),
    ],
)
def test_address_that_a_host_may_have(text: str, host: bool) -> None:
    assert is_host(text) is host


def test_name_servers_of_the_authentication_go_before_the_configured() -> None:
    networks = Networks(LinkConfig(**DNS), Random(1), Outbox(Counter()))
    (ipv4,) = networks.all
    networks.assign("", 0, ("10.0.0.53",))
    asked = (Option(129, bytes(4)), Option(131, bytes(4)))
    answer = ipv4.policy.judge((Option(3, bytes((10, 2, 2, 2))), *asked))
    assert [option.value for _, option in answer.naks] == [bytes((10, 0, 0, 53))]
    networks.forget_assigned()
    assert ipv4.addresses.dns == DNS["dns"]
