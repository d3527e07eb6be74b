"""ICMP errors and echo replies, what gets none, and the token bucket."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parse_packets import echo_request, internet_checksum, ipv4, sealed, udp

from fastpath.dissect import bucket, dissect, icmp_echo_reply, icmp_error

US = 0x0A000001
SECOND = 10**9


def icmp(kind: int, size: int = 8) -> bytes:
    """An IPv4 packet with an ICMP message of a type."""
    return ipv4(bytes([kind]) + bytes(size - 1), proto=1)


def assert_sound(packet: bytes) -> None:
    """The packet passes the data plane's own checks, its ICMP checksum a slow one."""
    assert dissect(packet, "ipv4")["reason"] == "none"
    assert dissect(packet, "ipv4")["len"] == len(packet)
    assert internet_checksum(packet[20:]) == 0


def test_error_quotes_the_packet_and_comes_from_us():
    about = ipv4(udp(b"data", sport=5, dport=6), tos=0xB9, ttl=1, ident=0xBEEF)
    error = icmp_error(about, US, 11, 0)
    assert_sound(error)
    assert error[28:] == about
    assert error[12:20] == US.to_bytes(4, "big") + about[12:16]
    assert (error[0], error[1], error[8], error[9]) == (0x45, 0xC0, 64, 1)
    assert (error[4:6], error[6:8]) == (b"\xbe\xef", b"\0\0")
    assert struct.unpack("!BBHI", error[20:28])[::3] == (11, 0)


def test_mtu_goes_with_fragmentation_needed_only():
    about = ipv4(bytes(1400), fragment=0x4000)
    assert icmp_error(about, US, 3, 4, 1460)[20:22] == b"\x03\x04"
    assert icmp_error(about, US, 3, 4, 1460)[24:28] == b"\x00\x00\x05\xb4"
    for kind, code in ((3, 0), (3, 1), (3, 13), (11, 0), (11, 4)):
        error = icmp_error(about, US, kind, code, 1460)
        assert_sound(error)
        assert (error[20], error[21], error[24:28]) == (kind, code, bytes(4))


@pytest.mark.parametrize("size", [0, 1, 8, 27, 527, 528, 529, 1480, 65515])
@pytest.mark.parametrize("options", [0, 4, 40])
def test_error_quotes_as_much_as_576_octets_hold(size, options):
    about = ipv4(bytes(min(size, 65515 - options)), options=b"\x01" * options, proto=99)
    error = icmp_error(about + b"padding", US, 3, 1)
    assert_sound(error)
    assert error[28:] == about[:548]
    assert len(error) == min(576, 28 + len(about))


def test_error_fits_its_room_or_is_none():
    about = ipv4(bytes(100), options=b"\x01" * 8, proto=99)
    for room in range(28 + 28 + 8):
        assert icmp_error(about, US, 11, 0, room=room) == b""
    for room in range(28 + 28 + 8, 28 + len(about) + 8):
        error = icmp_error(about, US, 11, 0, room=room)
        assert_sound(error)
        assert len(error) == min(room, 28 + len(about))
    assert len(icmp_error(ipv4(b"four", proto=99), US, 11, 0, room=52)) == 52


# (description, packet about which there must be no error)
NO_ERROR = [
    *[(f"ICMP error {kind}", icmp(kind)) for kind in (3, 4, 5, 11, 12)],
    *[(f"unknown ICMP type {kind}", icmp(kind)) for kind in (1, 2, 6, 7, 19, 41, 255)],
    ("ICMP without a type", ipv4(proto=1)),
    *[(f"fragment at {at}", ipv4(bytes(8), fragment=at)) for at in (1, 2, 0x100, 0x1000)],
    ("last fragment", ipv4(bytes(8), fragment=0x1FFF)),
    ("to multicast", ipv4(dst="224.0.0.1")),
    ("to broadcast", ipv4(dst="255.255.255.255")),
    ("to 0/8", ipv4(dst="0.0.0.0")),
    ("to loopback", ipv4(dst="127.0.0.1")),
    ("from nowhere", ipv4(src="0.0.0.0")),
    ("from loopback", ipv4(src="127.0.0.1")),
    ("from multicast", ipv4(src="224.0.0.1")),
    ("from class E", ipv4(src="240.0.0.1")),
    ("from broadcast", ipv4(src="255.255.255.255")),
    ("short", ipv4()[:19]),
    ("cut", ipv4(bytes(10))[:29]),
    ("nothing", b""),
    ("IPv6", b"\x65" + ipv4()[1:]),
    ("short header", sealed(b"\x44" + ipv4()[1:])),
    ("bad checksum", ipv4()[:10] + b"\0\0" + ipv4()[12:]),
]


@pytest.mark.parametrize(("description", "packet"), NO_ERROR)
def test_no_error_is_sent_about(description, packet):
    assert icmp_error(packet, US, 11, 0) == b""


@pytest.mark.parametrize("kind", [0, 8, 9, 10, 13, 14, 15, 16, 17, 18])
def test_error_is_sent_about_icmp_queries_and_replies(kind):
    assert_sound(icmp_error(icmp(kind), US, 11, 0))


def test_error_is_sent_about_a_first_fragment():
    assert_sound(icmp_error(ipv4(bytes(8), fragment=0x2000), US, 11, 0))


def test_no_error_without_an_address_of_ours():
    assert icmp_error(ipv4(udp()), 0, 11, 0) == b""


def test_an_error_about_an_error_never_happens():
    assert icmp_error(icmp_error(ipv4(udp()), US, 3, 1), US, 3, 1) == b""


# --- echo -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 56, 57, 1472, 65507])
def test_reply_returns_the_data_to_the_sender(size):
    data = bytes(at * 7 & 255 for at in range(size))
    request = ipv4(echo_request(data, ident=9, sequence=3), proto=1, ttl=3, tos=0x20, ident=77)
    reply = icmp_echo_reply(request + b"padding")
    assert_sound(reply)
    assert reply[12:20] == request[16:20] + request[12:16]
    assert (reply[1], reply[4:6], reply[8]) == (0x20, b"\x00\x4d", 64)
    assert (reply[20:22], reply[24:28]) == (b"\0\0", b"\0\x09\0\x03")
    assert reply[28:] == data


def test_reply_to_options_has_none_and_df_is_kept():
    request = ipv4(echo_request(), proto=1, options=b"\x07\x07\x04\0\0\0\0\0", fragment=0x4000)
    reply = icmp_echo_reply(request)
    assert_sound(reply)
    assert (reply[0], reply[6:8]) == (0x45, b"\x40\x00")
    assert reply[28:] == b"ping data"


# (description, packet that gets no reply)
NO_REPLY = [
    ("echo reply", ipv4(b"\0" + echo_request()[1:], proto=1)),
    ("code 1", ipv4(b"\x08\x01\xf7\xfe" + bytes(4), proto=1)),
    ("damaged data", ipv4(echo_request()[:-1] + b"?", proto=1)),
    ("7 octets of ICMP", ipv4(echo_request()[:7], proto=1)),
    ("UDP", ipv4(echo_request(), proto=17)),
    ("first fragment", ipv4(echo_request(), proto=1, fragment=0x2000)),
    ("last fragment", ipv4(echo_request(), proto=1, fragment=1)),
    ("to multicast", ipv4(echo_request(), proto=1, dst="224.0.0.1")),
    ("to broadcast", ipv4(echo_request(), proto=1, dst="255.255.255.255")),
    ("from nowhere", ipv4(echo_request(), proto=1, src="0.0.0.0")),
    ("from loopback", ipv4(echo_request(), proto=1, src="127.0.0.1")),
    ("cut", ipv4(echo_request(), proto=1)[:-1]),
    ("bad header checksum", ipv4(echo_request(), proto=1, ttl=9)[:8] + b"\x08" + bytes(50)),
    ("nothing", b""),
]


@pytest.mark.parametrize(("description", "packet"), NO_REPLY)
def test_no_reply_is_sent_to(description, packet):
    assert icmp_echo_reply(packet) == b""


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_any_octets_get_a_sound_answer_or_none(data, seal):
    packet = sealed(ipv4()[:20])[:20] + data if seal else data
    for answer in (icmp_echo_reply(packet), icmp_error(packet, US, 3, 1)):
        if answer:
            assert_sound(answer)


# --- token bucket ---------------------------------------------------------------------------------


def test_full_bucket_gives_its_burst_and_no_more():
    assert bucket(10, 3, [5] * 5) == [True, True, True, False, False]


def test_tokens_come_back_at_the_rate():
    times = [SECOND] * 3 + [SECOND + step * SECOND // 100 for step in range(1, 31)]
    taken = bucket(10, 2, times)
    assert taken[:3] == [True, True, False]
    assert [at for at, had in enumerate(taken[3:], 1) if had] == [10, 20, 30]


def test_nothing_is_lost_by_asking_often():
    # 3 tokens a second do not divide a second of nanoseconds: rounding would show.
    times = [SECOND + step * 1_000_003 for step in range(30_000)]
    assert sum(bucket(3, 1, times)) == 1 + (times[-1] - times[0]) * 3 // SECOND


def test_token_is_there_when_it_is_whole_and_not_before():
    third = SECOND // 3  # three times this is a nanosecond short of a second
    assert bucket(3, 1, [SECOND, SECOND + third]) == [True, False]
    assert bucket(3, 1, [SECOND, SECOND + third + 1]) == [True, True]


def test_rate_of_zero_gives_the_first_burst_only():
    assert sum(bucket(0, 4, [0, 1, SECOND, 1000 * SECOND, 2**63, 2**64 - 1])) == 4


def test_burst_of_zero_gives_nothing():
    assert not any(bucket(1000, 0, [SECOND * at for at in range(10)]))


def test_clock_that_goes_back_earns_nothing_and_recovers():
    times = [100 * SECOND, 100 * SECOND, 50 * SECOND, 50 * SECOND, 51 * SECOND, 51 * SECOND]
    assert bucket(1, 1, times) == [True, False, False, False, True, False]


@settings(deadline=None, max_examples=300)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1) | st.integers(0, 5),
    st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 10 * SECOND), max_size=60),
)
def test_any_times_agree_with_an_exact_bucket(rate, burst, times):
    credit, last, expected = burst * SECOND, 0, []
    for now in times:
        credit = min(burst * SECOND, credit + max(0, now - last) * rate)
        last = now
        expected.append(credit >= SECOND)
        credit -= SECOND if credit >= SECOND else 0
    assert bucket(rate, burst, times) == expected
