"""A PPP link against whatever a peer may do: it never raises, never answers more than it was asked,
and ends by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from control.ppp.config import LinkConfig
from control.ppp.events import (
    AuthenticationRequested,
    Event,
    Ipv6Closed,
    Ipv6Opened,
    LinkClosed,
    NetworkClosed,
    NetworkOpened,
)
from control.ppp.frame import Packet, decode_frame, decode_packet, encode_frame
from control.ppp.link import Link
from control.ppp.phase import Phase

LCP, IPCP, IPV6CP, PAP, CHAP = 0xC021, 0x8021, 0x8057, 0xC023, 0xC223
PROTOCOLS = (LCP, IPCP, IPV6CP, PAP, CHAP)
MOST_FRAMES = 5
"""Frames that one input may cause: three of LCP, one Challenge and one claim."""

CONFIGS = [
    LinkConfig(
        authenticate_peer=demand,
        answer_protocols=answer,
        username="us",
        password=b"secret",
        local_address=local,
        want_acfc=acfc,
        want_pfc=acfc,
        dns=("8.8.8.8",),
        nbns=("8.8.4.4",),
        ipv6=acfc,
        identification="us" if acfc else "",
        rechallenge_interval=30.0 if acfc else 0.0,
    )
    for demand in ((), ("chap", "pap"), ("pap",), ("mschapv2", "chap"))
    for answer in ((), ("chap", "pap"), ("mschapv2", "chap", "pap"))
    for local in ("10.0.0.1", "")
    for acfc in (False, True)
]

SOUND = [config for config in CONFIGS if config.answer_protocols]
"""Those that can agree with each other, once one end has addresses for both."""


class Watched:
    """A link whose every output is checked."""

    def __init__(self, config: LinkConfig, seed: int) -> None:
        self.link = Link(config, Random(seed))
        self.network = False
        self.ipv6 = False
        self.networks = 0
        self.closed = False
        self.requests: list[int] = []
        self.sent: list[bytes] = []

    def drain(self, inputs: int = 1) -> list[bytes]:
        frames = self.link.frames_to_send()
        assert len(frames) <= MOST_FRAMES * inputs
        for frame in frames:
            decode_packet(decode_frame(frame).information)
            assert len(frame) <= 1504
        while (event := self.link.next_event()) is not None:
            self.watch(event)
        assert self.closed == (self.link.phase is Phase.DEAD)
        self.sent = (self.sent + frames)[-20:]
        return frames

    def watch(self, event: Event) -> None:
        assert not self.closed
        if isinstance(event, AuthenticationRequested):
            self.requests.append(event.request)
        elif isinstance(event, NetworkOpened):
            assert not self.network
            self.network = True
            self.networks += 1
        elif isinstance(event, NetworkClosed):
            assert self.network
            self.network = False
        elif isinstance(event, Ipv6Opened):
            assert not self.ipv6
            assert "0:0:0:0" not in (event.local_identifier, event.peer_identifier)
            assert event.local_identifier != event.peer_identifier
            self.ipv6 = True
        elif isinstance(event, Ipv6Closed):
            assert self.ipv6
            self.ipv6 = False
        elif isinstance(event, LinkClosed):
            assert not self.network
            assert not self.ipv6
            self.closed = True


def replies(frames: list[bytes], code: int) -> Iterator[bytes]:
    """The frames that answer requests among `frames` with this code, data copied."""
    for data in frames:
        frame = decode_frame(data)
        packet = decode_packet(frame.information)
        if packet.code in (1, 5, 9):
            yield encode_frame(
                frame.protocol, Packet(code, packet.identifier, packet.data).encode()
            )


options = st.builds(
    lambda kind, value: bytes((kind, 2 + len(value))) + value,
    st.sampled_from((0, 1, 2, 3, 4, 5, 7, 8, 13, 17, 129, 130, 131)),
    st.one_of(
        st.sampled_from(
            (
                b"",
                b"\xc0\x23",
                b"\xc2\x23\x05",
                b"\xc2\x23\x81",
                bytes(8),
                b"\x05\xb4",
                b"\x0a\x01\x01\x01",
            )
        ),
        st.binary(max_size=6),
    ),
)
datas = st.one_of(st.binary(max_size=40), st.lists(options, max_size=4).map(b"".join))


class PeerMachine(RuleBasedStateMachine):
    @initialize(config=st.sampled_from(CONFIGS), seed=st.integers(0, 9))
    def start(self, config: LinkConfig, seed: int) -> None:
        self.now = 0.0
        self.end = Watched(config, seed)
        self.end.link.open(self.now)
        self.end.drain()

    @rule(data=st.binary(max_size=60))
    def noise(self, data: bytes) -> None:
        self.end.link.receive_frame(data, self.now)

    @rule(
        protocol=st.sampled_from((*PROTOCOLS, 0x0021, 0x0057, 0xC227)),
        code=st.integers(0, 14),
        identifier=st.integers(0, 4),
        data=datas,
    )
    def packet(self, protocol: int, code: int, identifier: int, data: bytes) -> None:
        frame = encode_frame(protocol, Packet(code, identifier, data).encode())
        self.end.link.receive_frame(frame, self.now)

    @rule(code=st.sampled_from((2, 2, 2, 3, 4, 6, 10)))
    def reply(self, code: int) -> None:
        for frame in replies(self.end.sent, code):
            self.end.link.receive_frame(frame, self.now)
            self.end.drain()

    @rule(options=st.sampled_from((b"", b"\x03\x05\xc2\x23\x05", b"\x03\x06\x0a\x02\x02\x02")))
    def honest_request(self, options: bytes) -> None:
        for protocol in (LCP, IPCP, IPV6CP):
            frame = encode_frame(protocol, Packet(1, 1, options).encode())
            self.end.link.receive_frame(frame, self.now)
            self.end.drain()

    @rule()
    def loop_back(self) -> None:
        for frame in self.end.sent:
            self.end.link.receive_frame(frame, self.now)
            self.end.drain()

    @precondition(lambda self: self.end.requests)
    @rule(
        accepted=st.booleans(),
        address=st.sampled_from(("", "10.2.2.2")),
        ipv6=st.sampled_from("n1"),
    )
    def decide(self, accepted: bool, address: str, ipv6: str) -> None:
        request = self.end.requests[-1]
        self.end.link.authentication_result(
            request,
            accepted,
            self.now,
            peer_address=address,
            ipv6=ipv6 == "1",
            peer_identifier="0:0:0:7" if ipv6 == "1" else "",
        )

    @rule(seconds=st.floats(0.0, 40.0))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while (timer := self.end.link.get_timer()) is not None and timer <= until:
            self.now = max(self.now, timer)
            self.end.link.handle_timer(self.now)
            self.end.drain()
            after = self.end.link.get_timer()
            assert after is None or after > self.now
        self.now = until

    @rule(chance=st.integers(0, 20))
    def owner_ends_it(self, chance: int) -> None:
        if chance == 0:
            self.end.link.lower_down(self.now)
            assert self.end.link.frames_to_send() == []
        elif chance == 1:
            self.end.link.close(self.now, "enough")

    @invariant()
    def output_is_sound(self) -> None:
        if hasattr(self, "end"):
            self.end.drain()

    def teardown(self) -> None:
        if hasattr(self, "end"):
            self.end.link.close(self.now)
            self.end.drain()
            self.time_passes(7.0)
            assert self.end.closed


TestPeerMachine = PeerMachine.TestCase
TestPeerMachine.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def mutate(frame: bytes, rng: Random) -> list[bytes]:
    """What becomes of a frame of an odd peer."""
    octets = bytearray(frame)
    match rng.randrange(8):
        case 0:
            return []
        case 1:
            return [frame] * rng.randrange(2, 5)
        case 2:
            octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)
        case 3:
            del octets[rng.randrange(len(octets)) :]
        case 4:
            octets += rng.randbytes(rng.randrange(1, 10))
        case 5:
            octets[4 % len(octets)] = rng.randrange(14)
        case 6:
            at = rng.randrange(len(octets))
            octets[at : at + 2] = rng.randbytes(2)
        case _:
            return [frame, rng.randbytes(rng.randrange(30))]
    return [bytes(octets)]


def play_odd_peer(seed: int) -> Watched:
    """Our link against one that speaks PPP but spoils a part of its frames."""
    rng = Random(seed)
    odd = rng.choice((0.02, 0.1, 0.3, 0.8))
    choice = SOUND if rng.random() < 0.8 else CONFIGS
    mine = replace(rng.choice(choice), local_address="10.0.0.1", peer_address="10.2.2.2")
    ours, theirs = Watched(mine, seed), Watched(rng.choice(choice), seed + 1)
    now = 0.0
    flying: list[tuple[bool, bytes]] = []
    for end in (ours, theirs):
        end.link.open(now)
    for _ in range(400):
        for end in (ours, theirs):
            for frame in end.drain(inputs=3):
                spoiled = end is theirs and rng.random() < odd
                frames = mutate(frame, rng) if spoiled else [frame]
                flying += [(end is theirs, data) for data in frames]
            for request in end.requests:
                end.link.authentication_result(request, rng.random() < 0.9, now)
            end.requests.clear()
        if flying:
            to_us, data = flying.pop(0 if rng.random() < 0.8 else -1)
            (ours if to_us else theirs).link.receive_frame(data, now)
            now += 0.01
        else:
            now += 1.0
        for end in (ours, theirs):
            end.link.handle_timer(now)
    ours.drain(inputs=3)
    ours.link.lower_down(now)
    ours.drain()
    assert ours.closed
    return ours


@pytest.mark.parametrize("block", range(4))
def test_odd_peers_are_survived(block: int) -> None:
    reached = [play_odd_peer(seed) for seed in range(block * 25, block * 25 + 25)]
    assert sum(end.networks > 0 for end in reached) >= 5


STAGES = ("starting", "negotiating", "opened", "network", "terminating")


def stage_of(name: str) -> Watched:
    end = Watched(CONFIGS[0], 1)
    if name == "starting":
        return end
    end.link.open(0.0)
    if name == "negotiating":
        end.drain()
        return end
    for protocol in (LCP, IPCP) if name != "opened" else (LCP,):
        for frame in replies(end.drain(), 2):
            end.link.receive_frame(frame, 0.0)
        options = b"\x03\x06\x0a\x02\x02\x02" if protocol == IPCP else b""
        end.link.receive_frame(encode_frame(protocol, Packet(1, 1, options).encode()), 0.0)
    end.drain()
    assert end.link.phase is Phase.NETWORK
    if name == "terminating":
        end.link.close(0.0)
        end.drain()
    return end


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=["lcp", "ipcp", "ipv6cp", "pap", "chap"])
def test_every_code_with_every_length_is_survived(protocol: int, stage: str) -> None:
    for code in range(16):
        end = stage_of(stage)
        for length in range(65):
            for fill in (b"\x00", b"\x02\x02", b"\xff"):
                data = (fill * 65)[:length]
                frame = encode_frame(protocol, Packet(code, 1, data).encode())
                end.link.receive_frame(frame, 0.0)
                frames = end.link.frames_to_send()
                assert len(frames) <= MOST_FRAMES
                assert sum(map(len, frames)) <= len(frame) + 200


def test_peer_of_ten_thousand_inputs_gets_a_bounded_answer() -> None:
    rng = Random(3)
    end = Watched(CONFIGS[1], 1)
    end.link.open(0.0)
    total = 0
    for _ in range(10_000):
        data = rng.randbytes(rng.randrange(24))
        packet = Packet(rng.randrange(14), rng.randrange(3), data)
        end.link.receive_frame(encode_frame(rng.choice(PROTOCOLS), packet.encode()), 1.0)
        total += len(end.link.frames_to_send())
    assert total <= 300
