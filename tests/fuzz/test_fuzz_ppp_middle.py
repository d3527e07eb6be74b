"""Two honest links and somebody between them who reads, drops, repeats, changes and invents frames,
but knows no secret."""

from __future__ import annotations

import hashlib
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from control.errors import DecodeError
from control.ppp import chap, mschap_proof
from control.ppp.config import LinkConfig
from control.ppp.events import (
    AuthenticationRequested,
    Ipv6Opened,
    LinkClosed,
    NetworkOpened,
    PeerAuthenticated,
)
from control.ppp.frame import Packet, decode_frame, decode_packet, encode_frame
from control.ppp.link import Link

PAP, CHAP = 0xC023, 0xC223
PROTOCOLS = (0xC021, 0x8021, 0x8057, PAP, CHAP)
SECRETS = (b"left-secret", b"right-secret")
NAMES = ("left", "right")


class End:
    """A link whose owner knows the other's secret, and what it must never do."""

    def __init__(self, index: int, method: str) -> None:
        self.index = index
        self.method = method
        self.config = LinkConfig(
            authenticate_peer=(method,),
            answer_protocols=(method,),
            username=NAMES[index],
            password=SECRETS[index],
            local_address=f"10.0.0.{index + 1}",
            ipv6=True,
            rechallenge_interval=20.0,
        )
        self.link = Link(self.config, Random(index))
        self.issued: list[bytes] = []
        self.accepted = False
        self.proved = False
        self.closed = False

    def drain(self, now: float) -> list[bytes]:
        while (event := self.link.next_event()) is not None:
            assert not self.closed
            match event:
                case AuthenticationRequested():
                    self.judge(event, now)
                case PeerAuthenticated():
                    assert self.accepted
                    self.proved = True
                case NetworkOpened() | Ipv6Opened():
                    assert self.proved
                case LinkClosed():
                    self.closed = True
                case _:
                    pass
        frames = self.link.frames_to_send()
        for data in frames:
            self.check(data)
        return frames

    def judge(self, event: AuthenticationRequested, now: float) -> None:
        assert event.protocol == self.method, "nobody is talked down"
        secret = SECRETS[1 - self.index]
        message = ""
        if event.protocol == "mschapv2":
            name = event.username.encode("utf-8", "replace")
            message = mschap_proof.verify(name, secret, event.chap_challenge, event.chap_response)
            good = bool(message)
        else:
            good = chap.verify(
                event.chap_identifier, secret, event.chap_challenge, event.chap_response
            )
        self.accepted = self.accepted or good
        self.link.authentication_result(event.request, good, now, message=message)

    def check(self, data: bytes) -> None:
        frame = decode_frame(data)
        packet = decode_packet(frame.information)
        assert frame.protocol != PAP
        assert self.config.password not in data
        if frame.protocol == CHAP and packet.code == 1:
            self.issued.append(chap.decode_value(packet.data).value)
        elif frame.protocol == CHAP and packet.code == 2 and self.method == "chap":
            value = chap.decode_value(packet.data).value
            for challenge in self.issued:
                octets = bytes((packet.identifier,)) + self.config.password + challenge
                assert hashlib.md5(octets).digest() != value, "answered its own Challenge"


class MiddleMachine(RuleBasedStateMachine):
    @initialize(method=st.sampled_from(("chap", "mschapv2")))
    def start(self, method: str) -> None:
        self.now = 0.0
        self.ends = (End(0, method), End(1, method))
        self.flying: list[tuple[int, bytes]] = []
        self.seen: list[bytes] = []
        for end in self.ends:
            end.link.open(self.now)
        self.collect()

    def collect(self) -> None:
        for end in self.ends:
            for frame in end.drain(self.now):
                self.flying.append((1 - end.index, frame))
                self.seen = [*self.seen[-63:], frame]
        del self.flying[:-64]

    def give(self, to: int, frame: bytes) -> None:
        self.ends[to].link.receive_frame(frame, self.now)
        self.collect()

    @rule(count=st.integers(1, 12))
    def let_pass(self, count: int) -> None:
        for _ in range(min(count, len(self.flying))):
            self.give(*self.flying.pop(0))

    @rule()
    def drop(self) -> None:
        del self.flying[:1]

    @rule(to=st.integers(0, 1), which=st.integers(0, 63))
    def repeat_to_either(self, to: int, which: int) -> None:
        if self.seen:
            self.give(to, self.seen[which % len(self.seen)])

    @rule(which=st.integers(0, 63), at=st.integers(0, 63), octet=st.integers(0, 255))
    def change(self, which: int, at: int, octet: int) -> None:
        if self.flying:
            to, frame = self.flying[which % len(self.flying)]
            changed = bytearray(frame)
            changed[at % len(changed)] = octet
            self.flying[which % len(self.flying)] = (to, bytes(changed))

    @rule(which=st.integers(0, 63), code=st.integers(1, 13), to=st.integers(0, 1))
    def turn_into_another_code(self, which: int, code: int, to: int) -> None:
        if not self.seen:
            return
        frame = decode_frame(self.seen[which % len(self.seen)])
        try:
            packet = decode_packet(frame.information)
        except DecodeError:
            return
        forged = Packet(code, packet.identifier, packet.data)
        self.give(to, encode_frame(frame.protocol, forged.encode()))

    @rule(
        to=st.integers(0, 1),
        protocol=st.sampled_from(PROTOCOLS),
        code=st.integers(0, 13),
        identifier=st.integers(0, 4),
        data=st.binary(max_size=50),
    )
    def invent(self, to: int, protocol: int, code: int, identifier: int, data: bytes) -> None:
        self.give(to, encode_frame(protocol, Packet(code, identifier, data).encode()))

    @rule(seconds=st.floats(0.1, 30.0))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.next_timer()) is not None and due <= until:
            self.now = max(self.now, due)
            for end in self.ends:
                end.link.handle_timer(self.now)
            self.collect()
        self.now = until

    def next_timer(self) -> float | None:
        timers = [end.link.get_timer() for end in self.ends]
        return min((timer for timer in timers if timer is not None), default=None)

    @invariant()
    def nothing_is_kept_without_bound(self) -> None:
        if hasattr(self, "ends"):
            for end in self.ends:
                assert len(end.link._authentication._challenges) <= chap.REMEMBERED
                assert len(end.link._frames) == 0

    def teardown(self) -> None:
        if hasattr(self, "ends"):
            for end in self.ends:
                end.link.lower_down(self.now)
                end.drain(self.now)
                assert end.closed


def test_somebody_in_the_middle_gains_nothing() -> None:
    run_state_machine_as_test(
        MiddleMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
        ),
    )


def test_a_middleman_that_only_carries_frames_sees_both_networks_open() -> None:
    for method in ("chap", "mschapv2"):
        machine = MiddleMachine()
        machine.start(method)
        for _ in range(40):
            machine.let_pass(12)
        assert all(end.link.local_address for end in machine.ends)
        assert all(end.proved for end in machine.ends)
        machine.time_passes(100.0)
        machine.teardown()
