"""RADIUS against packets made by hand: what is asked, which replies count, what they mean
(specification 1.7, 1.8, 2.7; threats T14, T15)."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import pytest
from raw_radius import (
    ERX,
    SECRET,
    SERVER,
    Asked,
    attribute,
    chain,
    integer,
    is_signed,
    lac_of,
    read,
    reply,
    text,
    tunnel_password,
    vendor,
)

from control.radius.events import Denied, DialoutGranted, SessionGranted, TimedOut
from control.radius.requests import DialoutRequest, SessionRequest

NUMBER = vendor(35, "5551000")


# What is asked.


@pytest.mark.parametrize(("mode", "clear"), [("empty", b""), ("configured", b"pw" * 20)])
def test_first_request(mode: str, clear: bytes) -> None:
    name = "0.0.0.0:65000/10.10.1.1@L2TP-dial-out.de.dt"
    asked = Asked(request=DialoutRequest(name, "0000002A", mode, clear))
    rows = read(asked.packet)
    assert is_signed(asked.packet)
    values = dict(rows)
    assert len(values) == len(rows), "an attribute comes twice"
    assert values[1] == name.encode()
    assert values[6] == struct.pack(">I", 5)
    assert values[7] == struct.pack(">I", 1)
    assert values[61] == struct.pack(">I", 5)
    assert values[44] == b"0000002A"
    assert values[32] == b"lns"
    assert values[4] == bytes((192, 0, 2, 1))
    assert len(values[2]) == max(16, len(clear) + -len(clear) % 16)
    hidden = chain(values[2], asked.packet[4:20], reveal=True)
    assert hidden.rstrip(b"\0") == clear
    assert 3 not in values


def test_first_request_without_any_password_is_that_of_junose() -> None:
    asked = Asked(request=DialoutRequest("10.10.1.1@domain", "1", "none"))
    assert is_signed(asked.packet)
    assert not {2, 3, 24} & {kind for kind, _ in read(asked.packet)}


def test_second_request_of_each_method() -> None:
    asked = Asked()
    asked.client.request_session(SessionRequest("cpe", "1", None, 77, b"c" * 16, b"r" * 16), 0.0)
    asked.client.request_session(SessionRequest("cpe", "1", b"a password of 24 octets!"), 0.0)
    chap, pap = (one.data for one in asked.client.datagrams_to_send())
    assert is_signed(chap)
    assert is_signed(pap)
    values = dict(read(chap))
    assert (values[3], values[60]) == (bytes((77,)) + b"r" * 16, b"c" * 16)
    assert values[6] == struct.pack(">I", 2)
    assert 2 not in values
    values = dict(read(pap))
    assert chain(values[2], pap[4:20], reveal=True).rstrip(b"\0") == b"a password of 24 octets!"
    assert 3 not in values


def test_same_octets_three_times_two_seconds_apart_within_a_tenth() -> None:
    for seed in range(20):
        asked = Asked(seed, status_server=False)
        times, seen = [0.0], {asked.packet}
        while (event := asked.client.next_event()) is None:
            when = asked.client.get_timer()
            assert when is not None
            asked.client.handle_timer(when)
            seen |= {one.data for one in asked.client.datagrams_to_send()}
            times.append(when)
        assert isinstance(event, TimedOut)
        assert len(seen) == 1
        assert len(times) == 4
        assert all(1.8 <= b - a <= 2.2 for a, b in pairwise(times))
        assert asked.client.get_timer() is None


# Which replies count (T14).


def forgeries(asked: Asked) -> dict[str, tuple[bytes, dict[str, object]]]:
    good = lac_of(asked.packet, 1, "10.88.0.2") + NUMBER
    packet = asked.packet
    right = reply(packet, 2, good)
    other = bytes((packet[0], packet[1] ^ 1)) + packet[2:]
    return {
        "wrong secret": (reply(packet, 2, good, secret=b"guess"), {}),
        "no secret": (reply(packet, 2, good, secret=b""), {}),
        "not signed": (reply(packet, 2, good, signed=False), {}),
        "signature of zeros": (reply(packet, 2, good, signature=bytes(16)), {}),
        "signed twice": (reply(packet, 2, good, attribute(80, bytes(16)), first=False), {}),
        "signature cut": (reply(packet, 2, good, attribute(80, b"short"), signed=False), {}),
        "somebody's Proxy-State": (reply(packet, 2, attribute(33, b"x"), good), {}),
        "other identifier": (reply(other, 2, good), {}),
        "request itself": (packet, {}),
        "challenge of another request": (
            reply(packet[:4] + bytes(16) + packet[20:], 2, good),
            {},
        ),
        "other address": (right, {"server": ("192.0.2.9", 1812)}),
        "other port": (right, {"server": ("192.0.2.8", 1813)}),
        "other socket": (right, {"socket": asked.datagram.socket + 1}),
        "accounting": (reply(packet, 5, good), {}),
        "disconnect": (reply(packet, 40, good), {}),
        "CoA": (reply(packet, 43, good), {}),
        "status": (reply(packet, 12, good), {}),
        "cut": (right[:-1], {}),
        "length beyond": (right[:2] + struct.pack(">H", len(right) + 4) + right[4:], {}),
        "attribute of length 0": (reply(packet, 2, good, b"\x19\x00"), {}),
        "attribute of length 1": (reply(packet, 2, good, b"\x19\x01"), {}),
        "attribute beyond": (reply(packet, 2, good, b"\x19\xff\x00"), {}),
        "header only": (right[:20], {}),
        "nothing": (b"", {}),
    }


@pytest.mark.parametrize("what", list(forgeries(Asked())))
def test_forged_reply_changes_nothing_and_the_genuine_one_still_counts(what: str) -> None:
    asked = Asked()
    data, where = forgeries(asked)[what]
    before = asked.client.get_timer()
    assert asked.give(data, **where) is None  # type: ignore[arg-type]
    assert asked.client.pending == 1
    assert asked.client.get_timer() == before
    good = reply(asked.packet, 2, lac_of(asked.packet, 1, "10.88.0.2"), NUMBER, first=False)
    assert isinstance(asked.give(good), DialoutGranted)
    assert asked.give(good) is None


@pytest.mark.parametrize("code", [3, 11])
def test_reject_and_challenge_deny(code: int) -> None:
    asked = Asked()
    event = asked.give(reply(asked.packet, code, text(18, "not today")))
    assert isinstance(event, Denied)
    assert "not today" in event.reason


def test_reply_that_came_before_its_request_was_cancelled_is_nothing() -> None:
    asked = Asked()
    asked.client.cancel(asked.number)
    assert asked.give(reply(asked.packet, 3)) is None
    assert (asked.client.pending, asked.client.get_timer()) == (0, None)


# What they mean.


def granted(*attributes: bytes, asked: Asked | None = None, **more: object) -> object:
    asked = asked or Asked(**more)
    return asked.give(reply(asked.packet, 2, *attributes))


def test_whole_accept() -> None:
    asked = Asked()
    event = granted(
        lac_of(
            asked.packet,
            7,
            "10.88.0.7",
            integer(83, 20, 7),
            text(66, "192.0.2.1", 7),
            text(82, "pool-a", 7),
            text(90, "lns.lab", 7),
            text(91, "lac.lab", 7),
        ),
        lac_of(asked.packet, 2, "10.88.0.2", integer(83, 10, 2)),
        NUMBER,
        vendor(36, "name"),
        vendor(37, "word"),
        vendor(38, 4),
        vendor(39, 9600),
        vendor(40, 33600),
        vendor(41, 1),
        vendor(33, 12),
        asked=asked,
    )
    assert isinstance(event, DialoutGranted)
    grant = event.grant
    assert [c.tag for c in grant.candidates] == [2, 7]
    second = grant.candidates[1]
    assert (second.server_endpoint, second.client_endpoint) == ("10.88.0.7", "192.0.2.1")
    assert (second.password, second.assignment_id) == (b"tunnel secret", "pool-a")
    assert (second.client_auth_id, second.server_auth_id) == ("lns.lab", "lac.lab")
    assert (second.preference, second.maximum_sessions) == (20, 12)
    assert (grant.number, grant.ppp_username, grant.ppp_password) == ("5551000", "name", b"word")
    assert grant.answer_protocols == ("chap", "pap")
    assert (grant.minimum_bps, grant.maximum_bps, grant.bearer_type) == (9600, 33600, 2)


@pytest.mark.parametrize(
    ("value", "methods"),
    [(0, ()), (1, ("pap",)), (2, ("chap",)), (3, ("pap", "chap")), (4, ("chap", "pap"))],
)
def test_authentication_protocol_values(value: int, methods: tuple[str, ...]) -> None:
    asked = Asked()
    event = granted(lac_of(asked.packet, 1, "10.88.0.2"), NUMBER, vendor(38, value), asked=asked)
    assert isinstance(event, DialoutGranted)
    assert event.grant.answer_protocols == methods


@pytest.mark.parametrize(("value", "bits"), [(0, 0), (1, 2), (2, 1)])
def test_bearer_type_values(value: int, bits: int) -> None:
    asked = Asked()
    event = granted(lac_of(asked.packet, 1, "10.88.0.2"), NUMBER, vendor(41, value), asked=asked)
    assert isinstance(event, DialoutGranted)
    assert event.grant.bearer_type == bits


def test_clear_text_tunnel_password_of_the_vendor_serves_its_own_tag() -> None:
    def tag(number: int) -> bytes:
        endpoint = f"10.88.0.{number}"
        return integer(64, 3, number) + integer(65, 1, number) + text(67, endpoint, number)

    event = granted(tag(1), tag(2), vendor(9, b"\x02clear"), NUMBER)
    assert isinstance(event, DialoutGranted)
    assert [(c.tag, c.password) for c in event.grant.candidates] == [(2, b"clear")]


@pytest.mark.parametrize("length", [0, 1, 14, 15, 16, 31, 32, 200])
def test_tunnel_password_of_any_length(length: int) -> None:
    asked = Asked(require_tunnel_auth=False)
    clear = bytes(range(1, 129)).ljust(length, b"p")[:length]
    tag = integer(64, 3, 1) + integer(65, 1, 1) + text(67, "10.88.0.2", 1)
    event = granted(tag, tunnel_password(asked.packet, 1, clear), NUMBER, asked=asked)
    assert isinstance(event, DialoutGranted)
    assert event.grant.candidates[0].password == clear


@pytest.mark.parametrize(
    "number",
    [
        "",
        "555 1000",
        "5551000;reboot",
        "$(id)",
        "`id`",
        "555\n1000",
        "555\x001000",
        "E5551000",
        "+49-30",
        "٣٤٥",
        "555/1000",
        "W555",
        "t555",
        "555!",
    ],
)
def test_number_that_is_none_is_denied(number: str) -> None:
    asked = Asked()
    event = granted(lac_of(asked.packet, 1, "10.88.0.2"), vendor(35, number), asked=asked)
    assert isinstance(event, Denied)


@pytest.mark.parametrize("number", ["0049301234", "+4930", "*21#", "9,,5551000", "ABCD"])
def test_number_of_a_dial_string_is_granted(number: str) -> None:
    asked = Asked()
    event = granted(lac_of(asked.packet, 1, "10.88.0.2"), vendor(35, number), asked=asked)
    assert isinstance(event, DialoutGranted)
    assert event.grant.number == number


def test_no_more_lacs_than_there_are_tags() -> None:
    asked = Asked()
    tags = [lac_of(asked.packet, tag, "10.88.0.2") for tag in range(1, 32)]
    for over in (32, 99, 255):
        tags.append(integer(64, 3, over) + integer(65, 1, over) + text(67, "10.88.0.3", over))
    event = granted(*tags, NUMBER, asked=asked)
    assert isinstance(event, DialoutGranted)
    assert {c.tag for c in event.grant.candidates} == set(range(1, 32))


@pytest.mark.parametrize("seed", range(30))
def test_hostile_attributes_are_a_grant_or_a_denial(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(30):
        asked = Asked(rng.randrange(1000))
        parts = [lac_of(asked.packet, 1, "10.88.0.2"), NUMBER] if rng.random() < 0.5 else []
        for _ in range(rng.randrange(12)):
            kind = rng.choice((64, 65, 66, 67, 69, 81, 82, 83, 90, 91, 26, 8, 9, 22, 18, 6, 7))
            value = rng.randbytes(rng.choice((0, 1, 2, 3, 4, 5, 17, 18, 19, 34, 100, 253)))
            if kind == 26:
                inner = bytes((rng.choice((9, 35, 36, 37, 38, 41)), rng.randrange(256)))
                value = struct.pack(">I", rng.choice((ERX, 9, 0))) + inner + value[:200]
            parts.append(attribute(kind, value))
        rng.shuffle(parts)
        event = granted(*parts, asked=asked)
        assert isinstance(event, Denied | DialoutGranted)
        assert asked.client.pending == 0
        if isinstance(event, DialoutGranted):
            assert 1 <= len(event.grant.candidates) <= 32
            assert len(str(event.grant)) < 20_000


@pytest.mark.parametrize(
    ("routes", "wanted"),
    [
        (("10.1.2.0/24 0.0.0.0 1",), ["10.1.2.0/24"]),
        (("10.1.2.0/24", "10.1.3.0/24 10.1.3.1 5"), ["10.1.2.0/24", "10.1.3.0/24"]),
        (("192.168.1.0 0.0.0.0",), ["192.168.1.0/24"]),
        (("172.16.0.0",), ["172.16.0.0/16"]),
        (("10.1.2.3/24", "nonsense", "10.9.9.0/33", "2001:db8::/32", "224.0.0.0/4"), []),
    ],
)
def test_framed_routes(routes: tuple[str, ...], wanted: list[str]) -> None:
    asked = Asked()
    asked.client.cancel(asked.number)
    asked.client.request_session(SessionRequest("cpe", "1", b"pw"), 0.0)
    (asked.datagram,) = asked.client.datagrams_to_send()
    rows = [text(22, route) for route in routes]
    event = granted(attribute(8, bytes((10, 1, 2, 3))), *rows, asked=asked)
    assert isinstance(event, SessionGranted)
    assert event.grant.framed_address == "10.1.2.3"
    assert [route.prefix for route in event.grant.framed_routes] == wanted
    assert SECRET.decode() not in repr(event)
    assert SERVER[0] not in repr(event)
