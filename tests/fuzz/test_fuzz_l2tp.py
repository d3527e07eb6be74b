"""Any bytes: the L2TP decoder gives a value or DecodeError, an endpoint counts and goes on (threats
T1 to T4). Example counts are small here; the environment variable FUZZ_EXAMPLES raises them."""

from __future__ import annotations

import contextlib
import os
import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from control.errors import DecodeError, RemoteProtocolError
from control.l2tp.avp_table import ROWS, MessageType
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import OutgoingCall, TunnelParameters
from control.l2tp.message import FLAGS, Header, decode, decode_body, encode, join, split, verify

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
LNS, LAC = ("192.0.2.1", 1701), ("192.0.2.2", 1701)
PARAMETERS = TunnelParameters(LNS, LAC, "lns", secret=b"s", require_tunnel_auth=False)

flags = st.sampled_from([0, 0x8000, 0x4000, 0xC000, 0x8400])
attributes = st.sampled_from([int(row.attribute) for row in ROWS] + [20, 40, 99])


@st.composite
def avps(draw: st.DrawFn) -> bytes:
    value = draw(st.binary(max_size=40))
    head = draw(flags) | len(value) + 6
    if draw(st.integers(0, 15)) == 0:
        head = draw(st.integers(0, 65535))
    vendor = draw(st.sampled_from([0, 0, 0, 0, 9]))
    return (
        head.to_bytes(2, "big")
        + vendor.to_bytes(2, "big")
        + draw(attributes).to_bytes(2, "big")
        + value
    )


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([int(kind) for kind in MessageType] + [0, 5, 13, 77]))
    mandatory = draw(st.sampled_from([b"\x80\x08", b"\x80\x08", b"\x00\x08"]))
    first = mandatory + bytes(4) + kind.to_bytes(2, "big")
    return first + b"".join(draw(st.lists(avps(), max_size=6)))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=120) | bodies().map(lambda b: join(Header(1, 2, 3, 4), b)))
def test_decoded_bytes_encode_to_themselves(data: bytes) -> None:
    try:
        message = decode(data, b"secret")
    except DecodeError:
        return
    encoded = encode(message)
    assert encoded[2:] == data[2 : len(encoded)]
    assert encoded[:2] == FLAGS.to_bytes(2, "big")
    assert decode(encoded, b"secret") == message
    with contextlib.suppress(RemoteProtocolError):
        verify(message)


@settings(max_examples=EXAMPLES, deadline=None)
@given(bodies(), st.integers(0, 400), st.integers(1, 255))
def test_one_changed_octet_is_decoded_or_refused(body: bytes, at: int, change: int) -> None:
    changed = bytearray(body)
    changed[at % len(changed)] ^= change
    with contextlib.suppress(DecodeError):
        decode_body(Header(1, 0, 0, 0), bytes(changed), b"secret")


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[str, bytes, int, int, int, float]]:
    step = st.tuples(
        st.sampled_from(["raw", "message", "message", "message", "timer", "valid", "valid"]),
        bodies() | st.binary(max_size=30),
        st.sampled_from([0, 1, 2]),
        st.integers(-1, 3),
        st.integers(0, 13),
        st.sampled_from([0.0, 0.01, 1.0, 20.0]),
    )
    return draw(st.lists(step, max_size=30))


def _valid(number: int) -> bytes:
    """Messages that lead somewhere."""
    start = (
        "8008 0000 0002 0100 800a 0000 0003 00000003 800a 0000 0004 00000003"
        "8009 0000 0007 6c6163 8008 0000 0009 0007"
    )
    texts = [
        "8008 0000 0000 0001" + start,
        "8008 0000 0000 0002" + start,
        "8008 0000 0000 0003",
        "8008 0000 0000 0004 8008 0000 0001 0001 8008 0000 0009 0007",
        "8008 0000 0000 0006",
        "8008 0000 0000 0008 8008 0000 000e 0009",
        "8008 0000 0000 0009 800a 0000 0018 0000fa00 800a 0000 0013 00000001",
        "8008 0000 0000 000a 8008 0000 000e 0009 800a 0000 000f 00000001",
        "8008 0000 0000 000e 8008 0000 0001 0008 8008 0000 000e 0009",
        "8008 0000 0000 0007 8008 0000 000e 0009 800a 0000 000f 00000001 800a 0000 0010 00000001"
        "800a 0000 0011 00000001 800a 0000 0012 00000001 800a 0000 0013 00000001 8007 0000 0015 31",
    ]
    return bytes.fromhex(texts[number % len(texts)])


def _endpoint(role: str) -> Endpoint:
    config = EndpointConfig(
        role=role,
        bearer_capabilities=3,
        accept_tunnels=True,
        incoming={"": replace(PARAMETERS, secret=b"" if role == "lac" else b"s")},
    )
    return Endpoint(config, random.Random(1))


def _drive(endpoint: Endpoint, script: list[tuple[str, bytes, int, int, int, float]]) -> None:
    now = 0.0
    if endpoint.config.role == "lns":
        endpoint.place_call(PARAMETERS, OutgoingCall("1"), now, call_patience=5.0)
    expected: dict[int, int] = {}
    for kind, body, session, ahead, number, wait in script:
        now += wait
        tunnels = endpoint.tunnels()
        tunnel = tunnels[number % len(tunnels)].tunnel if tunnels and number else 0
        calls = [call.session for call in endpoint.calls()]
        header = Header(
            tunnel,
            calls[0] if calls and session else session,
            (expected.get(tunnel, 0) + max(ahead - 1, 0)) % 65536,
            min(number, 3),
        )
        if kind == "raw":
            endpoint.receive_datagram(body, LNS, LAC, now)
        elif kind == "timer":
            endpoint.handle_timer(now)
        else:
            content = _valid(number) if kind == "valid" else body
            endpoint.receive_datagram(join(header, content), LNS, LAC, now)
        for datagram in endpoint.datagrams_to_send():
            ours, _ = split(datagram.data)
            expected[tunnel] = ours.nr
        while (event := endpoint.next_event()) is not None:
            if type(event).__name__ == "CallRequested":
                endpoint.accept_call(event.call, now)
                endpoint.connect_call(event.call, now)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(["lns", "lac"]), scripts())
def test_endpoint_survives_any_conversation_and_ends_it(
    role: str, script: list[tuple[str, bytes, int, int, int, float]]
) -> None:
    endpoint = _endpoint(role)
    _drive(endpoint, script)
    now = 10_000.0
    endpoint.shutdown(now)
    for _ in range(400):
        when = endpoint.get_timer()
        if when is None:
            break
        now = max(now, when)
        endpoint.handle_timer(now)
        endpoint.datagrams_to_send()
    # Nothing hangs: every tunnel and call is gone after the last retransmission.
    assert endpoint.get_timer() is None
    assert endpoint.tunnels() == []
    assert endpoint.calls() == []
