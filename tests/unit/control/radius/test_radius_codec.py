"""Octets of RADIUS packets and attributes, in both directions (RFC 2865, 2868, 2869)."""

from __future__ import annotations

import hashlib
import hmac
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrad.packet import AuthPacket

from control.errors import DecodeError, LocalProtocolError
from control.radius import codec

SECRET = b"testing123"
AUTHENTICATOR = bytes(range(16))

# name, tag, value, octets of the attribute's value field
VALUES = [
    ("User-Name", None, "nemo", b"nemo"),
    ("NAS-IP-Address", None, "192.0.2.1", bytes((192, 0, 2, 1))),
    ("Service-Type", None, 5, b"\0\0\0\5"),
    ("Framed-Route", None, "10.0.0.0/8 0.0.0.0 1", b"10.0.0.0/8 0.0.0.0 1"),
    ("Class", None, b"\x00\xff0x31", b"\x00\xff0x31"),
    ("Event-Timestamp", None, 1000000000, struct.pack("!I", 1000000000)),
    ("Framed-IPv6-Prefix", None, "2001:db8::/32", bytes.fromhex("002020010db8") + bytes(12)),
    ("Framed-Interface-Id", None, "1:2:3:4", bytes.fromhex("0001000200030004")),
    ("Tunnel-Type", 1, 3, b"\1\0\0\3"),
    ("Tunnel-Type", 0, 3, b"\0\0\0\3"),
    ("Tunnel-Type", 31, 3, b"\x1f\0\0\3"),
    ("Tunnel-Medium-Type", 2, 1, b"\2\0\0\1"),
    ("Tunnel-Client-Endpoint", 1, "10.88.0.1", b"\x0110.88.0.1"),
    ("Tunnel-Server-Endpoint", 0, "10.88.0.2", b"\x0010.88.0.2"),
    ("Tunnel-Private-Group-Id", 3, "g", b"\3g"),
    ("Tunnel-Assignment-Id", 4, "lac-one", b"\4lac-one"),
    ("Tunnel-Preference", 5, 0xFFFFFF, b"\5\xff\xff\xff"),
    ("Tunnel-Client-Auth-Id", 6, "lns.lab", b"\6lns.lab"),
    ("Tunnel-Server-Auth-Id", 7, "lac.lab", b"\7lac.lab"),
    ("ERX-Virtual-Router-Name", None, "vr-two", b"vr-two"),
    ("ERX-Tunnel-Virtual-Router", 1, "vr-core", b"\1vr-core"),
    ("ERX-Tunnel-Password", 1, b"clearpw", b"\1clearpw"),
    ("ERX-Tunnel-Maximum-Sessions", None, 20, b"\0\0\0\x14"),
    ("ERX-Dial-Out-Number", None, "5551234", b"5551234"),
    ("ERX-PPP-Username", None, "lns", b"lns"),
    ("ERX-PPP-Password", None, b"123", b"123"),
    ("ERX-PPP-Auth-Protocol", None, 4, b"\0\0\0\4"),
    ("ERX-Minimum-BPS", None, 64000, struct.pack("!I", 64000)),
    ("ERX-Maximum-BPS", None, 128000, struct.pack("!I", 128000)),
    ("ERX-Bearer-Type", None, 2, b"\0\0\0\2"),
    ("ERX-L2TP-Resynch-Method", None, 3, b"\0\0\0\3"),
]

# Salt and cipher text, clear text: from the test suite of FreeRADIUS (radius/rfc2868.txt)
SALTED = [
    ("9973051de6c557307dacd5daa599f4e26e7e", b"foo"),
    ("9dc5c469233a1657b35c97823c97ec6b7ef1", b"bar"),
    ("c06f255f09b7dc0e4a1a465605f48f7c0ba4", b"barbar"),
]


def attribute(code: int, octets: bytes) -> bytes:
    return bytes((code, len(octets) + 2)) + octets


def wire(name: str, octets: bytes) -> bytes:
    """The attribute as it stands in a packet."""
    definition = codec.dictionary()[name]
    inner = attribute(definition.code, octets)
    if definition.vendor:
        return attribute(26, struct.pack("!I", 4874) + inner)
    return inner


def packet(*attributes: bytes, code: int = 2, identifier: int = 7) -> bytes:
    """A reply with right authenticators, made without pyrad."""
    body = attribute(80, bytes(16)) + b"".join(attributes)
    head = struct.pack("!BBH", code, identifier, 20 + len(body))
    digest = hmac.new(SECRET, head + AUTHENTICATOR + body, "md5").digest()
    body = attribute(80, digest) + body[18:]
    return head + hashlib.md5(head + AUTHENTICATOR + body + SECRET).digest() + body


def decode(*attributes: bytes) -> codec.Reply:
    parsed = codec.parse_packet(packet(*attributes), SECRET)
    assert codec.is_genuine(parsed, 7, AUTHENTICATOR, SECRET)
    reply = codec.decode_reply(parsed, AUTHENTICATOR, SECRET)
    kept = tuple(a for a in reply.attributes if a.name != "Message-Authenticator")
    return codec.Reply(reply.code, kept, reply.faults)


@pytest.mark.parametrize(("name", "tag", "value", "octets"), VALUES)
def test_attribute_octets_give_the_value(name, tag, value, octets):
    reply = decode(wire(name, octets))
    assert reply.attributes == (codec.Attribute(name, tag, value),)
    assert reply.faults == ()


@pytest.mark.parametrize(("name", "tag", "value", "octets"), VALUES)
def test_value_gives_the_attribute_octets(name, tag, value, octets):
    definition = codec.dictionary()[name]
    plain = codec.encode_value(definition, value)
    assert codec.encode_tagged(definition, tag or 0, plain) == octets


@pytest.mark.parametrize(("cipher", "clear"), SALTED)
def test_tunnel_password_of_another_implementation_decrypts_and_encrypts(cipher, clear):
    octets = bytes.fromhex(cipher)
    assert codec.decrypt_salted(octets, AUTHENTICATOR, SECRET) == clear
    ours = codec.encrypt_salted(clear, octets[:2], AUTHENTICATOR, SECRET)
    padding = 15 - len(clear)  # theirs is not zero
    assert (ours[:-padding], len(ours)) == (octets[:-padding], len(octets))


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=239), st.binary(min_size=16, max_size=16), st.binary(min_size=1))
def test_salted_value_of_any_length_survives_and_agrees_with_pyrad(clear, authenticator, secret):
    octets = codec.encrypt_salted(clear, b"\x81\x02", authenticator, secret)
    assert codec.decrypt_salted(octets, authenticator, secret) == clear
    twin = AuthPacket(2, 1, secret, authenticator)
    assert twin.SaltDecrypt(octets) == clear
    twin_octets = twin.SaltCrypt(clear)
    assert codec.decrypt_salted(twin_octets, authenticator, secret) == clear


@pytest.mark.parametrize("clear", [b"", b"x" * 15, b"x" * 16, b"a secret of more than 15 octets"])
def test_tunnel_password_is_read_with_its_tag(clear):
    octets = b"\2" + codec.encrypt_salted(clear, b"\x80\x01", AUTHENTICATOR, SECRET)
    assert decode(wire("Tunnel-Password", octets)).attributes == (
        codec.Attribute("Tunnel-Password", 2, clear),
    )


@pytest.mark.parametrize(
    ("name", "octets", "tag", "reason"),
    [
        ("Tunnel-Type", b"\x20\0\0\3", None, "has the tag 32, which is not within 0 to 31"),
        ("Tunnel-Preference", b"\xff\0\0\3", None, "has the tag 255, which is not within 0 to 31"),
        ("Tunnel-Type", b"\1\0\3", 1, "is not a value of type integer"),
        ("Tunnel-Type", b"", None, "is empty"),
        ("Tunnel-Server-Endpoint", b"\1\xff\xfe", 1, "is not UTF-8"),
        ("Tunnel-Client-Auth-Id", b"\1a\0", 1, "has control characters"),
        ("ERX-Dial-Out-Number", b"55\n", None, "has control characters"),
        ("Framed-IP-Address", b"\1\2\3", None, "is not a value of type ipaddr"),
        ("Session-Timeout", b"", None, "is not a value of type integer"),
        ("Framed-IPv6-Prefix", b"\0\xff", None, "is not a value of type ipv6prefix"),
        (
            "Tunnel-Password",
            b"\1\x80\1" + bytes(15),
            1,
            "cannot be decrypted: salted value has an impossible length",
        ),
        (
            "Tunnel-Password",
            b"\1",
            1,
            "cannot be decrypted: salted value has an impossible length",
        ),
        (
            "Tunnel-Password",
            b"\x85" + bytes(18),
            None,
            "has the tag 133, which is not within 0 to 31",
        ),
    ],
)
def test_attribute_that_cannot_be_read_is_a_fault(name, octets, tag, reason):
    reply = decode(wire(name, octets), wire("Framed-MTU", b"\0\0\5\xdc"))
    assert reply.attributes == (codec.Attribute("Framed-MTU", None, 1500),)
    assert reply.faults == (codec.Fault(name, reason, tag),)


def test_tunnel_password_made_with_another_secret_is_a_fault():
    octets = b"\1" + codec.encrypt_salted(b"pw", b"\x80\1", AUTHENTICATOR, b"another")
    reply = decode(wire("Tunnel-Password", octets))
    assert reply.attributes == ()
    assert "impossible inner length" in reply.faults[0].reason


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\0\0\x13\x0a",
        b"\0\0\x13\x0a\x23",
        b"\0\0\x13\x0a\x23\0",
        b"\0\0\x13\x0a\x23\1",
        b"\0\0\x13\x0a\x23\x09abc",
        b"\0\0\x13\x0a\x23\x03a\x24",
    ],
)
def test_malformed_vendor_attribute_is_a_fault_and_the_others_count(value):
    reply = decode(attribute(26, value), wire("ERX-Dial-Out-Number", b"1"))
    assert reply.faults == (codec.Fault("Vendor-Specific", "is malformed"),)
    assert reply.attributes == (codec.Attribute("ERX-Dial-Out-Number", None, "1"),)


def test_several_vendor_attributes_in_one_are_read():
    inner = attribute(35, b"1") + attribute(36, b"lns")
    reply = decode(attribute(26, struct.pack("!I", 4874) + inner))
    assert [a.value for a in reply.attributes] == ["1", "lns"]


def test_unknown_attributes_and_vendors_are_ignored():
    foreign = attribute(26, struct.pack("!I", 9) + attribute(1, b"x"))
    assert decode(attribute(241, b"\1\2"), foreign) == codec.Reply(2, ())


def test_reply_message_is_made_one_line_whatever_it_holds():
    reply = decode(wire("Reply-Message", b"a\x1b[2Jb\r\n\xff"))
    assert reply.attributes[0].value == "a [2Jb  \ufffd"


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"", 0),
        (bytes(19), 19),
        (struct.pack("!BBH", 2, 1, 19) + bytes(16), 2),
        (struct.pack("!BBH", 2, 1, 21) + bytes(16), 2),
        (struct.pack("!BBH", 2, 1, 4097) + bytes(4093), 2),
        (struct.pack("!BBH", 2, 1, 21) + bytes(16) + b"\1", 20),
        (struct.pack("!BBH", 2, 1, 22) + bytes(16) + b"\1\0", 20),
        (struct.pack("!BBH", 2, 1, 22) + bytes(16) + b"\1\1", 20),
        (struct.pack("!BBH", 2, 1, 23) + bytes(16) + b"\1\4a", 20),
        (struct.pack("!BBH", 2, 1, 25) + bytes(16) + b"\1\4ab\1", 24),
    ],
)
def test_packet_with_impossible_lengths_is_refused(data, offset):
    with pytest.raises(DecodeError) as caught:
        codec.parse_packet(data, SECRET)
    assert caught.value.offset == offset


def test_padding_behind_the_length_is_ignored():
    parsed = codec.parse_packet(packet() + b"padding", SECRET)
    assert codec.is_genuine(parsed, 7, AUTHENTICATOR, SECRET)


def test_request_begins_with_a_right_message_authenticator():
    data = codec.encode_request(9, AUTHENTICATOR, SECRET, [("User-Name", "nemo")])
    assert data[:4] == struct.pack("!BBH", 1, 9, len(data))
    assert data[4:20] == AUTHENTICATOR
    assert data[20:22] == b"\x50\x12"
    zeroed = data[:22] + bytes(16) + data[38:]
    assert data[22:38] == hmac.new(SECRET, zeroed, "md5").digest()
    assert data[38:] == b"\1\6nemo"


def test_user_password_is_hidden():
    """RFC 2865 5.2; the octets are those of the test suite of FreeRADIUS."""
    data = codec.encode_request(9, AUTHENTICATOR, SECRET, [("User-Password", b"bob")])
    assert data[38:] == b"\x02\x12" + bytes.fromhex("f4816bca74fd7a1a104607240014828b")


def test_empty_user_password_is_sixteen_hidden_octets():
    data = codec.encode_request(9, AUTHENTICATOR, SECRET, [("User-Password", b"")])
    assert data[38:] == b"\x02\x12" + hashlib.md5(SECRET + AUTHENTICATOR).digest()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User-Name", ""),
        ("User-Name", "x" * 254),
        ("User-Name", "\udc80"),
        ("User-Password", b"hunter22" * 17),
        ("NAS-IP-Address", "hunter22"),
        ("NAS-IP-Address", "::1"),
        ("Service-Type", -1),
        ("Service-Type", "hunter22"),
        ("Class", b"hunter22" * 32),
    ],
)
def test_value_that_does_not_fit_is_refused_and_not_told(name, value):
    with pytest.raises(LocalProtocolError) as caught:
        codec.encode_request(9, AUTHENTICATOR, SECRET, [(name, value)])
    assert name in str(caught.value)
    assert "hunter22" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_octets_are_never_taken_for_numbers_or_hexadecimal():
    definition = codec.dictionary()["ERX-PPP-Password"]
    for text in ("123", "0x31", "0xzz"):
        assert codec.encode_value(definition, text) == text.encode()


@pytest.mark.parametrize("bit", range(8 * len(packet(wire("Class", b"c")))))
def test_any_flipped_bit_makes_a_reply_false(bit):
    data = bytearray(packet(wire("Class", b"c")))
    data[bit // 8] ^= 1 << bit % 8
    try:
        parsed = codec.parse_packet(bytes(data), SECRET)
    except DecodeError:
        return
    assert not codec.is_genuine(parsed, 7, AUTHENTICATOR, SECRET)


def test_two_message_authenticators_make_a_reply_false():
    body = attribute(80, bytes(16)) + attribute(80, bytes(16))
    head = struct.pack("!BBH", 2, 7, 20 + len(body))
    digest = hmac.new(SECRET, head + AUTHENTICATOR + body, "md5").digest()
    body = attribute(80, digest) + body[18:]
    data = head + hashlib.md5(head + AUTHENTICATOR + body + SECRET).digest() + body
    parsed = codec.parse_packet(data, SECRET)
    assert not codec.is_genuine(parsed, 7, AUTHENTICATOR, SECRET)


def test_proxy_state_that_was_not_sent_makes_a_reply_false():
    parsed = codec.parse_packet(packet(wire("Proxy-State", b"x" * 40)), SECRET)
    assert not codec.is_genuine(parsed, 7, AUTHENTICATOR, SECRET)


def test_values_do_not_show_in_repr():
    secret = codec.Attribute("Tunnel-Password", 1, b"hunter22")
    assert "hunter22" not in repr(secret) + str(secret) + repr(codec.Reply(2, (secret,)))


def test_every_code_of_the_dictionary_is_named_once():
    codes = [(a.vendor, a.code) for a in codec.dictionary().attributes.values()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("key", "code", "tag"),
    [("User-Name", 1, 0), ("Tunnel-Type", 64, 0), ("Tunnel-Type:31", 64, 31)],
)
def test_attribute_is_found_by_name_and_tag(key, code, tag):
    definition, found = codec.find_attribute(key)
    assert (definition.code, found) == (code, tag)


@pytest.mark.parametrize(
    "key", ["", "Nothing", "Tunnel-Type:", "Tunnel-Type:0", "Tunnel-Type:32", "User-Name:1"]
)
def test_attribute_that_does_not_exist_is_refused(key):
    with pytest.raises(LocalProtocolError):
        codec.find_attribute(key)
